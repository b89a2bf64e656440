package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
)

// guest is what the monitors run.
type guest struct {
	goal                    string
	says                    string // at the end of the time
	kernel, initrd, cmdline string // paths; there may be no initrd
}

// tinySays is what the tiny guest writes: a byte that no monitor prints of its own.
const tinySays = "~"

// tinyCode is entered in 32-bit protected mode.
var tinyCode = []byte{
	0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8: the first serial port's data register
	0xb0, tinySays[0], // mov al, '~'
	0xee,       // out dx, al
	0xf4,       // hlt, with interrupts disabled
	0xeb, 0xfd, // jmp to the hlt
}

const (
	tinyBase = 0x10_0000 // where it is loaded and entered
	tinyAt   = 0x1000    // of the code in the file
)

// tinyPVH is the one form of kernel that all monitors on amd64 load: a 64-bit ELF executable
// with the PVH entry note (Xen public/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY). The note's
// segment comes first, as gokvm looks for notes in every segment and fails at the end of
// the file. The entry has eight bytes, which is what QEMU reads of it.
func tinyPVH() ([]byte, error) {
	const (
		ehdrSize, phdrSize = 64, 56
		noteAt             = ehdrSize + 2*phdrSize
		xenPhys32Entry     = 18
	)

	note := struct {
		NameSize, DescSize, Type uint32
		Name                     [4]byte
		Entry                    uint64
	}{4, 8, xenPhys32Entry, [4]byte{'X', 'e', 'n'}, tinyBase}
	noteSize := uint64(binary.Size(note))

	var b bytes.Buffer

	err := errors.Join(
		binary.Write(&b, binary.LittleEndian, elf.Header64{
			Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
			Entry: tinyBase, Phoff: ehdrSize, Ehsize: ehdrSize, Phentsize: phdrSize, Phnum: 2, Shentsize: 64,
		}),
		binary.Write(&b, binary.LittleEndian, []elf.Prog64{
			{Type: uint32(elf.PT_NOTE), Off: noteAt, Filesz: noteSize, Memsz: noteSize, Align: 4},
			{
				Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Off: tinyAt, Vaddr: tinyBase, Paddr: tinyBase,
				Filesz: uint64(len(tinyCode)), Memsz: uint64(len(tinyCode)), Align: 0x1000,
			},
		}),
		binary.Write(&b, binary.LittleEndian, note),
	)

	b.Write(make([]byte, tinyAt-b.Len()))
	b.Write(tinyCode)

	return b.Bytes(), err
}
