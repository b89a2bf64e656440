package vmm

import (
	"errors"
	"runtime"

	"github.com/vgraft/vgraft/internal/boot"
	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/internal/layout"
)

func probe(sys *kvm.System) (h Host, err error) {
	if h.Missing, err = missing(sys); err != nil {
		return h, err
	}

	if h.CPUs, err = hostCPUs(sys); err != nil {
		return h, err
	}

	h.NativeRing0, err = nativeRing0(sys)

	return h, err
}

// ring0Test is code that every processor runs and no instruction emulator does
// completely: a 16-byte compare and exchange, then a halt.
//
//	lock cmpxchg16b [rdi]
//	hlt
var ring0Test = []byte{0xf0, 0x48, 0x0f, 0xc7, 0x0f, 0xf4}

// nativeRing0 runs ring0Test in ring 0. Where ring 0 is native the guest gets to the
// halt; an emulator gives up before.
func nativeRing0(sys *kvm.System) (_ bool, err error) {
	mem, err := guestmem.New(2*layout.HighRAM, guestmem.Range{Base: layout.HoleStart, Size: layout.HoleEnd - layout.HoleStart})
	if err != nil {
		return false, err
	}

	defer func() { err = errors.Join(err, mem.Close()) }()

	vm, err := sys.CreateVM()
	if err != nil {
		return false, err
	}

	defer func() { err = errors.Join(err, vm.Close()) }()

	for i, r := range mem.Regions() {
		if err := vm.SetMemory(uint32(i), r.Base, r.Bytes); err != nil {
			return false, err
		}
	}

	tables, err := boot.NewPageTables(mem, layout.PageTable, layout.PageTableSize)
	if err != nil {
		return false, err
	}

	if err := tables.Map(0, 0, 2*layout.HighRAM, boot.MapOpts{Write: true, Exec: true}); err != nil {
		return false, err
	}

	if _, err := mem.WriteAt(ring0Test, layout.HighRAM); err != nil {
		return false, err
	}

	return reachesHalt(sys, vm, &Start{Mode: Long64, PC: layout.HighRAM, DI: layout.HighRAM + guestmem.PageSize, PageTable: tables.Root()})
}

// reachesHalt runs a guest without interrupt controllers, in which a halt comes out to us.
func reachesHalt(sys *kvm.System, vm *kvm.VM, start *Start) (_ bool, err error) {
	// Signals that Go's runtime sends to the thread break the run off; then again.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	v, err := vm.CreateVCPU(0)
	if err != nil {
		return false, err
	}

	defer func() { err = errors.Join(err, v.Close()) }()

	supported, err := sys.SupportedCPUID()
	if err != nil {
		return false, err
	}

	if err := v.SetCPUID(supported); err != nil {
		return false, err
	}

	if err := (&vcpu{kvm: v}).setRegisters(start); err != nil {
		return false, err
	}

	for {
		switch reason, err := v.Run(); {
		case errors.Is(err, kvm.ErrInterrupted):
		case err != nil:
			return false, err
		default:
			return reason == kvm.ExitHLT, nil
		}
	}
}
