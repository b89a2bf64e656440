package kvm

import (
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
)

// SetTSSAddr gives KVM three pages below 4 GiB that Intel hosts need.
func (vm *VM) SetTSSAddr(gpa uint64) error {
	_, err := vm.call("KVM_SET_TSS_ADDR", kvm.IIO(nrSetTSSAddr), uintptr(gpa))

	return err
}

// SetIdentityMapAddr gives KVM one page below 4 GiB that Intel hosts need.
func (vm *VM) SetIdentityMapAddr(gpa uint64) error {
	return ioctl(vm.file, "KVM_SET_IDENTITY_MAP_ADDR", kvm.IIOW(nrSetIdentityMapAddr, unsafe.Sizeof(gpa)), &gpa)
}

// CreateIRQChip makes the in-kernel PIC, I/O APIC and, for each vCPU made after it,
// local APIC.
func (vm *VM) CreateIRQChip() error {
	_, err := vm.call("KVM_CREATE_IRQCHIP", kvm.IIO(nrCreateIRQChip), 0)

	return err
}

// pitConfig is struct kvm_pit_config.
type pitConfig struct {
	flags uint32
	_     [15]uint32
}

// CreatePIT makes the in-kernel interval timer, its speaker port included.
func (vm *VM) CreatePIT() error {
	c := &pitConfig{flags: 1} // KVM_PIT_SPEAKER_DUMMY

	return ioctl(vm.file, "KVM_CREATE_PIT2", kvm.IIOW(nrCreatePIT2, unsafe.Sizeof(*c)), c)
}

// maxCPUID is how many entries we take: over twice what any host has today.
const maxCPUID = 256

// cpuidTable is struct kvm_cpuid2 with room for maxCPUID entries.
type cpuidTable struct {
	n, _    uint32
	entries [maxCPUID]CPUIDEntry
}

// The size that the ioctl number carries is that of the head alone.
const cpuidHead = unsafe.Offsetof(cpuidTable{}.entries)

// SupportedCPUID gives the CPUID leaves that this host can show a guest.
func (s *System) SupportedCPUID() ([]CPUIDEntry, error) {
	t := &cpuidTable{n: maxCPUID}
	if err := ioctl(s.file, "KVM_GET_SUPPORTED_CPUID", kvm.IIOWR(nrGetSupportedCPUID, cpuidHead), t); err != nil {
		return nil, err
	}

	return t.entries[:min(t.n, maxCPUID)], nil
}
