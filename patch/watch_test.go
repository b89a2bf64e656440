package patch_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

var errIll = errors.New("ill")

func well(context.Context, *patch.Domain) error { return nil }

func TestApplyWatched(t *testing.T) {
	for name, tc := range map[string]struct {
		health func(look int) error
		watch  patch.Watch
		looks  int
		ok     bool
	}{
		"well": {
			health: func(int) error { return nil },
			watch:  patch.Watch{For: 10 * time.Second, Every: time.Second}, looks: 11, ok: true,
		},
		"ill at once": {
			health: func(int) error { return errIll },
			watch:  patch.Watch{For: 10 * time.Second, Every: time.Second}, looks: 1,
		},
		"ill later": {
			health: func(n int) error { return map[bool]error{true: errIll}[n == 4] },
			watch:  patch.Watch{For: 10 * time.Second, Every: time.Second}, looks: 4,
		},
		"patience": {
			health: func(n int) error { return map[bool]error{true: errIll}[n == 4 || n == 5] },
			watch:  patch.Watch{For: 10 * time.Second, Every: time.Second, Patience: 2}, looks: 11, ok: true,
		},
		"patience ends": {
			health: func(n int) error { return map[bool]error{true: errIll}[n >= 4] },
			watch:  patch.Watch{For: 10 * time.Second, Every: time.Second, Patience: 2}, looks: 6,
		},
		"ill at the end": {
			health: func(n int) error { return map[bool]error{true: errIll}[n == 11] },
			watch:  patch.Watch{For: 10 * time.Second, Every: time.Second, Patience: 2}, looks: 11,
		},
		"blocks": {
			health: func(int) error { select {} },
			watch:  patch.Watch{For: 10 * time.Second, Every: time.Second}, looks: 1,
		},
		"panics": {
			health: func(int) error { panic("at the disco") },
			watch:  patch.Watch{}, looks: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Not in a bubble where a goroutine is left behind for good.
			run := synctest.Test
			if name == "blocks" {
				run = func(t *testing.T, f func(*testing.T)) { f(t) }
			}

			run(t, func(t *testing.T) {
				d, p := patch.NewDomain("d"), fix(t, "p", alpha)

				var looks atomic.Int64

				tc.watch.Health = func(_ context.Context, of *patch.Domain) error {
					require.Same(t, d, of)
					require.Len(t, d.Applied(), 1)

					return tc.health(int(looks.Add(1)))
				}

				if name == "blocks" {
					tc.watch.Timeout = time.Millisecond
				}

				_, err := patch.NewEngine(patch.Options{}).ApplyWatched(t.Context(), p, patch.On(d), tc.watch)
				require.EqualValues(t, tc.looks, looks.Load())

				if tc.ok {
					require.NoError(t, err)
					require.Equal(t, "alpha/p beta gamma", answers(d))

					return
				}

				var bad *patch.WatchError

				require.ErrorAs(t, err, &bad)
				require.Equal(t, "d", bad.Domain)
				require.Equal(t, tc.looks, bad.Looks)
				require.NoError(t, bad.Revert)
				require.Equal(t, declared, answers(d))
			})
		})
	}
}

func TestApplyWatched_contextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()

		d := patch.NewDomain("d")
		_, err := patch.NewEngine(patch.Options{}).ApplyWatched(ctx, fix(t, "p", alpha), patch.On(d), patch.Watch{Health: well})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, declared, answers(d))
	})
}

func TestApplyWatched_cannotRevert(t *testing.T) {
	d, q := patch.NewDomain("d"), fix(t, "q", beta)
	e := patch.NewEngine(patch.Options{})

	// Somebody puts another patch on top while the first one is watched.
	_, err := e.ApplyWatched(t.Context(), fix(t, "p", alpha), patch.On(d), patch.Watch{Timeout: time.Minute, Health: func(ctx context.Context, d *patch.Domain) error {
		_, err := e.Apply(ctx, q, patch.On(d))
		return errors.Join(err, errIll)
	}})
	require.ErrorIs(t, err, errIll)
	require.ErrorIs(t, err, patch.ErrNotTop)
	require.Equal(t, "alpha/p beta/q gamma", answers(d))
}

func TestApplyWatched_closedDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, other := patch.NewDomain("d"), patch.NewDomain("other")
		d.Close()

		e := patch.NewEngine(patch.Options{})
		require.NoError(t, e.Attach(t.Context(), other))

		_, err := e.ApplyWatched(t.Context(), fix(t, "p", alpha), patch.On(d), patch.Watch{Health: well})
		require.ErrorIs(t, err, patch.ErrClosed)

		_, err = e.ApplyWatched(t.Context(), fix(t, "q", alpha), patch.Everywhere(), patch.Watch{Health: func(context.Context, *patch.Domain) error {
			other.Close()
			return nil
		}})
		require.NoError(t, err, "a guest that ends is no reason to revert")
	})
}

func TestApplyCanary(t *testing.T) {
	setup := func(t *testing.T, n int) (*patch.Engine, []*patch.Domain) {
		e := patch.NewEngine(patch.Options{})

		var ds []*patch.Domain
		for i := range n {
			ds = append(ds, patch.NewDomain(string(rune('a'+i))))
			require.NoError(t, e.Attach(t.Context(), ds[i]))
		}

		return e, ds
	}

	sizes := func(r patch.CanaryReport) (out []int) {
		for _, w := range r.Waves {
			out = append(out, len(w.Domains))
		}

		return out
	}

	t.Run("waves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, ds := setup(t, 11)
			p := fix(t, "p", alpha)

			r, err := e.ApplyCanary(t.Context(), p, patch.On(ds...), patch.Canary{Watch: patch.Watch{Health: well}})
			require.NoError(t, err)
			require.Equal(t, []int{1, 3, 7}, sizes(r))

			for _, d := range ds {
				require.Equal(t, "alpha/p beta gamma", answers(d))
			}
		})
	})

	t.Run("sizes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, ds := setup(t, 11)

			r, err := e.ApplyCanary(t.Context(), fix(t, "p", alpha), patch.On(ds...), patch.Canary{Watch: patch.Watch{Health: well}, First: 2, Growth: 2})
			require.NoError(t, err)
			require.Equal(t, []int{2, 2, 4, 3}, sizes(r))
		})
	})

	t.Run("everywhere, and later ones", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, _ := setup(t, 3)
			p := fix(t, "p", alpha)

			_, err := e.ApplyCanary(t.Context(), p, patch.Everywhere(), patch.Canary{Watch: patch.Watch{Health: well}})
			require.NoError(t, err)

			late := patch.NewDomain("late")
			require.NoError(t, e.Attach(t.Context(), late))
			require.Equal(t, "alpha/p beta gamma", answers(late))
		})
	})

	t.Run("a canary dies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, ds := setup(t, 11)
			asked := map[*patch.Domain]bool{}

			r, err := e.ApplyCanary(t.Context(), fix(t, "p", alpha), patch.On(ds...), patch.Canary{Watch: patch.Watch{Health: func(_ context.Context, d *patch.Domain) error {
				asked[d] = true
				return map[bool]error{true: errIll}[d == ds[2]]
			}}})
			require.ErrorIs(t, err, errIll)
			require.Equal(t, []int{1, 3}, sizes(r))
			require.NotContains(t, asked, ds[4])

			for _, d := range ds {
				require.Equal(t, declared, answers(d))
				require.Empty(t, d.Applied())
			}
		})
	})

	t.Run("a wave can't be applied", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, ds := setup(t, 4)
			p := fix(t, "p", alpha)
			apply(t, p, ds[3])

			r, err := e.ApplyCanary(t.Context(), p, patch.On(ds...), patch.Canary{Watch: patch.Watch{Health: well}})
			require.ErrorIs(t, err, patch.ErrApplied)
			require.Len(t, r.Waves, 2)
			require.Equal(t, declared, answers(ds[0]))
			require.Equal(t, "alpha/p beta gamma", answers(ds[3]), "not ours to revert")
		})
	})

	t.Run("no health", func(t *testing.T) {
		e, ds := setup(t, 1)

		_, err := e.ApplyCanary(t.Context(), fix(t, "p", alpha), patch.On(ds...), patch.Canary{})
		require.ErrorIs(t, err, patch.ErrInvalid)

		_, err = e.ApplyWatched(t.Context(), fix(t, "p", alpha), patch.On(ds...), patch.Watch{})
		require.ErrorIs(t, err, patch.ErrInvalid)
	})
}
