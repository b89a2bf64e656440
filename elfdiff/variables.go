package elfdiff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// checkVariables refuses changes of variables that the process has already.
func (a *analysis) checkVariables() {
	for _, s := range a.base.Symbols {
		if !s.Linked || !s.IsVar() || s.Name == "" || s.IsTemp() || a.samePackage(s.Package()) || strings.HasSuffix(s.Name, "..inittask") {
			continue
		}

		f := a.inFixed(s)
		if f == nil || !f.Defined() {
			continue // nothing of the fixed program uses it
		}

		was, now := s.GoType(), f.GoType()

		switch {
		case s.Size != f.Size:
			a.refuse(RefuseVariableType, s.Name, fmt.Sprintf("it had %d bytes and has %d", s.Size, f.Size), nil)
		case (was == nil) != (now == nil), was != nil && was.Name != now.Name:
			a.refuse(RefuseVariableType, s.Name, fmt.Sprintf("it was of type %s and is of type %s", nameOrNone(was), nameOrNone(now)), nil)
		case !a.same(s, f):
			a.refuse(RefuseVariableValue, s.Name, "", nil)
		}
	}

	a.checkLinkerValues()
}

// checkLinkerValues refuses changes of strings that the linker sets, by -X: the objects
// don't have them.
func (a *analysis) checkLinkerValues() {
	for _, s := range a.base.Symbols {
		if !s.Linked || !s.IsVar() || len(s.Data) > 0 || s.Size != 16 || isRuntime(s.Package()) {
			continue
		}

		f := a.inFixed(s)
		if f == nil || !f.Linked {
			continue
		}

		was := ""
		if s.Layer == 0 {
			was = a.base.ELF.String(s.Addr)
		}

		if now := a.fixed.ELF.String(f.Addr); was != now {
			a.refuse(RefuseVariableValue, s.Name, fmt.Sprintf("the linker set it to %q, and sets it to %q", was, now), nil)
		}
	}
}

// checkForeign refuses changes of what C compilers made.
func (a *analysis) checkForeign() {
	for _, pkg := range slices.Sorted(keysOf(a.base.Foreign)) {
		if a.fixed.Foreign[pkg] != a.base.Foreign[pkg] && !a.samePackage(pkg) {
			a.refuse(RefuseCgo, pkg, "what the C compiler made of it changed", nil)
		}
	}

	for _, pkg := range slices.Sorted(keysOf(a.fixed.Foreign)) {
		if _, ok := a.base.Foreign[pkg]; !ok {
			a.refuse(RefuseCgo, pkg, "it has C in it, and had none", nil)
		}
	}
}

func nameOrNone(s *program.Symbol) string {
	if s == nil {
		return "none"
	}

	return typeName(s)
}

// checkInitialisers refuses changes of what ran when the process began, and would run
// otherwise in the fixed program.
func (a *analysis) checkInitialisers() {
	for _, s := range a.base.Symbols {
		if !s.Linked || !s.IsText() || !isInit(s) || a.samePackage(s.Package()) {
			continue
		}

		f := a.inFixed(s)

		switch {
		case f == nil || !f.Defined() || !f.Linked:
			if !a.gone(s.Package()) {
				a.refuse(RefuseInitialiser, s.Name, "the fixed program doesn't have it", nil)
			}
		case !a.same(s, f):
			a.refuse(RefuseInitialiser, s.Name, "it changed, and ran already", nil)
		}
	}

	a.checkNewInitialisers()
	a.checkInitOrder()
}

// inProcess says whether the running program has anything of a package.
func (a *analysis) inProcess(pkg string) bool {
	if a.basePackages == nil {
		a.basePackages = map[string]bool{}

		for _, s := range a.base.Symbols {
			if s.Linked && (s.IsText() || s.IsVar()) && !isShared(s) {
				a.basePackages[s.Package()] = true
			}
		}
	}

	return a.basePackages[pkg]
}

// isShared is true of what any package may define that uses it.
func isShared(s *program.Symbol) bool { return s.Shared || s.Flags&1 != 0 }

// checkInitOrder refuses that packages would be initialised in another order: they were
// already.
func (a *analysis) checkInitOrder() {
	was, now := a.base.InitOrder(), a.fixed.InitOrder()

	both := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !slices.Contains(other, s) })
	}

	was, now = both(was, now), both(now, was)

	for i := range was {
		if was[i] != now[i] {
			a.refuse(RefuseInitialiser, strings.TrimSuffix(now[i], "..inittask"), "it ran after "+strings.TrimSuffix(was[i], "..inittask")+", and would now run before", nil)
			return
		}
	}
}

// checkNewVariables refuses new variables of packages that were initialised already, if
// their initial value comes from code: that code is one with code that ran.
func (a *analysis) checkNewVariables() {
	fresh := map[*program.Symbol]bool{}

	for _, s := range a.included {
		if s.IsVar() && !s.IsTemp() {
			fresh[s] = true
		}
	}

	if len(fresh) == 0 {
		return
	}

	for _, s := range a.fixed.Symbols {
		if !s.IsText() || !isInit(s) || a.isIncluded[s] { // one that is included is run
			continue
		}

		for _, r := range s.Relocs() {
			if r.Sym == nil || !fresh[r.Sym] || r.Marks() {
				continue
			}

			delete(fresh, r.Sym)

			switch b := a.inBase(r.Sym); {
			case b != nil && b.Defined():
				a.refuse(RefuseVariablePruned, r.Sym.Name, "the program's linker left it out, and with it its initialiser "+s.Name, nil)
			case a.inProcess(r.Sym.Package()):
				a.refuse(RefuseNewVariable, r.Sym.Name, s.Name+" gives it its value", nil)
			}
		}
	}
}
