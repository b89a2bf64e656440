package program

import (
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
)

// Symbol is a symbol of a program, whether it was linked or not.
type Symbol struct {
	Name   string
	ABI    uint16 // goobj.ABI0, ABIGo or Static
	Kind   goobj.Kind
	Flags  goobj.Flag
	Size   uint64
	Align  uint32
	Data   []byte
	Hashed bool // known by its content, not by its name
	Shared bool // the linker knows it by its content, whatever it is known by here: any object may define it

	Linked bool   // the program has it
	Addr   uint64 // where, if it is linked
	Layer  int    // in what: 0 is the program, and k the payload k of a Stack
	Dead   bool   // a function that a payload of a Stack replaced

	obj    *object // that defines it; nil is none
	index  int
	dups   []*Symbol // the other definitions, of which the linker took one
	relocs []Reloc
	read   bool // relocs and aux are there
	aux    aux

	content    Content
	hasContent bool
	busy       bool // content is being computed
}

// Reloc is a field of a symbol that refers to another one, or marks something.
type Reloc struct {
	goobj.Reloc
	Sym  *Symbol // nil is none
	Live bool    // the linked program has it: known after Link, of linked symbols
}

// aux is what belongs to a symbol.
type aux struct {
	goType   *Symbol
	info     goobj.FuncInfo
	hasInfo  bool
	inlined  []*Symbol // of info.Inlined
	funcdata []*Symbol // nil where there is none
	pcdata   []*Symbol
	dwarf    *Symbol

	pcsp, pcfile, pcline, pcinline *Symbol
}

// Func is what the compiler says of a function beside its code.
type Func struct {
	goobj.FuncInfo
	InlinedFuncs []*Symbol // of Inlined
	Funcdata     []*Symbol // nil where there is none
	Pcdata       []*Symbol
	Dwarf        *Symbol // may be nil

	Pcsp, Pcfile, Pcline, Pcinline *Symbol
}

// Defined says whether an object of the program defines the symbol.
func (s *Symbol) Defined() bool { return s.obj != nil }

// IsText is true of functions.
func (s *Symbol) IsText() bool { return s.Kind.IsText() }

// IsVar is true of variables.
func (s *Symbol) IsVar() bool { return s.Kind.IsVar() }

// IsType is true of type descriptors.
func (s *Symbol) IsType() bool { return IsTypeName(s.Name) && !s.IsText() }

// IsTypeName is true of the names of type descriptors; those that begin with "type:." are
// what descriptors consist of.
func IsTypeName(n string) bool {
	return strings.HasPrefix(n, "type:") && !strings.HasPrefix(n, "type:.")
}

// IsItab is true of interface tables.
func (s *Symbol) IsItab() bool { return strings.HasPrefix(s.Name, "go:itab.") }

// IsDict is true of the dictionaries of generic functions.
func (s *Symbol) IsDict() bool { return strings.Contains(s.Name, "..dict.") }

// IsFuncValue is true of the word that a function value without captured variables
// points to.
func (s *Symbol) IsFuncValue() bool { return strings.HasSuffix(s.Name, "·f") && !s.IsText() }

// IsTemp is true of variables that the compiler made: for the initial value of another one,
// or for what a place in the code remembers. It numbers them, so that their names mean nothing.
func (s *Symbol) IsTemp() bool {
	return s.IsVar() && (strings.Contains(s.Name, "..stmp_") || strings.Contains(s.Name, "..typeAssert.") || strings.Contains(s.Name, "..interfaceSwitch."))
}

// IsAssembly is true of what the assembler wrote.
func (s *Symbol) IsAssembly() bool { return s.obj != nil && s.obj.Assembly }

// Package is the import path of the package whose object defines the symbol.
func (s *Symbol) Package() string {
	if s.obj == nil {
		return ""
	}

	return s.obj.pkg
}

// funcIDWrapper is what the compiler calls the functions that it wraps others in.
const funcIDWrapper = 23

// IsWrapper is true of functions that the compiler made to call another one.
func (s *Symbol) IsWrapper() bool {
	s.load()
	return s.aux.hasInfo && s.aux.info.ID == funcIDWrapper
}

// File names the object that defines the symbol: symbols of one have line tables that
// refer to the same list of files.
func (s *Symbol) File() *goobj.Object {
	if s.obj == nil {
		return nil
	}

	return s.obj.Object
}

// GoType is the descriptor of a variable's type; nil is unknown.
func (s *Symbol) GoType() *Symbol {
	s.load()
	return s.aux.goType
}

// Relocs are the symbol's relocations, by offset. The slice is the symbol's.
func (s *Symbol) Relocs() []Reloc {
	s.load()
	return s.relocs
}

// Func is what the compiler says of a function; ok is false where it says nothing.
func (s *Symbol) Func() (f Func, ok bool) {
	s.load()

	return Func{
		FuncInfo: s.aux.info, InlinedFuncs: s.aux.inlined, Funcdata: s.aux.funcdata, Pcdata: s.aux.pcdata, Dwarf: s.aux.dwarf,
		Pcsp: s.aux.pcsp, Pcfile: s.aux.pcfile, Pcline: s.aux.pcline, Pcinline: s.aux.pcinline,
	}, s.aux.hasInfo
}

// Key is what tells symbols with names apart.
type Key struct {
	Name string
	ABI  uint16
	Pkg  string // and object, of static symbols
}

// Key of the symbol. Hashed symbols may share one.
func (s *Symbol) Key() Key {
	k := Key{Name: s.Name, ABI: s.ABI}
	if s.ABI == goobj.Static && s.obj != nil {
		k.Pkg = s.obj.scope()
	}

	return k
}

// load reads what is only needed of a part of the symbols.
func (s *Symbol) load() {
	if s.read || s.obj == nil {
		return
	}

	s.read = true
	o := s.obj

	n := o.NumRelocs(s.index)
	s.relocs = make([]Reloc, n)
	sorted := true

	for j := range s.relocs {
		r := o.Reloc(s.index, j)
		s.relocs[j] = Reloc{Reloc: r, Sym: o.resolve(r.Ref)}
		sorted = sorted && (j == 0 || s.relocs[j-1].Off <= r.Off)
	}

	if !sorted {
		slices.SortStableFunc(s.relocs, func(a, b Reloc) int { return int(a.Off) - int(b.Off) })
	}

	a := &s.aux

	o.Aux(s.index, func(t goobj.AuxType, ref goobj.Ref) {
		x := o.resolve(ref)

		switch t {
		case goobj.AuxGoType:
			a.goType = x
		case goobj.AuxFuncInfo:
			if x == nil {
				return
			}

			a.info, a.hasInfo = goobj.ReadFuncInfo(x.Data)
			for _, in := range a.info.Inlined {
				a.inlined = append(a.inlined, o.resolve(in.Func))
			}
		case goobj.AuxFuncdata:
			a.funcdata = append(a.funcdata, x)
		case goobj.AuxPcdata:
			a.pcdata = append(a.pcdata, x)
		case goobj.AuxDwarfInfo:
			a.dwarf = x
		case goobj.AuxPcsp:
			a.pcsp = x
		case goobj.AuxPcfile:
			a.pcfile = x
		case goobj.AuxPcline:
			a.pcline = x
		case goobj.AuxPcinline:
			a.pcinline = x
		}
	})
}
