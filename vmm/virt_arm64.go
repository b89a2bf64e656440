package vmm

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/device/pl011"
	"github.com/vgraft/vgraft/internal/device/pl031"
	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout/arm64"
)

// What a machine on arm64 has, and needs no KVM to be known.

const (
	lines       = arm64.GSIMax // of interrupts
	firstLine   = arm64.SPI    // what ACPI calls the first
	placeBase   = arm64.Place
	placeSize   = arm64.PlaceSize
	acpiBase    = arm64.ACPI
	acpiSize    = arm64.ACPISize
	minMemory   = 4 << 20
	hasTopology = true
	maxCPUs     = arm64.MaxCPUs
)

func newMemory(size uint64) (*guestmem.Memory, error) { return guestmem.NewAt(arm64.RAM, size) }

func hotplug(cfg Config) cpus.Hotplug { return virtHotplug(cfg) }

func moreMemory(cfg Config) Range { return virtMore(cfg) }

// boardDevices are the devices that every machine has, beside those in the kernel.
func boardDevices(uint64) []Device { return []Device{pl031.New(nil)} }

func serial(in io.Reader, out io.Writer) Device { return pl011.New(in, out) }

// FlatBase is the guest-physical address of Flat code.
const FlatBase = arm64.Kernel

// Load puts the code into the guest. It is ErrTooLarge if the code and the stacks
// don't fit into RAM.
func (f Flat) Load(_ context.Context, g Guest) ([]Start, error) {
	top, err := f.place(g)
	if err != nil {
		return nil, err
	}

	for _, w := range []struct {
		gpa  int64
		data []byte
	}{{FlatBase, f.Code}, {arm64.PageTable, flatTable()}, {arm64.Vectors, flatVectors()}} {
		if _, err := g.Memory.WriteAt(w.data, w.gpa); err != nil {
			return nil, err
		}
	}

	starts := make([]Start, g.CPUs)
	for i := range starts {
		starts[i] = Start{
			Mode:      EL1,
			PC:        FlatBase,
			SP:        top - uint64(i)*flatStack,
			X:         [4]uint64{uint64(i)},
			PageTable: arm64.PageTable,
		}
	}

	return starts, nil
}

// flatTable maps 512 blocks of 1 GiB where they are (Arm Architecture Reference Manual,
// D8.3): the first as device memory, the others as RAM.
func flatTable() []byte {
	const (
		block        = 1 << 0
		accessed     = 1 << 10
		shared       = 3 << 8
		device       = 1 << 2 // of MAIR
		neverExecute = 1<<53 | 1<<54
	)

	b := make([]byte, 0, 4096)
	for i := range uint64(512) {
		e := i<<30 | block | accessed
		if i == 0 {
			e |= device | neverExecute
		} else {
			e |= shared
		}

		b = binary.LittleEndian.AppendUint64(b, e)
	}

	return b
}

// flatVectors is 16 vectors that all do the same: PSCI's SYSTEM_RESET2 of our kind.
func flatVectors() []byte {
	b := make([]byte, 16*128)

	for at := 0; at < len(b); at += 128 {
		for i, insn := range []uint32{
			0x5280_0240, 0x72b0_8000, // mov w0, #0x84000012
			0x5280_0021, 0x72b0_0001, // mov w1, #0x80000001
			0xd280_0002, // mov x2, #0
			0xd400_0002, // hvc #0
			0x1400_0000, // b .
		} {
			binary.LittleEndian.PutUint32(b[at+4*i:], insn)
		}
	}

	return b
}
