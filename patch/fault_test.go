package patch_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/internal/fault"
)

// The steps that tests can break are the steps there are: none is missed because the
// engine doesn't ask for it any more.
func TestFault_everyStepIsReached(t *testing.T) {
	reached := map[string]bool{}

	shapes(t, func(_ *testing.T, _ func(*testing.T) *rig, events []string, _ string) {
		for _, e := range events {
			reached[e] = true
		}
	})

	for _, step := range fault.Steps() {
		require.True(t, reached[step], step)
	}
}

// Each event of each transition fails, in each way it can: everything is as it was, those
// who agreed are told, and the same transition works when it is tried again.
func TestFault_atEachEvent(t *testing.T) {
	ways := []struct {
		name string
		do   func() error
		can  func(event string) bool
	}{
		{"error", func() error { return errInjected }, func(e string) bool { return !isVoid(e) }},
		{"panic", func() error { panic("injected") }, isHook},
		{"goexit", func() error { runtime.Goexit(); return nil }, isHook},
	}

	shapes(t, func(t *testing.T, fresh func(*testing.T) *rig, events []string, after string) {
		for i, event := range events {
			for _, way := range ways {
				if !way.can(event) {
					continue
				}

				t.Run(event+"/"+way.name, func(t *testing.T) {
					r := fresh(t)
					before, gens := r.state(t), r.generations()
					r.plan(i, way.do)

					err := r.do(t.Context())
					r.paired(t, i, err)

					if isVoid(event) {
						require.NoError(t, err, "a post hook has no say")
						require.Equal(t, after, r.state(t))

						return
					}

					if way.name == "error" {
						require.ErrorIs(t, err, errInjected)
					} else {
						require.ErrorIs(t, err, patch.ErrHook)
					}

					require.Equal(t, before, r.state(t))
					require.Equal(t, gens, r.generations())

					r.plan(-1, nil)
					require.NoError(t, r.do(t.Context()))
					r.paired(t, -1, nil)
					require.Equal(t, after, r.state(t))
				})
			}
		}
	})
}

// The context is cancelled at each event. What comes of it is before or after, as the
// result says, and nothing between. A hook that did it may or may not be given up on.
func TestFault_cancelAtEachEvent(t *testing.T) {
	shapes(t, func(t *testing.T, fresh func(*testing.T) *rig, events []string, after string) {
		for i, event := range events {
			t.Run(event, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := fresh(t)
					before, gens := r.state(t), r.generations()

					ctx, cancel := context.WithCancel(t.Context())
					r.plan(i, func() error { cancel(); return nil })

					err := r.do(ctx)

					synctest.Wait() // for hooks that were given up on

					for _, e := range r.happened()[i+1:] {
						require.True(t, isHook(event) || !isHook(e) || isVoid(e), "%s begins after the end of the context", e)
					}

					if err == nil {
						require.Equal(t, after, r.state(t))
						return
					}

					require.ErrorIs(t, err, context.Canceled)

					if !slices.Contains(fault.Steps(), event) {
						r.forget(t)
					}

					require.Equal(t, before, r.state(t))
					require.Equal(t, gens, r.generations())

					r.plan(-1, nil)
					require.NoError(t, r.do(t.Context()))
					require.Equal(t, after, r.state(t))
				})
			})
		}
	})
}

// forget unloads the patch that was to come, which stays where one of its hooks was
// given up on.
func (r *rig) forget(t *testing.T) {
	if _, err := r.engine.Get("next"); err == nil {
		require.NoError(t, r.engine.Unload(t.Context(), r.next))
	}
}

// Each hook outlives the deadline: the transition ends in time, as if the hook had failed,
// its patch is busy until the hook has returned, and what it does so late has no effect.
func TestFault_hookOutlivesTheDeadline(t *testing.T) {
	shapes(t, func(t *testing.T, fresh func(*testing.T) *rig, events []string, after string) {
		for i, event := range events {
			if !isHook(event) {
				continue
			}

			t.Run(event, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := fresh(t)
					before, gens := r.state(t), r.generations()
					release := make(chan struct{})
					r.plan(i, func() error { <-release; return nil })
					start := time.Now()

					err := r.do(t.Context())
					r.paired(t, i, err)
					require.Equal(t, time.Minute, time.Since(start), "the deadline, and no clock but the bubble's")

					late := &patch.HookError{}
					busy := &patch.StateError{}

					if isVoid(event) {
						require.NoError(t, err)
						close(release)
						synctest.Wait()
						require.Equal(t, after, r.state(t))

						return
					}

					require.ErrorAs(t, err, &late)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, strings.Fields(event)[:2], []string{late.Hook, late.Patch})

					require.ErrorAs(t, r.do(t.Context()), &busy)
					require.ErrorIs(t, busy, patch.ErrBusy)

					close(release)
					synctest.Wait()
					r.forget(t)
					require.Equal(t, before, r.state(t))
					require.Equal(t, gens, r.generations())

					r.plan(-1, nil)
					require.NoError(t, r.do(t.Context()))
					require.Equal(t, after, r.state(t))
				})
			})
		}
	})
}
