// Package payload is the format that elfdiff writes and patch reads: the one place where
// the two meet.
//
// It is pure: bytes in, bytes out, on any system, with the standard library alone. It
// opens no file and holds no state, and it knows neither how a payload is made nor what
// applying one does. What it parses is hostile until the signature holds.
//
// # The file
//
// A payload is an ELF64 file, little-endian, of type ET_DYN, for x86-64 or AArch64. File is
// what it says, and there is one spelling of each File: Parse refuses what Marshal wouldn't
// write. In this order it has, without gaps but for alignment:
//
//	ELF header, 4 program headers: PT_LOAD R-X, R--, RW- and PT_NOTE
//	.text                 at file offset 0x140
//	.rodata .data         each aligned to 64
//	.bss                  nothing in the file
//	.note.gnu.build-id    one note, "GNU", type 3: the ID, 20 bytes
//	.note.vgraft          one note, "vgraft", type 1: Meta as JSON
//	.rela.vgraft          Elf64_Rela, in the order of their offsets
//	.symtab .strtab       names in the order of the symbols
//	.shstrtab, section headers
//
// Sections have numbers 1 to 10 in this order. The ID is the first 20 bytes of the SHA-256
// of the file with zeroes in the ID's place; a signature comes after it and isn't covered.
//
// # The image
//
// Virtual addresses are offsets into the image, which is mapped at one base that is a
// multiple of the page size: 4 KiB on amd64, 64 KiB on arm64. Segments are in different
// pages, text first, so that each can have its own protection, and an address is congruent to
// the file offset modulo the page size: the file has no padding to pages.
//
// The base is above the program in memory, above all of Meta.Depends, and within reach of
// the program's instructions: 2 GiB on amd64, 128 MiB on arm64. The runtime takes offsets of types and names that are negative,
// and not those beyond its own tables.
//
// A relocation writes S+A in the way of its type, where S is the address of its symbol:
//
//	no symbol (RELATIVE)     base
//	section symbol           base + its value
//	SHN_ABS                  value + bias: something of the program
//	SHN_LOOS+i               value + base of the payload Meta.Depends[i]
//	SHN_UNDEF                address of the interface table Meta.Itabs[value]
//
// The bias is 0 for a program that runs where it was linked. For a position-independent one
// it is where Meta.Target.Anchor is, less where it was linked. The types are, on amd64,
// R_X86_64_64 (1), PC32 (2) and RELATIVE (8), and on arm64 R_AARCH64_ABS64 (257), PREL32
// (261), RELATIVE (1027) and, for instructions, ADR_PREL_PG_HI21 (275), ADD_ABS_LO12_NC
// (277), LDST8, 16, 32 and 64_ABS_LO12_NC (278, 284, 285, 286) and CALL26 (283). Instructions
// have only PC32 on amd64. Interface tables are words of .data: the runtime puts them where
// no instruction reaches.
//
// # Loading
//
// What comes first changes nothing that the program could notice: check that Meta.Target is
// the program, that Meta.Depends are loaded, that the program has Meta.Slots with those
// implementations, and that the words of Meta.Fixups and Meta.Words hold one of their Old
// values; map the image, relocate all but interface tables, and protect it.
//
// What comes then, once, before any code of the payload runs, can't be undone: link
// Meta.Module in as the last module of the runtime; write Meta.Fixups of method tables, from
// the last to the first, since the runtime builds interface tables from them; ask the runtime
// for Meta.Itabs and put their New methods where it has unreachableMethod; relocate the
// interface tables; write all other Meta.Fixups; run Meta.Inits. From here on types, strings
// and program counters of the image may be anywhere: it must stay mapped.
//
// Meta.Words are written when the patch is applied, and get back what they held when it is
// reverted. Of interface and method tables the runtime has copies, in the tables that it
// built: a function that is replaced in one is replaced there too. A patch that is to be loaded
// before the one below it is applied names both contents as old.
//
// # The signature
//
// A signed payload is the file and a trailer of 128 bytes after it. Tools for ELF files
// don't look there; strip and objcopy write a new file without it.
//
//	offset from the end
//	-128  signature     64 bytes, Ed25519ph
//	 -64  key id        32 bytes, SHA-256 of the public key's 32 bytes
//	 -32  version       uint32, 1
//	 -28  reserved      uint32, 0
//	 -24  length        uint64, of the file without the trailer
//	 -16  magic         "vgraft-signed\x1a\r\n"
//
// Numbers are little-endian.
package payload
