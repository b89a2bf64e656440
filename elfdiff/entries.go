package elfdiff

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/emit"
	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// entry is a function of the program whose entry is made to lead to the payload.
type entry struct {
	new  *program.Symbol // of the fixed program
	from *program.Symbol // what a payload below has it lead to; nil is none
}

// redirected says whether no way to a stale function is of any interest, since its entry
// leads elsewhere, whoever comes. It has that done where a way is open otherwise that this
// closes, if it can be done.
func (r *reach) redirected(s *program.Symbol) bool {
	if s.Dead && r.stack.Entries[s] != nil {
		return true // by a payload below
	}

	if !r.opts.Entries || r.trial {
		return false
	}

	if r.closed[s] {
		return false
	}

	ends := r.ends(s)
	if len(ends) == 0 {
		return false
	}

	why := ""

	for _, e := range ends {
		if !lifted[e.Kind] {
			why = "another way to it stays open"
			if e.Kind == RefuseGoroutine || e.Kind == RefuseCaller {
				why = "what runs already, and may never end, is no new call"
			}
		}
	}

	if why == "" {
		why = r.unfitting(s)
	}

	if why != "" {
		r.unfit[s] = why
		return false
	}

	r.entries[s] = entry{new: r.inFixed(s)}

	return true
}

// lifted are the ways that end where an entry is redirected: what leads along them calls the
// function anew. A goroutine that began with it may be in it for ever, what main calls may
// have run already, once and for all, and so has an initialiser.
var lifted = map[RefusalKind]bool{
	RefuseClosure: true, RefuseMethodValue: true, RefuseFunctionValue: true, RefuseInterfaceTable: true,
	RefuseMethodTable: true, RefuseDictionary: true, RefuseSignature: true,
}

// ends lists the ways to a stale function that nothing else closes.
func (r *reach) ends(s *program.Symbol) []Refusal {
	a := *r.analysis
	a.report = &Report{}
	a.stale, a.bound, a.words = map[*program.Symbol]*stale{s: {}}, map[string]bool{}, map[place]word{}

	t := &reach{analysis: &a, refs: r.refs, trial: true}
	t.queue = []*program.Symbol{s}
	t.drain()

	if len(a.report.Refusals) == 0 {
		for f := range a.stale {
			r.closed[f] = true
		}
	}

	return a.report.Refusals
}

// hopeless says whether something was found that no redirection closes.
func (r *reach) hopeless() bool {
	return slices.ContainsFunc(r.report.Refusals, func(x Refusal) bool { return !lifted[x.Kind] })
}

// whyUnfit says of the functions on the way from a stale one to what has changed why their
// entries weren't redirected; empty is that nobody asked.
func (r *reach) whyUnfit(s *program.Symbol) string {
	var why string

	for n := 0; s != nil && n < maxPath; n++ {
		if w := r.unfit[s]; w != "" {
			why = "the entry of " + s.Name + " isn't redirected: " + w
		}

		st := r.stale[s]
		if st == nil {
			break
		}

		s = st.because
	}

	return why
}

// unfitting says why the entry of a function of the process can't lead to the fixed version;
// empty is that it can.
func (r *reach) unfitting(s *program.Symbol) string {
	n := payload.EntrySize(r.base.ELF.Arch)

	switch now := r.inFixed(s); {
	case s.Layer > 0:
		return "it is in a payload below"
	case s.Dead:
		return "a payload below replaced it"
	case now == nil || !now.Defined() || !now.IsText() || !now.Linked:
		return "the fixed program doesn't have it"
	default:
		if why := r.unlike(s, now); why != "" {
			return why
		}
	}

	for _, name := range []string{"runtime.stopTheWorld", "runtime.startTheWorld"} {
		if _, ok := r.base.ELF.Lookup(name); !ok {
			return "the program has no " + name
		}
	}

	return s.Redirectable(r.base.ELF.Arch, r.base.ELF.Bytes(s.Addr, min(s.Size, prologue)), n)
}

// prologue is as much of a function as tells how it begins, in bytes.
const prologue = 16

// unlike says why what calls the one version of a function can't as well call the other one;
// empty is that it can.
func (r *reach) unlike(s, now *program.Symbol) string {
	f, ok := s.Func()
	g, ok2 := now.Func()

	switch {
	case !ok || !ok2 || s.IsAssembly() || now.IsAssembly() || s.ABI != goobj.ABIGo || now.ABI != goobj.ABIGo:
		return "it isn't compiled Go"
	case isInit(s) || s.Name == "main.main" || isRuntime(s.Package()) || special(s.Package()):
		return "the runtime knows it, or what is around it"
	case s.Flags&goobj.NoSplit != 0:
		return "it doesn't check the stack"
	case s.Flags&goobj.Linkname != 0 || now.Flags&goobj.Linkname != 0:
		return "others know it by a name of their own"
	case f.Flags != 0 || g.Flags != 0 || f.ID != g.ID || f.ID != 0 && !s.IsWrapper():
		return "the runtime treats it in a way of its own"
	case f.Args != g.Args:
		return fmt.Sprintf("its parameters took %d bytes and take %d", f.Args, g.Args)
	}

	a, ok := s.Signature()
	b, ok2 := now.Signature()

	switch {
	case !ok || !ok2:
		return "its signature isn't in the debugging information"
	case !slices.Equal(a, b):
		return fmt.Sprintf("its signature was %v and is %v", a, b)
	}

	if !sameArguments(f, g) {
		return "its parameters lie otherwise"
	}

	if why := r.otherDictionary(s); why != "" {
		return why
	}

	return r.otherContext(s, now)
}

// sameArguments compares what the compiler says of arguments for stack dumps and for the
// collector.
func sameArguments(f, g program.Func) bool {
	const argInfo = 5 // FUNCDATA_ArgInfo

	at := func(f program.Func, i int) []byte {
		if i >= len(f.Funcdata) || f.Funcdata[i] == nil {
			return nil
		}

		return f.Funcdata[i].Data
	}

	return bytes.Equal(at(f, argInfo), at(g, argInfo))
}

// special are packages of which the runtime calls functions by itself, or whose functions run
// where no others do.
func special(pkg string) bool {
	switch pkg {
	case "syscall", "reflect", "sync", "time", "iter", "unique", "weak", "plugin", "os/signal", "internal/poll", "internal/godebug", "internal/syscall/unix":
		return true
	}

	return strings.HasPrefix(pkg, "runtime/")
}

// otherDictionary says why callers may give a generic function a dictionary that the fixed
// version doesn't know; empty is that they don't.
func (r *reach) otherDictionary(s *program.Symbol) string {
	if !strings.Contains(s.Name, "[") {
		return ""
	}

	prefix := origin(s.Name) + "..dict."

	for _, d := range r.base.Symbols {
		if (d.Linked || d.Dead) && d.IsDict() && strings.HasPrefix(d.Name, prefix) {
			if f := r.inFixed(d); f == nil || !f.Defined() || !r.same(d, f) {
				return "it is generic, and the dictionary " + d.Name + " changed"
			}
		}
	}

	return ""
}

// otherContext says why closures that were made with the old version may not be such as the
// fixed version takes; empty is that they are. Only who makes them knows what they capture,
// and which of the functions that the compiler numbers is which. So all that refer to one
// must be as before, but for what it is itself.
func (r *reach) otherContext(s, now *program.Symbol) string {
	in := r.refs.in[s]

	for _, e := range in {
		if from := e.from; from.IsText() && (from.IsAssembly() || isRuntime(from.Package())) {
			return from.Name + " knows it"
		}
	}

	if why := r.otherCallers(s); why != "" || !isNumbered(s.Name) {
		return why
	}

	for _, e := range in {
		makers := []edge{e}
		if e.from.IsFuncValue() {
			makers = r.refs.in[e.from]
		}

		for _, m := range makers {
			if h := r.inFixed(m.from); h == nil || !h.Defined() || !r.same(m.from, h) {
				return label(m.from) + " has it, and changed too: what it captures, and which of the functions that the compiler numbers it is, can't be told"
			}
		}
	}

	was, ok := s.Captured()
	is, ok2 := now.Captured()

	if !ok || !ok2 {
		return "what it captures isn't in the debugging information"
	}

	for at, t := range was {
		if u, both := is[at]; both && t != u {
			return fmt.Sprintf("it captured %s, and captures %s", strings.TrimPrefix(t, "go:info."), strings.TrimPrefix(u, "go:info."))
		}
	}

	return ""
}

// otherCallers says why a call that is still to come may not be one that the fixed version
// takes; empty is that all are. What is called by its name is known to who calls it: whether it
// keeps what it is given, say, which may then not be on a stack, or writes to it. That goes
// through callers: what they pass on counts for who calls them, though they are the same as
// before, and so for who makes closures that call it and don't leave the stack. One that
// changed may have changed for that, and frames of the old one may be running. Those that are
// the same would be the same had they been made for the fixed version; and who calls a function
// value, or through an interface, assumes nothing.
func (r *reach) otherCallers(s *program.Symbol) string {
	again := callsOne(s, func(f *program.Symbol) bool { return f == s })
	seen := map[*program.Symbol]bool{}

	for queue := []*program.Symbol{s}; len(queue) > 0; queue = queue[1:] {
		for _, e := range r.refs.in[queue[0]] {
			from := e.from

			switch {
			case !from.IsText() || seen[from]:
				continue
			case from == s:
				again = true
				continue
			}

			if h := r.inFixed(from); (h == nil || !h.Defined() || !r.same(from, h)) && !r.declares(from) {
				return from.Name + " leads to it by calls, and changed too: what runs of that may not know what the new version does with its arguments"
			}

			seen[from] = true
			queue = append(queue, from)
		}
	}

	if again && !takesNumbers(s) {
		return "it leads to itself by calls: what runs of the old version may not know what the new one does with its arguments"
	}

	return ""
}

// takesNumbers says whether a function is given nothing that could be on a stack: numbers alone,
// and no captured variables.
func takesNumbers(s *program.Symbol) bool {
	sig, ok := s.Signature()

	return ok && !isNumbered(s.Name) && !slices.ContainsFunc(sig, func(t string) bool {
		t, in := strings.CutPrefix(t, "in ")
		return in && !slices.Contains(numbers, t)
	})
}

var numbers = []string{
	"bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "uintptr",
	"float32", "float64", "complex64", "complex128",
}

// retarget has an entry that leads to a stale function of a payload below lead to the fixed
// version.
func (r *reach) retarget(s *program.Symbol, w way) {
	now := r.inFixed(s)

	switch {
	case r.trial:
	case !r.opts.Entries:
		r.open(RefuseEntry, s, w.detail)
	case now == nil || !now.Defined() || !now.IsText() || !now.Linked:
		r.openFor(RefuseEntry, s, w.detail+"; the fixed program doesn't have it", RungNone)
	default:
		why := r.unlike(s, now)
		if why == "" {
			why = r.unlike(w.entry, now)
		}

		if why != "" {
			r.openFor(RefuseEntry, s, w.detail+"; "+why, RungNone)
			return
		}

		r.entries[w.entry] = entry{new: now, from: s}
	}
}

// starts says whether a function starts goroutines, or calls one that does, and that may have
// been given what to start.
func starts(s *program.Symbol) bool {
	return callsOne(s, func(f *program.Symbol) bool { return isGo(f) || !isRuntime(f.Package()) && callsOne(f, isGo) })
}

func isGo(f *program.Symbol) bool { return f.Name == "runtime.newproc" }

func callsOne(s *program.Symbol, is func(*program.Symbol) bool) bool {
	return slices.ContainsFunc(s.Relocs(), func(r program.Reloc) bool { return isCall(r) && r.Sym != nil && is(r.Sym) })
}

// entryPlan says what is overwritten, and where it leads.
func (a *analysis) entryPlan(s *program.Symbol) emit.EntryPlan {
	e := a.entries[s]
	p := emit.EntryPlan{Name: s.Name, At: refTo(s), Old: a.base.ELF.Bytes(s.Addr, uint64(payload.EntrySize(a.base.ELF.Arch))), New: e.new}

	if e.from != nil {
		p.From = refTo(e.from)
	}

	return p
}
