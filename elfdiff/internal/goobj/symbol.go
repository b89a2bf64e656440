package goobj

import "encoding/binary"

// Kind is what memory a symbol is. The compiler's numbers.
type Kind uint8

// The kinds that matter here; what comes after NoPtrBSS but CoverageCounter and
// CoverageVar is no memory of the program.
const (
	Text Kind = 1 + iota
	TextFIPS
	ROData
	RODataFIPS
	NoPtrData
	NoPtrDataFIPS
	Data
	DataFIPS
	BSS
	NoPtrBSS
	TLSBSS
	DwarfCUInfo
	DwarfConst
	DwarfFunc
	DwarfAbsFunc
	DwarfType
	DwarfVar
	DwarfRange
	DwarfLoc
	DwarfLines
	DwarfAddr
	FuzzCounter
	CoverageCounter
	CoverageVar
	SEHUnwind
)

// IsText is true of code.
func (k Kind) IsText() bool { return k == Text || k == TextFIPS }

// IsROData is true of what is never written.
func (k Kind) IsROData() bool { return k == ROData || k == RODataFIPS }

// IsVar is true of variables.
func (k Kind) IsVar() bool {
	return k >= NoPtrData && k <= NoPtrBSS || k == FuzzCounter || k == CoverageCounter || k == CoverageVar
}

// HasPointers is true of variables that the garbage collector looks at.
func (k Kind) HasPointers() bool { return k == Data || k == DataFIPS || k == BSS }

// InMemory is true of what the program has when it runs.
func (k Kind) InMemory() bool { return k.IsText() || k.IsROData() || k.IsVar() }

// IsDwarf is true of debugging information.
func (k Kind) IsDwarf() bool { return k >= DwarfCUInfo && k <= DwarfAddr }

// ABIs of symbols.
const (
	ABI0   = 0
	ABIGo  = 1      // with arguments in registers
	Static = 0xffff // known in its object only
)

// Flag is a set of properties of a symbol.
type Flag uint16

// The flags. The low byte and the high byte are two fields of the format.
const (
	Dupok         Flag = 1 << 0
	LocalSym      Flag = 1 << 1
	Typelink      Flag = 1 << 2
	Leaf          Flag = 1 << 3
	NoSplit       Flag = 1 << 4
	ReflectMethod Flag = 1 << 5
	GoType        Flag = 1 << 6
	UsedInIface   Flag = 1 << 8
	Itab          Flag = 1 << 9
	Dict          Flag = 1 << 10
	PkgInit       Flag = 1 << 11
	Linkname      Flag = 1 << 12
	ABIWrapper    Flag = 1 << 13
)

// Symbol is one symbol of an object.
type Symbol struct {
	Name  string
	ABI   uint16
	Kind  Kind
	Flags Flag
	Size  uint32 // in memory
	Align uint32 // 0 is what its size suggests
	Data  []byte // may be shorter than Size: the rest is zero
}

// Symbol reads the symbol with an index. One that is only referred to has a name and an
// ABI.
func (o *Object) Symbol(i int) Symbol {
	at := o.symAt(i)
	name, _ := o.str(at)
	b := o.b[at:]

	s := Symbol{
		Name:  name,
		ABI:   binary.LittleEndian.Uint16(b[8:]),
		Kind:  Kind(b[10]),
		Flags: Flag(b[11]) | Flag(b[12])<<8,
		Size:  binary.LittleEndian.Uint32(b[13:]),
		Align: binary.LittleEndian.Uint32(b[17:]),
	}

	if i < o.NumDefined() {
		from, to := o.part(blkDataIdx, i)
		s.Data = o.b[o.off[blkData]+from : o.off[blkData]+to : o.off[blkData]+to]
	}

	return s
}

// part is where a symbol's records lie in the block of an index.
func (o *Object) part(index, i int) (from, to int) {
	at := o.off[index] + 4*i
	return int(o.u32(at)), int(o.u32(at + 4))
}

// Reloc is a place in a symbol's data that the linker fills in.
type Reloc struct {
	Off  int32
	Size uint8 // in bytes; 0 marks something and fills in nothing
	Type RelocType
	Weak bool // it doesn't keep its symbol alive
	Add  int64
	Ref  Ref
}

// Marks is true of a relocation that fills in nothing. So do some whose numbers differ
// from one Go version to the next.
func (r Reloc) Marks() bool { return r.Size == 0 }

// NumRelocs is how many relocations a symbol has.
func (o *Object) NumRelocs(i int) int {
	from, to := o.part(blkRelocIdx, i)
	return to - from
}

// Reloc reads a relocation of a symbol.
func (o *Object) Reloc(i, j int) Reloc {
	from, _ := o.part(blkRelocIdx, i)
	at := o.off[blkReloc] + (from+j)*relocSize
	b := o.b[at:]
	t := RelocType(binary.LittleEndian.Uint16(b[5:]))

	return Reloc{
		Off:  int32(binary.LittleEndian.Uint32(b)),
		Size: b[4],
		Type: t &^ weak,
		Weak: t&weak != 0,
		Add:  int64(binary.LittleEndian.Uint64(b[7:])),
		Ref:  o.refAt(at + 15),
	}
}

// AuxType is what an auxiliary symbol is to its owner.
type AuxType uint8

// The auxiliary symbols.
const (
	AuxGoType AuxType = iota
	AuxFuncInfo
	AuxFuncdata
	AuxDwarfInfo
	AuxDwarfLoc
	AuxDwarfRanges
	AuxDwarfLines
	AuxPcsp
	AuxPcfile
	AuxPcline
	AuxPcinline
	AuxPcdata
)

// Aux calls f for each auxiliary symbol of a symbol.
func (o *Object) Aux(i int, f func(AuxType, Ref)) {
	from, to := o.part(blkAuxIdx, i)
	for j := from; j < to; j++ {
		at := o.off[blkAux] + j*auxSize
		f(AuxType(o.b[at]), o.refAt(at+1))
	}
}
