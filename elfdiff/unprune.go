package elfdiff

import (
	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// word is a word of the process that the payload overwrites.
type word struct {
	kind  string
	name  string
	size  int
	old   *program.Symbol // the function that it leads to; nil is none
	new   *program.Symbol // text, or a type, of the fixed program
	fixed bool            // the linker left it out: it is filled in once and for all
}

// unprune finds the entries of tables that the process's linker left out because nothing
// called them, and that the fixed program has: something of the payload calls them. An entry
// that nobody reads yet can be filled in at any time.
func (a *analysis) unprune() {
	for _, b := range a.base.Symbols {
		if !b.Linked || !b.IsType() && !b.IsItab() {
			continue
		}

		f := a.inFixed(b)
		if f == nil || !f.Linked {
			a.unpruneGone(b)
			continue
		}

		if a.isIncluded[f] {
			continue
		}

		if b.IsItab() {
			a.unpruneItab(b, f)
		} else {
			a.unpruneType(b, f)
		}
	}
}

// unpruneGone refuses new calls of methods that a type hasn't in the process and may need:
// the fixed program makes no values of the type, but there may be old ones.
func (a *analysis) unpruneGone(b *program.Symbol) {
	if !b.IsType() {
		return // its type is gone too
	}

	for _, m := range b.Methods() {
		if !m.Kept() && calls(a.called, m) && !calls(a.calledBefore, m) {
			a.refuse(RefusePruned, typeName(b)+"."+m.Name, "the fix calls methods of that name, and there may be values of the type, which the fixed program doesn't have", nil)
		}
	}
}

func (a *analysis) unpruneItab(b, f *program.Symbol) {
	x, y := b.Relocs(), f.Relocs()
	if len(x) != len(y) {
		return // checkType has seen its types
	}

	for i := range x {
		if x[i].Live || !y[i].Live || y[i].Sym == nil || !y[i].Sym.IsText() {
			continue
		}

		a.touch(y[i].Sym, "method in "+f.Name)
		a.words[place{b.Layer, b.Addr + uint64(x[i].Off)}] = word{kind: payload.WordItab, name: b.Name, size: 8, new: y[i].Sym, fixed: true}
	}
}

func (a *analysis) unpruneType(b, f *program.Symbol) {
	was := map[string]program.Method{}
	for _, m := range b.Methods() {
		was[m.Name] = m
	}

	for _, now := range f.Methods() {
		m, ok := was[now.Name]
		if !ok || !now.Kept() || m.Kept() || !calls(a.called, now) {
			continue
		}

		// The runtime takes offsets of types for those of the same file, or below it, only.
		t := a.inBase(now.Type.Sym)
		if t == nil || !t.Linked || t.Layer > b.Layer || b.Layer > 0 && !m.Type.Live {
			a.refuse(RefusePruned, typeName(b)+"."+now.Name, "the process lacks its type "+typeName(now.Type.Sym), nil)
			continue
		}

		at := func(r *program.Reloc) place { return place{b.Layer, b.Addr + uint64(r.Off)} }

		for _, p := range [][2]*program.Reloc{{m.Type, now.Type}, {m.Ifn, now.Ifn}, {m.Tfn, now.Tfn}} {
			if p[0].Live {
				continue
			}

			a.touch(p[1].Sym, "method of "+typeName(f))
			a.words[at(p[0])] = word{kind: payload.WordMethod, name: b.Name, size: 4, new: p[1].Sym, fixed: true}
		}
	}
}
