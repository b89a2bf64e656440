package boot

import (
	"encoding/binary"
	"fmt"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout/arm64"
)

// The header of an arm64 Image (Linux Documentation/arch/arm64/booting.rst, "Call the
// kernel image").
const (
	imageHeaderSize = 64
	imageMagic      = 0x644d_5241 // "ARM\x64"
	imageMagicAt    = 56
	imageOffsetAt   = 8
	imageSizeAt     = 16
	imageFlagsAt    = 24

	imageBigEndian = 1 << 0
	imageAlign     = 2 << 20 // of the place that the offset counts from

	imageMaxCmdline = 2047 // COMMAND_LINE_SIZE, without the NUL

	// The initrd must lie in the same 32 GiB as the kernel.
	imageWindow = 32 << 30
)

// armImage is what the header says.
type armImage struct {
	offset    uint64 // of the place in memory from a multiple of imageAlign
	footprint uint64 // in memory, bss included
}

func parseImage(k *Kernel) (*armImage, error) {
	bad := func(format string, a ...any) (*armImage, error) {
		return nil, &ImageError{Format: Image, Reason: fmt.Sprintf(format, a...)}
	}

	var h [imageHeaderSize]byte
	if err := k.read(Image, h[:], 0); err != nil {
		return nil, err
	}

	m := &armImage{offset: binary.LittleEndian.Uint64(h[imageOffsetAt:])}
	size := binary.LittleEndian.Uint64(h[imageSizeAt:])

	switch {
	case binary.LittleEndian.Uint64(h[imageFlagsAt:])&imageBigEndian != 0:
		return bad("a big-endian kernel")
	case size == 0:
		return bad("no image_size: a kernel before Linux 3.17")
	case m.offset >= imageAlign || m.offset%pageSize != 0:
		return bad("text_offset %#x is not of whole pages below %#x", m.offset, uint64(imageAlign))
	}

	m.footprint = max(size, k.size)

	return m, nil
}

// loadImage puts an arm64 kernel into memory, and beside it what a kernel finds its way
// with: a device tree that has nothing but /chosen, which leads to EFI tables, which
// lead to the ACPI tables.
func (k *Kernel) loadImage(p Params) (Entry, error) {
	end := p.RAM[0].End()
	base := arm64.Kernel + k.arm.offset

	if end < base || k.arm.footprint > end-base {
		return Entry{}, &SizeError{What: "kernel", Base: base, Size: k.arm.footprint, Limit: end}
	}

	initrd, err := p.placeInitrd(base+k.arm.footprint, min(end, arm64.RAM+imageWindow))
	if err != nil {
		return Entry{}, err
	}

	code, err := p.Mem.Slice(base, k.size)
	if err != nil {
		return Entry{}, fmt.Errorf("load kernel: %w", err)
	}

	if err := k.read(Image, code, 0); err != nil {
		return Entry{}, err
	}

	if err := p.loadInitrd(initrd); err != nil {
		return Entry{}, err
	}

	memory := efiMap(p.RAM)
	if len(memory) > arm64.EFIMapSize {
		return Entry{}, &SizeError{What: "memory map", Size: uint64(len(memory)), Limit: arm64.EFIMapSize}
	}

	tree, seeds := p.chosen(initrd, len(memory))

	for _, w := range []struct {
		what string
		gpa  uint64
		data []byte
	}{
		{"EFI tables", arm64.EFI, efiTables(p.RSDP)},
		{"EFI services", arm64.Runtime, runtimeTable()},
		{"memory map", arm64.EFIMap, memory},
		{"device tree", arm64.FDT, tree},
	} {
		if err := p.write(w.what, w.gpa, w.data); err != nil {
			return Entry{}, err
		}
	}

	for _, r := range seeds {
		if err := p.seed(r.Base, r.Size); err != nil {
			return Entry{}, err
		}
	}

	return Entry{Mode: EL1, PC: base, X0: arm64.FDT}, nil
}

// chosen is the device tree. Were there more in it than /chosen, the kernel would take
// that for its description of the machine, and not the ACPI tables. seeds are where random
// numbers go; the tree has zeros there.
func (p *Params) chosen(initrd guestmem.Range, memory int) (tree []byte, seeds []guestmem.Range) {
	var f fdt

	f.begin("")
	f.begin("chosen")
	f.propString("bootargs", p.Cmdline)

	if initrd.Size != 0 {
		f.prop64("linux,initrd-start", initrd.Base)
		f.prop64("linux,initrd-end", initrd.End())
	}

	f.prop64("linux,uefi-system-table", arm64.EFI)
	f.prop64("linux,uefi-mmap-start", arm64.EFIMap)
	f.prop32("linux,uefi-mmap-size", uint32(memory))
	f.prop32("linux,uefi-mmap-desc-size", efiDescriptorSize)
	f.prop32("linux,uefi-mmap-desc-ver", efiMapVersion)

	// Debian's kernels refuse the others without this one; 2 is disabled.
	f.prop32("linux,uefi-secure-boot", 2)

	seeds = []guestmem.Range{
		{Base: arm64.FDT + f.blank("kaslr-seed", kaslrSize), Size: kaslrSize},
		{Base: arm64.FDT + f.blank("rng-seed", seedSize), Size: seedSize},
	}

	f.end()
	f.end()

	return f.finish(), seeds
}

// isARM says whether the guest is one for arm64, by where its RAM begins.
func (p *Params) isARM() bool { return len(p.RAM) > 0 && p.RAM[0].Base == arm64.RAM }
