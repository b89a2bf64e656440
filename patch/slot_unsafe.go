package patch

import (
	"slices"
	"unsafe"
)

// view is an immutable table of bindings: by slot id a pointer to the function's
// closure object, which is all that a Go function value is. nil, like an id past the
// end (a slot declared after the view was made), means the slot's declared
// implementation; a nil view has no binding at all, so that a domain that was never
// patched pays for one comparison only.
type view struct {
	gen  uint64
	gate *gate // where sections wait, while a transition in Barrier mode runs
	fns  []unsafe.Pointer
	from *view // what Revert puts back
}

// In is the implementation bound in the section. The result must not be kept beyond
// the section.
func (s *Slot[F]) In(sec Section) F {
	if sec.w != nil {
		sec.w.slot = s.id
	}

	if sec.v != nil && s.id < len(sec.v.fns) {
		if p := sec.v.fns[s.id]; p != nil {
			// A func value is one word, the pointer that Func stored here for a
			// slot of this very F.
			return *(*F)(unsafe.Pointer(&p))
		}
	}

	return s.impl
}

// funcPointer is the word that a function value consists of.
func funcPointer[F any](fn F) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&fn))
}

// with is the view v and on top of it the bindings.
func (v *view) with(bs []Binding) *view {
	nv := &view{gen: generations.Add(1), from: v}
	if v != nil {
		nv.fns = slices.Clone(v.fns)
	}

	for _, b := range bs {
		if n := b.id + 1 - len(nv.fns); n > 0 {
			nv.fns = append(nv.fns, make([]unsafe.Pointer, n)...)
		}

		nv.fns[b.id] = b.fn
	}

	return nv
}

// gated is the view v with a gate before it. Sections and generations see no change.
func (v *view) gated(g *gate) *view {
	nv := &view{gate: g}
	if v != nil {
		nv.gen, nv.fns, nv.from = v.gen, v.fns, v.from
	}

	return nv
}

// binding is the function bound to a slot by its id; nil is the declared one.
func (v *view) binding(id int) unsafe.Pointer {
	if v == nil || id >= len(v.fns) {
		return nil
	}

	return v.fns[id]
}

// Binding binds one slot to one function. Make it with Func.
type Binding struct {
	name   string
	id     int
	fn     unsafe.Pointer
	symbol string // of the function
}

// Expect is the expectation that the slot is bound to fn, which is told from other
// functions by what it points to: a plain function or a method expression is itself, a
// closure is the very same closure.
func Expect[F any](s *Slot[F], fn F) Expectation {
	return expectBinding(s, "another function", func(p unsafe.Pointer) bool {
		return p == funcPointer(fn) || p == nil && funcPointer(s.impl) == funcPointer(fn)
	})
}

// ExpectDeclared is the expectation that the slot has its declared implementation.
func ExpectDeclared[F any](s *Slot[F]) Expectation {
	return expectBinding(s, "a function of a patch", func(p unsafe.Pointer) bool { return p == nil || p == funcPointer(s.impl) })
}

func expectBinding[F any](s *Slot[F], other string, ok func(unsafe.Pointer) bool) Expectation {
	return Expectation{what: "slot " + s.name, check: func(v *view) (string, bool) {
		if s.id == 0 {
			return "a slot that nobody declared", false
		}

		return "bound to " + other, ok(v.binding(s.id))
	}}
}
