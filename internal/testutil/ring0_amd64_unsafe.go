//go:build linux && amd64

package testutil

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
	"golang.org/x/sys/unix"
)

// The guest of the probe: 2 MiB from address 0, mapped onto themselves.
const (
	probeMemory  = 2 << 20
	probePML4    = 0x1000
	probePDPT    = 0x2000
	probePD      = 0x3000
	probeCode    = 0x8000
	probeOperand = 0x9000
)

// probeRing0 runs one instruction in 64-bit guest ring 0 that Linux uses early
// and that KVM's instruction emulator does not know. A module that emulates
// ring 0, as software-only ones do, ends with KVM_EXIT_INTERNAL_ERROR; hardware
// just does it. The guest can't loop, so the probe ends.
//
// This is deliberately not the monitor's own probe: tests of the monitor are
// not to be placed by the code that they test.
func probeRing0() (err error) {
	dev, err := unix.Open("/dev/kvm", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/kvm: %w", err)
	}
	defer unix.Close(dev)
	vm, err := kvm.CreateVM(uintptr(dev))
	if err != nil {
		return fmt.Errorf("KVM_CREATE_VM: %w", err)
	}
	defer unix.Close(int(vm))
	mem, err := unix.Mmap(-1, 0, probeMemory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("guest memory: %w", err)
	}
	defer unix.Munmap(mem)
	put := binary.LittleEndian.PutUint64
	put(mem[probePML4:], probePDPT|0x3) // present, writable
	put(mem[probePDPT:], probePD|0x3)
	put(mem[probePD:], 0|0x83) // a 2 MiB page
	copy(mem[probeCode:], []byte{0xf0, 0x48, 0x0f, 0xc7, 0x0f /* lock cmpxchg16b [rdi] */, 0xf4 /* hlt */})
	region := kvm.UserspaceMemoryRegion{MemorySize: probeMemory, UserspaceAddr: uint64(uintptr(unsafe.Pointer(&mem[0])))}
	if err := kvm.SetUserMemoryRegion(vm, &region); err != nil {
		return fmt.Errorf("KVM_SET_USER_MEMORY_REGION: %w", err)
	}
	vcpu, err := kvm.CreateVCPU(vm, 0)
	if err != nil {
		return fmt.Errorf("KVM_CREATE_VCPU: %w", err)
	}
	defer unix.Close(int(vcpu))
	size, err := kvm.GetVCPUMMmapSize(uintptr(dev))
	if err != nil {
		return fmt.Errorf("KVM_GET_VCPU_MMAP_SIZE: %w", err)
	}
	run, err := unix.Mmap(int(vcpu), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("kvm_run: %w", err)
	}
	defer unix.Munmap(run)
	if err := enterLongMode(vcpu); err != nil {
		return err
	}
	// A signal, such as those by which Go's runtime preempts, ends KVM_RUN with EINTR,
	// which gokvm doesn't tell; the exit reason does.
	const exitHLT, exitIntr = 5, 10 // KVM_EXIT_HLT, KVM_EXIT_INTR
	reason := uint32(exitIntr)
	for reason == exitIntr {
		if err := kvm.Run(vcpu); err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("KVM_RUN: %w", err)
		}
		reason = (*kvm.RunData)(unsafe.Pointer(&run[0])).ExitReason
	}
	low, high := binary.LittleEndian.Uint64(mem[probeOperand:]), binary.LittleEndian.Uint64(mem[probeOperand+8:])
	if reason != exitHLT || low != probeLow || high != probeHigh {
		return fmt.Errorf("this KVM does not run guest ring 0 natively: cmpxchg16b ended in exit %d", reason)
	}
	return nil
}

// What cmpxchg16b stores when it works.
const probeLow, probeHigh = 0x1122334455667788, 0x99aabbccddeeff00

// enterLongMode sets the vCPU to the probe's code in 64-bit ring 0.
func enterLongMode(vcpu uintptr) error {
	sregs, err := kvm.GetSregs(vcpu)
	if err != nil {
		return fmt.Errorf("KVM_GET_SREGS: %w", err)
	}
	sregs.CR3 = probePML4
	sregs.CR4 = 1 << 5           // PAE
	sregs.CR0 = 1<<31 | 1<<4 | 1 // PG, ET, PE
	sregs.EFER = 1<<10 | 1<<8    // LMA, LME
	sregs.CS = kvm.Segment{Limit: 0xffffffff, Selector: 8, Typ: 11, Present: 1, S: 1, L: 1, G: 1}
	data := kvm.Segment{Limit: 0xffffffff, Selector: 16, Typ: 3, Present: 1, S: 1, DB: 1, G: 1}
	sregs.DS, sregs.ES, sregs.FS, sregs.GS, sregs.SS = data, data, data, data, data
	if err := kvm.SetSregs(vcpu, sregs); err != nil {
		return fmt.Errorf("KVM_SET_SREGS: %w", err)
	}
	// RDX:RAX is compared (both 0, as is the memory), RCX:RBX is stored.
	regs := kvm.Regs{RIP: probeCode, RDI: probeOperand, RBX: probeLow, RCX: probeHigh, RFLAGS: 2}
	if err := kvm.SetRegs(vcpu, &regs); err != nil {
		return fmt.Errorf("KVM_SET_REGS: %w", err)
	}
	return nil
}
