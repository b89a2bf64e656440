package elfdiff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
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
	refs  *references
	queue []*program.Symbol
}

// references is who refers to what in a running program.
type references struct {
	arch      string
	optimised bool // the compiler left no optimisation out: see onStack
	in        map[*program.Symbol][]edge
	slots     []slot
	stack     *program.Stack

	// called are the methods that something calls through an interface or by reflection, in
	// the running program or in the fixed one: see calledMethods.
	called map[string]bool
}

func newReferences(st *program.Stack, optimised bool, slots []slot, called map[string]bool) *references {
	return &references{arch: st.ELF.Arch, optimised: optimised, in: edges(st.Program), slots: slots, stack: st, called: called}
}

// methodName is the last part of a method's symbol.
func methodName(symbol string) string { return symbol[strings.LastIndex(symbol, ".")+1:] }

// anyType marks a method that is called by interfaces, whatever its type.
const anyType = "any "

// calls says whether a method in the table of a type is among those that are called.
func calls(called map[string]bool, m program.Method) bool {
	name := methodName(m.Name)

	return called[name] || m.Type.Sym == nil || called[name+" "+m.Type.Sym.Name]
}

// calledMethods adds the methods that the functions of a program call through interfaces,
// as a name and a type, or by reflection, as a name. The compiler notes these, so that the
// linker knows which to keep. Where methods are looked up by names that aren't constant, all
// exported ones count.
func calledMethods(p *program.Program, called map[string]bool) {
	all := false

	for _, s := range p.Symbols {
		if !s.Linked || !s.IsText() {
			continue
		}

		all = all || s.Flags&goobj.ReflectMethod != 0

		for _, r := range s.Relocs() {
			switch {
			case r.Sym == nil:
			case r.Type == goobj.UseIfaceMethod:
				called[r.Sym.MethodNameAt(r.Add)+" "+r.Sym.MethodTypeAt(r.Add)] = true
				called[anyType+r.Sym.MethodNameAt(r.Add)] = true
			case r.Type == goobj.UseNamedMethod:
				called[strings.TrimRight(string(r.Sym.Data), "\x00")] = true
			}
		}
	}

	if !all {
		return
	}

	for _, s := range p.Symbols {
		if s.Linked && s.IsType() {
			for _, m := range s.Methods() {
				if program.IsExported(m.Name) {
					called[m.Name] = true
				}
			}
		}
	}
}

// isCalled says whether anything calls a method that is in a table: of a type, or of an
// interface that the type has.
func (x *references) isCalled(s, table *program.Symbol) bool {
	if table.IsItab() {
		r := table.RelocAt(itabType)
		if r == nil || r.Sym == nil {
			return true
		}

		table = r.Sym
	}

	found := false

	for _, m := range table.Methods() {
		if m.Ifn.Sym != s && m.Tfn.Sym != s {
			continue
		}

		found = true

		if calls(x.called, m) {
			return true
		}
	}

	return !found
}

// itabType is where an interface table has the type.
const itabType = 8

// edges lists who refers to what in the running program, and in what payloads replaced.
func edges(p *program.Program) map[*program.Symbol][]edge {
	in := map[*program.Symbol][]edge{}

	for _, s := range p.Symbols {
		if !s.Linked && !s.Dead {
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

	// What a payload below replaced must not come back by a way that nobody went when that
	// payload was made: a method, say, that the fix calls through an interface.
	r.queue = append(r.queue, r.stack.Dead...)
	slices.SortFunc(r.queue, byAddr)

	for len(r.queue) > 0 {
		s := r.queue[0]
		r.queue = r.queue[1:]
		r.close(s)
	}
}

func byAddr(a, b *program.Symbol) int {
	if c := (place{a.Layer, a.Addr}).compare(place{b.Layer, b.Addr}); c != 0 {
		return c
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

// way is a reference through which a function may begin to run.
type way struct {
	kind   RefusalKind // empty is a call, or as good as one: caller is what must not run either
	caller *program.Symbol
	detail string

	word    string // the kind of a word of read-only data that leads here; empty is none
	at      edge   // that word
	holders []edge // who has a function value that the word is of

	// makers have such values come about: where the author puts up with those that there are,
	// the ones that are made from now on must be of the new version all the same.
	makers []*program.Symbol

	slot string // that the way leads through: binding it closes the way
}

// ways lists the references to a function of the running program.
func (x *references) ways(s *program.Symbol) []way {
	switch {
	case s.Name == "main.main":
		return []way{{kind: RefuseCaller, detail: "it runs already, and may call what has changed at any time"}}
	case isInit(s):
		return []way{{kind: RefuseInitialiser, detail: "it ran when the program began, with the old version"}}
	case strings.HasPrefix(s.Name, "_cgoexp_"):
		return []way{{kind: RefuseCgo, detail: "C code calls it"}}
	case isRuntime(s.Package()):
		return []way{{kind: RefuseRuntime}}
	}

	var out []way

	for n, fn := range x.stack.Slots {
		if fn == s {
			out = append(out, way{slot: n})
		}
	}

	if t, ok := x.stack.Tables[s]; ok && x.called[anyType+methodName(s.Name)] {
		out = append(out, way{kind: RefuseInterfaceTable, detail: "a method in " + t + ", which the runtime made for a payload below"})
	}

	// What nothing leads to any more is replaced, or something of a payload that the loader
	// calls: a hook, an initialiser.
	if len(out)+len(x.in[s]) == 0 && s.Layer == 0 && !s.Dead {
		return []way{{kind: RefuseCaller, detail: "nothing that is known leads to it, and yet the linker kept it"}}
	}

	for _, e := range x.in[s] {
		switch g := e.from; {
		case g.Dead && isCall(e.reloc):
			// What was replaced calls nothing any more. What it had values of is still there.
		case g.IsText() && isCall(e.reloc):
			out = append(out, way{caller: g})
		case g.IsText():
			out = append(out, x.closure(s, e))
		case g.IsFuncValue():
			out = append(out, x.values(g)...)
		case (g.IsItab() || g.IsType()) && !x.isCalled(s, g):
			// No interface has it called; it is in the table since something else needs it.
		case g.IsItab():
			out = append(out, way{kind: RefuseInterfaceTable, word: payload.WordItab, at: e, detail: "a method in " + g.Name})
		case g.IsType():
			out = append(out, way{kind: RefuseMethodTable, word: payload.WordMethod, at: e, detail: "a method of " + typeName(g)})
		case g.IsDict():
			out = append(out, way{kind: RefuseDictionary, word: payload.WordDict, at: e, detail: "in " + g.Name})
		case x.own(s, g):
			// A table of jumps inside the function.
		default:
			out = append(out, way{kind: RefuseFunctionValue, detail: "its address is in " + label(g)})
		}
	}

	return out
}

// own says whether data that refers to a function is only used by that function.
func (x *references) own(s, data *program.Symbol) bool {
	for _, e := range x.in[data] {
		if e.from != s {
			return false
		}
	}

	return data.Kind.IsROData()
}

// closure is a function whose code address another function takes: it makes a function
// value with captured variables of it, and these can be anywhere. Those that are made on
// the stack live no longer than the frame of their maker, as a call would.
func (x *references) closure(s *program.Symbol, e edge) way {
	switch n := s.Name; {
	case strings.Contains(n, ".deferwrap"), x.optimised && onStack(x.arch, e):
		return way{caller: e.from}
	case strings.Contains(n, ".gowrap"):
		return way{kind: RefuseGoroutine, detail: "goroutines that " + e.from.Name + " started may run it", makers: makersOf(e)}
	case strings.HasSuffix(n, "-fm"):
		return way{kind: RefuseMethodValue, detail: "method values that " + e.from.Name + " made may be stored", makers: makersOf(e)}
	}

	return way{kind: RefuseClosure, detail: "closures that " + e.from.Name + " made may be stored", makers: makersOf(e)}
}

// values looks at who uses the function value of a function: the one word that all
// function values without captured variables share.
func (x *references) values(value *program.Symbol) (out []way) {
	var holders []edge

	for _, e := range x.in[value] {
		i := slices.IndexFunc(x.slots, func(s slot) bool { return s.holder == e.from && s.value == value && s.at == e.reloc.Off })

		switch {
		case i >= 0:
			out = append(out, way{slot: x.slots[i].name})
		case e.from.IsText() && startsGoroutine(e):
			out = append(out, way{kind: RefuseGoroutine, detail: "goroutines that " + e.from.Name + " started may run it", makers: makersOf(e)})
		default:
			holders = append(holders, e)
		}
	}

	if len(holders) == 0 {
		return out
	}

	return append(out, way{
		kind: RefuseFunctionValue, word: payload.WordFuncValue, at: edge{value, value.Relocs()[0]}, holders: holders, makers: makersOf(holders...),
		detail: "a value of it, that " + label(holders[0].from) + " has, may be stored anywhere",
	})
}

// close closes the ways to a stale function, or refuses.
func (r *reach) close(s *program.Symbol) {
	for _, w := range r.refs.ways(s) {
		switch {
		case s.Dead && w.slot != "" && r.stack.Slots[w.slot] != nil: // it leads to what replaced it
		case w.slot != "":
			r.bound[w.slot] = true
		case w.caller != nil && w.caller.Dead: // its frames are as old as the frames of a call
		case w.caller != nil:
			r.spoil(w.caller, s)
		case r.taken(w.kind, s):
		case w.word == "" || !r.opts.ProcessWide:
			r.open(w.kind, s, w.detail)
			r.remake(w.kind, s, w)
		default:
			r.word(s, w)
		}
	}
}

// remake has the makers of a function's values be of the new version where the author puts
// up with those that were made already.
func (r *reach) remake(kind RefusalKind, s *program.Symbol, w way) {
	if !slices.Contains(r.opts.Accept, Refusal{Kind: kind, Symbol: s.Name}.ID()) {
		return
	}

	for _, m := range w.makers {
		r.spoil(m, s)
	}
}

// makersOf are the functions among those that have a function value, as long as they may run.
func makersOf(holders ...edge) (makers []*program.Symbol) {
	for _, e := range holders {
		if e.from.IsText() && !e.from.Dead && !isInit(e.from) {
			makers = append(makers, e.from)
		}
	}

	return makers
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

// word closes a way through a word of read-only data by overwriting it.
func (r *reach) word(s *program.Symbol, w way) {
	now := r.inFixed(s)

	if now == nil || !now.Defined() || !now.IsText() || !now.Linked {
		r.openFor(w.kind, s, w.detail+"; the fixed program doesn't have it", RungNone)
		return
	}

	if w.word == payload.WordFuncValue {
		if why := r.repointable(s, w.holders); why != "" {
			r.refuse(RefuseSignature, s.Name, why, r.path(s))
			r.remake(RefuseSignature, s, w)

			return
		}
	}

	at := place{w.at.from.Layer, w.at.from.Addr + uint64(w.at.reloc.Off)}
	r.words[at] = word{kind: w.word, name: w.at.from.Name, size: int(w.at.reloc.Size), old: s, new: now}
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
