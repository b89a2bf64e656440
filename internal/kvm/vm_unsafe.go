package kvm

import (
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
)

// VM is a virtual machine.
type VM struct {
	*file
	runSize int // of the area that each vCPU shares with the kernel
}

// SetMemory makes memory of this process the guest's RAM from guest-physical address
// gpa on. Each range has a slot of its own. The memory must stay mapped until the VM is
// closed.
func (vm *VM) SetMemory(slot uint32, gpa uint64, mem []byte) error {
	r := &kvm.UserspaceMemoryRegion{
		Slot:          slot,
		GuestPhysAddr: gpa,
		MemorySize:    uint64(len(mem)),
		UserspaceAddr: address(mem),
	}

	return ioctl(vm.file, "KVM_SET_USER_MEMORY_REGION", kvm.IIOW(nrSetUserMemoryRegion, unsafe.Sizeof(*r)), r)
}

// irqLevel is struct kvm_irq_level.
type irqLevel struct {
	gsi, level uint32
}

// IRQLine sets the level of an interrupt line. On arm64 that is a shared peripheral
// interrupt, counted from 0.
func (vm *VM) IRQLine(gsi uint32, level bool) error {
	l := &irqLevel{gsi: irqNumber(gsi)}
	if level {
		l.level = 1
	}

	return ioctl(vm.file, "KVM_IRQ_LINE", kvm.IIOW(nrIRQLine, unsafe.Sizeof(*l)), l)
}
