package patch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// drain takes what is there without waiting.
func drain(events <-chan patch.Event) (out []patch.Event) {
	for {
		select {
		case ev, ok := <-events:
			if !ok {
				return out
			}

			out = append(out, ev)
		default:
			return out
		}
	}
}

func TestEvents(t *testing.T) {
	e := patch.NewEngine(patch.Options{})
	on := patch.On(patch.NewDomain("d"))
	p, q := fix(t, "p", alpha), fix(t, "q", alpha)

	events, stop := e.Events()
	defer stop()

	_, err := e.Apply(t.Context(), p, on)
	require.NoError(t, err)
	_, err = e.Apply(t.Context(), p, on)
	require.ErrorIs(t, err, patch.ErrApplied)
	_, err = e.DryRun(t.Context(), patch.OpReplace, q, on)
	require.NoError(t, err)
	_, err = e.Replace(t.Context(), q, on)
	require.NoError(t, err)
	_, err = e.Revert(t.Context(), q, on)
	require.NoError(t, err)
	require.NoError(t, e.Unload(t.Context(), q))
	require.ErrorIs(t, e.Unload(t.Context(), q), patch.ErrUnknown)
	require.NoError(t, e.Revoke(p.ID()))

	var got []string

	for _, ev := range drain(events) {
		got = append(got, fmt.Sprint(ev.Kind, " ", ev.Patch, " ", ev.Report.Op, " ", ev.Report.Domains))

		require.False(t, ev.Time.IsZero())
		require.Equal(t, ev.Kind == patch.EventFailed, ev.Err != nil)
		require.Zero(t, ev.Lost)
	}

	require.Equal(t, []string{
		"loaded p upload []",
		"applied p apply [d]",
		"failed p apply []",
		"loaded q upload []",
		"replaced q replace [d]",
		"reverted q revert [d]",
		"unloaded q unload []",
		"failed q unload []",
		"revoked p  []",
	}, got)

	stop()
	stop()

	_, open := <-events
	require.False(t, open)

	_, err = e.Apply(t.Context(), q, on) // nobody is told
	require.NoError(t, err)
}

// TestEvents_slow: a receiver that doesn't receive holds up nobody, loses the oldest
// events, and learns how many.
func TestEvents_slow(t *testing.T) {
	e := patch.NewEngine(patch.Options{})

	events, stop := e.Events()
	defer stop()

	const n = 1000

	for i := range n {
		require.NoError(t, e.Revoke(patch.ID(fmt.Sprint(i))))
	}

	got := drain(events)
	lost := 0

	for _, ev := range got {
		lost += ev.Lost
	}

	// The newest are there, in their order.
	for i, ev := range got {
		require.Equal(t, patch.ID(fmt.Sprint(n-len(got)+i)), ev.ID)
	}

	require.NoError(t, e.Revoke("next"))
	ev := <-events
	require.Equal(t, patch.ID("next"), ev.ID)
	require.Zero(t, ev.Lost, "each loss is told once")
	require.Equal(t, n, len(got)+lost)
	require.Equal(t, lost, e.Stats().EventsLost)
}

// TestEvents_order: applied and reverted alternate for a domain, however many goroutines
// do it; receivers come and go.
func TestEvents_order(t *testing.T) {
	e := patch.NewEngine(patch.Options{})
	on := patch.On(patch.NewDomain("d"))
	p := fix(t, "p", alpha)

	require.NoError(t, e.Load(t.Context(), p))

	events, stop := e.Events()
	kinds := make(chan []patch.EventKind)

	go func() {
		var all []patch.EventKind

		for ev := range events {
			if ev.Lost > 0 { // those before it
				all = nil
			}

			if ev.Kind != patch.EventFailed {
				all = append(all, ev.Kind)
			}
		}

		kinds <- all
	}()

	var wg sync.WaitGroup

	for range 4 {
		wg.Go(func() {
			for range flips(20000) {
				_, _ = e.Apply(t.Context(), p, on)
				_, _ = e.Revert(t.Context(), p, on)

				other, end := e.Events()
				drain(other)
				end()
			}
		})
	}

	wg.Wait()
	stop()

	all := <-kinds
	require.NotEmpty(t, all)

	for i := 1; i < len(all); i++ {
		require.NotEqual(t, all[i-1], all[i], "event %d", i)
	}
}

func TestStats(t *testing.T) {
	e := patch.NewEngine(patch.Options{})
	d := patch.NewDomain("d")
	on := patch.On(d)
	p, q := fix(t, "p", alpha), fix(t, "q", alpha)

	require.NoError(t, e.Attach(t.Context(), d))
	require.Equal(t, patch.Stats{Domains: 1}, e.Stats())

	_, err := e.Apply(t.Context(), p, on)
	require.NoError(t, err)
	require.NoError(t, e.Load(t.Context(), q))

	for range 3 {
		_, err = e.Apply(t.Context(), p, on)
		require.ErrorIs(t, err, patch.ErrApplied)
	}

	_, err = e.DryRun(t.Context(), patch.OpRevert, p, on)
	require.NoError(t, err)

	w := d.NewWorker("stuck")
	w.Enter()

	_, err = e.Revert(untilSwap(t, d), p, on)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	w.Leave()

	s := e.Stats()
	require.Equal(t, 2, s.Loaded)
	require.Equal(t, 1, s.Applied)

	counts := map[string]int{}

	for _, o := range s.Operations {
		counts[fmt.Sprint(o.Op, " ", o.Outcome)] = o.Count
		require.LessOrEqual(t, o.Took.Max, o.Took.Sum)
		require.Positive(t, o.Took.Max)
	}

	require.Equal(t, map[string]int{"upload ok": 2, "apply ok": 1, "apply refused": 3, "revert timeout": 1}, counts)
}

func TestOutcomeOf(t *testing.T) {
	for want, errs := range map[patch.Outcome][]error{
		patch.OutcomeOK:      {nil},
		patch.OutcomeRefused: {&patch.StateError{Err: patch.ErrBusy}, &patch.ExpectationError{}, &patch.FileError{Err: patch.ErrUnsigned}, fmt.Errorf("x: %w", patch.ErrUnknown)},
		patch.OutcomeTimeout: {&patch.TimeoutError{Err: context.Canceled}, context.DeadlineExceeded},
		patch.OutcomeFailed:  {errors.New("x"), &patch.HookError{Err: context.DeadlineExceeded}},
	} {
		for _, err := range errs {
			require.Equal(t, want, patch.OutcomeOf(err), "%v", err)
		}
	}
}
