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
	fns  []unsafe.Pointer
	from *view // what Revert puts back
}

// In is the implementation bound in the section. The result must not be kept beyond
// the section.
func (s *Slot[F]) In(sec Section) F {
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

// Binding binds one slot to one function. Make it with Func.
type Binding struct {
	name string
	id   int
	fn   unsafe.Pointer
}
