package program

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// The compiler's numbers of entries of debugging information, the same in Go 1.26 and 1.27.
const (
	dwFunction         = 3
	dwWrapper          = 4
	dwFunctionAbstract = 5
	dwFunctionConcrete = 6
	dwWrapperConcrete  = 7
	dwAbstractVar      = 33
	dwAbstractParam    = 34
	dwClosureVar       = 37
	dwClosureVarBlock  = 38
	dwVar              = 39
	dwVarBlock         = 40
	dwParam            = 45
	dwParamBlock       = 46
)

const infoPrefix = "go:info."

// Signature lists the types of a function's parameters and results, each with its
// direction, from its debugging information. ok is false where that doesn't say.
func (s *Symbol) Signature() (sig []string, ok bool) {
	f, _ := s.Func()
	if f.Dwarf == nil {
		return nil, false
	}

	return signature(f.Dwarf, 0)
}

// MentionedTypes calls f with the name of each type that a function's debugging
// information mentions.
func (s *Symbol) MentionedTypes(f func(name string)) {
	fn, _ := s.Func()
	if fn.Dwarf == nil {
		return
	}

	for _, r := range fn.Dwarf.Relocs() {
		if r.Sym == nil {
			continue
		}

		switch n, ok := strings.CutPrefix(r.Sym.Name, infoPrefix); {
		case ok && strings.HasSuffix(n, "$abstract"):
			for _, q := range r.Sym.Relocs() {
				if q.Sym != nil {
					if t, ok := strings.CutPrefix(q.Sym.Name, infoPrefix); ok {
						f("type:" + t)
					}
				}
			}
		case ok:
			f("type:" + n)
		case r.Sym.IsType():
			f(r.Sym.Name)
		}
	}
}

// dwarfReader reads the data of a symbol of debugging information.
type dwarfReader struct {
	s   *Symbol
	at  int
	bad bool
}

func (d *dwarfReader) skip(n int) {
	if n < 0 || d.at+n > len(d.s.Data) {
		d.bad = true
		return
	}

	d.at += n
}

func (d *dwarfReader) uleb() uint64 {
	v, n := binary.Uvarint(d.s.Data[min(d.at, len(d.s.Data)):])
	if n <= 0 {
		d.bad = true
		return 0
	}

	d.at += n

	return v
}

func (d *dwarfReader) byte() byte {
	if d.at >= len(d.s.Data) {
		d.bad = true
		return 0
	}

	d.at++

	return d.s.Data[d.at-1]
}

func (d *dwarfReader) name() {
	n := bytes.IndexByte(d.s.Data[min(d.at, len(d.s.Data)):], 0)
	d.skip(n + 1)

	if n < 0 {
		d.bad = true
	}
}

// address skips an index of an address. The linker fills it in, in as many bytes as the
// compiler thought enough.
func (d *dwarfReader) address() {
	for _, r := range d.s.Relocs() {
		if int(r.Off) == d.at && !r.Marks() {
			d.skip(int(r.Size))
			return
		}
	}

	d.bad = true
}

// ref is the symbol that a field of four bytes refers to.
func (d *dwarfReader) ref() *Symbol {
	at := d.at
	d.skip(4)

	for _, r := range d.s.Relocs() {
		if int(r.Off) == at && r.Sym != nil && !r.Marks() {
			return r.Sym
		}
	}

	d.bad = true

	return nil
}

func signature(s *Symbol, depth int) (sig []string, ok bool) {
	d := &dwarfReader{s: s}

	switch d.uleb() {
	case dwFunction:
		d.function()

		return d.params()
	case dwWrapper:
		d.name()
		d.address() // low pc
		d.uleb()    // high pc
		d.skip(int(d.byte()))
		d.skip(1) // trampoline

		return d.params()
	case dwFunctionAbstract:
		d.name()
		d.skip(1) // inlined
		d.uleb()  // line
		d.skip(1) // external

		return d.params()
	case dwFunctionConcrete:
		if depth > 0 {
			return nil, false
		}

		if o := d.ref(); !d.bad && o != nil && o.Defined() {
			return signature(o, depth+1)
		}
	}

	return nil, false
}

// function skips what an entry of a function has.
func (d *dwarfReader) function() {
	d.name()
	d.address() // low pc
	d.uleb()    // high pc
	d.skip(int(d.byte()))
	d.skip(4) // file
	d.uleb()  // line
	d.skip(1) // external
}

// location skips where a variable of a kind is.
func (d *dwarfReader) location(kind uint64) {
	switch kind {
	case dwVar, dwParam, dwClosureVar:
		d.skip(4)
	case dwVarBlock, dwParamBlock, dwClosureVarBlock:
		d.skip(int(d.byte()))
	}
}

// params reads the entries of parameters and variables until one comes that is neither.
func (d *dwarfReader) params() (sig []string, ok bool) {
	sig = []string{}

	for !d.bad {
		kind := d.uleb()
		direction := "in "

		switch kind {
		case dwParam, dwParamBlock, dwAbstractParam:
			d.name()

			if d.byte() != 0 {
				direction = "out "
			}

			if kind != dwAbstractParam {
				d.uleb() // line
			}
		case dwVar, dwVarBlock, dwAbstractVar:
			direction = ""

			d.name()
			d.uleb() // line
		default:
			return sig, !d.bad
		}

		if t := d.ref(); t != nil && direction != "" {
			sig = append(sig, direction+strings.TrimPrefix(t.Name, infoPrefix))
		}

		d.location(kind)
	}

	return nil, false
}
