package boot

import (
	"fmt"

	"github.com/bobuhiro11/gokvm/pvh"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
)

// pvhMaxCmdline is COMMAND_LINE_SIZE of Linux on x86, less the NUL: the PVH interface
// has no limit of its own, Linux silently cuts.
const pvhMaxCmdline = 2048 - 1

// elfRoom is kept free after an ELF kernel, which doesn't say what it needs.
const elfRoom = 1 << 20

// The PVH structures, as offsets from layout.StartInfo (Xen
// public/arch-x86/hvm/start_info.h).
const (
	modlistAt = 0x40 // after hvm_start_info, 56 bytes in version 1
	memmapAt  = 0x60 // after one hvm_modlist_entry, 32 bytes
	memmapLen = 24   // hvm_memmap_table_entry
	memmapMax = (layout.ZeroPage - layout.StartInfo - memmapAt) / memmapLen
)

func (k *Kernel) loadELF(p Params, low guestmem.Range) (Entry, error) {
	first, last := k.elf.segments[0], k.elf.segments[len(k.elf.segments)-1]

	end := last.paddr + last.memsz
	if end > low.End() {
		return Entry{}, &SizeError{What: "kernel", Base: first.paddr, Size: end - first.paddr, Limit: low.End()}
	}

	initrd, err := p.placeInitrd(end+elfRoom, low.End())
	if err != nil {
		return Entry{}, err
	}

	for _, s := range k.elf.segments {
		b, err := p.Mem.Slice(s.paddr, s.filesz)
		if err != nil {
			return Entry{}, fmt.Errorf("load kernel: %w", err)
		}

		if err := k.read(ELF, b, s.off); err != nil {
			return Entry{}, err
		}
	}

	if err := p.loadInitrd(initrd); err != nil {
		return Entry{}, err
	}

	info, err := startInfo(p, initrd)
	if err != nil {
		return Entry{}, err
	}

	if err := p.write("PVH start info", layout.StartInfo, info); err != nil {
		return Entry{}, err
	}

	if err := p.writeCmdline(); err != nil {
		return Entry{}, err
	}

	e := newEntry(Protected32, k.elf.entry)
	e.BX = layout.StartInfo

	return e, p.write("GDT", e.GDTBase, GDT(Protected32))
}

// startInfo builds struct hvm_start_info, and the module list and memory map to which
// it points.
func startInfo(p Params, initrd guestmem.Range) ([]byte, error) {
	entries := e820(p.RAM)
	if len(entries) > memmapMax {
		return nil, &SizeError{What: "memory map", Size: uint64(len(entries)), Limit: memmapMax}
	}

	// NewStartInfo sets version 1, the first with a memory map.
	info := pvh.NewStartInfo(p.RSDP, layout.Cmdline)
	info.MemMapPAddr = layout.StartInfo + memmapAt
	info.MemMapEntries = uint32(len(entries))

	out := make([]byte, memmapAt+len(entries)*memmapLen)
	put := func(at int, b []byte, err error) error {
		copy(out[at:], b)
		return err
	}

	if initrd.Size > 0 {
		info.NrModules = 1
		info.ModlistPAddr = layout.StartInfo + modlistAt

		b, err := pvh.NewModListEntry(initrd.Base, initrd.Size, 0).Bytes()
		if err := put(modlistAt, b, err); err != nil {
			return nil, fmt.Errorf("encode PVH module list: %w", err)
		}
	}

	b, err := info.Bytes()
	if err := put(0, b, err); err != nil {
		return nil, fmt.Errorf("encode PVH start info: %w", err)
	}

	for i, m := range entries {
		b, err := pvh.NewMemMapTableEntry(m.Base, m.Size, m.kind).Bytes()
		if err := put(memmapAt+i*memmapLen, b, err); err != nil {
			return nil, fmt.Errorf("encode PVH memory map: %w", err)
		}
	}

	return out, nil
}
