package kvm

import (
	"os"
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
	"golang.org/x/sys/unix"
)

// VM is a virtual machine.
type VM struct {
	*file
	runSize int // of the area that each vCPU shares with the kernel
}

// SetMemory makes memory of this process the guest's RAM from guest-physical address
// gpa on. Each range has a slot of its own. The memory must stay mapped until the VM is
// closed, or no memory is made the slot's.
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
// interrupt, counted from 0. It is all that a running guest has a device ask of KVM, so it
// enters the kernel by itself: syscall is for those, too, that no slot is before, and
// couldn't be patched for this one. Nor does it allocate.
func (vm *VM) IRQLine(gsi uint32, level bool) error {
	const name = "KVM_IRQ_LINE"

	l := irqLevel{gsi: irqNumber(gsi)}
	if level {
		l.level = 1
	}

	vm.mu.RLock()
	defer vm.mu.RUnlock()

	fd := vm.fd.Load()
	if fd < 0 {
		return &Error{name, os.ErrClosed}
	}

	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), kvm.IIOW(nrIRQLine, unsafe.Sizeof(l)), uintptr(unsafe.Pointer(&l)))

		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return &Error{name, errno}
		}
	}
}
