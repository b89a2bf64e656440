package patch_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

func TestNew_mistakes(t *testing.T) {
	var undeclared patch.Slot[func() string]

	ok := patch.Func(alpha, says("x"))

	for name, tc := range map[string]struct {
		patch    string
		bindings []patch.Binding
		want     string
	}{
		"no name":          {"", []patch.Binding{ok}, `patch "": invalid patch: it has no name`},
		"nothing":          {"p", nil, `patch "p": invalid patch: it binds nothing`},
		"nil function":     {"p", []patch.Binding{patch.Func(alpha, nil)}, `patch "p": invalid patch: slot patch_test/alpha is bound to a nil function`},
		"twice":            {"p", []patch.Binding{ok, ok}, `patch "p": invalid patch: slot patch_test/alpha is bound twice`},
		"zero binding":     {"p", []patch.Binding{{}}, `patch "p": invalid patch: a binding for no declared slot`},
		"undeclared slot":  {"p", []patch.Binding{patch.Func(&undeclared, says("x"))}, `patch "p": invalid patch: a binding for no declared slot`},
		"all are reported": {"", nil, "patch \"\": invalid patch: it has no name\npatch \"\": invalid patch: it binds nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := patch.New(tc.patch, tc.bindings...)
			require.Nil(t, p)
			require.ErrorIs(t, err, patch.ErrInvalid)
			require.EqualError(t, err, tc.want)
		})
	}
}

// A slot that nobody declared must not find another slot's function at its own place.
func TestSlot_undeclaredIsNeverBound(t *testing.T) {
	var undeclared patch.Slot[func(int) int]

	d := patch.NewDomain("d")
	apply(t, fix(t, "p", alpha, beta, gamma), d)

	p, err := patch.New("first", patch.Func(addSlot, (*adder).addFixed)) // the first slot declared here
	require.NoError(t, err)
	apply(t, p, d)

	w := d.NewWorker("w")
	defer w.Close()

	sec := w.Enter()
	defer w.Leave()

	require.Nil(t, undeclared.In(sec))
}

func TestNew_keepsNothingOfTheCaller(t *testing.T) {
	d := patch.NewDomain("d")
	bindings := []patch.Binding{patch.Func(alpha, says("mine"))}

	p, err := patch.New("p", bindings...)
	require.NoError(t, err)

	bindings[0] = patch.Func(alpha, says("changed"))

	apply(t, p, d)
	require.Equal(t, "mine beta gamma", answers(d))
}

func TestEngine_applyRevert(t *testing.T) {
	d, other := patch.NewDomain("d"), patch.NewDomain("other")
	p := fix(t, "p", alpha, gamma)

	require.Equal(t, declared, answers(d))
	require.Zero(t, d.Generation())

	w := d.NewWorker("w")
	defer w.Close()

	r := apply(t, p, d)
	require.Equal(t, patch.OpApply, r.Op)
	require.Equal(t, "p", r.Patch)
	require.Equal(t, []patch.WorkerReport{{Domain: "d", Worker: "w"}}, r.Workers)
	require.GreaterOrEqual(t, r.Took, r.Swap)
	require.Equal(t, "alpha/p beta gamma/p", answers(d))
	require.Equal(t, []*patch.Patch{p}, d.Applied())
	require.NotZero(t, d.Generation())

	require.Equal(t, declared, answers(other), "another domain")
	require.Empty(t, other.Applied())

	r = revert(t, p, d)
	require.Equal(t, patch.OpRevert, r.Op)
	require.Equal(t, declared, answers(d))
	require.Empty(t, d.Applied())
	require.Zero(t, d.Generation())

	apply(t, p, d)
	require.Equal(t, "alpha/p beta gamma/p", answers(d), "once more")
}

func TestEngine_stack(t *testing.T) {
	d := patch.NewDomain("d")
	p, q := fix(t, "p", alpha, beta), fix(t, "q", beta, gamma)

	apply(t, p, d)
	one := d.Generation()

	apply(t, q, d)
	require.Equal(t, "alpha/p beta/q gamma/q", answers(d))
	require.Equal(t, []*patch.Patch{p, q}, d.Applied())
	require.Greater(t, d.Generation(), one)

	revert(t, q, d)
	require.Equal(t, "alpha/p beta/p gamma", answers(d))
	require.Equal(t, one, d.Generation(), "the view that was there before")
}

// Domains have their own stacks: the same patches may lie in another order in each.
func TestEngine_domainsInAnyOrder(t *testing.T) {
	a, b := patch.NewDomain("a"), patch.NewDomain("b")
	p, q := fix(t, "p", alpha), fix(t, "q", alpha)

	apply(t, p, a)
	apply(t, q, a)
	apply(t, q, b)
	apply(t, p, b)
	require.Equal(t, "alpha/q beta gamma", answers(a))
	require.Equal(t, "alpha/p beta gamma", answers(b))

	// p is on top of b only: nothing may change on either.
	_, err := patch.NewEngine(patch.Options{}).Revert(t.Context(), p, patch.On(b, a))
	require.ErrorIs(t, err, patch.ErrNotTop)
	require.Equal(t, "alpha/p beta gamma", answers(b))

	revert(t, p, b)
	revert(t, q, b, a)
	require.Equal(t, "alpha/p beta gamma", answers(a))
	require.Equal(t, declared, answers(b))
}

func TestEngine_onNamesADomainOnce(t *testing.T) {
	d := patch.NewDomain("d")
	p := fix(t, "p", alpha)

	apply(t, p, d, d)
	require.Len(t, d.Applied(), 1)
	revert(t, p, d, d, d)
	require.Empty(t, d.Applied())
}

// What is applied is the domain's state: any engine may revert it.
func TestEngine_manyEngines(t *testing.T) {
	d := patch.NewDomain("d")
	p := fix(t, "p", alpha)
	one, two := patch.NewEngine(patch.Options{}), patch.NewEngine(patch.Options{Timeout: time.Hour})

	_, err := one.Apply(t.Context(), p, patch.On(d))
	require.NoError(t, err)
	_, err = two.Apply(t.Context(), p, patch.On(d))
	require.ErrorIs(t, err, patch.ErrApplied)
	_, err = two.Revert(t.Context(), p, patch.On(d))
	require.NoError(t, err)
	_, err = one.Revert(t.Context(), p, patch.On(d))
	require.ErrorIs(t, err, patch.ErrNotApplied)
}

func TestEngine_stateErrors(t *testing.T) {
	e := patch.NewEngine(patch.Options{})
	p, q := fix(t, "p", alpha), fix(t, "q", beta)

	for name, tc := range map[string]struct {
		stack  []*patch.Patch // on the domain a; nothing is applied to b
		action func(ctx context.Context, p *patch.Patch, on patch.Target) (patch.Report, error)
		others []*patch.Domain
		want   patch.StateError
		text   string
	}{
		"applied": {
			stack: []*patch.Patch{p}, action: e.Apply,
			want: patch.StateError{Op: "apply", Patch: "p", Domain: "a", Err: patch.ErrApplied},
			text: `patch: apply "p" on domain "a": already applied`,
		},
		"applied below": {
			stack: []*patch.Patch{p, q}, action: e.Apply,
			want: patch.StateError{Op: "apply", Patch: "p", Domain: "a", Err: patch.ErrApplied},
			text: `patch: apply "p" on domain "a": already applied`,
		},
		"not applied": {
			stack: []*patch.Patch{q}, action: e.Revert,
			want: patch.StateError{Op: "revert", Patch: "p", Domain: "a", Err: patch.ErrNotApplied},
			text: `patch: revert "p" on domain "a": not applied`,
		},
		"not top": {
			stack: []*patch.Patch{p, q}, action: e.Revert,
			want: patch.StateError{Op: "revert", Patch: "p", Domain: "a", Err: patch.ErrNotTop, Top: "q"},
			text: `patch: revert "p" on domain "a": not the top of the stack: "q" is above it`,
		},
		"one of two": {
			stack: []*patch.Patch{p}, action: e.Revert, others: []*patch.Domain{patch.NewDomain("b")},
			want: patch.StateError{Op: "revert", Patch: "p", Domain: "b", Err: patch.ErrNotApplied},
			text: `patch: revert "p" on domain "b": not applied`,
		},
		"two of two": {
			action: e.Revert, others: []*patch.Domain{patch.NewDomain("b")},
			want: patch.StateError{Op: "revert", Patch: "p", Domain: "a", Err: patch.ErrNotApplied},
			text: "patch: revert \"p\" on domain \"a\": not applied\npatch: revert \"p\" on domain \"b\": not applied",
		},
		"nil domain": {
			action: e.Apply, others: []*patch.Domain{nil},
			want: patch.StateError{Op: "apply", Patch: "p", Err: patch.ErrNoDomain},
			text: `patch: apply "p": no domain given`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := patch.NewDomain("a")
			for _, s := range tc.stack {
				apply(t, s, a)
			}

			before, gen := answers(a), a.Generation()

			r, err := tc.action(t.Context(), p, patch.On(append([]*patch.Domain{a}, tc.others...)...))

			var state *patch.StateError

			require.ErrorAs(t, err, &state)
			require.Equal(t, tc.want, *state)
			require.ErrorIs(t, err, tc.want.Err)
			require.EqualError(t, err, tc.text)
			require.Equal(t, tc.want.Op, r.Op)
			require.Equal(t, before, answers(a))
			require.Equal(t, gen, a.Generation())
			require.Len(t, a.Applied(), len(tc.stack))
		})
	}
}

func TestEngine_noTarget(t *testing.T) {
	e := patch.NewEngine(patch.Options{})

	for _, on := range []patch.Target{{}, patch.On(), patch.On(nil)} {
		_, err := e.Apply(t.Context(), fix(t, "p", alpha), on)
		require.ErrorIs(t, err, patch.ErrNoDomain)
		require.EqualError(t, err, `patch: apply "p": no domain given`)
	}
}

func TestEngine_noPatch(t *testing.T) {
	e := patch.NewEngine(patch.Options{})

	for _, p := range []*patch.Patch{nil, {}} {
		_, err := e.Apply(t.Context(), p, patch.On(patch.NewDomain("d")))
		require.ErrorIs(t, err, patch.ErrInvalid)
		require.EqualError(t, err, "patch: apply: invalid patch: one that New didn't make")

		_, err = e.Revert(t.Context(), p, patch.On(patch.NewDomain("d")))
		require.ErrorIs(t, err, patch.ErrInvalid)
	}
}

// A context that has ended changes nothing, not even for a moment.
func TestEngine_endedContext(t *testing.T) {
	d := patch.NewDomain("d")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := patch.NewEngine(patch.Options{}).Apply(ctx, fix(t, "p", alpha), patch.On(d))

	var late *patch.TimeoutError

	require.ErrorAs(t, err, &late)
	require.Equal(t, patch.TimeoutError{Op: "apply", Patch: "p", Domain: "d", Err: context.Canceled}, *late)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, `patch: apply "p" on domain "d": gave up waiting for its turn: context canceled`)
	require.Equal(t, declared, answers(d))
}

// logged keeps what a handler was given, and whether the context was still good then.
type logged struct {
	slog.Handler
	levels   []slog.Level
	messages []string
	ctxErr   error
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }

func (l *logged) Handle(ctx context.Context, r slog.Record) error {
	l.levels = append(l.levels, r.Level)
	l.messages = append(l.messages, r.Message)
	l.ctxErr = errors.Join(l.ctxErr, ctx.Err())

	return nil
}

func TestEngine_logs(t *testing.T) {
	d := patch.NewDomain("d")
	p := fix(t, "p", alpha)
	log := &logged{}
	e := patch.NewEngine(patch.Options{Logger: slog.New(log)})

	_, err := e.Apply(t.Context(), p, patch.On(d))
	require.NoError(t, err)
	_, err = e.Apply(t.Context(), p, patch.On(d))
	require.Error(t, err)
	_, err = e.Revert(t.Context(), p, patch.On(d))
	require.NoError(t, err)

	require.Equal(t, []string{"upload", "apply", "apply failed", "revert"}, log.messages)
	require.Equal(t, []slog.Level{slog.LevelInfo, slog.LevelInfo, slog.LevelError, slog.LevelInfo}, log.levels)
	require.NoError(t, log.ctxErr, "the caller's context, not the transition's own")
}

// The clock of the test is not the wall's. The bubble also holds that no goroutine is
// left behind: it doesn't end before the last one in it does.
func TestEngine_timeoutOfTheEngine(t *testing.T) {
	for name, tc := range map[string]struct{ given, want time.Duration }{
		"default":  {0, 10 * time.Second},
		"negative": {-1, 10 * time.Second},
		"given":    {time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := patch.NewDomain("d")
				w := d.NewWorker("stuck")
				w.Enter()

				r, err := patch.NewEngine(patch.Options{Timeout: tc.given}).Apply(t.Context(), fix(t, "p", alpha), patch.On(d))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.GreaterOrEqual(t, r.Took, tc.want)
				require.Less(t, r.Took, tc.want+time.Second)
				require.Equal(t, declared, answers(d))
			})
		})
	}
}
