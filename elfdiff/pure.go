package elfdiff

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// purely are functions that an initialiser may call: they give a value, and change nothing
// that anybody else could see. Those of the runtime that compiled code calls are as good.
var purely = []string{
	"errors.New", "fmt.Errorf", "fmt.Sprintf", "fmt.Sprint", "regexp.MustCompile", "regexp.Compile", "strings.NewReplacer", "strings.Repeat",
	"strings.Join", "strings.ToLower", "strings.ToUpper", "strings.Split", "bytes.Repeat", "math/big.NewInt", "math.Inf", "math.NaN", "math.Pow",
	"reflect.TypeOf", "encoding/base64.NewEncoding", "encoding/base64.(*Encoding).WithPadding", "encoding/base64.Encoding.WithPadding", "encoding/base32.NewEncoding",
	"unicode/utf8.RuneLen", "time.Unix", "net/textproto.CanonicalMIMEHeaderKey", "strconv.Itoa", "log.New", "io.NopCloser", "sync.OnceFunc",
}

// impurity says what a function of a program does beside giving values to variables of
// the packages in own; empty is nothing. It follows calls into these packages.
func impurity(p *program.Program, f *program.Symbol, own map[string]bool, seen map[*program.Symbol]bool) string {
	if seen[f] {
		return ""
	}

	seen[f] = true

	if f.IsAssembly() {
		return f.Name + " is assembly"
	}

	for _, r := range f.Relocs() {
		t := r.Sym

		switch {
		case r.Type == goobj.CallInd:
			return f.Name + " calls a function value or a method of an interface"
		case t == nil, r.Marks(), isTLS(r.Type):
		case t.IsText() && (isCall(r) || own[t.Package()] && !isShared(t)):
			if why := impureCall(p, t, own, seen); why != "" {
				return why
			}
		case t.IsText():
			// The address of a function that isn't called here.
		case t.IsVar() && !own[t.Package()] && !t.IsTemp() && t.Name != "runtime.writeBarrier" && !isLoad(p.ELF.Arch, f.Data, r):
			return f.Name + " may change " + t.Name
		}
	}

	return ""
}

func impureCall(p *program.Program, t *program.Symbol, own map[string]bool, seen map[*program.Symbol]bool) string {
	switch n := t.Name; {
	case isRuntime(t.Package()) && !strings.HasPrefix(n, "runtime.newproc") && !strings.HasPrefix(n, "runtime.SetFinalizer"):
		return ""
	case slices.Contains(purely, n):
		return ""
	case own[t.Package()] || isShared(t) || t.Name == "":
		return impurity(p, t, own, seen)
	default:
		return "it calls " + n
	}
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

	for _, f := range initsOf(a.base, pkg) {
		if impurity(a.base, f, map[string]bool{pkg: true}, map[*program.Symbol]bool{}) != "" {
			return false
		}
	}

	return true
}

// checkNewPackages looks at the packages of the fixed program that the process doesn't
// have. Initialisers that give values to variables of these packages alone are run when the
// payload is loaded; others would have been seen at the start of the program.
func (a *analysis) checkNewPackages() {
	own := map[string]bool{}

	var fresh []string // in the order in which they are initialised

	for _, n := range a.fixed.InitOrder() {
		t := a.fixed.Named(program.Key{Name: n})
		if t == nil || !t.Defined() || a.inProcess(t.Package()) {
			continue
		}

		if pkg := t.Package(); len(initsOf(a.fixed, pkg)) > 0 {
			fresh = append(fresh, pkg)
		}
	}

	for _, s := range a.fixed.Symbols {
		if s.Linked && (s.IsText() || s.IsVar()) && !isShared(s) && !a.inProcess(s.Package()) {
			own[s.Package()] = true
		}
	}

	for _, pkg := range fresh {
		for _, f := range initsOf(a.fixed, pkg) {
			if why := impurity(a.fixed, f, own, map[*program.Symbol]bool{}); why != "" {
				a.refuse(RefusePackageInit, pkg, fmt.Sprintf("the program doesn't have the package, and to initialise it now isn't as good: %s", why), nil)
			}
		}

		a.inits = append(a.inits, pkg)
	}
}
