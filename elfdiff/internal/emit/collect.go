package emit

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// bytesOnly is true of symbols that are text: they need no alignment.
func bytesOnly(name string) bool {
	return strings.HasPrefix(name, "go:string.") || strings.HasPrefix(name, "type:.")
}

// collect sorts what is included into kinds of memory, and finds what is needed beside it.
func (e *emitter) collect() error {
	for i, s := range e.p.Itabs {
		if _, twice := e.itabs[s]; twice {
			return &PlanError{s.Name, "twice among the interface tables"}
		}

		e.itabs[s] = i
	}

	for _, s := range e.p.Include {
		if err := e.include(s); err != nil {
			return err
		}
	}

	for _, s := range slices.Clone(e.text) {
		if err := e.collectFunc(s); err != nil {
			return err
		}
	}

	for _, l := range [][]*program.Symbol{e.text, e.types, e.rodata, e.noptr, e.data, e.bss, e.zero} {
		order(l)
	}

	slices.SortStableFunc(e.types, func(a, b *program.Symbol) int {
		x, y := a.Flags&goobj.Typelink, b.Flags&goobj.Typelink
		if x != y || x == 0 {
			return cmp.Compare(y, x)
		}

		return cmp.Compare(typeString(a), typeString(b))
	})

	for e.links < len(e.types) && e.types[e.links].Flags&goobj.Typelink != 0 {
		e.links++
	}

	for _, s := range e.types {
		if err := e.collectMethods(s); err != nil {
			return err
		}
	}

	if err := e.collectItabs(); err != nil {
		return err
	}

	return e.collectValues()
}

// include puts a symbol into the list of its kind of memory.
func (e *emitter) include(s *program.Symbol) error {
	if e.included[s] {
		return nil
	}

	e.included[s] = true

	if s.IsItab() || !s.Defined() || s.Size < uint64(len(s.Data)) || s.Size > payload.MaxImage {
		return &PlanError{s.Name, "can't be included"}
	}

	switch {
	case s.IsText():
		e.text = append(e.text, s)
	case s.IsType():
		e.types = append(e.types, s)
	case s.Kind.IsROData() && e.usesItab(s), s.Kind == goobj.NoPtrData, s.Kind == goobj.NoPtrDataFIPS:
		e.noptr = append(e.noptr, s) // interface tables are known too late for constants
	case s.Kind.IsROData():
		e.rodata = append(e.rodata, s)
	case s.Kind == goobj.Data, s.Kind == goobj.DataFIPS:
		e.data = append(e.data, s)
	case s.Kind == goobj.BSS:
		e.bss = append(e.bss, s)
	case s.Kind == goobj.NoPtrBSS, s.Kind == goobj.CoverageCounter, s.Kind == goobj.FuzzCounter:
		e.zero = append(e.zero, s)
	case s.Kind == goobj.CoverageVar:
		e.noptr = append(e.noptr, s)
	default:
		return &PlanError{s.Name, "is of a kind of memory that a payload doesn't have"}
	}

	return nil
}

func (e *emitter) usesItab(s *program.Symbol) bool {
	return slices.ContainsFunc(s.Relocs(), func(r program.Reloc) bool {
		_, itab := e.itabs[r.Sym]
		return itab && r.Sym != nil && !r.Marks()
	})
}

// collectFunc finds what a function's code and tables need: words for interface tables,
// and pointer masks of what is on its stack, which must be in this image.
func (e *emitter) collectFunc(s *program.Symbol) error {
	for _, r := range s.Relocs() {
		if i, itab := e.itabs[r.Sym]; itab && r.Sym != nil && !r.Marks() {
			e.got[i] = 0
		}
	}

	f, ok := s.Func()
	if !ok {
		return &PlanError{s.Name, "the compiler says nothing of its frame"}
	}

	for i, d := range f.Funcdata {
		if d == nil || i == funcdataInlTree {
			continue
		}

		for _, r := range d.Relocs() {
			switch {
			case r.Sym == nil || r.Marks():
			case r.Sym.IsText():
				if err := e.needText(s, r); err != nil {
					return err
				}
			default:
				if err := e.include(r.Sym); err != nil {
					return err
				}
			}
		}
	}

	return nil
}

// needText makes a jump to a function unless it is in the image.
func (e *emitter) needText(s *program.Symbol, r program.Reloc) error {
	if e.included[r.Sym] || e.stubOf[r.Sym] != nil {
		return nil
	}

	ref, ok := e.resolve(r.Sym)
	if !ok {
		return relocError(s, r, "it is nowhere")
	}

	x := &stub{to: r.Sym, ref: ref}
	e.stubOf[r.Sym] = x
	e.stubs = append(e.stubs, x)

	return nil
}

// resolve asks where a symbol outside the image lives.
func (e *emitter) resolve(s *program.Symbol) (payload.Ref, bool) {
	if e.p.Resolve == nil {
		return payload.Ref{}, false
	}

	ref, ok := e.p.Resolve(s)
	if !ok {
		return ref, false
	}

	if ref.Name == "" {
		ref.Name = symbolName(s)
	}

	return ref, ref.Kind == payload.RefHost || ref.Kind == payload.RefPatch
}

// symbolName is the symbol's name in an ELF file.
func symbolName(s *program.Symbol) string {
	switch {
	case s.Name == "" || strings.ContainsRune(s.Name, 0) || !utf8.ValidString(s.Name):
		return "go:anonymous"
	case s.IsText() && s.ABI == goobj.ABI0:
		return s.Name + ".abi0"
	}

	return s.Name
}

// methods calls f for each method of a type: its number, and where its type, and the two
// functions for it, are.
func methods(s *program.Symbol, f func(i int, m [3]program.Reloc) error) error {
	var m []program.Reloc

	for _, r := range s.Relocs() {
		if r.Type == goobj.MethodOff {
			m = append(m, r)
		}
	}

	if len(m)%3 != 0 {
		return &PlanError{s.Name, "half a method"}
	}

	for i := 0; i < len(m); i += 3 {
		if err := f(i/3, [3]program.Reloc(m[i:i+3])); err != nil {
			return err
		}
	}

	return nil
}

func (e *emitter) collectMethods(s *program.Symbol) error {
	return methods(s, func(i int, m [3]program.Reloc) error {
		if !e.kept(s, i) {
			return nil
		}

		for _, r := range m[1:] {
			if r.Sym == nil {
				return relocError(s, r, "it is nothing")
			}

			if err := e.needText(s, r); err != nil {
				return err
			}
		}

		return nil
	})
}

func (e *emitter) kept(s *program.Symbol, i int) bool {
	return e.p.KeepMethod != nil && e.p.KeepMethod(s, i)
}

// itabFuncs is where the functions of an interface table begin.
const itabFuncs = 24

// collectItabs makes jumps for the methods that the base has, but not in the method
// tables that the runtime would look in.
func (e *emitter) collectItabs() error {
	for _, s := range e.p.Itabs {
		for _, r := range s.Relocs() {
			if r.Off < itabFuncs || r.Marks() || r.Sym == nil || !r.Sym.IsText() || e.included[r.Sym] {
				continue
			}

			if _, ok := e.resolve(r.Sym); !ok || !e.leftOut(s, r.Sym) {
				continue
			}

			if err := e.needText(s, r); err != nil {
				return err
			}
		}
	}

	return nil
}

// leftOut says whether the method table of the type of an interface table lacks a function.
// Of a type that isn't in the image or the base, nothing is known.
func (e *emitter) leftOut(itab, fn *program.Symbol) bool {
	typ := itabField(itab, 8)
	if typ == nil || e.included[typ] {
		return false
	}

	ref, ok := e.resolve(typ)
	if !ok || ref.Kind != payload.RefHost {
		return ok
	}

	out := false

	_ = methods(typ, func(_ int, m [3]program.Reloc) error {
		if m[1].Sym == fn || m[2].Sym == fn {
			b := e.p.Base.ELF.Bytes(ref.Value+uint64(m[1].Off), 4)
			out = b != nil && le.Uint32(b) == ^uint32(0)
		}

		return nil
	})

	return out
}

// itabField is what a word of an interface table refers to.
func itabField(s *program.Symbol, off int32) *program.Symbol {
	for _, r := range s.Relocs() {
		if r.Off == off && !r.Marks() {
			return r.Sym
		}
	}

	return nil
}

// collectValues finds or makes the words of func values.
func (e *emitter) collectValues() error {
	var fns []*program.Symbol

	for _, s := range e.p.Slots {
		fns = append(fns, s.Func)
	}

	for _, n := range sortedKeys(e.p.Hooks) {
		fns = append(fns, e.p.Hooks[n])
	}

	made := map[*program.Symbol]*program.Symbol{}

	for _, s := range e.rodata {
		if fn, add := to(s, 0); s.IsFuncValue() && s.Size == 8 && fn != nil && add == 0 {
			made[fn] = s
		}
	}

	for _, fn := range fns {
		if fn == nil || !fn.IsText() {
			return &PlanError{"a slot or hook", "its function isn't one"}
		}

		if e.valueOf[fn] == nil {
			v := &funcValue{fn: fn, sym: made[fn]}
			e.valueOf[fn] = v
			e.values = append(e.values, v)
		}
	}

	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}

	slices.Sort(keys)

	return keys
}
