package program

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
)

// Proof is what reverse linking found.
type Proof struct {
	FromTable int // symbols whose address the ELF file's table has
	Symbols   int // symbols with an address, in all
	Relocs    int // fields read
	Pruned    int // references that the linker led to a place that throws

	ForeignFuncs []string // functions that C compilers made
	Unknown      []string // functions that no object accounts for
	Conflicts    []string // symbols with two addresses
	Mismatches   []string // symbols whose bytes aren't in the program
}

// ErrProof is a program that wasn't linked from these objects, or not in a way that is
// understood.
var ErrProof = errors.New("the objects aren't those that the program was linked from")

var le = binary.LittleEndian

// pruned are what references to functions that the linker left out lead to.
var pruned = []string{"runtime.unreachableMethod", "runtime.mapinitnoop", "runtime.mapinitnoop.abi0"}

// Link joins the objects with the linked bytes. The error is ErrProof.
func (p *Program) Link() (Proof, error) {
	l := &linker{p: p, m: p.ELF, dead: map[uint64]bool{}}

	for _, n := range pruned {
		if s, ok := p.ELF.Lookup(n); ok {
			l.dead[s.Addr] = true
		}
	}

	l.nameBuiltins()
	l.roots()
	l.proof.FromTable = len(l.queue)

	for len(l.queue) > 0 {
		s := l.queue[len(l.queue)-1]
		l.queue = l.queue[:len(l.queue)-1]
		l.visit(s)
	}

	l.cover()

	sort.Strings(l.proof.Conflicts)
	sort.Strings(l.proof.Mismatches)
	sort.Strings(l.proof.Unknown)
	p.proof = l.proof

	if len(p.Foreign) > 0 { // what C compilers made accounts for them
		l.proof.ForeignFuncs, l.proof.Unknown = l.proof.Unknown, nil
	}

	if n := len(l.proof.Conflicts) + len(l.proof.Mismatches) + len(l.proof.Unknown); n > 0 {
		return l.proof, fmt.Errorf("%w: %d conflicts %q, %d mismatches %q, %d functions that no object has %q", ErrProof,
			len(l.proof.Conflicts), first(l.proof.Conflicts), len(l.proof.Mismatches), first(l.proof.Mismatches), len(l.proof.Unknown), first(l.proof.Unknown))
	}

	return l.proof, nil
}

func first(s []string) []string { return s[:min(len(s), 3)] }

type linker struct {
	p     *Program
	m     *Image
	queue []*Symbol
	proof Proof
	dead  map[uint64]bool // addresses of what stands for functions that were left out
}

// nameBuiltins finds out what the compiler's list of builtin symbols is: where a function
// with a known address refers to the third of them, say, the linked bytes have its address,
// and the ELF file's table its name.
func (l *linker) nameBuiltins() {
	names := map[uint32]string{}

	for _, o := range l.p.objects {
		for i := range o.NumDefined() {
			if y := o.Symbol(i); y.Kind.IsText() && y.ABI == goobj.ABIGo {
				l.nameCalled(o, i, y, names)
			} else if fn, ok := strings.CutSuffix(y.Name, "·f"); ok && o.NumRelocs(i) == 1 {
				if r := o.Reloc(i, 0); r.Ref.Pkg == goobj.PkgBuiltin {
					names[r.Ref.Index] = fn
				}
			}
		}
	}

	nameTypes(names)

	for i, n := range names {
		abi := uint16(goobj.ABIGo)
		if m, ok := strings.CutSuffix(n, ".abi0"); ok {
			n, abi = m, goobj.ABI0
		}

		for _, k := range []Key{{Name: n, ABI: abi}, {Name: n, ABI: goobj.ABI0}} {
			if s := l.p.named[k]; s != nil && s.Defined() {
				l.p.builtins[i] = s
				break
			}
		}
	}
}

// roots begins with what the ELF file's table tells.
func (l *linker) roots() {
	static := map[string]int{}

	for _, s := range l.p.named {
		if s.ABI == goobj.Static && s.IsText() {
			static[s.Name]++
		}
	}

	for k, s := range l.p.named {
		name := k.Name

		if s.ABI == goobj.Static && static[name] != 1 {
			continue // the table doesn't say whose it is
		}

		if s.IsText() && s.ABI == goobj.ABI0 {
			if _, ok := l.m.Lookup(name + ".abi0"); ok {
				name += ".abi0"
			} else if g := l.p.named[Key{Name: name, ABI: goobj.ABIGo}]; g != nil && g.Defined() {
				continue
			}
		}

		e, ok := l.m.Lookup(name)
		if !ok || e.Abs || s.Defined() && s.IsText() != e.Text {
			continue
		}

		l.found(s, e.Addr)
	}

	sort.Slice(l.queue, func(i, j int) bool { return l.queue[i].Addr < l.queue[j].Addr })
}

func (l *linker) found(s *Symbol, addr uint64) {
	if s.Linked {
		if s.Addr != addr {
			l.proof.Conflicts = append(l.proof.Conflicts, fmt.Sprintf("%s at %#x and %#x", s.Name, s.Addr, addr))
		}

		return
	}

	s.Linked, s.Addr = true, addr
	l.proof.Symbols++
	l.queue = append(l.queue, s)
}

// visit compares a symbol with the linked bytes, and reads what its fields refer to.
func (l *linker) visit(s *Symbol) {
	if !s.Defined() || len(s.Data) == 0 {
		return
	}

	b := l.match(s)
	if b == nil {
		return
	}

	for i, r := range s.Relocs() {
		if r.Sym == nil || r.Marks() {
			continue
		}

		t, ok := l.target(s.Addr, b, r)
		if !ok {
			continue
		}

		if l.dead[t] && l.pruned(r, t) {
			l.proof.Pruned++
			continue
		}

		l.proof.Relocs++
		s.relocs[i].Live = true
		l.found(r.Sym, t)
	}
}

// pruned says whether a reference leads to what stands for a function that was left out,
// and not to that one itself.
func (l *linker) pruned(r Reloc, t uint64) bool {
	for _, e := range l.m.At(t) {
		if n := strings.TrimSuffix(e.Name, ".abi0"); n == tableName(r.Sym.Name) {
			return false
		}
	}

	return true
}

// match finds the linked bytes of a symbol, taking that of its definitions which they are.
func (l *linker) match(s *Symbol) []byte {
	b := l.m.Bytes(s.Addr, uint64(len(s.Data)))
	if b != nil && matches(s, b) && (len(s.dups) == 0 || l.agrees(s, s.Addr, b)) {
		return b
	}

	for _, d := range s.dups {
		if c := l.m.Bytes(s.Addr, uint64(len(d.Data))); c != nil && matches(d, c) && l.agrees(d, s.Addr, c) {
			s.adopt(d)
			return c
		}
	}

	// The linker writes some of the runtime's own variables.
	if !(s.IsVar() && strings.HasPrefix(s.Name, "runtime.")) {
		l.proof.Mismatches = append(l.proof.Mismatches, s.Name)
	}

	return nil
}

// agrees says whether the linked bytes can be this definition's, and not those of another
// one that differs from it in what it calls alone.
func (l *linker) agrees(d *Symbol, addr uint64, b []byte) bool {
	for _, r := range d.Relocs() {
		if r.Sym == nil || r.Marks() {
			continue
		}

		t, ok := l.target(addr, b, r)
		if !ok || l.dead[t] {
			continue
		}

		if r.Sym.Linked && r.Sym.Addr != t {
			return false
		}

		if at := l.m.At(t); r.Sym.IsText() && len(at) > 0 && !slices.ContainsFunc(at, func(e ELFSymbol) bool {
			return strings.TrimSuffix(e.Name, ".abi0") == tableName(r.Sym.Name)
		}) {
			return false
		}
	}

	return true
}

// adopt makes the symbol what another definition of it is.
func (s *Symbol) adopt(d *Symbol) {
	was := *s
	was.dups, was.Linked, was.Addr = nil, false, 0 // where it is and that it is stays with the symbol

	for i := range s.dups {
		if s.dups[i] == d {
			s.dups[i] = &was
		}
	}

	s.Kind, s.Flags, s.Size, s.Align, s.Data = d.Kind, d.Flags, d.Size, d.Align, d.Data
	s.obj, s.index = d.obj, d.index
	s.relocs, s.read, s.aux, s.hasContent = nil, false, aux{}, false
}

// matches compares all bytes that no relocation fills in.
func matches(s *Symbol, b []byte) bool {
	at := 0

	for _, r := range s.Relocs() {
		off, n := int(r.Off), int(r.Size)

		switch r.Type {
		case goobj.TLSIE: // the linker makes another instruction of it
			off, n = off-3, n+3
		case goobj.ARM64TLSIE:
			n = 8
		}

		if n == 0 || off+n <= at {
			continue
		}

		if off > len(b) || off < 0 {
			return false
		}

		if off > at && string(b[at:off]) != string(s.Data[at:off]) {
			return false
		}

		at = min(off+n, len(b))
	}

	return string(b[at:]) == string(s.Data[at:])
}

// cover looks for functions of the program that no object accounts for.
func (l *linker) cover() {
	known := map[uint64]bool{}

	for _, s := range l.p.Symbols {
		if s.Linked {
			known[s.Addr] = true
		}
	}

	for _, s := range l.p.undef {
		if s.Linked {
			known[s.Addr] = true
		}
	}

	for _, e := range l.m.Symbols {
		if e.Text && e.Size > 0 && !known[e.Addr] && !linkerMade(e.Name) {
			l.proof.Unknown = append(l.proof.Unknown, e.Name)
		}
	}
}

// linkerMade is true of functions that the linker makes itself.
func linkerMade(n string) bool {
	return n == "runtime.text" || n == "runtime.etext" || n == "go:buildid" || strings.HasPrefix(n, "go:") || strings.Contains(n, "-tramp") || strings.Contains(n, "+0-tramp")
}

// Proof is what Link found.
func (p *Program) Proof() Proof { return p.proof }
