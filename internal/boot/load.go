package boot

import (
	"fmt"
	"io"
	"strings"

	"github.com/bobuhiro11/gokvm/bootparam"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
)

const pageSize = guestmem.PageSize

// Memory is guest RAM by guest-physical address. Slice gives the bytes themselves.
type Memory interface {
	io.ReaderAt
	io.WriterAt
	Slice(gpa, n uint64) ([]byte, error)
}

// Params is what Load puts into a guest beside the kernel.
type Params struct {
	// Mem is the guest's memory. It must be fresh: the kernel's bss is not cleared,
	// because that would make every page of it resident.
	Mem Memory

	// RAM lists the guest's RAM, ascending. The first range must begin at 0, on arm64
	// at 1 GiB, and hold the low structures, the kernel and the initrd.
	RAM []guestmem.Range

	// Initrd is the initial RAM disk, or InitrdSize is 0.
	Initrd     io.ReaderAt
	InitrdSize int64

	// Cmdline is the kernel command line, without a NUL.
	Cmdline string

	// RSDP is the address of the ACPI root pointer, or 0.
	RSDP uint64
}

// checkCmdline says whether a kernel that takes limit bytes can be given line.
func checkCmdline(line string, limit int) error {
	if i := strings.IndexByte(line, 0); i >= 0 {
		return &CmdlineError{Len: len(line), Max: limit, NUL: i}
	}

	if len(line) > limit {
		return &CmdlineError{Len: len(line), Max: limit, NUL: -1}
	}

	return nil
}

// checkRanges holds the ranges to what all loaders assume.
func checkRanges(ram []guestmem.Range) error {
	var end uint64

	for i, r := range ram {
		if r.Size == 0 || r.Base+r.Size < r.Base || r.Base < end {
			return fmt.Errorf("RAM range %d, [%#x, +%#x), is empty, overflows or begins before %#x", i, r.Base, r.Size, end)
		}

		end = r.End()
	}

	return nil
}

// checkRAM gives the part of an amd64 guest's RAM in which kernel and initrd go: from
// 1 MiB up to the hole.
func checkRAM(ram []guestmem.Range) (guestmem.Range, error) {
	if len(ram) == 0 || ram[0].Base != 0 || ram[0].Size <= layout.HighRAM {
		have := uint64(0)
		if len(ram) > 0 && ram[0].Base == 0 {
			have = ram[0].Size
		}

		return guestmem.Range{}, &SizeError{What: "boot structures", Size: layout.HighRAM + pageSize, Limit: have}
	}

	top := min(ram[0].End(), layout.HoleStart)

	return guestmem.Range{Base: layout.HighRAM, Size: top - layout.HighRAM}, nil
}

// placeInitrd finds the highest page-aligned place in [floor, top). High, because the
// kernel grows upwards from where it was loaded.
func (p *Params) placeInitrd(floor, top uint64) (guestmem.Range, error) {
	if p.InitrdSize == 0 {
		return guestmem.Range{}, nil
	}

	if p.InitrdSize < 0 || p.Initrd == nil {
		return guestmem.Range{}, fmt.Errorf("initrd: size %d without a file that has it", p.InitrdSize)
	}

	size := uint64(p.InitrdSize)
	floor = alignUp(floor, pageSize)

	if floor > top || size > top-floor {
		return guestmem.Range{}, p.initrdTooLarge(floor, top)
	}

	base := (top - size) &^ (pageSize - 1)
	if base < floor {
		return guestmem.Range{}, p.initrdTooLarge(floor, top)
	}

	return guestmem.Range{Base: base, Size: size}, nil
}

func (p *Params) initrdTooLarge(floor, top uint64) error {
	return &SizeError{What: "initrd", Size: uint64(p.InitrdSize), Limit: top - min(floor, top)}
}

// loadInitrd reads the initrd into its place.
func (p *Params) loadInitrd(at guestmem.Range) error {
	if at.Size == 0 {
		return nil
	}

	b, err := p.Mem.Slice(at.Base, at.Size)
	if err != nil {
		return fmt.Errorf("load initrd: %w", err)
	}

	return readFull(p.Initrd, b, 0, func(n int) error {
		return fmt.Errorf("read initrd: %#x bytes of %#x: %w", n, at.Size, io.ErrUnexpectedEOF)
	}, "initrd")
}

// writeCmdline writes the command line and its NUL.
func (p *Params) writeCmdline() error {
	return p.write("command line", layout.Cmdline, append([]byte(p.Cmdline), 0))
}

func (p *Params) write(what string, gpa uint64, b []byte) error {
	if _, err := p.Mem.WriteAt(b, int64(gpa)); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}

	return nil
}

// Kinds of memory. E820 and the PVH memory map use the same numbers (ACPI 6.5 §15,
// table "Address Range Types").
const (
	kindRAM      = bootparam.E820Ram
	kindReserved = bootparam.E820Reserved
)

// mapEntry is one entry of the memory map that a kernel is given.
type mapEntry struct {
	guestmem.Range
	kind uint32
}

// e820 is the memory map: RAM as it is, but for the legacy area between the EBDA and
// 1 MiB. That holds the ACPI tables, reserved as a BIOS leaves it: the kernel needs
// them for as long as it runs. The ranges were checked: the first begins at 0 and
// reaches over 1 MiB.
func e820(ram []guestmem.Range) []mapEntry {
	m := []mapEntry{
		{guestmem.Range{Base: 0, Size: layout.EBDA}, kindRAM},
		{guestmem.Range{Base: layout.EBDA, Size: layout.HighRAM - layout.EBDA}, kindReserved},
	}

	for _, r := range ram {
		base := max(r.Base, layout.HighRAM)
		m = append(m, mapEntry{guestmem.Range{Base: base, Size: r.End() - base}, kindRAM})
	}

	return m
}

func alignUp(n, to uint64) uint64 { return (n + to - 1) &^ (to - 1) }
