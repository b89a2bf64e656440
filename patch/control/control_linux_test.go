package control_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// TestLife plays the whole life of a patch from the other side of a socket.
func TestLife(t *testing.T) {
	testutil.NoLeaks(t)

	var (
		r   = serve(t, control.Options{})
		ctx = t.Context()
	)

	list, err := r.List(ctx)
	require.NoError(t, err)
	require.Empty(t, list)

	p, err := r.Upload(ctx, file("fix"))
	require.NoError(t, err)
	require.Equal(t, control.Patch{
		Name: "fix", ID: id("fix"), State: patch.Checked, Domains: []string{}, Slots: []string{"control_test/alpha"},
		Metadata: map[string]string{"from": "a test"}, Mapped: 4096, Size: 3,
		SHA256: "1c6e6c4c02e55178e85890fc9bbed4ce046415ec8122bf38f711b779184ae2a0",
	}, p)

	_, err = r.Upload(ctx, file("fix"))
	require.ErrorIs(t, err, patch.ErrDuplicate)

	dry := on("fix", "a")
	dry.DryRun = true
	report, err := r.Apply(ctx, dry)
	require.NoError(t, err)
	require.True(t, report.DryRun)
	require.Equal(t, "alpha", answers(r.a))

	report, err = r.Apply(ctx, on("fix", "a"))
	require.NoError(t, err)
	require.Equal(t, patch.OpApply, report.Op)
	require.Equal(t, []string{"a"}, report.Domains)
	require.Positive(t, report.Took)
	require.Equal(t, "fix", answers(r.a))
	require.Equal(t, "alpha", answers(r.b))

	_, err = r.Apply(ctx, on("fix", "a"))
	require.ErrorIs(t, err, patch.ErrApplied)

	barrier := everywhere(string(id("fix"))) // by its id
	barrier.Mode = control.Mode(patch.Barrier)
	report, err = r.Apply(ctx, barrier)
	require.NoError(t, err)
	require.Equal(t, patch.Barrier, report.Mode)
	require.Equal(t, []string{"b"}, report.Domains)

	got, err := r.Get(ctx, "fix")
	require.NoError(t, err)
	require.Equal(t, patch.Applied, got.State)
	require.Equal(t, []string{"a", "b"}, got.Domains)
	require.True(t, got.Everywhere)

	require.ErrorIs(t, r.Unload(ctx, "fix", 0), patch.ErrApplied)

	_, err = r.Upload(ctx, file("next"))
	require.NoError(t, err)
	report, err = r.Replace(ctx, everywhere("next"))
	require.NoError(t, err)
	require.Equal(t, []string{"fix"}, report.Removed)
	require.Equal(t, "next", answers(r.b))

	domains, err := r.Domains(ctx)
	require.NoError(t, err)
	require.Equal(t, []control.Domain{{Name: "a", Applied: []string{"next"}}, {Name: "b", Applied: []string{"next"}}}, domains)

	_, err = r.Revert(ctx, everywhere("next"))
	require.NoError(t, err)
	require.NoError(t, r.Unload(ctx, "next", time.Second))
	require.NoError(t, r.Unload(ctx, "fix", 0))
	require.ErrorIs(t, r.Unload(ctx, "fix", 0), patch.ErrUnknown)

	slots, err := r.Slots(ctx)
	require.NoError(t, err)
	require.Len(t, slots, len(patch.Slots()))

	s, err := r.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, s.Domains)
	require.Zero(t, s.Loaded)
	require.NotEmpty(t, s.Go)
	require.NotEmpty(t, s.Operations)
}

// TestLoad: a patch that can't be applied doesn't stay, whatever the reason; nor does one
// that was only tried.
func TestLoad(t *testing.T) {
	r := serve(t, control.Options{})

	p, report, err := r.Load(t.Context(), file("fix"), on("", "a"))
	require.NoError(t, err)
	require.Equal(t, "fix", p.Name)
	require.Equal(t, patch.OpApply, report.Op)
	require.Equal(t, "fix", answers(r.a))

	var (
		hook *patch.HookError
		want *patch.ExpectationError
	)

	_, report, err = r.Load(t.Context(), file("stubborn"), on("", "a"))
	require.ErrorAs(t, err, &hook)
	require.Equal(t, patch.HookError{Hook: "pre-apply", Patch: "stubborn", Domain: "a", Err: hook.Err}, *hook)
	require.Len(t, report.Hooks, 1, "the report of what failed comes too")

	_, _, err = r.Load(t.Context(), file("picky"), on("", "a", "b"))
	require.ErrorAs(t, err, &want)
	require.ErrorIs(t, err, patch.ErrExpectation)
	require.Equal(t, "variable one", want.What)

	_, _, err = r.Load(t.Context(), file("top missing"), on("", "a"))
	require.ErrorIs(t, err, patch.ErrDepends)

	dry := on("", "a")
	dry.DryRun = true
	_, report, err = r.Load(t.Context(), file("tried"), dry)
	require.NoError(t, err)
	require.True(t, report.DryRun)

	_, _, err = r.Load(t.Context(), file("fix"), on("", "a"))
	require.ErrorIs(t, err, patch.ErrDuplicate)

	_, _, err = r.Load(t.Context(), file("other"), on("", "nowhere"))
	require.ErrorIs(t, err, patch.ErrNoDomain)

	list, err := r.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func TestUpload_refused(t *testing.T) {
	r := serve(t, control.Options{})

	var refused *patch.FileError

	_, err := r.Upload(t.Context(), strings.NewReader(strings.Repeat("x", 1<<20+1)))
	require.ErrorIs(t, err, patch.ErrTooLarge)
	require.ErrorAs(t, err, &refused)

	_, err = r.Upload(t.Context(), file(""))
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "an empty file")
	require.Len(t, refused.SHA256, 64)
	require.Empty(t, r.engine.List())
}

func TestReadOnly(t *testing.T) {
	r := serve(t, control.Options{ReadOnly: true})

	p, err := patch.New("p", patch.Func(beta, func() string { return "p" }))
	require.NoError(t, err)
	require.NoError(t, r.engine.Load(t.Context(), p))

	for name, do := range map[string]func() error{
		"upload":  func() error { _, err := r.Upload(t.Context(), file("fix")); return err },
		"load":    func() error { _, _, err := r.Load(t.Context(), file("fix"), everywhere("")); return err },
		"apply":   func() error { _, err := r.Apply(t.Context(), everywhere("p")); return err },
		"revert":  func() error { _, err := r.Revert(t.Context(), everywhere("p")); return err },
		"replace": func() error { _, err := r.Replace(t.Context(), everywhere("p")); return err },
		"unload":  func() error { return r.Unload(t.Context(), "p", 0) },
	} {
		require.ErrorIs(t, do(), control.ErrReadOnly, name)
	}

	list, err := r.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, patch.Checked, list[0].State)

	s, err := r.Status(t.Context())
	require.NoError(t, err)
	require.True(t, s.ReadOnly)
	require.Len(t, s.Operations, 1, "the one of this test")
}

// TestTimeout: who is in the way is named on the other side too.
func TestTimeout(t *testing.T) {
	r := serve(t, control.Options{})

	_, err := r.Upload(t.Context(), file("fix"))
	require.NoError(t, err)

	w := r.a.NewWorker("vcpu0")
	sec := w.Enter()
	beta.In(sec)()

	req := on("fix", "a")
	req.Timeout = time.Millisecond
	report, err := r.Apply(t.Context(), req)

	var late *patch.TimeoutError

	require.ErrorAs(t, err, &late)
	require.Equal(t, patch.TimeoutError{
		Op: patch.OpApply, Patch: "fix", Domain: "a", Worker: "vcpu0", Slot: "control_test/beta", Err: context.DeadlineExceeded,
	}, *late)
	require.Equal(t, "vcpu0", report.Workers[len(report.Workers)-1].Worker)

	w.Leave()
	require.Equal(t, "alpha", answers(r.a))

	req.Timeout = time.Hour
	_, err = r.Apply(t.Context(), req)
	require.ErrorIs(t, err, control.ErrRequest)
}

// TestGone: a caller who goes away takes the call back, and so does the end of the server.
func TestGone(t *testing.T) {
	for name, leave := range map[string]func(*rig, context.CancelFunc){
		"caller": func(_ *rig, cancel context.CancelFunc) { cancel() },
		"server": func(r *rig, _ context.CancelFunc) { go func() { _ = r.end() }() },
	} {
		t.Run(name, func(t *testing.T) {
			testutil.NoLeaks(t)

			r := serve(t, control.Options{})
			events, stop := r.engine.Events()

			defer stop()

			_, err := r.Upload(t.Context(), file("fix"))
			require.NoError(t, err)
			<-events

			w := r.a.NewWorker("vcpu0")
			defer w.Close()

			w.Enter()
			defer w.Leave()

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()

			done := make(chan error, 1)

			go func() {
				_, err := r.Apply(ctx, on("fix", "a"))
				done <- err
			}()

			for r.a.Generation() == 0 { // until the call waits for the worker
				time.Sleep(time.Millisecond)
			}

			leave(r, cancel)

			require.Error(t, <-done)

			ev := <-events
			require.Equal(t, patch.EventFailed, ev.Kind)
			require.ErrorIs(t, ev.Err, context.Canceled)
			require.Zero(t, r.a.Generation())
		})
	}
}

func TestWatch(t *testing.T) {
	testutil.NoLeaks(t)

	r := serve(t, control.Options{MaxStreams: 1})

	s, err := r.Watch(t.Context())
	require.NoError(t, err)

	_, err = r.Watch(t.Context())
	require.ErrorIs(t, err, control.ErrLimit)

	_, _, err = r.Load(t.Context(), file("fix"), everywhere(""))
	require.NoError(t, err)
	_, err = r.Apply(t.Context(), on("fix", "a"))
	require.ErrorIs(t, err, patch.ErrApplied)

	for _, want := range []patch.EventKind{patch.EventLoaded, patch.EventApplied, patch.EventFailed} {
		ev, err := s.Next()
		require.NoError(t, err)
		require.Equal(t, want, ev.Kind)
		require.Equal(t, "fix", ev.Patch)
		require.Equal(t, want == patch.EventFailed, errors.Is(ev.Err, patch.ErrApplied))
		require.False(t, ev.Time.IsZero())
	}

	require.NoError(t, s.Close())

	_, err = s.Next()
	require.ErrorIs(t, err, context.Canceled)

	// The place is free again, once the server has seen that the caller is gone.
	for {
		if s, err = r.Watch(t.Context()); err == nil {
			break
		}

		require.ErrorIs(t, err, control.ErrLimit)
	}

	defer s.Close()

	require.NoError(t, r.end(), "a stream doesn't hold up the end")

	_, err = s.Next()
	require.Error(t, err)
}

func TestLimit(t *testing.T) {
	r := serve(t, control.Options{MaxCalls: 1})

	_, err := r.Upload(t.Context(), file("fix"))
	require.NoError(t, err)

	w := r.a.NewWorker("vcpu0")
	w.Enter()

	done := make(chan error, 1)

	go func() {
		_, err := r.Apply(t.Context(), on("fix", "a"))
		done <- err
	}()

	for r.a.Generation() == 0 {
		time.Sleep(time.Millisecond)
	}

	_, err = r.List(t.Context())
	require.ErrorIs(t, err, control.ErrLimit)

	w.Leave()
	require.NoError(t, <-done)
}

func TestClient_unreachable(t *testing.T) {
	c := control.Dial(t.TempDir() + "/nobody")

	_, err := c.List(t.Context())
	require.ErrorIs(t, err, control.ErrUnreachable)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err = c.List(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
