package elfdiff

import (
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// newSlot begins the names of the functions that declare slots: one for each shape of
// their types.
const newSlot = "github.com/vgraft/vgraft/patch.NewSlot["

// slot is a slot that a program declares.
type slot struct {
	name   string
	impl   *program.Symbol // the function it was declared with; nil isn't known
	value  *program.Symbol // the function value that is given to NewSlot
	holder *program.Symbol // the function that calls NewSlot
	at     int32           // where it refers to value
}

// findSlots reads the declarations out of the code: a call of NewSlot comes after
// references to the name and to the implementation. A slot that was declared in another
// way, with a name that isn't constant, say, is not found; the loader holds what is found
// against what the process has.
func findSlots(p *program.Program) (slots []slot, unknown []string) {
	for _, s := range p.Symbols {
		if !s.Linked && !s.Dead || !s.IsText() {
			continue
		}

		var name, value *program.Symbol

		var at int32

		for _, r := range s.Relocs() {
			if r.Sym == nil || r.Marks() {
				continue
			}

			switch {
			case strings.HasPrefix(r.Sym.Name, newSlot) && isCall(r):
				if name == nil || value == nil || len(value.Relocs()) != 1 {
					unknown = append(unknown, s.Name)
				} else {
					slots = append(slots, slot{string(name.Data), value.Relocs()[0].Sym, value, s, at})
				}

				name, value = nil, nil
			case isCall(r):
				name, value = nil, nil // what came before was for this call
			case strings.HasPrefix(r.Sym.Name, "go:string."):
				name = r.Sym
			case r.Sym.IsFuncValue():
				value, at = r.Sym, r.Off
			}
		}
	}

	return slots, unknown
}

// slotMethod begins the names of the methods of slots.
const slotMethod = patchPackage + ".(*Slot["

// keepsSlots says whether the program may hold the implementation of a slot that was in force
// at some time, and how: there is code that asks for the declared one, or an initialiser that
// asks for the one in force, which it can only keep, or call before there is any patch.
func keepsSlots(p *program.Program) string {
	for _, s := range p.Symbols {
		if !s.Linked && !s.Dead || !s.IsText() || strings.HasPrefix(s.Name, slotMethod) {
			continue
		}

		for _, m := range slotMethods(s) {
			switch {
			case strings.HasSuffix(m, "]).Declared"):
				return s.Name + " asks for implementations that slots were declared with"
			case isInit(s) && (strings.HasSuffix(m, "]).Get") || strings.HasSuffix(m, "]).In")):
				return s.Name + " asks for implementations of slots, and may keep them"
			}
		}
	}

	return ""
}

// slotMethods are the methods of slots that a function calls, or that were inlined into it.
func slotMethods(s *program.Symbol) (names []string) {
	add := func(m *program.Symbol) {
		if m != nil && strings.HasPrefix(m.Name, slotMethod) {
			names = append(names, m.Name)
		}
	}

	if f, ok := s.Func(); ok {
		for _, m := range f.InlinedFuncs {
			add(m)
		}
	}

	for _, r := range s.Relocs() {
		add(r.Sym)
	}

	return names
}

// declares is true of NewSlot, as long as package patch is the same. The compiler makes it
// anew in each package that declares slots, and what it inlines there depends on what else
// that package uses; but it is made of package patch alone.
func (m *match) declares(s *program.Symbol) bool {
	return strings.HasPrefix(s.Name, newSlot) && m.samePackage(patchPackage)
}

func isCall(r program.Reloc) bool { return r.Type == goobj.Call || r.Type == goobj.CallARM64 }
