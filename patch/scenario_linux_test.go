package patch_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// The categories of Linux's livepatch selftests, and of libpulp's. Linux's target module
// is a domain here: it may be there before the patch or come after it.

func TestLinux_basic(t *testing.T) {
	s := newScene(t)
	p := fix(t, "cmdline", alpha)

	require.NoError(t, s.apply(p))
	require.Equal(t, "alpha/cmdline beta gamma", answers(s.d))
	require.NoError(t, s.revert(p))
	require.NoError(t, s.unload(p))
	require.Equal(t, declared, answers(s.d))
}

func TestLinux_multiple(t *testing.T) {
	s := newScene(t)

	var stack []*patch.Patch

	for i, slots := range [][]*patch.Slot[func() string]{{alpha}, {beta}, {alpha, gamma}} {
		p := fix(t, fmt.Sprint("p", i), slots...)
		stack = append(stack, p)

		require.NoError(t, s.apply(p))
	}

	require.Equal(t, "alpha/p2 beta/p1 gamma/p2", answers(s.d))

	for _, want := range []string{"alpha/p0 beta/p1 gamma", "alpha/p0 beta gamma", declared} {
		require.NoError(t, s.revert(stack[len(stack)-1]))
		stack = stack[:len(stack)-1]
		require.Equal(t, want, answers(s.d))
	}
}

// Atomic replace, and what Linux can't: the replaced patch is enabled again.
func TestLinux_atomicReplace(t *testing.T) {
	s := newScene(t)
	old, all := fix(t, "old", alpha, beta), fix(t, "all", beta, gamma)

	require.NoError(t, s.apply(old))
	require.NoError(t, s.replace(all))
	require.Equal(t, "alpha beta/all gamma/all", answers(s.d), "what the new one drops is the declared one again")
	require.NoError(t, s.replace(old))
	require.Equal(t, "alpha/old beta/old gamma", answers(s.d))
}

// callbacks keeps what its hooks were called for, by domain.
func callbacks(t *testing.T, name string, veto map[string]error) (*patch.Patch, *[]string) {
	calls := &[]string{}

	pre := func(hook string) func(context.Context, *patch.Transition) error {
		return func(_ context.Context, tr *patch.Transition) error {
			*calls = append(*calls, hook+" "+tr.Domain.Name())

			return veto[tr.Domain.Name()]
		}
	}

	post := func(hook string) func(context.Context, *patch.Transition, error) {
		return func(_ context.Context, tr *patch.Transition, _ error) {
			*calls = append(*calls, hook+" "+tr.Domain.Name())
		}
	}

	return specced(t, patch.Spec{Name: name, Hooks: patch.Hooks{
		PreApply: pre("pre-apply"), PostApply: post("post-apply"), PreRevert: pre("pre-revert"), PostRevert: post("post-revert"),
	}, Bindings: []patch.Binding{patch.Func(alpha, says(name))}}), calls
}

func everywhere(t *testing.T, do func(context.Context, *patch.Patch, patch.Target) (patch.Report, error), p *patch.Patch) error {
	_, err := do(t.Context(), p, patch.Everywhere())

	return err
}

func TestLinux_callbacksTargetBefore(t *testing.T) {
	s := newScene(t)
	p, calls := callbacks(t, "p", nil)

	require.NoError(t, everywhere(t, s.e.Apply, p))
	require.NoError(t, everywhere(t, s.e.Revert, p))
	require.Equal(t, []string{"pre-apply host", "post-apply host", "pre-revert host", "post-revert host"}, *calls)
}

func TestLinux_callbacksTargetAfter(t *testing.T) {
	s := newScene(t)
	p, calls := callbacks(t, "p", nil)

	require.NoError(t, everywhere(t, s.e.Apply, p))

	*calls = nil
	late := patch.NewDomain("late")

	require.NoError(t, s.e.Attach(t.Context(), late))
	require.Equal(t, []string{"pre-apply late", "post-apply late"}, *calls)
	require.Equal(t, "p beta gamma", answers(late))
}

func TestLinux_callbacksTargetLeaves(t *testing.T) {
	s := newScene(t)
	p, calls := callbacks(t, "p", nil)

	require.NoError(t, everywhere(t, s.e.Apply, p))
	s.d.Close()

	*calls = nil

	require.NoError(t, everywhere(t, s.e.Revert, p))
	require.Empty(t, *calls, "there is nobody to tell")
}

func TestLinux_callbacksTargetAbsent(t *testing.T) {
	e := patch.NewEngine(patch.Options{})
	p, calls := callbacks(t, "p", nil)

	require.NoError(t, everywhere(t, e.Apply, p))
	require.NoError(t, everywhere(t, e.Revert, p))
	require.Empty(t, *calls)
	require.NoError(t, e.Unload(t.Context(), p))
}

func TestLinux_callbacksVeto(t *testing.T) {
	s := newScene(t)
	p, calls := callbacks(t, "p", map[string]error{"host": errInjected})

	require.ErrorIs(t, everywhere(t, s.e.Apply, p), errInjected)
	require.Equal(t, []string{"pre-apply host"}, *calls)
	require.Equal(t, declared, answers(s.d))
}

func TestLinux_callbacksVetoOnArrival(t *testing.T) {
	s := newScene(t)
	p, _ := callbacks(t, "p", map[string]error{"late": errInjected})

	require.NoError(t, everywhere(t, s.e.Apply, p))

	late := patch.NewDomain("late")

	require.ErrorIs(t, s.e.Attach(t.Context(), late), errInjected)
	require.Equal(t, []*patch.Domain{s.d}, s.e.Domains(), "it is kept out")
	require.Equal(t, declared, answers(late))
	require.Equal(t, "p beta gamma", answers(s.d), "and the others keep the patch")
}

func TestLinux_callbacksSeveralTargets(t *testing.T) {
	s := newScene(t)
	other := patch.NewDomain("other")
	p, calls := callbacks(t, "p", map[string]error{"other": errInjected})

	require.NoError(t, s.e.Attach(t.Context(), other))
	require.ErrorIs(t, everywhere(t, s.e.Apply, p), errInjected)
	require.Equal(t, []string{"pre-apply host", "pre-apply other", "post-apply host"}, *calls)
	require.Equal(t, declared, answers(s.d))
}

// A busy target stalls the transition, which is then reversed.
func TestLinux_callbacksBusyTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		p, calls := callbacks(t, "p", nil)
		busy := s.d.NewWorker("busy")
		busy.Enter()

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)

		go func() {
			_, err := s.e.Apply(ctx, p, patch.On(s.d))
			done <- err
		}()

		synctest.Wait()
		require.Equal(t, "p beta gamma", answers(s.d), "others are switched already")
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Equal(t, declared, answers(s.d))
		require.Equal(t, []string{"pre-apply host", "post-apply host"}, *calls)
		busy.Leave()
	})
}

// Linux runs the new patch's callbacks only; here the replaced one's run too, since it was
// promised them.
func TestLinux_callbacksOfReplace(t *testing.T) {
	s := newScene(t)
	old, oldCalls := callbacks(t, "old", nil)
	all, newCalls := callbacks(t, "all", nil)

	require.NoError(t, s.apply(old))
	*oldCalls = nil

	require.NoError(t, s.replace(all))
	require.Equal(t, []string{"pre-revert host", "post-revert host"}, *oldCalls)
	require.Equal(t, []string{"pre-apply host", "post-apply host"}, *newCalls)
}

// versioned is a patch that makes a state of its version, keeping what was before.
func versioned(t *testing.T, name string, version uint32) *patch.Patch {
	h := patch.Hooks{PreApply: func(_ context.Context, tr *patch.Transition) error {
		was, _ := tr.State(shape)
		tr.SetData(shape, fmt.Sprint(tr.Data(shape), " ", was.Version, "->", version))

		return nil
	}}

	return specced(t, patch.Spec{Name: name, Hooks: h, States: []patch.SystemState{{ID: shape, Version: version}}})
}

func TestLinux_stateModify(t *testing.T) {
	s := newScene(t)
	p := versioned(t, "p", 1)

	require.NoError(t, s.apply(p))
	require.Equal(t, "<nil> 0->1", dataOf(t, s.d, shape))
	require.NoError(t, s.revert(p))
	require.Nil(t, dataOf(t, s.d, shape))
}

func TestLinux_stateTakeOver(t *testing.T) {
	s := newScene(t)

	require.NoError(t, s.apply(versioned(t, "p", 1)))
	require.NoError(t, s.replace(versioned(t, "q", 1)))
	require.Equal(t, "<nil> 0->1 1->1", dataOf(t, s.d, shape))
}

func TestLinux_stateCompatible(t *testing.T) {
	s := newScene(t)

	require.NoError(t, s.apply(versioned(t, "p", 1)))
	require.NoError(t, s.apply(versioned(t, "q", 2)))
	require.NoError(t, s.replace(versioned(t, "all", 3)))
	require.Equal(t, "<nil> 0->1 1->2 2->3", dataOf(t, s.d, shape))
}

func TestLinux_stateIncompatible(t *testing.T) {
	s := newScene(t)

	require.NoError(t, s.apply(versioned(t, "p", 2)))
	require.ErrorIs(t, s.apply(versioned(t, "older", 1)), patch.ErrIncompatible)
	require.ErrorIs(t, s.replace(versioned(t, "older", 1)), patch.ErrIncompatible)
	require.ErrorIs(t, s.replace(fix(t, "stateless", alpha)), patch.ErrIncompatible)
	require.NoError(t, s.apply(fix(t, "stateless", alpha)), "on top it is no harm")
}

// steps calls itself through its slot: at gets each n on the way down.
type steps struct {
	next *patch.Slot[func(*steps, patch.Section, int) int]
	at   func(n int)
}

func (r *steps) count(sec patch.Section, n int) int {
	if r.at(n); n == 0 {
		return 0
	}

	return 1 + r.next.In(sec)(r, sec, n-1)
}

// A function is patched in the middle of its own recursion: a section ends as it began.
func TestPulp_recursion(t *testing.T) {
	s := newScene(t)
	count := patch.NewSlot(uniqueName(t), (*steps).count)
	w := s.d.NewWorker("w")

	p, err := patch.New("p", patch.Func(count, func(*steps, patch.Section, int) int { return 1000 }))
	require.NoError(t, err)

	r := &steps{next: count, at: func(n int) {
		if n == 5 {
			_, err := s.e.Apply(untilSwap(t, s.d), p, patch.On(s.d))
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	}}

	sec := w.Enter()
	require.Equal(t, 10, count.In(sec)(r, sec, 10))
	w.Leave()
	require.NoError(t, s.apply(p))

	sec = w.Enter()
	require.Equal(t, 1000, count.In(sec)(r, sec, 10))
	w.Leave()
}

// A patch may call the function that it replaces, and be replaced by one that does too.
func TestPulp_callsTheReplaced(t *testing.T) {
	s := newScene(t)
	p := specced(t, patch.Spec{Name: "p", Bindings: []patch.Binding{patch.Func(alpha, func() string { return "(" + alpha.Declared()() + ")" })}})

	require.NoError(t, s.apply(p))
	require.Equal(t, "(alpha) beta gamma", answers(s.d))
}

func TestPulp_revertAll(t *testing.T) {
	s := newScene(t)

	for i := range 20 {
		require.NoError(t, s.apply(fix(t, fmt.Sprint("p", i), alpha, beta)))
	}

	empty := specced(t, patch.Spec{Name: "none", Hooks: patch.Hooks{PostApply: func(context.Context, *patch.Transition, error) {}}})

	require.NoError(t, s.replace(empty), "in one transition")
	require.Equal(t, declared, answers(s.d))
	require.NoError(t, s.revert(empty))
	require.Zero(t, s.d.Generation())
}
