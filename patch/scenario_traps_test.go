package patch_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// What hurts users of other live patchers, shown not to be here.

// Xen: an action that could not be scheduled stays "in progress" for ever.
func TestTrap_busyLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		h, n := counts(nil)
		p := specced(t, patch.Spec{Name: "p", Hooks: h})
		w := s.d.NewWorker("slow")
		w.Enter()

		done := make(chan error)

		go func() { done <- s.apply(fix(t, "first", alpha)) }()

		synctest.Wait()
		require.NoError(t, s.load(p))

		on := patch.On(s.d)
		on.NoWait = true

		_, err := s.e.Apply(t.Context(), p, on)
		require.ErrorIs(t, err, patch.ErrBusy)
		require.Equal(t, patch.Checked, s.state("p"))
		require.Zero(t, n["pre-apply"], "no hook has run for nothing")

		w.Leave()
		require.NoError(t, <-done)
		require.NoError(t, s.apply(p))
	})
}

// Xen: post hooks don't run when time ran out after the pre hooks had run.
func TestTrap_postHookAfterTimeout(t *testing.T) {
	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.d.NewWorker("stuck").Enter()

			var late *patch.TimeoutError

			bound := true
			p := specced(t, patch.Spec{Name: "p", Bindings: []patch.Binding{patch.Func(alpha, says("p"))}, Hooks: patch.Hooks{
				PostApply: func(ctx context.Context, tr *patch.Transition, err error) {
					require.NoError(t, ctx.Err(), "it has time of its own")
					require.ErrorAs(t, err, &late)

					bound = tr.Bound()
				},
			}})

			on := patch.On(s.d)
			on.Mode = mode

			_, err := s.e.Apply(t.Context(), p, on)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, "stuck", late.Worker)
			require.False(t, bound)
		})
	}
}

// Xen: a replacement that fails leaves the host without patches.
func TestTrap_replaceRollsBack(t *testing.T) {
	s := newScene(t)
	require.NoError(t, s.apply(fix(t, "p", alpha)))
	require.NoError(t, s.apply(fix(t, "q", beta)))

	gen := s.d.Generation()

	h := actions(func(*patch.Transition) error { return errInjected }, nil)
	require.ErrorIs(t, s.replace(specced(t, patch.Spec{Name: "bad", Hooks: h})), errInjected)
	require.ErrorIs(t, s.replace(specced(t, patch.Spec{
		Name: "picky", Expect: []patch.Expectation{patch.Expect(gamma, says("x"))}, Bindings: []patch.Binding{patch.Func(gamma, says("x"))},
	})), patch.ErrExpectation)

	require.Equal(t, "alpha/p beta/q gamma", answers(s.d))
	require.Equal(t, gen, s.d.Generation())
	require.Equal(t, []string{"p", "q"}, names(s.d.Applied()))
}

// Xen: an action hook that marks some of the functions panics the host. Here it has one
// thing to say: all or none.
func TestTrap_noPartialApplication(t *testing.T) {
	s := newScene(t)
	all := false

	h := actions(func(tr *patch.Transition) error {
		if all {
			return tr.Default()
		}

		return nil
	}, (*patch.Transition).Default)

	p := specced(t, patch.Spec{Name: "p", Hooks: h, Bindings: []patch.Binding{patch.Func(alpha, says("p")), patch.Func(beta, says("p"))}})

	for _, want := range []string{declared, "p p gamma"} {
		require.NoError(t, s.apply(p))
		require.Equal(t, want, answers(s.d))
		require.NoError(t, s.revert(p))
		require.Equal(t, declared, answers(s.d))

		all = true
	}
}

// Xen has no measure of its quiesce time; kpatch stalls and doesn't say on whom.
func TestTrap_reportTellsTheWait(t *testing.T) {
	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.d.NewWorker("idle")

			w := s.d.NewWorker("slow")
			beta.In(w.Enter())

			on := patch.On(s.d)
			on.Mode = mode
			reports := make(chan patch.Report)

			go func() {
				r, _ := s.e.Apply(t.Context(), fix(t, "p", alpha), on)
				reports <- r
			}()

			synctest.Wait()
			w.Leave()

			r := <-reports
			last, ok := r.Last()
			require.True(t, ok)
			require.Equal(t, "slow", last.Worker)
			require.Equal(t, beta.Name(), last.Slot)
			require.Zero(t, r.Workers[0].Waited)
			require.GreaterOrEqual(t, r.Took, last.Waited)
			require.Equal(t, mode == patch.Barrier, r.Gate > 0)
		})
	}
}

// Xen: the list's buffers raced with what it listed.
func TestTrap_listDuringTransitions(t *testing.T) {
	s := newScene(t)
	p := fix(t, "p", alpha)
	require.NoError(t, s.load(p))

	var (
		running sync.WaitGroup
		over    atomic.Bool
		wrong   atomic.Int64
	)

	running.Go(func() {
		for !over.Load() {
			for _, st := range s.e.List() {
				if st.Patch != p || (st.State == patch.Applied) != (len(st.Domains) == 1) {
					wrong.Add(1)
				}
			}
		}
	})

	for range flips(1000) {
		require.NoError(t, s.apply(p))
		require.NoError(t, s.revert(p))
	}

	over.Store(true)
	running.Wait()
	require.Zero(t, wrong.Load())
}

// Linux: after a forced transition nothing can ever be unloaded; a replaced patch never
// comes back. Here a patch goes whatever has happened to it.
func TestTrap_nothingIsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		p, q := fix(t, "p", alpha), fix(t, "q", alpha)
		w := s.d.NewWorker("w")

		require.NoError(t, s.load(p))
		w.Enter()
		require.ErrorIs(t, s.apply(p), context.DeadlineExceeded)
		w.Leave()
		require.NoError(t, s.apply(p))
		require.NoError(t, s.replace(q))
		require.NoError(t, s.replace(p))
		require.NoError(t, s.revert(p))
		require.NoError(t, s.unload(p))
		require.NoError(t, s.unload(q))
		require.Empty(t, s.list())
	})
}

// A section that saw a patch which was taken back keeps it loaded, until it ends.
func TestTrap_unloadWaitsForLateSections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		p := fix(t, "p", alpha)
		require.NoError(t, s.load(p))

		stuck, late := s.d.NewWorker("stuck"), s.d.NewWorker("late")
		stuck.Enter()

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)

		go func() {
			_, err := s.e.Apply(ctx, p, patch.On(s.d))
			done <- err
		}()

		synctest.Wait()

		sec := late.Enter()

		cancel()
		require.Error(t, <-done)
		stuck.Leave()

		var err *patch.TimeoutError

		require.ErrorAs(t, s.unload(p), &err)
		require.Equal(t, "late", err.Worker)
		require.Equal(t, patch.OpUnload, err.Op)
		require.Equal(t, "alpha/p", alpha.In(sec)())

		go func() { done <- s.unload(p) }()

		synctest.Wait()
		late.Leave()
		require.NoError(t, <-done)
	})
}

// libcare can't patch what is always on a stack, and misses coroutines: the outer loop
// runs for ever, and its sections are served by one goroutine after the other.
func TestTrap_alwaysOnTheStack(t *testing.T) {
	s := newScene(t)
	loop := patch.NewSlot(uniqueName(t), func(w *patch.Worker, ask chan chan string) {
		for answer := range ask {
			done := make(chan struct{})

			go func() { // a coroutine
				defer close(done)

				sec := w.Enter()
				defer w.Leave()

				answer <- alpha.In(sec)()
			}()

			<-done
		}
	})

	ask := make(chan chan string)
	w := s.d.NewWorker("w")

	var running sync.WaitGroup

	running.Go(func() { loop.In(patch.Section{})(w, ask) })

	say := func() string {
		answer := make(chan string, 1)
		ask <- answer

		return <-answer
	}

	require.Equal(t, "alpha", say())
	require.NoError(t, s.apply(fix(t, "p", alpha)))
	require.Equal(t, "alpha/p", say())

	close(ask)
	running.Wait()
}
