package elfdiff

import (
	"maps"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

func keysOf[K comparable, V any](m map[K]V) func(func(K) bool) { return maps.Keys(m) }

// resolve says where the process has a symbol of the fixed program; ok is false for what
// has to come with the payload.
func (a *analysis) resolve(f *program.Symbol) (payload.Ref, bool) {
	if a.isIncluded[f] {
		return payload.Ref{}, false
	}

	if f.IsTemp() {
		return a.temp(f)
	}

	b := a.inBase(f)
	if b == nil || !b.Linked {
		return payload.Ref{}, false
	}

	there := refTo(b)

	switch {
	case !f.Defined():
		return there, true
	case f.IsText():
		if a.stale[b] != nil || f.Hashed && !a.same(b, f) {
			return payload.Ref{}, false
		}

		return there, true
	case f.IsVar(), f.IsType(), f.IsItab():
		return there, true
	case f.Hashed:
		return there, true // the same bytes, and no reference to anything
	case a.needsCopy(f):
		return payload.Ref{}, false
	}

	return there, a.same(b, f) && !a.outdated(b)
}

// needsCopy says whether read-only data leads to something of the payload.
func (a *analysis) needsCopy(f *program.Symbol) bool {
	if v, ok := a.copies[f]; ok {
		return v
	}

	a.copies[f] = false // a cycle alone is no reason

	for _, r := range f.Relocs() {
		if r.Sym == nil || r.Marks() || r.Weak || !r.Sym.Defined() {
			continue
		}

		t := r.Sym

		if t.IsText() {
			if b := a.inBase(t); b == nil || !b.Linked || a.stale[b] != nil {
				a.copies[f] = true
			}
		} else if t.Kind.IsROData() && !t.IsType() && !t.IsItab() && a.needsCopy(t) {
			a.copies[f] = true
		}
	}

	return a.copies[f]
}

// temp finds the variable without a name of the process that is one of the fixed program:
// that which the same variable or function refers to in the same place. One that nothing
// of the process refers to is new.
func (a *analysis) temp(f *program.Symbol) (payload.Ref, bool) {
	a.loadTemps()

	b := a.temps[f]
	if b == nil || !b.Linked {
		return payload.Ref{}, false
	}

	return refTo(b), true
}

func (a *analysis) loadTemps() {
	if a.temps != nil {
		return
	}

	a.temps = map[*program.Symbol]*program.Symbol{}

	for _, f := range a.fixed.Symbols {
		if !f.Linked || f.IsTemp() || !f.IsVar() && !f.IsText() {
			continue
		}

		if b := a.inBase(f); b != nil && b.Linked && a.same(b, f) {
			a.pairTemps(b, f)
		}
	}
}

func (a *analysis) pairTemps(b, f *program.Symbol) {
	x, y := b.Relocs(), f.Relocs()
	if len(x) != len(y) {
		return
	}

	for i := range x {
		if t := y[i].Sym; t != nil && t.IsTemp() && a.temps[t] == nil && x[i].Sym != nil {
			a.temps[t] = x[i].Sym
			a.pairTemps(x[i].Sym, t)
		}
	}
}

// include takes a symbol of the fixed program into the payload, and all that it needs and
// the process doesn't have.
func (a *analysis) include(f *program.Symbol, why string) {
	if a.isIncluded[f] {
		return
	}

	a.isIncluded[f] = true
	a.included = append(a.included, f)

	if f.IsText() {
		a.why[f] = why
	}

	for i := range f.Relocs() {
		r := &f.Relocs()[i]
		if r.Sym == nil || r.Marks() || r.Weak && !isMapInit(r) || isTLS(r.Type) || r.Sym == f {
			continue
		}

		if r.Type == goobj.MethodOff {
			if r.Live || !f.Linked || a.calledByHost(f, r) {
				a.touch(r.Sym, "method of "+typeName(f))
			}

			continue
		}

		a.touch(r.Sym, "used by "+f.Name)
	}

	if fn, ok := f.Func(); ok && f.IsText() {
		for i, d := range fn.Funcdata {
			if d == nil || i == 3 {
				continue
			}

			for _, r := range d.Relocs() { // what the garbage collector is told of stack objects is counted from the payload
				if r.Sym != nil {
					a.include(r.Sym, "")
				}
			}
		}
	}
}

// isMapInit is true of the call of an initialiser to the part of it that fills a map: it is
// weak, so that the linker can leave it out with the map.
func isMapInit(r *program.Reloc) bool { return r.Weak && r.Live && isCall(*r) }

func isTLS(t goobj.RelocType) bool {
	return t == goobj.TLSLE || t == goobj.TLSIE || t == goobj.ARM64TLSLE || t == goobj.ARM64TLSIE
}

// touch includes a symbol if the process doesn't have it.
func (a *analysis) touch(f *program.Symbol, why string) {
	if f.IsItab() {
		a.touchItab(f)
		return
	}

	if _, ok := a.resolve(f); ok || a.isIncluded[f] {
		return
	}

	if !f.Defined() {
		a.refuse(RefuseRelocation, f.Name, why+", and neither build defines it", nil)
		return
	}

	if b := a.inBase(f); f.IsText() {
		switch {
		case b != nil && a.stale[b] != nil && a.stale[b].because == nil:
			why = "changed"
		case b != nil && a.stale[b] != nil:
			why = "calls " + a.stale[b].because.Name
		case b != nil && b.Defined():
			why = "not in the program, " + why
		default:
			why = "new, " + why
		}
	}

	a.include(f, why)
}

// touchItab notes an interface table that the process doesn't have. The runtime makes it
// when the payload is loaded, of the types, so that there is only one of each.
func (a *analysis) touchItab(f *program.Symbol) {
	if b := a.inBase(f); b != nil && b.Linked || a.newItabs[f] || !f.Defined() {
		return
	}

	a.newItabs[f] = true

	for _, r := range f.Relocs() {
		if r.Sym != nil && !r.Marks() && (!r.Sym.IsText() || r.Live || !f.Linked) {
			a.touch(r.Sym, "method in "+f.Name)
		}
	}
}

// calledByHost says whether functions of the process may call a method of a type of the
// payload through an interface: those for which it calls any method of that name and type.
func (a *analysis) calledByHost(typ *program.Symbol, r *program.Reloc) bool {
	for _, m := range typ.Methods() {
		if m.Type.Off == r.Off || m.Ifn.Off == r.Off || m.Tfn.Off == r.Off {
			return calls(a.called, m)
		}
	}

	return false
}

// included things in a fixed order.
func (a *analysis) sortIncluded() {
	slices.SortStableFunc(a.included, func(x, y *program.Symbol) int {
		kx, ky := x.Key(), y.Key()
		if c := strings.Compare(kx.Name, ky.Name); c != 0 {
			return c
		}

		if c := int(kx.ABI) - int(ky.ABI); c != 0 {
			return c
		}

		cx, cy := x.Content(), y.Content()

		return slices.Compare(cx[:], cy[:])
	})
}
