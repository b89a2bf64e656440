package elfdiff

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// checkTypes refuses changes of types of which the running process may have values. The
// objects describe every type that a variable has, alive in the program or not, so that
// this sees the types without run-time descriptors as well.
func (a *analysis) checkTypes() {
	changed := a.changedTypes()
	local := map[string]string{}

	for _, p := range a.builds {
		maps.Copy(local, a.localTypes(p))
	}

	if len(changed) == 0 && len(local) == 0 {
		return
	}

	known := a.knownTypes()

	for _, s := range changed {
		switch f := a.inFixed(s); {
		case known[s.Name]:
			a.checkType(s, f)
		case a.inProcess(s.Package()) && s.Shape().Layout != f.Shape().Layout && a.seenUnsafely(s.Package()) != "":
			a.refuse(RefuseTypeLayout, typeName(s), "nothing tells of values of it, but package "+a.seenUnsafely(s.Package())+" may import unsafe: "+
				firstDifference(s.Shape().Layout, f.Shape().Layout), nil)
		}
	}

	for _, n := range slices.Sorted(maps.Keys(local)) {
		if known[n] {
			a.refuse(RefuseLocalType, strings.TrimPrefix(n, "type:"), local[n], nil)
		}
	}
}

// seenUnsafely names a package of the process that may look at memory as a type of a package
// without any trace of it: one that imports unsafe, and the package, or is it. Empty is none.
func (a *analysis) seenUnsafely(pkg string) (by string) {
	a.base.Imports(func(p string, imports []string) {
		if by == "" && !a.safe[p] && (p == pkg || slices.Contains(imports, pkg)) && a.inProcess(p) {
			by = p
		}
	})

	return by
}

// changedTypes lists the types of the base that the fixed program describes in another way.
func (a *analysis) changedTypes() []*program.Symbol {
	var out []*program.Symbol

	for _, s := range a.base.Symbols {
		if !s.IsType() || a.samePackage(s.Package()) {
			continue
		}

		if f := a.inFixed(s); f != nil && f.Defined() && !a.same(s, f) {
			out = append(out, s)
		}
	}

	slices.SortFunc(out, func(x, y *program.Symbol) int { return strings.Compare(x.Name, y.Name) })

	return out
}

// knownTypes are the types that the running process may have values of: whatever a function
// or a variable of it mentions, and all that these consist of.
func (a *analysis) knownTypes() map[string]bool {
	known := map[string]bool{}

	var queue []string

	add := func(n string) {
		if program.IsTypeName(n) && !known[n] {
			known[n] = true
			queue = append(queue, n)
		}
	}

	for _, s := range a.base.Symbols {
		if !s.Linked && !s.Dead { // what was replaced may have left values behind
			continue
		}

		if t := s.GoType(); t != nil {
			add(t.Name)
		}

		if s.IsType() {
			add(s.Name)
		}

		if !s.IsText() {
			continue
		}

		s.MentionedTypes(add)

		for _, r := range s.Relocs() {
			if r.Sym != nil {
				add(r.Sym.Name)
			}
		}
	}

	for len(queue) > 0 {
		s := a.base.Named(program.Key{Name: queue[0]})
		queue = queue[1:]

		if s == nil || !s.Defined() {
			continue
		}

		for _, r := range s.Relocs() {
			if r.Sym != nil && !r.Weak && r.Type != goobj.MethodOff {
				add(r.Sym.Name)
			}
		}
	}

	return known
}

// checkType refuses what changed about a type, unless it only gained methods that nobody
// can see who doesn't call them.
func (a *analysis) checkType(s, f *program.Symbol) {
	was, now := s.Shape(), f.Shape()

	if was.Layout != now.Layout {
		a.refuse(RefuseTypeLayout, typeName(s), firstDifference(was.Layout, now.Layout), nil)
		return
	}

	for n, m := range was.Methods {
		if now.Methods[n] != m {
			a.refuse(RefuseTypeMethods, typeName(s), "method "+n+" is gone, or another one", nil)
			return
		}
	}

	var gained []string

	for n := range now.Methods {
		if _, ok := was.Methods[n]; !ok {
			gained = append(gained, n)
		}
	}

	slices.Sort(gained)

	for _, n := range gained {
		if why := a.visible(n); why != "" {
			a.refuse(RefuseTypeMethods, typeName(s), "method "+n+" is new, and "+why, nil)
			return
		}
	}

	if len(gained) == 0 {
		a.refuse(RefuseTypeMethods, typeName(s), "its descriptor changed", nil)
	}
}

// visible says who might look for a method of that name; empty is nobody.
func (a *analysis) visible(method string) string {
	short := method[strings.LastIndex(method, ".")+1:]

	a.loadInterfaces()

	if in, ok := a.ifaceMethods[short]; ok {
		return "interface " + in + " has one of that name"
	}

	if exported(short) && a.reflects != "" {
		return a.reflects + " looks for methods by reflection"
	}

	return ""
}

// loadInterfaces collects the methods of all interface types of both builds, and a function
// that looks up methods by reflection.
func (a *analysis) loadInterfaces() {
	if a.ifaceMethods != nil {
		return
	}

	a.ifaceMethods = map[string]string{}

	for _, p := range []*program.Program{a.base, a.fixed} {
		for _, s := range p.Symbols {
			if s.IsType() {
				for _, m := range s.InterfaceMethods() {
					a.ifaceMethods[m] = typeName(s)
				}
			}

			if s.Linked && s.IsText() && s.Flags&goobj.ReflectMethod != 0 && a.reflects == "" {
				a.reflects = s.Name
			}
		}
	}
}

func exported(n string) bool { return n != "" && n[0] >= 'A' && n[0] <= 'Z' || n != "" && n[0] >= 0x80 }

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("%s became %s", x[i], y[i])
		}
	}

	if len(x) > len(y) {
		return x[len(y)] + " is gone"
	}

	return y[len(x)] + " is new"
}

// localTypes finds types declared in functions whose names may have changed their meaning:
// the compiler numbers types of one name in the order in which it meets them. The value says
// why.
func (a *analysis) localTypes(base *program.Program) map[string]string {
	out := map[string]string{}
	users := [2]map[string]map[string]bool{{}, {}} // type to the functions that mention it

	for i, p := range []*program.Program{base, a.fixed} {
		for _, s := range p.Symbols {
			if !s.IsText() || a.sameProgram(base, s.Package()) {
				continue
			}

			add := func(n string) {
				if program.IsTypeName(n) && strings.Contains(n, "·") && !strings.HasPrefix(n, "type:*") {
					if users[i][n] == nil {
						users[i][n] = map[string]bool{}
					}

					users[i][n][outermost(s.Name)] = true
				}
			}

			s.MentionedTypes(add)

			for _, r := range s.Relocs() {
				if r.Sym != nil {
					add(r.Sym.Name)
				}
			}
		}
	}

	for n, was := range users[0] {
		now, common := users[1][n], false

		for f := range was {
			common = common || now[f]
		}

		if !common {
			out[n] = "the functions that have a type of that name and number are others than before"
		}
	}

	return out
}

// outermost is the function that a closure belongs to.
func outermost(n string) string {
	slash := strings.LastIndex(n, "/") + 1
	for _, mark := range []string{".func", ".gowrap", ".deferwrap", "-range"} {
		if i := strings.Index(n[slash:], mark); i > 0 {
			n = n[:slash+i]
		}
	}

	return n
}
