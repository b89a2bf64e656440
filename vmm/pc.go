//go:build !arm64

package vmm

import (
	"context"
	"io"

	"github.com/vgraft/vgraft/internal/boot"
	"github.com/vgraft/vgraft/internal/device/board"
	"github.com/vgraft/vgraft/internal/device/cmos"
	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/device/uart"
	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
)

// What a machine has of a PC, and needs no KVM to be known.

const (
	lines       = layout.GSIMax // of interrupts
	firstLine   = 0             // what ACPI calls the first
	placeBase   = layout.Place
	placeSize   = layout.PlaceSize
	acpiBase    = layout.ACPI
	acpiSize    = layout.ACPISize
	minMemory   = 1 << 20
	hasTopology = false
	maxCPUs     = 254 // APIC ids are 8 bits wide, and 255 means all
)

func newMemory(size uint64) (*guestmem.Memory, error) {
	return guestmem.New(size, guestmem.Range{Base: layout.HoleStart, Size: layout.HoleEnd - layout.HoleStart})
}

func hotplug(cfg Config) cpus.Hotplug { return pcHotplug(cfg) }

func moreMemory(cfg Config) Range { return pcMore(cfg) }

// boardDevices are the devices that every machine has, beside those in the kernel.
func boardDevices(memory uint64) []Device {
	return []Device{cmos.New(memory, nil), board.New(nil)}
}

func serial(in io.Reader, out io.Writer) Device { return uart.New(in, out) }

// FlatBase is the guest-physical address of Flat code.
const FlatBase = layout.HighRAM

// Load puts the code into the guest. It is ErrTooLarge if the code and the stacks
// don't fit below the hole.
func (f Flat) Load(_ context.Context, g Guest) ([]Start, error) {
	top, err := f.place(g)
	if err != nil {
		return nil, err
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
