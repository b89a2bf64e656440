package vmm

import (
	"context"
	"fmt"

	"github.com/vgraft/vgraft/internal/boot"
	"github.com/vgraft/vgraft/internal/layout"
)

// Flat runs raw machine code: 64-bit, position-independent, in ring 3, on every vCPU.
// It is for sandboxes, tests and demonstrations, and the one kind of guest that runs at
// full speed on hosts whose KVM emulates ring 0.
//
// The code is at FlatBase and entered at its first byte, with the number of the vCPU
// in RDI and a stack of 4 KiB. All RAM and all device windows below 4 GiB are mapped
// where they are, readable, writable and executable; ports are allowed. There is
// nobody to handle a fault: any one ends the machine with ExitTripleFault.
type Flat struct {
	Code []byte
}

// FlatBase is the guest-physical address of Flat code.
const FlatBase = layout.HighRAM

const flatStack = 4096

// Load puts the code into the guest. It is ErrTooLarge if the code and the stacks
// don't fit below the hole.
func (f Flat) Load(_ context.Context, g Guest) ([]Start, error) {
	top := g.RAM[0].End()
	need := uint64(len(f.Code)) + uint64(g.CPUs)*flatStack

	if top < FlatBase || need > top-FlatBase {
		return nil, fmt.Errorf("%w: %d bytes of flat code and %d stacks in %#x bytes of RAM", ErrTooLarge, len(f.Code), g.CPUs, top)
	}

	if _, err := g.Memory.WriteAt(f.Code, FlatBase); err != nil {
		return nil, err
	}

	tables, err := boot.NewPageTables(g.Memory, layout.PageTable, layout.PageTableSize)
	if err != nil {
		return nil, err
	}

	if err := tables.Map(0, 0, layout.HoleEnd, boot.MapOpts{User: true, Write: true, Exec: true}); err != nil {
		return nil, err
	}

	starts := make([]Start, g.CPUs)
	for i := range starts {
		starts[i] = Start{
			Mode: User64,
			PC:   FlatBase,
			// As after a call: 8 below a multiple of 16.
			SP:        top - uint64(i)*flatStack - 8,
			DI:        uint64(i),
			PageTable: tables.Root(),
		}
	}

	return starts, nil
}
