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

// declares is true of NewSlot, as long as package patch is the same. The compiler makes it
// anew in each package that declares slots, and what it inlines there depends on what else
// that package uses; but it is made of package patch alone.
func (m *match) declares(s *program.Symbol) bool {
	return strings.HasPrefix(s.Name, newSlot) && m.samePackage(patchPackage)
}

func isCall(r program.Reloc) bool { return r.Type == goobj.Call || r.Type == goobj.CallARM64 }
