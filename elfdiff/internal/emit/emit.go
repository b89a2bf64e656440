package emit

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// The segments.
const (
	segText = iota
	segRodata
	segData
	segments
)

// place is where something lies: an offset into a segment.
type place struct {
	seg int
	off uint64
}

// span is a part of a segment.
type span struct{ from, to uint64 }

func (s span) size() uint64 { return s.to - s.from }

// emitter makes one payload.
type emitter struct {
	p    *Plan
	arch arch
	mod  moduleLayout

	included                                    map[*program.Symbol]bool
	text, types, rodata, noptr, data, bss, zero []*program.Symbol
	links                                       int // of types: those of the type links, which come first
	itabs                                       map[*program.Symbol]int
	stubs                                       []*stub // jumps to functions elsewhere
	stubOf                                      map[*program.Symbol]*stub
	values                                      []*funcValue
	valueOf                                     map[*program.Symbol]*funcValue

	at   map[*program.Symbol]place
	seg  [segments]buf
	base [segments]uint64 // image offsets
	size uint64           // of the data segment, with zeroes

	got                            map[int]uint64 // by itab: offset in the data segment
	noptrAt, dataAt, bssAt, zeroAt span           // in the data segment
	eText, eTypes                  uint64         // offsets in their segments
	linksAt, nameAt                span           // in rodata
	dataMask, bssMask              uint64         // in rodata
	pcln                           tables

	image  []byte
	relocs []payload.Reloc
	tls    *uint32 // offset of the goroutine in thread-local storage
}

// stub is a jump in the payload's text to a function elsewhere, for tables that can only
// say where in this text a function is.
type stub struct {
	to  *program.Symbol
	ref payload.Ref
	off uint64
}

// funcValue is a word with the address of a function.
type funcValue struct {
	fn  *program.Symbol
	sym *program.Symbol // that the compiler made; nil is none
	at  place
}

// Emit makes the payload. Errors are of the types of this package, or wrap its values.
func Emit(p Plan) (*payload.File, error) {
	lay, err := layoutOf(p.GoVersion)
	if err != nil {
		return nil, err
	}

	a, ok := archOf(p.Base.ELF.Arch)
	if !ok {
		return nil, &PlanError{p.Base.ELF.Arch, "no architecture of a payload"}
	}

	if err := lay.check(p.Base.ELF); err != nil {
		return nil, err
	}

	e := &emitter{
		p: &p, arch: a, mod: lay,
		included: map[*program.Symbol]bool{}, itabs: map[*program.Symbol]int{}, at: map[*program.Symbol]place{},
		stubOf: map[*program.Symbol]*stub{}, valueOf: map[*program.Symbol]*funcValue{}, got: map[int]uint64{},
	}

	for _, step := range []func() error{e.collect, e.layText, e.layRodata, e.layData, e.layTables, e.link} {
		if err := step(); err != nil {
			return nil, err
		}
	}

	f, err := e.file()
	if err != nil {
		return nil, err
	}

	return f, Verify(f, a.name)
}

// order sorts symbols by what they are, not by where a build had them.
func order(list []*program.Symbol) {
	slices.SortStableFunc(list, func(a, b *program.Symbol) int {
		c := cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ABI, b.ABI), cmp.Compare(a.Package(), b.Package()), bytes.Compare(a.Data, b.Data))
		if c == 0 && a != b {
			x, y := a.Content(), b.Content()
			c = bytes.Compare(x[:], y[:])
		}

		return c
	})
}

// alignOf is what the symbol is aligned to.
func (e *emitter) alignOf(s *program.Symbol) uint64 {
	to := uint64(s.Align)

	switch {
	case s.IsText():
		return max(to, e.arch.funcAlign)
	case s.IsType():
		return 8
	case to == 0 && bytesOnly(s.Name):
		to = 1
	case to == 0:
		for to = 32; to > 1 && to > s.Size; {
			to >>= 1
		}
	}

	if to < 8 && slices.ContainsFunc(s.Relocs(), func(r program.Reloc) bool { return r.Size == 8 }) {
		to = 8
	}

	return to
}

// lay appends a symbol to a segment.
func (e *emitter) lay(seg int, s *program.Symbol) {
	b := &e.seg[seg]
	fill := byte(0)

	if seg == segText {
		fill = e.arch.pad
	}

	b.align(e.alignOf(s), fill)
	e.at[s] = place{seg, b.len()}
	b.b = append(b.b, s.Data...)
	b.b = append(b.b, make([]byte, s.Size-uint64(len(s.Data)))...)
}

func (e *emitter) layText() error {
	if len(e.text) == 0 {
		return &PlanError{"the payload", "no function is included"}
	}

	for _, s := range e.text {
		e.lay(segText, s)
	}

	b := &e.seg[segText]

	for _, s := range e.stubs {
		b.align(16, e.arch.pad)
		s.off = b.put(e.arch.jump, 1)
	}

	e.eText = b.len()

	return nil
}

// layRodata lays out all that offsets of types may lead to, and the words of func values.
func (e *emitter) layRodata() error {
	b := &e.seg[segRodata]
	b.u64(0) // an offset of 0 is none

	for i, s := range e.types {
		e.lay(segRodata, s)

		if i < e.links {
			e.linksAt = span{8, b.len()}
		}
	}

	for _, s := range e.rodata {
		e.lay(segRodata, s)
	}

	b.align(8, 0)
	e.eTypes = b.len()

	for _, v := range e.values {
		if v.sym != nil {
			v.at = e.at[v.sym]
		} else {
			v.at = place{segRodata, b.put(make([]byte, 8), 8)}
		}
	}

	if e.mod.typelinks != 0 {
		e.linksAt = span{b.len(), b.len() + 4*uint64(e.links)}

		for _, s := range e.types[:e.links] {
			b.u32(uint32(e.at[s].off))
		}
	}

	name := "vgraft/" + e.p.Meta.Name
	e.nameAt.from = b.put([]byte(name), 1)
	e.nameAt.to = b.len()

	return nil
}

// itabHash is where an interface table has the hash of its type, and in 4 bytes. In the words
// that stand for the table it is behind the address.
const itabHash, itabHashWord = 16, 8

// itabWords are what stands for an interface table that the runtime makes: its address, to be
// filled in, and the hash.
func itabWords(table *program.Symbol) []byte {
	words := make([]byte, 16)
	if len(table.Data) >= itabHash+4 {
		copy(words[itabHashWord:], table.Data[itabHash:itabHash+4])
	}

	return words
}

// layData lays out the module record, the words of interface tables, and the variables.
func (e *emitter) layData() error {
	b := &e.seg[segData]
	b.put(make([]byte, e.mod.size), 64)

	for i := range e.p.Itabs {
		if _, used := e.got[i]; used {
			e.got[i] = b.put(itabWords(e.p.Itabs[i]), 8)
		}
	}

	bytesOf := func(list []*program.Symbol) span {
		b.align(32, 0)
		from := b.len()

		for _, s := range list {
			e.lay(segData, s)
		}

		b.align(8, 0)

		return span{from, b.len()}
	}

	e.noptrAt = bytesOf(e.noptr)
	e.dataAt = bytesOf(e.data)
	e.size = b.len()

	zeroes := func(list []*program.Symbol) span {
		e.size = roundUp(e.size, 8)
		from := e.size

		for _, s := range list {
			e.size = roundUp(e.size, e.alignOf(s))
			e.at[s] = place{segData, e.size}
			e.size += s.Size
		}

		e.size = roundUp(e.size, 8)

		return span{from, e.size}
	}

	e.bssAt = zeroes(e.bss)
	e.zeroAt = zeroes(e.zero)

	if e.size > payload.MaxImage {
		return &PlanError{"the payload", "its variables are too large"}
	}

	return nil
}

func roundUp(n, to uint64) uint64 {
	if to <= 1 {
		return n
	}

	return (n + to - 1) / to * to
}

// layTables appends to the constants what the runtime wants to know of functions and
// variables.
func (e *emitter) layTables() error {
	data, err := e.mask(e.data, e.dataAt)
	if err != nil {
		return err
	}

	bss, err := e.mask(e.bss, e.bssAt)
	if err != nil {
		return err
	}

	b := &e.seg[segRodata]
	e.dataMask = b.put(data, 8)
	e.bssMask = b.put(bss, 8)

	return e.layFuncs()
}
