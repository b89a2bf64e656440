package elfdiff

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/emit"
	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// purely are functions that an initialiser may call: they give a value, and change nothing
// that anybody else could see. Those of the runtime that compiled code calls are as good.
// What formats values isn't: it calls their methods.
var purely = []string{
	"errors.New", "regexp.MustCompile", "regexp.Compile", "strings.NewReplacer", "strings.Repeat",
	"strings.Join", "strings.ToLower", "strings.ToUpper", "strings.Split", "bytes.Repeat", "math/big.NewInt", "math.Inf", "math.NaN", "math.Pow",
	"reflect.TypeOf", "encoding/base64.NewEncoding", "encoding/base64.(*Encoding).WithPadding", "encoding/base64.Encoding.WithPadding", "encoding/base32.NewEncoding",
	"unicode/utf8.RuneLen", "time.Unix", "net/textproto.CanonicalMIMEHeaderKey", "strconv.Itoa", "log.New", "io.NopCloser", "sync.OnceFunc",
}

// purity is what an initialiser may do: give values to variables that are its own.
type purity struct {
	p    *program.Program
	pkgs map[string]bool              // whose functions it may call: these are looked at too
	own  func(v *program.Symbol) bool // a variable of these packages

	// kept is true of variables of others that still have the value with which the program
	// began; nil is that it doesn't matter.
	kept func(v *program.Symbol) bool

	seen map[*program.Symbol]bool

	// What an interface of others holds can be changed by what asserts its type, and so has
	// the type's descriptor: one of these alone is harmless.
	iface string
	typed bool
}

// ofPackages is the purity of the initialisers of whole packages.
func ofPackages(p *program.Program, pkgs map[string]bool) *purity {
	own := func(v *program.Symbol) bool { return v.IsTemp() || pkgs[v.Package()] }

	return &purity{p: p, pkgs: pkgs, own: own, seen: map[*program.Symbol]bool{}}
}

// against says what a function does beside; empty is nothing. It follows calls.
func (x *purity) against(f *program.Symbol) string {
	why := x.walk(f)
	if why == "" && x.typed && x.iface != "" {
		return "what is in " + x.iface + " may be changed"
	}

	return why
}

func (x *purity) walk(f *program.Symbol) string {
	if x.seen[f] {
		return ""
	}

	x.seen[f] = true

	if f.IsAssembly() {
		return f.Name + " is assembly"
	}

	for _, r := range f.Relocs() {
		t := r.Sym

		switch {
		case r.Type == goobj.CallInd:
			return f.Name + " calls a function value or a method of an interface"
		case t == nil, r.Marks(), isTLS(r.Type):
		case t.IsText() && (isCall(r) || x.pkgs[t.Package()] && !isShared(t)):
			if why := x.call(t); why != "" {
				return why
			}
		case t.IsText():
			// The address of a function that isn't called here.
		case !t.IsVar(), t.Name == "runtime.writeBarrier", x.own(t):
			x.typed = x.typed || t.IsType() || t.IsItab()
		case x.pkgs[t.Package()]:
			return f.Name + " uses " + t.Name + ", which the process has already"
		case !isLoad(x.p.ELF.Arch, f.Data, r):
			return f.Name + " may change " + t.Name
		case x.kept == nil && isInterface(t):
			x.iface = t.Name
		case !isPlain(t):
			return f.Name + " may change what " + t.Name + " leads to"
		case x.kept != nil && !x.kept(t):
			return f.Name + " uses " + t.Name + ", which may have changed"
		}
	}

	return ""
}

func (x *purity) call(t *program.Symbol) string {
	switch n := t.Name; {
	case isRuntime(t.Package()) && !strings.HasPrefix(n, "runtime.newproc") && !program.IsExported(strings.TrimPrefix(n, "runtime.")):
		return ""
	case slices.Contains(purely, n):
		return ""
	case x.pkgs[t.Package()] || isShared(t) || t.Name == "":
		return x.walk(t)
	default:
		return "it calls " + n
	}
}

// isPlain is true of variables through whose values nothing can be changed: strings, and
// what has no pointers.
func isPlain(v *program.Symbol) bool {
	const ptrBytes, stringKind = 8, 24

	t := v.GoType()
	kind, ok := kindOf(t)

	return ok && (binary.LittleEndian.Uint64(t.Data[ptrBytes:]) == 0 || kind == stringKind)
}

func isInterface(v *program.Symbol) bool {
	const interfaceKind = 20

	kind, ok := kindOf(v.GoType())

	return ok && kind == interfaceKind
}

// kindOf is what reflection calls a type, by its descriptor.
func kindOf(t *program.Symbol) (kind byte, ok bool) {
	const at, end = 23, 48

	if t == nil || len(t.Data) < end {
		return 0, false
	}

	return t.Data[at] & 31, true
}

// isLoad says whether an instruction that refers to a variable only reads it.
func isLoad(arch string, code []byte, r program.Reloc) bool {
	at := int(r.Off)

	switch arch {
	case "amd64":
		if r.Type != goobj.PCRel || at < 3 || at+4 > len(code) || code[at-1]&0xc7 != 0x05 {
			return false
		}

		switch op := code[at-2]; {
		case op == 0x8b: // MOV from memory
			return true
		case code[at-3] == 0x0f: // MOVUPS, MOVZX, MOVSX from memory
			return op == 0x10 || op == 0x28 || op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf
		}
	case "arm64":
		if r.Size != 8 || at+8 > len(code) || r.Type == goobj.AddrARM64 {
			return false
		}

		// A load or store of a register, with an unsigned offset: bits 23 and 22 are 0 in
		// stores.
		in := binary.LittleEndian.Uint32(code[at+4:])

		return in>>24&0x3b == 0x39 && in>>22&3 != 0
	}

	return false
}

// initsOf lists the functions that initialise a package of a program, in their order.
func initsOf(p *program.Program, pkg string) []*program.Symbol {
	t := p.Named(program.Key{Name: p.Prefix(pkg) + "..inittask"})
	if t == nil || !t.Defined() {
		return nil
	}

	var out []*program.Symbol

	for _, r := range t.Relocs() {
		if r.Sym != nil && !r.Marks() && r.Sym.IsText() {
			out = append(out, r.Sym)
		}
	}

	return out
}

// gone says whether a package of the base is in nothing of the fixed program, and did
// nothing when it was initialised but give values to its own variables: then it makes no
// difference that it was.
func (a *analysis) gone(pkg string) bool {
	for _, f := range a.fixed.Symbols {
		if f.Linked && !isShared(f) && (f.IsText() || f.IsVar()) && f.Package() == pkg {
			return false
		}
	}

	x := ofPackages(a.base, map[string]bool{pkg: true})

	for _, f := range initsOf(a.base, pkg) {
		if x.against(f) != "" {
			return false
		}
	}

	return true
}

// checkNewInitialisers looks at the initialisers of the fixed program that the process
// didn't run. Those of packages that it doesn't have are run when the payload is loaded, if
// they give values to variables of such packages alone; so are those of packages that it
// has, if it is new variables alone that they touch. Others would have been seen at the start
// of the program, or would see what has become of it.
func (a *analysis) checkNewInitialisers() {
	fresh := map[string]bool{}

	for _, s := range a.fixed.Symbols {
		if s.Linked && (s.IsText() || s.IsVar()) && !isShared(s) && !a.inProcess(s.Package()) {
			fresh[s.Package()] = true
		}
	}

	for _, n := range a.fixed.InitOrder() {
		t := a.fixed.Named(program.Key{Name: n})
		if t == nil || !t.Defined() || a.samePackage(t.Package()) {
			continue
		}

		pkg := t.Package()
		funcs := initsOf(a.fixed, pkg)

		if a.inProcess(pkg) {
			funcs = a.addedInits(pkg, funcs)
		} else {
			for _, f := range funcs {
				x := ofPackages(a.fixed, fresh)
				x.kept = a.isKept

				if why := x.against(f); why != "" {
					a.refuse(RefusePackageInit, pkg, "the program doesn't have the package, and to initialise it now isn't as good: "+why, nil)
				}
			}
		}

		if len(funcs) > 0 {
			a.inits = append(a.inits, emit.InitPlan{Package: pkg, Funcs: funcs})
		}
	}
}

// addedInits are the initialisers that a package of the process has gained.
func (a *analysis) addedInits(pkg string, funcs []*program.Symbol) (added []*program.Symbol) {
	for _, f := range funcs {
		if s := a.inBase(f); s != nil && s.Defined() {
			continue // checkInitialisers has its word
		}

		x := &purity{p: a.fixed, pkgs: map[string]bool{pkg: true}, own: a.isNewVariable, kept: a.isKept, seen: map[*program.Symbol]bool{}}
		if why := x.against(f); why != "" {
			a.refuse(RefuseInitialiser, f.Name, "it is new, and its package was initialised already: "+why, nil)
		}

		added = append(added, f)
	}

	return added
}

// isNewVariable is true of variables of the fixed program that the base's source doesn't
// have, and of its data without names that the process has nothing of.
func (a *analysis) isNewVariable(v *program.Symbol) bool {
	if v.IsTemp() {
		_, there := a.temp(v)
		return !there
	}

	b := a.inBase(v)

	return b == nil || !b.Defined()
}

// isKept is true of variables of the process to which nothing of it refers but to read them:
// they have the value that they have in the file.
func (a *analysis) isKept(v *program.Symbol) bool {
	b := a.inBase(v)
	if b == nil || !b.Linked {
		return false
	}

	for _, s := range a.base.Symbols {
		if !s.Linked && !s.Dead {
			continue
		}

		for _, r := range s.Relocs() {
			if r.Sym == b && !r.Marks() && (!s.IsText() || !isLoad(a.base.ELF.Arch, s.Data, r)) {
				return false
			}
		}
	}

	return true
}
