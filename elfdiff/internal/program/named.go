package program

import "github.com/vgraft/vgraft/elfdiff/internal/goobj"

// NameFunctions has programs that are to be compared know by name the functions that the linker
// knows by content, as it does closures since Go 1.27, of each name that stands for one function
// at most in every one of the programs. A reference to such a function then means the function,
// whatever it does: who makes a closure hasn't changed because the closure has.
//
// What has a name more than once stays known by its content: nothing says which is which. It is
// for linked programs, before anything is made of them.
func NameFunctions(progs ...*Program) {
	several := map[string]bool{}

	for _, p := range progs {
		seen := map[string]*Symbol{}

		for _, s := range p.hashed {
			if !s.IsText() || s.Name == "" {
				continue
			}

			if seen[s.Name] != nil || s.ABI != goobj.ABIGo || p.named[s.Key()] != nil {
				several[s.Name] = true
			}

			seen[s.Name] = s
		}
	}

	for _, p := range progs {
		for h, s := range p.hashed {
			if s.IsText() && s.Name != "" && !several[s.Name] {
				s.Hashed = false
				p.named[s.Key()] = s
				delete(p.hashed, h)
			}
		}
	}
}
