package program

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/internal/payload"
)

// Stack is a program and the payloads that are applied to it, as one program: the one that
// runs. Push changes the Program, whose Symbols become all that the process has: those of
// payloads are told by their Layer, and have offsets in the payload's image for addresses.
//
// A function that a payload replaced is Dead: whatever called it is dead too or leads
// elsewhere, so that it is no longer Linked. But the values that it made while it ran may
// be anywhere, so that it still counts what it refers to, calls apart.
type Stack struct {
	*Program

	Slots map[string]*Symbol // the functions that payloads bind slots to, those of the topmost
	Dead  []*Symbol

	// Tables are the functions that payloads have put into interface tables which the
	// runtime has made, and which no method table leads to. The value says which.
	Tables map[*Symbol]string

	// Entries are functions of the program whose entries payloads have lead to their own
	// versions, those of the topmost. They are Dead.
	Entries map[*Symbol]*Symbol

	layers []*layer
	host   map[uint64][]*Symbol
}

// ErrLayer is a payload that wasn't made from the build that it is said to be from, or not
// for what is below it.
var ErrLayer = errors.New("the payload wasn't made from that build, on top of those below")

func notOf(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrLayer, fmt.Sprintf(format, a...))
}

// layer is a payload of a stack.
type layer struct {
	index  int // the first is 1
	file   *payload.File
	prog   *Program // the build that it was made from
	parts  *Image   // what is known of its text and types
	relocs map[uint64]payload.Reloc
	names  map[uint64][]string // what its symbols are called, by image offset

	clones map[*Symbol]*Symbol // by the build's symbol
	list   []*Symbol           // the clones, in the order of the payload's symbols
	at     map[uint64][]*Symbol
}

// NewStack begins with a linked program and no payloads.
func NewStack(p *Program) *Stack {
	st := &Stack{Program: p, Slots: map[string]*Symbol{}, Tables: map[*Symbol]string{}, Entries: map[*Symbol]*Symbol{}, host: map[uint64][]*Symbol{}}

	for _, list := range [][]*Symbol{p.Symbols, p.undef} {
		for _, s := range list {
			if s.Linked {
				st.host[s.Addr] = append(st.host[s.Addr], s)
			}
		}
	}

	return st
}

// Push puts a payload on top. The program is the linked one that it was made from; both are
// proved to belong together: every symbol of the payload must be one of the program's, byte
// for byte but for what is filled in, and that must lead to what the program's leads to. The
// error is ErrLayer, and then the Stack is no longer good for anything.
func (st *Stack) Push(p *Program, f *payload.File) error {
	l := &layer{
		index: len(st.layers) + 1, file: f, prog: p, relocs: map[uint64]payload.Reloc{}, names: map[uint64][]string{},
		parts:  &Image{Arch: f.Arch, Text: f.Text.Addr, EText: f.Text.End(), Types: f.Rodata.Addr, ETypes: f.Rodata.End()},
		clones: map[*Symbol]*Symbol{}, at: map[uint64][]*Symbol{},
	}

	for _, r := range f.Relocs {
		l.relocs[r.Off] = r
	}

	if err := l.find(); err != nil {
		return err
	}

	st.layers = append(st.layers, l)

	for _, c := range l.list {
		if err := st.connect(l, c); err != nil {
			return err
		}
	}

	st.bury(l)
	st.adoptTypes(l)
	st.define(l)

	if err := st.rewrite(l); err != nil {
		return err
	}

	if err := st.redirect(l); err != nil {
		return err
	}

	return st.bind(l)
}

// Programs are the builds of the stack: that of the program, and those of its payloads.
func (st *Stack) Programs() []*Program {
	out := []*Program{st.Program}
	for _, l := range st.layers {
		out = append(out, l.prog)
	}

	return out
}

// Bytes is what a layer has at an address as its file has it; nil is none, or zeroes.
func (st *Stack) Bytes(layer int, addr, n uint64) []byte {
	if layer == 0 {
		return st.ELF.Bytes(addr, n)
	}

	return st.layers[layer-1].bytes(addr, n)
}

// Text is where the text of a payload begins: what the offsets in the method tables of its
// types are counted from.
func (st *Stack) Text(layer int) uint64 { return st.layers[layer-1].file.Text.Addr }

// Jump is the function elsewhere that a payload's jump leads to, at an offset in its text;
// nil is that there is no jump.
func (st *Stack) Jump(layer int, off uint32) *Symbol {
	l := st.layers[layer-1]
	return st.jump(l, l.file.Text.Addr+uint64(off))
}

// bury marks the functions that the layer's replace.
func (st *Stack) bury(l *layer) {
	closures := map[string]bool{}

	for _, c := range l.list {
		switch {
		case !c.IsText():
		case c.Hashed:
			closures[c.Name] = true
		default:
			st.kill(st.named[c.Key()])
		}
	}

	if len(closures) == 0 {
		return
	}

	alive := map[Content]bool{}

	for _, s := range l.prog.Symbols {
		if s.Hashed && s.IsText() && s.Linked && closures[s.Name] {
			alive[s.Content()] = true
		}
	}

	for _, s := range st.Symbols {
		if s.Hashed && s.IsText() && s.Linked && closures[s.Name] && !alive[s.Content()] {
			st.kill(s)
		}
	}
}

func (st *Stack) kill(s *Symbol) {
	if s != nil && s.Linked {
		s.Linked, s.Dead = false, true
		st.Dead = append(st.Dead, s)
	}
}

// adoptTypes has the types without descriptors in the process be what the layer's build
// says: its functions have values of them.
func (st *Stack) adoptTypes(l *layer) {
	gone := map[*Symbol]bool{}

	for _, s := range l.prog.Symbols {
		if !s.IsType() || s.Hashed || l.clones[s] != nil {
			continue
		}

		k := s.Key()

		was := st.named[k]
		if was != nil && (was.Linked || was.obj != nil && was.Content() == s.Content()) {
			continue
		}

		s.load()

		c := *s
		c.Linked, c.Addr, c.Layer = false, 0, l.index
		gone[was] = true
		st.named[k] = &c
		st.Symbols = append(st.Symbols, &c)
	}

	all := st.Symbols[:0:0]

	for _, s := range st.Symbols {
		if !gone[s] {
			all = append(all, s)
		}
	}

	st.Symbols = all
}

// define has the layer's symbols be found. Of constants the layer's copy is the one whose
// references are up to date; of variables and types there is one, the process's.
func (st *Stack) define(l *layer) {
	st.Symbols = append(st.Symbols, l.list...)

	for s, c := range l.clones {
		if c.Hashed {
			h := hashKey(s.obj.Object, s.index, uint32(s.Size))
			if was := st.hashed[h]; was == nil || !was.Linked {
				st.hashed[h] = c
			}

			continue
		}

		k := c.Key()
		if was := st.named[k]; was == nil || !was.Linked || (c.IsText() || c.Kind.IsROData() && !c.IsType()) {
			st.named[k] = c
		}
	}
}

// rewrite has words of what is below lead to where the layer has them lead.
func (st *Stack) rewrite(l *layer) error {
	type site struct {
		layer int
		at    uint64
	}

	words := map[site]payload.Word{}

	for _, list := range [][]payload.Word{l.file.Meta.Fixups, l.file.Meta.Words} {
		for _, w := range list {
			words[site{layerOf(w.At), w.At.Value}] = w
		}
	}

	for _, s := range st.Symbols {
		if !s.Linked || s.IsText() || len(words) == 0 || s.Layer == l.index {
			continue
		}

		for i := range s.Relocs() {
			r := &s.relocs[i]

			w, ok := words[site{s.Layer, s.Addr + uint64(r.Off)}]
			if !ok || r.Marks() || r.Sym == nil || int(r.Size) != w.Size {
				continue
			}

			delete(words, site{s.Layer, s.Addr + uint64(r.Off)})

			if w.New.Ref != (payload.Ref{}) {
				now := st.pick(st.lookup(l, w.New.Ref), r.Sym)
				if now == nil {
					return notOf("%s was made to lead to %s, which isn't there", s.Name, w.New.Ref.Name)
				}

				r.Sym = now
			}

			r.Live = true
		}
	}

	for _, w := range words {
		return notOf("it overwrites %s, and nothing is known there", w.Name)
	}

	return nil
}

// redirect has entries of the program's functions lead to the layer's.
func (st *Stack) redirect(l *layer) error {
	for _, e := range l.file.Meta.Entries {
		to := st.function(l.at[e.New.Value], "")
		if to == nil {
			return notOf("the entry of %s leads to what isn't there", e.Name)
		}

		found := false

		for _, s := range st.host[e.At.Value] {
			if s.IsText() {
				st.kill(s)
				st.Entries[s], found = to, true
			}
		}

		if !found {
			return notOf("it redirects the entry of %s, and nothing is known there", e.Name)
		}
	}

	return nil
}

// layerOf is the layer that a reference of a payload is to: it depends on all that are below.
func layerOf(r payload.Ref) int {
	if r.Kind == payload.RefPatch {
		return r.Index + 1
	}

	return 0
}

// lookup lists what is where a reference of a payload leads.
func (st *Stack) lookup(l *layer, r payload.Ref) []*Symbol {
	switch r.Kind {
	case payload.RefHost:
		return st.host[r.Value]
	case payload.RefPatch:
		if r.Index < l.index-1 {
			return st.layers[r.Index].at[r.Value]
		}
	case payload.RefImage:
		return l.at[r.Value]
	}

	return nil
}

// pick is the one that another build's symbol is; nil is none.
func (st *Stack) pick(of []*Symbol, want *Symbol) *Symbol {
	for _, s := range of {
		if s.Key() == want.Key() {
			return s
		}
	}

	for _, s := range of { // what the compiler numbers has another name
		if s.IsText() == want.IsText() && s.Anonymous() && want.Anonymous() && (s.IsTemp() == want.IsTemp()) {
			return s
		}
	}

	return nil
}

// bind notes which functions slots lead to.
func (st *Stack) bind(l *layer) error {
	for _, x := range l.file.Meta.Slots {
		var to []*Symbol

		if r, ok := l.relocs[x.Value]; ok {
			to = st.lookup(l, r.Ref)
		} else if b := l.bytes(x.Value, 8); b != nil {
			to = st.host[le.Uint64(b)]
		}

		fn := st.function(to, x.Func)
		if fn == nil {
			return notOf("slot %s is bound to %s, which isn't there", x.Name, x.Func)
		}

		st.Slots[x.Name] = fn
	}

	for _, it := range l.file.Meta.Itabs {
		for _, e := range it.New {
			fn := st.function(l.at[e.Func], "")
			if fn == nil {
				fn = st.jump(l, e.Func)
			}

			if fn == nil {
				return notOf("a method of %s isn't there", it.Name)
			}

			if !slices.ContainsFunc(st.lookup(l, it.Type), func(t *Symbol) bool { return t.keeps(fn) }) {
				st.Tables[fn] = it.Name
			}
		}
	}

	return nil
}

// keeps says whether a type's method table leads to a function, or to what replaced it.
func (s *Symbol) keeps(fn *Symbol) bool {
	for _, m := range s.Methods() {
		for _, r := range []*Reloc{m.Ifn, m.Tfn} {
			if r.Live && r.Sym != nil && r.Sym.Key() == fn.Key() {
				return true
			}
		}
	}

	return false
}

func (st *Stack) function(of []*Symbol, name string) *Symbol {
	for _, s := range of {
		if s.IsText() && (name == "" || elfName(s) == name) {
			return s
		}
	}

	return nil
}

// elfName is what a symbol is called in a payload.
func elfName(s *Symbol) string {
	if s.IsText() && s.ABI == goobj.ABI0 {
		return s.Name + ".abi0"
	}

	return s.Name
}

// jumpPrefix begins the names of jumps that a payload has to functions elsewhere.
const jumpPrefix = "vgraft.jump:"

func (l *layer) isJump(at uint64) bool {
	return slices.ContainsFunc(l.names[at], func(n string) bool { return strings.HasPrefix(n, jumpPrefix) })
}

// jump is the function that a jump leads to; nil is none.
func (st *Stack) jump(l *layer, at uint64) *Symbol {
	for off := range uint64(jumpSize) { // the loader fills in where to
		if r, ok := l.relocs[at+off]; ok && l.isJump(at) {
			return st.function(st.lookup(l, r.Ref), "")
		}
	}

	return nil
}

// jumpSize is more than a jump has, in bytes, up to the end of the field that is filled in.
const jumpSize = 16
