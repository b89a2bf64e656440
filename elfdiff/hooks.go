package elfdiff

import (
	"maps"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

const transition = "*github.com/vgraft/vgraft/patch.Transition"

// hookNames are the functions of the fixed source that become hooks of the patch, by the
// end of their names, with the types of their parameters and results. They are package
// functions of any package of the program.
var hookNames = map[string]struct {
	hook      string
	signature []string
}{
	"vgraftLoad":       {payload.HookLoad, []string{"in context.Context", "out error"}},
	"vgraftUnload":     {payload.HookUnload, []string{"in context.Context"}},
	"vgraftPreApply":   {payload.HookPreApply, []string{"in context.Context", "in " + transition, "out error"}},
	"vgraftPostApply":  {payload.HookPostApply, []string{"in context.Context", "in " + transition, "in error"}},
	"vgraftPreRevert":  {payload.HookPreRevert, []string{"in context.Context", "in " + transition, "out error"}},
	"vgraftPostRevert": {payload.HookPostRevert, []string{"in context.Context", "in " + transition, "in error"}},
	"vgraftApply":      {payload.HookApply, []string{"in context.Context", "in " + transition, "out error"}},
	"vgraftRevert":     {payload.HookRevert, []string{"in context.Context", "in " + transition, "out error"}},
}

// isBelow says whether a hook is one of the payload below: its build has the same.
func (a *analysis) isBelow(hook *program.Symbol) bool {
	if len(a.builds) == 1 {
		return false
	}

	was := a.builds[len(a.builds)-1].Named(hook.Key())

	return was != nil && was.Defined() && was.Content() == hook.Content()
}

// findHooks looks for hooks in the fixed program. The linker leaves them out, since nothing
// calls them; the objects have them.
func (a *analysis) findHooks() {
	a.hooks = map[string]*program.Symbol{}

	for _, s := range a.fixed.Symbols {
		if !s.IsText() || a.samePackage(s.Package()) {
			continue
		}

		h, ok := hookNames[s.Name[strings.LastIndex(s.Name, ".")+1:]]
		if !ok || s.Name != a.fixed.Prefix(s.Package())+s.Name[strings.LastIndex(s.Name, "."):] {
			continue
		}

		sig, _ := s.Signature()

		if a.isBelow(s) {
			continue
		}

		switch other := a.hooks[h.hook]; {
		case !slices.Equal(sig, h.signature):
			a.refuse(RefuseSignature, s.Name, "a "+h.hook+" hook has "+strings.Join(h.signature, ", ")+", and this has "+strings.Join(sig, ", "), nil)
		case other != nil:
			a.refuse(RefuseSignature, s.Name, "there is another "+h.hook+" hook, "+other.Name, nil)
		default:
			a.hooks[h.hook] = s
		}
	}

	for _, h := range slices.Sorted(maps.Keys(a.hooks)) {
		a.report.Hooks = append(a.report.Hooks, h+" "+a.hooks[h].Name)
	}
}
