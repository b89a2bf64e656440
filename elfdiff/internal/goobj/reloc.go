package goobj

// RelocType is how a relocation is filled in, or what it marks. The compiler's numbers,
// the same in Go 1.26 and 1.27.
type RelocType uint16

// The types that occur in programs for amd64 and arm64.
const (
	Addr           RelocType = 1  // the address, 4 or 8 bytes
	AddrARM64      RelocType = 3  // ADRP and ADD
	AddrOff        RelocType = 5  // 4 bytes, from the start of the section
	Size           RelocType = 6  // of the symbol
	Call           RelocType = 7  // amd64: 4 bytes, from the end of the field
	CallARM64      RelocType = 9  // BL or B
	CallInd        RelocType = 10 // marks an indirect call
	Const          RelocType = 13
	PCRel          RelocType = 14 // amd64: 4 bytes, from the end of the field
	TLSLE          RelocType = 15
	TLSIE          RelocType = 16
	GOTOff         RelocType = 17
	UseField       RelocType = 21 // marks from here on
	UseType        RelocType = 22
	UseIface       RelocType = 23
	UseIfaceMethod RelocType = 24
	UseNamedMethod RelocType = 25
	MethodOff      RelocType = 26 // three in a row: type and code of a method, kept only if used
	Keep           RelocType = 27
	GOTPCRel       RelocType = 29
	DwarfSecRef    RelocType = 31
	ARM64TLSLE     RelocType = 32
	ARM64TLSIE     RelocType = 33
	ARM64PCRelLD8  RelocType = 37 // ADRP and a load or store
	ARM64PCRelLD16 RelocType = 38
	ARM64PCRelLD32 RelocType = 39
	ARM64PCRelLD64 RelocType = 40

	weak RelocType = 1 << 15
)
