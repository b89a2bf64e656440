package boot

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vgraft/vgraft/internal/layout"
)

// Numbers of the ELF-64 object file format, chapters "ELF Header" and "Program
// Header". Only the program headers matter here; debug/elf would read the sections
// too, which a stripped kernel needn't have and a hostile one can make slow.
const (
	elfMagic      = "\x7fELF"
	elfHeaderSize = 64
	elfPhdrSize   = 56

	elfClass64  = 2
	elfDataLSB  = 1
	elfTypeExec = 2
	elfTypeDyn  = 3
	elfMachine  = 62 // EM_X86_64

	elfProgLoad = 1
	elfProgNote = 4

	elfMaxPhdrs   = 256     // a vmlinux has five
	elfMaxNotes   = 1 << 16 // bytes in a note segment; a vmlinux has 500
	elfNoteHeader = 12
)

// The PVH entry note (Xen public/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY): the physical
// address at which the kernel is entered in 32-bit mode.
const (
	xenNoteName  = "Xen\x00"
	xenNoteEntry = 18
)

// elfSegment is one loadable segment.
type elfSegment struct {
	paddr, memsz uint64
	off, filesz  uint64
}

// elfImage is what Load needs of an ELF file. Segments ascend and don't overlap.
type elfImage struct {
	segments []elfSegment
	entry    uint64 // below 4 GiB, in file-backed bytes of a segment
}

func parseELF(k *Kernel) (*elfImage, error) {
	phdrs, err := readPhdrs(k)
	if err != nil {
		return nil, err
	}

	e := &elfImage{}
	found := false

	for i := range len(phdrs) / elfPhdrSize {
		p := phdrs[i*elfPhdrSize:][:elfPhdrSize]
		kind := binary.LittleEndian.Uint32(p)
		s := elfSegment{
			off:    binary.LittleEndian.Uint64(p[8:]),
			paddr:  binary.LittleEndian.Uint64(p[24:]),
			filesz: binary.LittleEndian.Uint64(p[32:]),
			memsz:  binary.LittleEndian.Uint64(p[40:]),
		}

		switch kind {
		case elfProgLoad:
			if err := e.add(k, i, s); err != nil {
				return nil, err
			}
		case elfProgNote:
			entry, ok, err := findEntry(k, i, s, binary.LittleEndian.Uint64(p[48:]))
			if err != nil {
				return nil, err
			}

			if ok && !found {
				e.entry, found = entry, true
			}
		}
	}

	if !found {
		return nil, badELF("no PVH entry note (XEN_ELFNOTE_PHYS32_ENTRY)")
	}

	return e, e.check()
}

func badELF(format string, a ...any) error {
	return &ImageError{Format: ELF, Reason: fmt.Sprintf(format, a...)}
}

// readPhdrs checks the ELF header and reads the program headers.
func readPhdrs(k *Kernel) ([]byte, error) {
	var h [elfHeaderSize]byte
	if err := k.read(ELF, h[:], 0); err != nil {
		return nil, err
	}

	kind := binary.LittleEndian.Uint16(h[16:])
	machine := binary.LittleEndian.Uint16(h[18:])
	phoff := binary.LittleEndian.Uint64(h[32:])
	phsize := binary.LittleEndian.Uint16(h[54:])
	phnum := binary.LittleEndian.Uint16(h[56:])

	switch {
	case h[4] != elfClass64 || h[5] != elfDataLSB:
		return nil, badELF("class %d, data encoding %d: not 64-bit little-endian", h[4], h[5])
	case machine != elfMachine:
		return nil, badELF("machine %d, want %d (x86-64)", machine, elfMachine)
	case kind != elfTypeExec && kind != elfTypeDyn:
		return nil, badELF("type %d is not an executable", kind)
	case phsize != elfPhdrSize:
		return nil, badELF("program headers of %d bytes, want %d", phsize, elfPhdrSize)
	case phnum == 0 || phnum > elfMaxPhdrs:
		return nil, badELF("%d program headers, want 1 to %d", phnum, elfMaxPhdrs)
	}

	b := make([]byte, int(phnum)*elfPhdrSize)

	return b, k.read(ELF, b, phoff)
}

// add checks a loadable segment against the file and keeps it.
func (e *elfImage) add(k *Kernel, i int, s elfSegment) error {
	switch {
	case s.memsz == 0 && s.filesz == 0:
		return nil
	case s.filesz > s.memsz:
		return badELF("segment %d: %#x bytes in the file, %#x in memory", i, s.filesz, s.memsz)
	case s.off > k.size || s.filesz > k.size-s.off:
		return badELF("segment %d: %s", i, truncated(s.off, s.filesz, k.size))
	case s.paddr+s.memsz < s.paddr:
		return badELF("segment %d: [%#x, +%#x) overflows", i, s.paddr, s.memsz)
	case s.paddr < layout.HighRAM:
		return badELF("segment %d: physical address %#x is below %#x", i, s.paddr, layout.HighRAM)
	}

	e.segments = append(e.segments, s)

	return nil
}

// check holds the segments against each other and against the entry point.
func (e *elfImage) check() error {
	slices.SortFunc(e.segments, func(a, b elfSegment) int { return cmp.Compare(a.paddr, b.paddr) })

	inside := false

	for i, s := range e.segments {
		if i > 0 && s.paddr < e.segments[i-1].paddr+e.segments[i-1].memsz {
			return badELF("segments at %#x and %#x overlap", e.segments[i-1].paddr, s.paddr)
		}

		inside = inside || e.entry >= s.paddr && e.entry-s.paddr < s.filesz
	}

	if !inside {
		return badELF("entry point %#x is in no segment", e.entry)
	}

	return nil
}

// findEntry looks for the PVH entry in one note segment.
func findEntry(k *Kernel, i int, s elfSegment, align uint64) (uint64, bool, error) {
	if s.filesz > elfMaxNotes {
		return 0, false, badELF("note segment %d: %#x bytes, at most %#x", i, s.filesz, elfMaxNotes)
	}

	b := make([]byte, s.filesz)
	if err := k.read(ELF, b, s.off); err != nil {
		return 0, false, err
	}

	// Linux aligns notes to 4 bytes, whatever the ELF specification says; only
	// property notes have 8, and say so in p_align.
	if align != 8 {
		align = 4
	}

	for off := uint64(0); off < s.filesz; {
		rest := b[off:]
		if len(rest) < elfNoteHeader {
			return 0, false, badELF("note segment %d: %d stray bytes at %#x", i, len(rest), off)
		}

		// 32-bit numbers, summed as 64-bit ones: nothing can overflow.
		nameSize := uint64(binary.LittleEndian.Uint32(rest))
		descSize := uint64(binary.LittleEndian.Uint32(rest[4:]))
		kind := binary.LittleEndian.Uint32(rest[8:])
		desc := alignUp(elfNoteHeader+nameSize, align)

		if elfNoteHeader+nameSize > uint64(len(rest)) || desc+descSize > uint64(len(rest)) && descSize > 0 {
			return 0, false, badELF("note at %#x of segment %d: name of %#x and data of %#x bytes in %#x",
				off, i, nameSize, descSize, len(rest))
		}

		if kind == xenNoteEntry && string(rest[elfNoteHeader:][:nameSize]) == xenNoteName {
			entry, err := entryOf(rest[desc:][:descSize])
			return entry, err == nil, err
		}

		off += alignUp(desc+descSize, align) // at least elfNoteHeader: the loop ends
	}

	return 0, false, nil
}

// entryOf decodes the data of a PVH entry note: four bytes, or eight of which the
// upper half is zero.
func entryOf(desc []byte) (uint64, error) {
	switch len(desc) {
	case 4:
		return uint64(binary.LittleEndian.Uint32(desc)), nil
	case 8:
		if v := binary.LittleEndian.Uint64(desc); v < 1<<32 {
			return v, nil
		}

		return 0, badELF("PVH entry point %#x is above 4 GiB", binary.LittleEndian.Uint64(desc))
	default:
		return 0, badELF("PVH entry note of %d bytes, want 4 or 8", len(desc))
	}
}
