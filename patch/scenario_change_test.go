package patch_test

import (
	"context"
	"runtime/debug"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// What a patch can change, row by row of SCENARIOS.md.

// A patch brings functions, variables and types that the program didn't have.
func TestChange_newCode(t *testing.T) {
	type visit struct{ by string }

	s := newScene(t)
	visits := []visit{}
	note := func(by string) { visits = append(visits, visit{by}) }

	p, err := patch.New("p", patch.Func(alpha, func() string { note("alpha"); return "new" }))
	require.NoError(t, err)
	require.NoError(t, s.apply(p))
	answers(s.d)
	require.Equal(t, []visit{{"alpha"}}, visits)
}

// table is data whose shape a patch changes: the declared functions keep seconds in it,
// the patched ones milliseconds.
var (
	table    = []int{1, 2, 3}
	tableSum = patch.NewSlot("patch_test/table.sum", func() (seconds int) {
		for _, v := range table {
			seconds += v
		}

		return seconds
	})
)

// Data is changed by a hook while no section runs, and changed back.
func TestChange_dataInPlace(t *testing.T) {
	s := newScene(t)

	scale := func(f func(int) int) func(*patch.Transition) error {
		return func(tr *patch.Transition) error {
			for i := range table {
				table[i] = f(table[i])
			}

			return tr.Default()
		}
	}

	p := specced(t, patch.Spec{
		Name: "milliseconds", States: []patch.SystemState{{ID: "table", Version: 1}},
		Hooks: actions(scale(func(v int) int { return v * 1000 }), scale(func(v int) int { return v / 1000 })),
		Bindings: []patch.Binding{patch.Func(tableSum, func() int {
			ms := 0
			for _, v := range table {
				ms += v
			}

			return ms / 1000
		})},
	})

	on := patch.On(s.d)
	on.Mode = patch.Barrier

	sum := func() (n int) {
		s.in(func(sec patch.Section) { n = tableSum.In(sec)() })
		return n
	}

	require.Equal(t, 6, sum())

	_, err := s.e.Apply(t.Context(), p, on)
	require.NoError(t, err)
	require.Equal(t, 6, sum())
	require.Equal(t, []int{1000, 2000, 3000}, table)

	_, err = s.e.Revert(t.Context(), p, on)
	require.NoError(t, err)
	require.Equal(t, 6, sum())
	require.Equal(t, []int{1, 2, 3}, table)
}

func TestChange_loadHooks(t *testing.T) {
	s := newScene(t)
	fail := map[string]error{"load": errInjected}
	h, n := counts(fail)
	p := specced(t, patch.Spec{Name: "p", Hooks: h})
	other := patch.NewEngine(patch.Options{})

	require.ErrorIs(t, s.load(p), errInjected)
	require.Empty(t, s.list())

	delete(fail, "load")
	require.NoError(t, s.load(p))
	require.NoError(t, other.Load(t.Context(), p))
	require.NoError(t, s.unload(p))
	require.Equal(t, map[string]int{"load": 2}, n, "the other engine has it")
	require.NoError(t, other.Unload(t.Context(), p))
	require.Equal(t, 1, n["unload"])
}

// The post hook learns of a veto that came after its own patch had agreed.
func TestChange_postHookLearnsOfAVeto(t *testing.T) {
	s := newScene(t)

	var outcomes []error

	h, _ := counts(nil)
	h.PostRevert = func(_ context.Context, _ *patch.Transition, err error) { outcomes = append(outcomes, err) }
	old := specced(t, patch.Spec{Name: "old", Hooks: h})
	veto, _ := counts(map[string]error{"pre-apply": errInjected})

	require.NoError(t, s.apply(old))
	require.ErrorIs(t, s.replace(specced(t, patch.Spec{Name: "new", Hooks: veto})), errInjected)
	require.Len(t, outcomes, 1)
	require.ErrorIs(t, outcomes[0], errInjected)
	require.Equal(t, patch.Applied, s.state("old"))
}

func TestChange_hookOnly(t *testing.T) {
	s := newScene(t)
	h, n := counts(nil)
	p := specced(t, patch.Spec{Name: "p", Hooks: h})

	require.NoError(t, s.apply(p))
	require.Equal(t, []string{"p"}, names(s.d.Applied()))
	require.NotZero(t, s.d.Generation())
	require.NoError(t, s.revert(p))
	require.Zero(t, s.d.Generation())
	require.Equal(t, 1, n["post-revert"])
}

// A domain that is made later gets what is applied everywhere before it is attached.
func TestChange_lateDomain(t *testing.T) {
	s := newScene(t)
	h, n := counts(nil)
	p := specced(t, patch.Spec{Name: "p", Hooks: h, Bindings: []patch.Binding{patch.Func(alpha, says("new"))}})
	q := fix(t, "q", beta)

	for _, p := range []*patch.Patch{p, q} {
		_, err := s.e.Apply(t.Context(), p, patch.Everywhere())
		require.NoError(t, err)
	}

	late, gone := patch.NewDomain("late"), patch.NewDomain("gone")
	require.NoError(t, s.e.Attach(t.Context(), late))
	require.NoError(t, s.e.Attach(t.Context(), gone))
	gone.Close()

	require.Equal(t, "new beta/q gamma", answers(late))
	require.Equal(t, []string{"p", "q"}, names(late.Applied()))
	require.Equal(t, 3, n["pre-apply"])
	require.Equal(t, []*patch.Domain{s.d, late}, s.e.Domains())

	_, err := s.e.Revert(t.Context(), q, patch.Everywhere())
	require.NoError(t, err)

	later := patch.NewDomain("later")
	require.NoError(t, s.e.Attach(t.Context(), later))
	require.Equal(t, "new beta gamma", answers(later))

	s.e.Detach(later)
	require.Equal(t, "new beta gamma", answers(later), "what is applied stays")
}

// A trace names the patch's function, as any other.
func TestChange_panicShowsTheFunction(t *testing.T) {
	s := newScene(t)
	p, err := patch.New("p", patch.Func(alpha, brokenAlpha))
	require.NoError(t, err)
	require.NoError(t, s.apply(p))

	defer func() {
		require.Equal(t, "the fix is wrong", recover())
		require.Contains(t, string(debug.Stack()), "patch_test.brokenAlpha")
	}()

	s.in(func(sec patch.Section) { alpha.In(sec)() })
}

func brokenAlpha() string { panic("the fix is wrong") }

// There is no size that a function must have: the smallest is replaced, and by one that
// is inlined wherever it is called by name.
func TestChange_smallFunctions(t *testing.T) {
	small := patch.NewSlot(uniqueName(t), func() {})
	s := newScene(t)
	called := false

	p, err := patch.New("p", patch.Func(small, func() { called = true }))
	require.NoError(t, err)
	require.NoError(t, s.apply(p))
	s.in(func(sec patch.Section) { small.In(sec)() })
	require.True(t, called)
}

// A worker that sleeps in a section is in the way, and is named; one that sleeps outside,
// as a vCPU in its guest does, isn't.
func TestChange_sleepers(t *testing.T) {
	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			wake := make(chan struct{})
			in, out := s.d.NewWorker("in"), s.d.NewWorker("out")
			on := patch.On(s.d)
			on.Mode = mode

			go func() {
				<-wake
				out.Enter()
				out.Leave()
			}()

			_, err := s.e.Apply(t.Context(), fix(t, "p", alpha), on)
			require.NoError(t, err)

			go func() {
				in.Enter()
				<-wake
				in.Leave()
			}()

			synctest.Wait()

			var late *patch.TimeoutError

			_, err = s.e.Apply(t.Context(), fix(t, "q", alpha), on)
			require.ErrorAs(t, err, &late)
			require.Equal(t, "in", late.Worker)
			close(wake)
			synctest.Wait()

			_, err = s.e.Apply(t.Context(), fix(t, "r", alpha), on)
			require.NoError(t, err)
		})
	}
}
