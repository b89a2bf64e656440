package kvm

import (
	"fmt"
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
)

// Regs reads the general registers.
func (c *VCPU) Regs() (Regs, error) {
	var r Regs

	err := ioctl(c.file, "KVM_GET_REGS", kvm.IIOR(nrGetRegs, unsafe.Sizeof(r)), &r)

	return r, err
}

// SetRegs writes the general registers.
func (c *VCPU) SetRegs(r *Regs) error {
	return ioctl(c.file, "KVM_SET_REGS", kvm.IIOW(nrSetRegs, unsafe.Sizeof(*r)), r)
}

// Sregs reads the segment and control registers.
func (c *VCPU) Sregs() (Sregs, error) {
	var s Sregs

	err := ioctl(c.file, "KVM_GET_SREGS", kvm.IIOR(nrGetSregs, unsafe.Sizeof(s)), &s)

	return s, err
}

// SetSregs writes the segment and control registers.
func (c *VCPU) SetSregs(s *Sregs) error {
	return ioctl(c.file, "KVM_SET_SREGS", kvm.IIOW(nrSetSregs, unsafe.Sizeof(*s)), s)
}

// SetCPUID says what the guest's CPUID instruction shows.
func (c *VCPU) SetCPUID(entries []CPUIDEntry) error {
	if len(entries) > maxCPUID {
		return fmt.Errorf("%d CPUID entries are more than %d", len(entries), maxCPUID)
	}

	t := &cpuidTable{n: uint32(len(entries))}
	copy(t.entries[:], entries)

	return ioctl(c.file, "KVM_SET_CPUID2", kvm.IIOW(nrSetCPUID2, cpuidHead), t)
}

// maxMSRs is how many registers one SetMSRs takes.
const maxMSRs = 32

// msrTable is struct kvm_msrs with room for maxMSRs entries.
type msrTable struct {
	n, _    uint32
	entries [maxMSRs]MSREntry
}

// SetMSRs writes model-specific registers, and says how many of them the host took,
// in order.
func (c *VCPU) SetMSRs(entries ...MSREntry) (int, error) {
	if len(entries) > maxMSRs {
		return 0, fmt.Errorf("%d MSRs are more than %d", len(entries), maxMSRs)
	}

	t := &msrTable{}
	t.n = uint32(copy(t.entries[:], entries))

	n, err := c.syscall("KVM_SET_MSRS", kvm.IIOW(nrSetMSRs, unsafe.Offsetof(t.entries)), uintptr(unsafe.Pointer(t)))

	return int(n), err
}

// fpu is struct kvm_fpu: what FXSAVE stores, rearranged.
type fpu struct {
	fpr        [8][16]uint8
	fcw, fsw   uint16
	ftwx, _    uint8
	lastOpcode uint16
	lastIP     uint64
	lastDP     uint64
	xmm        [16][16]uint8
	mxcsr      uint32
	_          uint32
}

// ResetFPU gives the FPU and SSE unit the state that 64-bit code expects: FINIT's
// control word and all exceptions masked.
func (c *VCPU) ResetFPU() error {
	f := &fpu{fcw: 0x37f, mxcsr: 0x1f80}

	return ioctl(c.file, "KVM_SET_FPU", kvm.IIOW(nrSetFPU, unsafe.Sizeof(*f)), f)
}
