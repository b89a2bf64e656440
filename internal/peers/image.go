package main

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
)

// tinyImageCode finds the PL011 where QEMU's virt and we have it.
var tinyImageCode = []uint32{
	0xd2a1_2001,                          // mov x1, #0x09000000: the data register
	0x5280_0002 | uint32(tinySays[0])<<5, // mov w2, '~'
	0xb900_0022,                          // str w2, [x1]
	0xd503_207f,                          // wfi
	0x17ff_ffff,                          // b to the wfi
}

// tinyImage is a kernel for arm64 in the two forms that one file can have: an Image (Linux
// Documentation/arch/arm64/booting.rst), which is entered at its first byte with the MMU
// off, and an EFI application, for firmware, which has mapped what it finds there.
func tinyImage() ([]byte, error) {
	const (
		page  = 0x1000
		peAt  = 64          // behind the Image's header
		magic = 0x644d_5241 // "ARM\x64"

		code = pe.IMAGE_SCN_CNT_CODE | pe.IMAGE_SCN_MEM_EXECUTE | pe.IMAGE_SCN_MEM_READ
	)

	optional := pe.OptionalHeader64{
		Magic: 0x20b, SizeOfCode: page, AddressOfEntryPoint: page, BaseOfCode: page,
		SectionAlignment: page, FileAlignment: page, SizeOfImage: 2 * page, SizeOfHeaders: page,
		Subsystem: pe.IMAGE_SUBSYSTEM_EFI_APPLICATION, NumberOfRvaAndSizes: 16,
	}

	var b bytes.Buffer

	put := func(v any) error { return binary.Write(&b, binary.LittleEndian, v) }

	err := errors.Join(
		put([]uint32{
			0x9100_5a4d,              // "MZ", which is an instruction that does no harm
			0x1400_0000 | (page-4)/4, // b to the code
		}),
		put([]uint64{0, 2 * page, 0, 0, 0, 0}), // text_offset, image_size, flags, reserved
		put([]uint32{magic, peAt}),
		put([]byte("PE\x00\x00")),
		put(pe.FileHeader{
			Machine: pe.IMAGE_FILE_MACHINE_ARM64, NumberOfSections: 1, SizeOfOptionalHeader: uint16(binary.Size(optional)),
			Characteristics: pe.IMAGE_FILE_EXECUTABLE_IMAGE | pe.IMAGE_FILE_LARGE_ADDRESS_AWARE,
		}),
		put(optional),
		put(pe.SectionHeader32{
			Name: [8]uint8{'.', 't', 'e', 'x', 't'}, VirtualSize: page, VirtualAddress: page,
			SizeOfRawData: page, PointerToRawData: page, Characteristics: code,
		}),
	)

	b.Write(make([]byte, page-b.Len()))

	err = errors.Join(err, put(tinyImageCode))

	b.Write(make([]byte, 2*page-b.Len()))

	return b.Bytes(), err
}
