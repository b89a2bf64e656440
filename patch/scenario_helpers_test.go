package patch_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// scene is where the scenarios of SCENARIOS.md play: one engine, one domain.
type scene struct {
	t *testing.T
	e *patch.Engine
	d *patch.Domain
}

func newScene(t *testing.T) *scene {
	t.Helper()

	s := &scene{t, patch.NewEngine(patch.Options{}), patch.NewDomain("host")}
	require.NoError(t, s.e.Attach(t.Context(), s.d))

	return s
}

func (s *scene) load(p *patch.Patch) error   { return s.e.Load(s.t.Context(), p) }
func (s *scene) unload(p *patch.Patch) error { return s.e.Unload(s.t.Context(), p) }

func (s *scene) apply(p *patch.Patch) error {
	_, err := s.e.Apply(s.t.Context(), p, patch.On(s.d))

	return err
}

func (s *scene) revert(p *patch.Patch) error {
	_, err := s.e.Revert(s.t.Context(), p, patch.On(s.d))

	return err
}

func (s *scene) replace(p *patch.Patch) error {
	_, err := s.e.Replace(s.t.Context(), p, patch.On(s.d))

	return err
}

// list is what an operator sees.
func (s *scene) list() string {
	var out []string
	for _, st := range s.e.List() {
		out = append(out, st.Patch.Name()+":"+string(st.State))
	}

	return strings.Join(out, " ")
}

// in runs f in a section of a new worker of the domain.
func (s *scene) in(f func(patch.Section)) {
	w := s.d.NewWorker("guest")
	defer w.Close()

	sec := w.Enter()
	defer w.Leave()

	f(sec)
}

// state is where the patch is, by its name.
func (s *scene) state(name string) patch.State {
	st, err := s.e.Get(name)
	require.NoError(s.t, err)

	return st.State
}

// counts makes hooks that count their calls by name, and fail where fail has an error for
// the name. The map is for when the transition is over.
func counts(fail map[string]error) (patch.Hooks, map[string]int) {
	n := map[string]int{}

	may := func(name string) func(context.Context, *patch.Transition) error {
		return func(context.Context, *patch.Transition) error {
			n[name]++

			return fail[name]
		}
	}

	must := func(name string) func(context.Context, *patch.Transition, error) {
		return func(context.Context, *patch.Transition, error) { n[name]++ }
	}

	return patch.Hooks{
		Load:     func(context.Context) error { n["load"]++; return fail["load"] },
		Unload:   func(context.Context) { n["unload"]++ },
		PreApply: may("pre-apply"), PreRevert: may("pre-revert"),
		PostApply: must("post-apply"), PostRevert: must("post-revert"),
	}, n
}
