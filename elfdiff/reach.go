package elfdiff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// edge is a reference in the running program.
type edge struct {
	from  *program.Symbol
	reloc program.Reloc
}

// stale is a function of the base of which the old version must not begin to run again,
// and why: it is changed, or it calls one that is.
type stale struct {
	because *program.Symbol // what it calls; nil is that it changed itself
	removed bool            // the fixed program doesn't have it
}

// reach finds every way by which the running process can still get to an old version.
// Those through slots are closed by binding the slot; those through words of read-only
// data by overwriting the word, where that is allowed; all others are refused.
//
// It rests on the proof of reverse linking: the references that the objects have are all
// references there are. What isn't one, a function value that is stored somewhere, say, came
// about by one that is, when the function that has it ran.
type reach struct {
	*analysis
	in    map[*program.Symbol][]edge
	queue []*program.Symbol
}

// edges lists who refers to what in the running program.
func edges(p *program.Program) map[*program.Symbol][]edge {
	in := map[*program.Symbol][]edge{}

	for _, s := range p.Symbols {
		if !s.Linked {
			continue
		}

		for _, r := range s.Relocs() {
			if r.Live && r.Sym != s && !(r.Sym.Hashed && !r.Sym.IsText()) {
				in[r.Sym] = append(in[r.Sym], edge{s, r})
			}
		}
	}

	return in
}

func (r *reach) run() {
	for s, st := range r.stale {
		if st.because == nil {
			r.queue = append(r.queue, s)
		}
	}

	slices.SortFunc(r.queue, byAddr)

	for len(r.queue) > 0 {
		s := r.queue[0]
		r.queue = r.queue[1:]
		r.close(s)
	}
}

func byAddr(a, b *program.Symbol) int {
	switch {
	case a.Addr < b.Addr:
		return -1
	case a.Addr > b.Addr:
		return 1
	}

	return strings.Compare(a.Name, b.Name)
}

// spoil has a caller of a stale function be stale as well.
func (r *reach) spoil(caller, because *program.Symbol) {
	if r.stale[caller] != nil {
		return
	}

	r.stale[caller] = &stale{because: because}
	r.queue = append(r.queue, caller)
}

// close looks at every reference to a stale function.
func (r *reach) close(s *program.Symbol) {
	if s.Name == "main.main" {
		r.open(RefuseCaller, s, "it runs already, and may call what has changed at any time")
		return
	}

	if strings.HasPrefix(s.Name, "_cgoexp_") {
		r.open(RefuseCgo, s, "C code calls it")
		return
	}

	if isRuntime(s.Package()) {
		r.open(RefuseRuntime, s, "")
		return
	}

	for _, e := range r.in[s] {
		switch g := e.from; {
		case g.IsText() && isCall(e.reloc):
			r.spoil(g, s)
		case g.IsText():
			r.closure(s, e)
		case g.IsFuncValue():
			r.value(s, g)
		case strings.HasSuffix(g.Name, "..inittask"):
			// It ran when the program began, and doesn't run again.
		case g.IsItab():
			r.word(RefuseInterfaceTable, payload.WordItab, s, e, "a method in "+g.Name)
		case g.IsType():
			r.word(RefuseMethodTable, payload.WordMethod, s, e, "a method of "+typeName(g))
		case g.IsDict():
			r.word(RefuseDictionary, payload.WordDict, s, e, "in "+g.Name)
		case r.own(s, g):
			// A table of jumps inside the function.
		default:
			r.open(RefuseFunctionValue, s, "its address is in "+label(g))
		}
	}
}

// own says whether data that refers to a function is only used by that function.
func (r *reach) own(s, data *program.Symbol) bool {
	for _, e := range r.in[data] {
		if e.from != s {
			return false
		}
	}

	return data.Kind.IsROData()
}

// closure is a function whose code address another function takes: it makes a function
// value with captured variables of it, and these can be anywhere. Those that are made on
// the stack live no longer than the frame of their maker, as a call would.
func (r *reach) closure(s *program.Symbol, e edge) {
	switch n := s.Name; {
	case strings.Contains(n, ".deferwrap"), onStack(r.base.ELF.Arch, e):
		r.spoil(e.from, s)
	case strings.Contains(n, ".gowrap"):
		r.open(RefuseGoroutine, s, "goroutines that "+e.from.Name+" started may run it")
	case strings.HasSuffix(n, "-fm"):
		r.open(RefuseMethodValue, s, "method values that "+e.from.Name+" made may be stored")
	default:
		r.open(RefuseClosure, s, "closures that "+e.from.Name+" made may be stored")
	}
}

// value looks at who uses the function value of a stale function: the one word that all
// function values without captured variables share.
func (r *reach) value(s, value *program.Symbol) {
	var holders []edge

	for _, e := range r.in[value] {
		if i := slices.IndexFunc(r.slots, func(x slot) bool { return x.holder == e.from && x.value == value && x.at == e.reloc.Off }); i >= 0 {
			r.bound[r.slots[i].name] = true
			continue
		}

		if e.from.IsText() && startsGoroutine(e) {
			r.open(RefuseGoroutine, s, "goroutines that "+e.from.Name+" started may run it")
			return
		}

		holders = append(holders, e)
	}

	if len(holders) == 0 {
		return
	}

	word := edge{value, value.Relocs()[0]}
	detail := "a value of it, that " + label(holders[0].from) + " has, may be stored anywhere"

	if r.opts.ProcessWide {
		if why := r.repointable(s, holders); why != "" {
			r.refuse(RefuseSignature, s.Name, why, r.path(s))
			return
		}
	}

	r.word(RefuseFunctionValue, payload.WordFuncValue, s, word, detail)
}

// startsGoroutine says whether a reference to a function value is the argument of a go
// statement.
func startsGoroutine(e edge) bool {
	for _, r := range e.from.Relocs() {
		if r.Off > e.reloc.Off && isCall(r) && r.Sym != nil {
			return r.Sym.Name == "runtime.newproc"
		}
	}

	return false
}

// word is a way through a word of read-only data: overwriting it closes the way.
func (r *reach) word(refused RefusalKind, kind string, s *program.Symbol, e edge, detail string) {
	now := r.inFixed(s)

	switch {
	case !r.opts.ProcessWide:
		r.open(refused, s, detail)
		return
	case now == nil || !now.Defined() || !now.IsText() || !now.Linked:
		r.openFor(refused, s, detail+"; the fixed program doesn't have it", RungNone)
		return
	case e.from.IsDict() && e.reloc.Size != 8:
		r.openFor(refused, s, detail, RungNone)
		return
	}

	at := e.from.Addr + uint64(e.reloc.Off)
	if _, dup := r.words[at]; dup {
		return
	}

	r.words[at] = word{kind: kind, name: e.from.Name, size: int(e.reloc.Size), old: s, new: now}
}

// open records a way that nothing closes.
func (r *reach) open(kind RefusalKind, s *program.Symbol, detail string) {
	r.openFor(kind, s, detail, kinds[kind].lift)
}

func (r *reach) openFor(kind RefusalKind, s *program.Symbol, detail string, lift Rung) {
	r.report.refuse(r.opts, Refusal{Kind: kind, Symbol: s.Name, Detail: detail, Path: r.path(s), Lift: lift, Advice: kinds[kind].advice})
}

// path is how a stale function leads to what has changed.
func (r *reach) path(s *program.Symbol) []string {
	var out []string

	for s != nil && len(out) < 64 {
		out = append(out, s.Name)

		st := r.stale[s]
		if st == nil {
			break
		}

		s = st.because
	}

	return out
}

// repointable says why a function value must not lead to the fixed version; empty is that
// it may. Whoever has one calls it with the old signature. And where the compiler made the
// name, the function of that name may be another one in the fixed program: only if all that
// refers to it is as before is it the same.
func (r *reach) repointable(s *program.Symbol, holders []edge) string {
	now := r.inFixed(s)
	if now == nil {
		return ""
	}

	a, ok := s.Signature()
	b, ok2 := now.Signature()

	if !ok || !ok2 {
		return "its signature isn't in the debugging information"
	}

	if !slices.Equal(a, b) {
		return fmt.Sprintf("its signature was %v and is %v", a, b)
	}

	if !isNumbered(s.Name) {
		return ""
	}

	for _, e := range holders {
		if h := r.inFixed(e.from); h == nil || !h.Defined() || !r.same(e.from, h) {
			return "the compiler numbers closures, and " + label(e.from) + ", which has this one, changed too: which is which can't be told"
		}
	}

	return ""
}

func typeName(s *program.Symbol) string { return strings.TrimPrefix(s.Name, "type:") }

func label(s *program.Symbol) string {
	switch {
	case s.Name == "":
		return "data of " + s.Package()
	case s.IsType():
		return "type " + typeName(s)
	}

	return s.Name
}
