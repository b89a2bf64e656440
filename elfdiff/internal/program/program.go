package program

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
)

// Package is what a program is put together from: an import path and the archive that
// the compiler made of it.
type Package struct {
	Path    string
	Archive []byte
}

// Program is a linked program and its symbols. After Link it isn't changed, but for what
// its symbols read when they are first asked: it is for one goroutine at a time.
type Program struct {
	ELF     *Image
	Symbols []*Symbol // all that an object defines

	// Foreign are the packages with members in their archives that no Go tool wrote, and a
	// hash of these.
	Foreign map[string]string

	objects  []*object
	byPkg    map[string]*object
	named    map[Key]*Symbol
	hashed   map[string]*Symbol
	builtins map[uint32]*Symbol
	archives map[string][]byte
	undef    []*Symbol

	proof Proof
}

// object is an object file in a program.
type object struct {
	*goobj.Object
	pkg  string
	prog *Program
	syms []*Symbol

	producer []byte // of its debugging information: the compiler, and flags of it
}

// scope is where the object's static symbols are known.
func (o *object) scope() string { return o.pkg + " " + o.Member }

// mainPackage is how objects call the package of the program, whatever its import path.
const mainPackage = "main"

// New reads the packages of a program, of which main is the import path of its own.
func New(image *Image, main string, pkgs []Package) (*Program, error) {
	p := &Program{
		ELF: image, byPkg: map[string]*object{}, named: map[Key]*Symbol{}, hashed: map[string]*Symbol{},
		builtins: map[uint32]*Symbol{}, archives: map[string][]byte{}, Foreign: map[string]string{},
	}

	for _, pkg := range pkgs {
		objs, foreign, err := goobj.ReadArchive(pkg.Archive)
		if err != nil {
			return nil, fmt.Errorf("package %s: %w", pkg.Path, err)
		}

		p.archives[pkg.Path] = pkg.Archive

		if foreign != "" {
			p.Foreign[pkg.Path] = foreign
		}

		for _, o := range objs {
			x := &object{Object: o, pkg: pkg.Path, prog: p}
			p.objects = append(p.objects, x)

			if !o.Assembly {
				p.byPkg[pkg.Path] = x
			}
		}
	}

	for _, o := range p.objects {
		p.define(o)
	}

	m := p.byPkg[main]
	if m == nil {
		return nil, fmt.Errorf("package %s, the program's own, isn't there", main)
	}

	p.byPkg[mainPackage] = m

	for _, o := range p.objects {
		if err := o.check(); err != nil {
			return nil, err
		}
	}

	return p, nil
}

// define makes the symbols of an object.
func (p *Program) define(o *object) {
	o.syms = make([]*Symbol, o.NumSymbols())

	for i := range o.syms {
		y := o.Symbol(i)

		if strings.HasPrefix(y.Name, "go:cuinfo.producer.") {
			o.producer = y.Data
		}

		if y.Name == "" && i >= o.NumDefined() {
			o.syms[i] = &Symbol{ABI: y.ABI}
			continue
		}

		if y.Name == "" && (y.Kind.IsDwarf() || o.Group(i) == goobj.Package) {
			continue // a table of a function, or debugging information: see at
		}

		var s *Symbol

		switch o.Group(i) {
		case goobj.Hashed64, goobj.Hashed:
			h := hashKey(o.Object, i, y.Size)

			if s = p.hashed[h]; s == nil {
				s = p.add(o, i, y)
				s.Hashed, s.Shared = true, true
				p.hashed[h] = s
			}
		default:
			k := Key{Name: y.Name, ABI: y.ABI}
			if y.ABI == goobj.Static {
				k.Pkg = o.scope()
			}

			s = p.named[k]

			switch {
			case i >= o.NumDefined():
				if s == nil {
					s = &Symbol{Name: y.Name, ABI: y.ABI}
					p.named[k] = s
					p.undef = append(p.undef, s)
				}
			case s == nil:
				s = p.add(o, i, y)
				p.named[k] = s
			case s.obj == nil, s.IsVar() && len(s.Data) == 0 && (len(y.Data) > 0 || uint64(y.Size) > s.Size): // the one that others pulled by linkname
				p.fill(s, o, i, y)
			case s.IsText() && y.Kind.IsText(), s.Kind.IsROData() && y.Flags&goobj.Dupok != 0:
				d := p.add(o, i, y)
				s.dups = append(s.dups, d)
			}
		}

		o.syms[i] = s
	}
}

// Undescribed lists the packages that were compiled without debugging information. What types
// their functions use can't be known.
func (p *Program) Undescribed() []string {
	var out []string

	for _, o := range p.objects {
		if !o.Assembly && bytes.Contains(o.producer, []byte("-dwarf=false")) {
			out = append(out, o.pkg)
		}
	}

	return out
}

func (p *Program) add(o *object, i int, y goobj.Symbol) *Symbol {
	s := &Symbol{}
	p.fill(s, o, i, y)

	return s
}

func (p *Program) fill(s *Symbol, o *object, i int, y goobj.Symbol) {
	if s.obj == nil {
		p.Symbols = append(p.Symbols, s)
	}

	s.define(o, i, y)
}

func (s *Symbol) define(o *object, i int, y goobj.Symbol) {
	s.Name, s.ABI, s.Kind, s.Flags, s.Align = y.Name, y.ABI, y.Kind, y.Flags, y.Align
	s.Data, s.Size = y.Data, max(uint64(y.Size), uint64(len(y.Data)))
	s.obj, s.index = o, i
}

// check holds that every reference to another package leads to one of its symbols, so
// that resolve needn't.
func (o *object) check() error {
	for i := range o.NumDefined() {
		for j := range o.NumRelocs(i) {
			r := o.Reloc(i, j)

			if int(r.Ref.Pkg) < len(o.Pkgs) && r.Ref.Pkg != goobj.PkgInvalid {
				q := o.prog.lookup(o.Pkgs[r.Ref.Pkg])
				if q == nil {
					return fmt.Errorf("package %s refers to package %s, which isn't there", o.pkg, o.Pkgs[r.Ref.Pkg])
				}

				if int64(r.Ref.Index) >= int64(q.NumPackage()) {
					return fmt.Errorf("package %s refers to symbol %d of package %s, which has %d", o.pkg, r.Ref.Index, q.pkg, q.NumPackage())
				}
			}
		}
	}

	return nil
}

// lookup finds the package that objects call so: they escape dots in the last element.
func (p *Program) lookup(pkg string) *object {
	if o := p.byPkg[pkg]; o != nil {
		return o
	}

	return p.byPkg[strings.ReplaceAll(pkg, "%2e", ".")]
}

// resolve finds the symbol of a reference; nil is none.
func (o *object) resolve(r goobj.Ref) *Symbol {
	if r.Pkg == goobj.PkgInvalid {
		return nil
	}

	if r.Pkg == goobj.PkgBuiltin {
		return o.prog.builtin(r.Index)
	}

	if i, ok := o.Local(r); ok {
		return o.at(i)
	}

	if int(r.Pkg) < len(o.Pkgs) {
		if q := o.prog.lookup(o.Pkgs[r.Pkg]); q != nil && int64(r.Index) < int64(len(q.syms)) {
			return q.at(int(r.Index))
		}
	}

	return nil
}

// at is the symbol with an index. Those without names are made when they are asked for: they
// are more than half of all, and few are.
func (o *object) at(i int) *Symbol {
	if o.syms[i] == nil {
		s := &Symbol{}
		s.define(o, i, o.Symbol(i))
		o.syms[i] = s
	}

	return o.syms[i]
}

// builtin is one of the symbols that the compiler has a list of. The list differs from
// one Go version to the next; which is which is seen where the program was linked: see
// nameBuiltins.
func (p *Program) builtin(i uint32) *Symbol {
	s := p.builtins[i]
	if s == nil {
		s = &Symbol{Name: fmt.Sprintf("builtin#%d", i), ABI: goobj.ABIGo}
		p.builtins[i] = s
	}

	return s
}

// Named finds a symbol by its key; nil is none.
func (p *Program) Named(k Key) *Symbol { return p.named[k] }

// Func finds a Go function, or what has the name of one, by its name.
func (p *Program) Func(name string) *Symbol { return p.named[Key{Name: name, ABI: goobj.ABIGo}] }

// SamePackage says whether both programs have the same archive of a package.
func (p *Program) SamePackage(q *Program, pkg string) bool {
	a, ok := p.archives[pkg]
	b, ok2 := q.archives[pkg]

	return ok && ok2 && bytes.Equal(a, b)
}

// Program is that whose object defines the symbol; nil is none.
func (s *Symbol) Program() *Program {
	if s.obj == nil {
		return nil
	}

	return s.obj.prog
}

// ByHash finds the symbol with the content of one that is known by its content, in this
// or in another program; nil is none. It is for what refers to nothing: the hashes of all
// else are of one build.
func (p *Program) ByHash(s *Symbol) *Symbol {
	if !s.Hashed || s.obj == nil || s.obj.NumRelocs(s.index) > 0 {
		return nil
	}

	return p.hashed[hashKey(s.obj.Object, s.index, uint32(s.Size))]
}

// AdoptContent has the symbol be that of its definitions which has the content, if there
// is one.
func (s *Symbol) AdoptContent(c Content) bool {
	for _, d := range s.dups {
		if d.Content() == c {
			s.adopt(d)
			return true
		}
	}

	return false
}

// hashKey is what the linker tells symbols by that are known by their content.
func hashKey(o *goobj.Object, i int, size uint32) string {
	h := string(o.Hash(i))
	if o.Group(i) == goobj.Hashed64 { // the size tells short ones apart
		h = fmt.Sprintf("%s/%d", h, size)
	}

	return h
}

// Prefix is what the names of a package's symbols begin with: its import path, as objects
// spell it, or "main".
func (p *Program) Prefix(pkg string) string {
	if m := p.byPkg[mainPackage]; m != nil && m.pkg == pkg {
		return mainPackage
	}

	dir, last := "", pkg
	if i := strings.LastIndex(pkg, "/"); i >= 0 {
		dir, last = pkg[:i+1], pkg[i+1:]
	}

	return dir + strings.ReplaceAll(last, ".", "%2e")
}

// InitOrder lists the symbols of the packages' initialisers in the order in which the
// linked program runs them.
func (p *Program) InitOrder() []string {
	var out []string

	for _, list := range []string{"go:runtime.inittasks", "go:main.inittasks"} {
		e, ok := p.ELF.Lookup(list)
		if !ok {
			continue
		}

		b := p.ELF.Bytes(e.Addr, e.Size)
		for ; len(b) >= 8; b = b[8:] {
			for _, s := range p.ELF.At(le.Uint64(b)) {
				if strings.HasSuffix(s.Name, "..inittask") {
					out = append(out, s.Name)
				}
			}
		}
	}

	return out
}

// Imports calls f for each package of the program, with the packages that it imports.
func (p *Program) Imports(f func(pkg string, imports []string)) {
	for _, o := range p.objects {
		if !o.Assembly {
			f(o.pkg, o.Object.Imports)
		}
	}
}
