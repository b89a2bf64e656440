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
	refs  *references
	queue []*program.Symbol

	unfit  map[*program.Symbol]string // why entries weren't redirected that had to be
	closed map[*program.Symbol]bool   // that need no redirection
	trial  bool                       // of what is open without redirecting an entry
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
	r.drain()
}

// drain closes the ways to all that is stale.
func (r *reach) drain() {
	for len(r.queue) > 0 && !(r.trial && r.hopeless()) {
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
	if _, done := r.entries[caller]; done || r.stale[caller] != nil {
		return // an entry that is redirected leads to what calls the new version
	}

	r.stale[caller] = &stale{because: because}
	r.queue = append(r.queue, caller)
}

// close closes the ways to a stale function, or refuses.
func (r *reach) close(s *program.Symbol) {
	if r.redirected(s) {
		return
	}

	for _, w := range r.refs.ways(s) {
		switch {
		case w.entry != nil:
			r.retarget(s, w)
		case s.Dead && w.slot != "" && r.stack.Slots[w.slot] != nil: // it leads to what replaced it
		case w.slot != "":
			r.bound[w.slot] = true

			if r.kept != "" && !r.taken(RefuseFunctionValue, s) {
				r.open(RefuseFunctionValue, s, r.kept)
			}
		case w.caller != nil && w.caller.Dead: // its frames are as old as the frames of a call
		case w.caller != nil:
			r.spoil(w.caller, s)
		case r.taken(w.kind, s):
		case w.starts && r.opts.Entries:
			r.open(RefuseGoroutine, s, "goroutines that "+w.detail[strings.Index(w.detail, "that ")+5:]+", and it starts goroutines")
			r.remake(RefuseGoroutine, s, w)
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
	if why := r.whyUnfit(s); why != "" {
		detail += "; " + why
		lift = RungNone
	}

	r.report.refuse(r.opts, Refusal{Kind: kind, Symbol: s.Name, Detail: detail, Path: r.path(s), Lift: lift, Advice: kinds[kind].advice})
}

// maxPath bounds the paths that are shown.
const maxPath = 64

// path is how a stale function leads to what has changed.
func (r *reach) path(s *program.Symbol) []string {
	var out []string

	for s != nil && len(out) < maxPath {
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
