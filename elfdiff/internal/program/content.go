package program

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
)

// Content is a hash of all that a symbol means: its bytes, and what its fields refer to,
// by name where that has a name of its own, and else by content. It compares symbols of
// different programs; the compiler's own hashes can't, since they have indices in them.
//
// Of a function it has the code, the layout of the frame and what the garbage collector
// is told, but no line numbers.
type Content [sha256.Size]byte

// Indices of what belongs to a function's tables and is about lines.
const (
	funcdataInlTree = 3
	pcdataInlTree   = 2
)

// Anonymous says whether a reference to the symbol means its content, and not the symbol
// itself: nothing can depend on where it lies, or how the compiler numbered it.
func (s *Symbol) Anonymous() bool {
	switch {
	case s.IsItab(), IsTypeName(s.Name):
		return false
	case s.Hashed:
		return true
	case !s.Defined(), s.IsText():
		return false
	}

	return s.Kind.IsROData() || s.IsTemp()
}

// Content of the symbol.
func (s *Symbol) Content() Content {
	if s.hasContent {
		return s.content
	}

	if s.busy { // a cycle of anonymous symbols
		return sha256.Sum256([]byte("cycle " + s.Name))
	}

	s.busy = true
	s.content = s.hash((*Symbol).Content, nil)
	s.hasContent, s.busy = true, false

	return s.content
}

// ContentNaming is the content of a symbol as if those that named picks had names of their
// own: references to them count by that, whatever they contain.
func (s *Symbol) ContentNaming(named func(*Symbol) bool) Content {
	memo := map[*Symbol]Content{}

	var of func(*Symbol) Content

	of = func(x *Symbol) Content {
		if c, ok := memo[x]; ok {
			return c
		}

		memo[x] = sha256.Sum256([]byte("cycle " + x.Name))
		memo[x] = x.hash(of, named)

		return memo[x]
	}

	return of(s)
}

// hash computes a content, with those of what has no name by another function.
func (s *Symbol) hash(of func(*Symbol) Content, named func(*Symbol) bool) (c Content) {
	h := sha256.New()

	kind := "data "

	switch {
	case s.IsText():
		kind = "text "
	case s.Kind.IsROData():
		kind = "rodata "
	}

	str(h, kind)
	num(h, s.Size, uint64(len(s.Data)), uint64(s.Flags&(goobj.NoSplit|goobj.ReflectMethod)))
	s.hashData(h)

	for _, r := range s.Relocs() {
		if r.Marks() || r.Weak && s.IsType() { // the pointer type, if something else needs it
			continue
		}

		num(h, uint64(r.Off), uint64(r.Size), uint64(r.Type), uint64(r.Add))
		identity(h, r.Sym, of, named)
	}

	if s.IsText() {
		s.hashFunc(h, of)
	} else if t := s.GoType(); t != nil {
		str(h, t.Name)
	}

	h.Sum(c[:0])

	return c
}

// hashData hashes the bytes that no relocation fills in. Instructions are filled in in
// part; the compiler leaves zeroes in the rest.
func (s *Symbol) hashData(h hash.Hash) {
	at := 0

	for _, r := range s.Relocs() {
		if off := int(r.Off); r.Type == goobj.Addr || r.Type == goobj.PCRel || r.Type == goobj.Call {
			if off > at && off <= len(s.Data) {
				h.Write(s.Data[at:off])
			}

			at = max(at, min(off+int(r.Size), len(s.Data)))
		}
	}

	h.Write(s.Data[at:])
}

func (s *Symbol) hashFunc(h hash.Hash, of func(*Symbol) Content) {
	f, _ := s.Func()
	num(h, uint64(f.Args), uint64(f.Locals), uint64(f.ID), uint64(f.Flags))

	data := func(x *Symbol) {
		if x == nil {
			str(h, "none")
			return
		}

		c := of(x)
		h.Write(c[:])
	}

	for i, x := range f.Funcdata {
		if i != funcdataInlTree {
			data(x)
		}
	}

	data(f.Pcsp)

	for i, x := range f.Pcdata {
		if i != pcdataInlTree {
			data(x)
		}
	}
}

// identity is what a reference to a symbol is hashed as.
func identity(h hash.Hash, s *Symbol, of func(*Symbol) Content, named func(*Symbol) bool) {
	switch {
	case s == nil:
		str(h, "nothing")
	case named != nil && named(s):
		str(h, "named")
		str(h, s.Name)
	case s.Anonymous():
		c := of(s)
		str(h, "content")
		h.Write(c[:])
	default:
		k := s.Key()
		str(h, k.Name)
		str(h, k.Pkg)
		num(h, uint64(k.ABI))
	}
}

func str(h hash.Hash, s string) {
	num(h, uint64(len(s)))
	h.Write([]byte(s))
}

func num(h hash.Hash, n ...uint64) {
	var b [8]byte

	for _, x := range n {
		binary.LittleEndian.PutUint64(b[:], x)
		h.Write(b[:])
	}
}

// Lines is a hash of a function's line table, and where its calls were inlined.
func (s *Symbol) Lines() Content {
	h := sha256.New()
	f, _ := s.Func()
	num(h, uint64(f.StartLine))

	for _, x := range []*Symbol{f.Pcline, f.Pcfile, f.Pcinline} {
		if x != nil {
			h.Write(x.Data)
		}
	}

	for _, i := range f.Files {
		str(h, s.fileName(i))
	}

	for _, in := range f.Inlined {
		num(h, uint64(in.Line), uint64(in.ParentPC))
		str(h, s.fileName(in.File))
	}

	return Content(h.Sum(nil))
}

func (s *Symbol) fileName(i uint32) string {
	if s.obj == nil || int64(i) >= int64(len(s.obj.Files)) {
		return ""
	}

	return strings.TrimPrefix(s.obj.Files[i], "gofile..")
}
