package goobj

import (
	"encoding/binary"
	"fmt"
)

const objectMagic = "\x00go120ld"

// The blocks of an object, in the order in which they lie in the file.
const (
	blkAutolib = iota
	blkPkgIdx
	blkFile
	blkSymdef
	blkHashed64def
	blkHasheddef
	blkNonpkgdef
	blkNonpkgref
	blkRefFlags
	blkHash64
	blkHash
	blkRelocIdx
	blkAuxIdx
	blkDataIdx
	blkReloc
	blkAux
	blkData
	blkRefName
	blkEnd
	blocks
)

// Sizes of records, in bytes.
const (
	stringSize = 8 // length and offset
	symSize    = stringSize + 2 + 1 + 1 + 1 + 4 + 4
	relocSize  = 4 + 1 + 2 + 8 + 8
	auxSize    = 1 + 8
	hash64Size = 8
	hashSize   = 16
	headSize   = len(objectMagic) + 8 + 4 + 4*blocks
)

// Flags of an object.
const (
	flagFromAssembly = 1 << 2
	flagUnlinkable   = 1 << 3
	flagStd          = 1 << 4
)

// Object is one object file. It is immutable.
type Object struct {
	Member    string // of the archive
	Toolchain string // the first line of the member: system, version, experiments
	Assembly  bool   // it was written by the assembler

	b     []byte
	s     string // the same bytes
	off   [blocks]int
	n     [5]int // symbols in each group
	Pkgs  []string
	Files []string // as the symbols of line tables name them

	Imports []string // packages that the source imports
}

// Group is what kind of name a symbol has.
type Group int

// The groups, in the order of the symbols' indices.
const (
	Package  Group = iota // of this package, by index
	Hashed64              // by content, hashed to 64 bits
	Hashed                // by content
	Named                 // by name alone: from several packages, or linknamed
	NamedRef              // not defined here
)

// Special package indices of a Ref.
const (
	PkgInvalid  = 0
	pkgNone     = 1<<31 - 1
	pkgHashed64 = pkgNone - 1
	pkgHashed   = pkgNone - 2
	PkgBuiltin  = pkgNone - 3 // Ref.Index is one of the compiler's own list
	PkgSelf     = pkgNone - 4
)

// Ref names a symbol: by the index of a package and an index there.
type Ref struct{ Pkg, Index uint32 }

func read(member string, b []byte) (*Object, error) {
	o := &Object{Member: member, b: b, s: string(b)}

	bad := func(at int, format string, a ...any) error {
		return &FormatError{Member: member, Offset: at, What: fmt.Sprintf(format, a...)}
	}

	if len(b) < headSize {
		return nil, bad(0, "%d bytes, less than a header", len(b))
	}

	flags := o.u32(len(objectMagic) + 8)
	o.Assembly = flags&flagFromAssembly != 0

	if flags&flagUnlinkable != 0 {
		return nil, bad(0, "the compiler says that it can't be linked")
	}

	last := headSize

	for i := range o.off {
		at := len(objectMagic) + 12 + 4*i

		o.off[i] = int(o.u32(at))
		if o.off[i] < last || o.off[i] > len(b) {
			return nil, bad(at, "block %d begins at %d", i, o.off[i])
		}

		last = o.off[i]
	}

	for g := range o.n {
		size := o.off[blkSymdef+g+1] - o.off[blkSymdef+g]
		if size%symSize != 0 {
			return nil, bad(o.off[blkSymdef+g], "symbols of %d bytes in all", size)
		}

		o.n[g] = size / symSize
	}

	if err := o.check(bad); err != nil {
		return nil, err
	}

	return o, nil
}

// check goes through all that later methods take for granted.
func (o *Object) check(bad func(int, string, ...any) error) error {
	size := func(block int) int { return o.off[block+1] - o.off[block] }

	if size(blkHash64) != o.n[Hashed64]*hash64Size || size(blkHash) != o.n[Hashed]*hashSize {
		return bad(o.off[blkHash64], "hashes that don't fit the symbols")
	}

	for _, block := range []int{blkPkgIdx, blkFile} {
		for at := o.off[block]; at+stringSize <= o.off[block+1]; at += stringSize {
			s, ok := o.str(at)
			if !ok {
				return bad(at, "a name outside the file")
			}

			if block == blkPkgIdx {
				o.Pkgs = append(o.Pkgs, s)
			} else {
				o.Files = append(o.Files, s)
			}
		}
	}

	const importSize = stringSize + 8 // with a fingerprint

	for at := o.off[blkAutolib]; at+importSize <= o.off[blkAutolib+1]; at += importSize {
		s, ok := o.str(at)
		if !ok {
			return bad(at, "a name outside the file")
		}

		o.Imports = append(o.Imports, s)
	}

	n := o.NumSymbols()
	for i := range n {
		if _, ok := o.str(o.symAt(i)); !ok {
			return bad(o.symAt(i), "symbol %d: a name outside the file", i)
		}
	}

	def := o.NumDefined()

	for _, x := range []struct{ index, block, record int }{{blkRelocIdx, blkReloc, relocSize}, {blkAuxIdx, blkAux, auxSize}, {blkDataIdx, blkData, 1}} {
		if size(x.index) != 4*(def+1) || size(x.block)%x.record != 0 {
			return bad(o.off[x.index], "an index of block %d that doesn't fit", x.block)
		}

		last := uint32(0)

		for i := range def + 1 {
			v := o.u32(o.off[x.index] + 4*i)
			if v < last || int64(v)*int64(x.record) > int64(size(x.block)) {
				return bad(o.off[x.index]+4*i, "symbol %d: its part of block %d begins at %d", i, x.block, v)
			}

			last = v
		}
	}

	return o.checkRefs(bad)
}

// checkRefs goes through the references between symbols.
func (o *Object) checkRefs(bad func(int, string, ...any) error) error {
	for at := o.off[blkReloc]; at < o.off[blkReloc+1]; at += relocSize {
		if !o.refOK(o.refAt(at + 15)) {
			return bad(at, "a relocation to no symbol")
		}
	}

	for at := o.off[blkAux]; at < o.off[blkAux+1]; at += auxSize {
		if !o.refOK(o.refAt(at + 1)) {
			return bad(at, "an auxiliary symbol that is none")
		}
	}

	for i := range o.NumDefined() {
		s := o.Symbol(i)

		if s.Kind.InMemory() && s.Size > 0 && uint64(len(s.Data)) > uint64(s.Size) {
			return bad(o.symAt(i), "symbol %d: %d bytes of data in %d", i, len(s.Data), s.Size)
		}

		if s.Align&(s.Align-1) != 0 || s.Align > 1<<16 {
			return bad(o.symAt(i), "symbol %d: aligned to %d", i, s.Align)
		}
	}

	return nil
}

// refOK says whether the reference leads somewhere, as far as this object tells.
func (o *Object) refOK(r Ref) bool {
	switch r.Pkg {
	case PkgInvalid, PkgBuiltin:
		return true
	default:
		if int(r.Pkg) < len(o.Pkgs) {
			return true // the other object has the last word
		}
	}

	_, ok := o.Local(r)

	return ok
}

// Local is the index of a symbol of this object that the reference names.
func (o *Object) Local(r Ref) (index int, ok bool) {
	first, n := 0, 0

	switch r.Pkg {
	case PkgSelf:
		n = o.n[Package]
	case pkgHashed64:
		first, n = o.n[Package], o.n[Hashed64]
	case pkgHashed:
		first, n = o.n[Package]+o.n[Hashed64], o.n[Hashed]
	case pkgNone:
		first, n = o.n[Package]+o.n[Hashed64]+o.n[Hashed], o.n[Named]+o.n[NamedRef]
	}

	return first + int(r.Index), int64(r.Index) < int64(n)
}

// NumSymbols is how many symbols the object has, those that it only refers to by name
// included; they come last.
func (o *Object) NumSymbols() int { return o.NumDefined() + o.n[NamedRef] }

// NumDefined is how many symbols the object defines.
func (o *Object) NumDefined() int { return o.n[Package] + o.n[Hashed64] + o.n[Hashed] + o.n[Named] }

// NumPackage is how many symbols other packages may refer to by index.
func (o *Object) NumPackage() int { return o.n[Package] }

// Group is the group of a symbol.
func (o *Object) Group(i int) Group {
	g := Package
	for g < NamedRef && i >= o.n[g] {
		i -= o.n[g]
		g++
	}

	return g
}

// Hash is the content hash of a symbol of the two groups that have one.
func (o *Object) Hash(i int) []byte {
	switch j := i - o.n[Package]; o.Group(i) {
	case Hashed64:
		return o.b[o.off[blkHash64]+j*hash64Size:][:hash64Size]
	case Hashed:
		return o.b[o.off[blkHash]+(j-o.n[Hashed64])*hashSize:][:hashSize]
	default:
		return nil
	}
}

func (o *Object) symAt(i int) int { return o.off[blkSymdef] + i*symSize }

func (o *Object) u32(at int) uint32 { return binary.LittleEndian.Uint32(o.b[at:]) }

func (o *Object) refAt(at int) Ref { return Ref{o.u32(at), o.u32(at + 4)} }

func (o *Object) str(at int) (string, bool) {
	n, from := uint64(o.u32(at)), uint64(o.u32(at+4))
	if from+n > uint64(len(o.s)) {
		return "", false
	}

	return o.s[from : from+n], true
}
