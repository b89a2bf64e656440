package patch_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

func TestDomain_names(t *testing.T) {
	d := patch.NewDomain("vm-1")

	require.Equal(t, "vm-1", d.Name())
	require.Equal(t, `domain "vm-1"`, d.String())
	require.Equal(t, "w", d.NewWorker("w").Name())
	require.Equal(t, "default", patch.Default().Name())
}

func TestDomain_appliedIsTheCallers(t *testing.T) {
	d := patch.NewDomain("d")
	p := fix(t, "p", alpha)
	apply(t, p, d)

	d.Applied()[0] = nil

	require.Equal(t, []*patch.Patch{p}, d.Applied())
}

// Do is a section as any other: a transition waits for it, and it leaves nothing behind.
func TestDomain_do(t *testing.T) {
	d := patch.NewDomain("d")
	p := fix(t, "p", alpha)
	engine := patch.NewEngine(patch.Options{})

	d.Do("now and then", func(s patch.Section) {
		require.Equal(t, "alpha", alpha.In(s)())

		var late *patch.TimeoutError

		_, err := engine.Apply(untilSwap(t, d), p, patch.On(d))
		require.ErrorAs(t, err, &late)
		require.Equal(t, "now and then", late.Worker)
		require.Equal(t, "alpha", alpha.In(s)())
	})

	require.Empty(t, apply(t, p, d).Workers, "it is gone")
	d.Do("now and then", func(s patch.Section) { require.Equal(t, "alpha/p", alpha.In(s)()) })

	require.PanicsWithValue(t, "boom", func() { d.Do("now and then", func(patch.Section) { panic("boom") }) })

	_, err := engine.Revert(t.Context(), p, patch.On(d))
	require.NoError(t, err, "what a panic goes through is left")
	d.Do("now and then", func(s patch.Section) { require.Equal(t, "alpha", alpha.In(s)()) })
}

func TestWorker_sectionKeepsItsView(t *testing.T) {
	d := patch.NewDomain("d")
	p := fix(t, "p", alpha, beta)

	w := d.NewWorker("w")
	defer w.Close()

	sec := w.Enter()

	_, err := patch.NewEngine(patch.Options{}).Apply(untilSwap(t, d), p, patch.On(d))
	require.Error(t, err)
	require.Equal(t, "alpha", alpha.In(sec)())
	w.Leave()

	apply(t, p, d)

	sec = w.Enter()

	_, err = patch.NewEngine(patch.Options{}).Revert(untilSwap(t, d), p, patch.On(d))
	require.Error(t, err)
	require.Equal(t, "alpha/p", alpha.In(sec)())
	require.Equal(t, "beta/p", beta.In(sec)())
	w.Leave()
}

// Each mistake panics, and leaves the worker as it was: the domain isn't stuck.
func TestWorker_mistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		before, mistake, after func(*patch.Worker)
		want                   string
	}{
		"enter twice": {
			func(w *patch.Worker) { w.Enter() }, func(w *patch.Worker) { w.Enter() }, (*patch.Worker).Leave,
			`patch: Enter of worker "w" of domain "d" inside a section`,
		},
		"leave outside": {
			nil, (*patch.Worker).Leave, func(w *patch.Worker) { w.Enter(); w.Leave() },
			`patch: Leave of worker "w" of domain "d" outside a section`,
		},
		"close inside": {
			func(w *patch.Worker) { w.Enter() }, (*patch.Worker).Close, (*patch.Worker).Leave,
			`patch: Close of worker "w" of domain "d" inside a section`,
		},
		"enter after close": {
			(*patch.Worker).Close, func(w *patch.Worker) { w.Enter() }, nil,
			`patch: Enter of worker "w" of domain "d" after Close`,
		},
		"leave after close": {
			(*patch.Worker).Close, (*patch.Worker).Leave, nil,
			`patch: Leave of worker "w" of domain "d" after Close`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := patch.NewDomain("d")
			w := d.NewWorker("w")

			if tc.before != nil {
				tc.before(w)
			}

			for range 2 {
				require.PanicsWithError(t, tc.want, func() { tc.mistake(w) })
			}

			if tc.after != nil {
				tc.after(w)
			}

			apply(t, fix(t, "p", alpha), d)
			w.Close()
			w.Close()
			require.Empty(t, revert(t, d.Applied()[0], d).Workers)
		})
	}
}

func TestWorker_panicInSection(t *testing.T) {
	serve := func(w *patch.Worker, leave bool) {
		defer func() { _ = recover() }()

		w.Enter()

		if leave {
			defer w.Leave()
		}

		panic("a bug of the guest's device")
	}

	d := patch.NewDomain("d")
	p := fix(t, "p", alpha)

	w := d.NewWorker("w")
	defer w.Close()

	serve(w, true)
	apply(t, p, d)
	revert(t, p, d)

	// Without the deferred Leave the section has no end, and everyone is told so.
	serve(w, false)

	_, err := patch.NewEngine(patch.Options{}).Apply(untilSwap(t, d), p, patch.On(d))

	var late *patch.TimeoutError

	require.ErrorAs(t, err, &late)
	require.Equal(t, "w", late.Worker)
	require.Panics(t, func() { w.Enter() })

	w.Leave() // who recovers may still do it
	apply(t, p, d)
}

func TestEngine_stuckWorkerIsNamed(t *testing.T) {
	for name, stuck := range map[string]string{"first": "d0/w0", "middle": "d1/w1", "last": "d2/w2"} {
		t.Run(name, func(t *testing.T) {
			var (
				domains []*patch.Domain
				culprit *patch.Worker
				sec     patch.Section
				late    *patch.TimeoutError
			)

			p, q := fix(t, "p", alpha), fix(t, "q", alpha, beta)

			for _, dn := range []string{"d0", "d1", "d2"} {
				d := patch.NewDomain(dn)
				domains = append(domains, d)

				for _, wn := range []string{"w0", "w1", "w2"} {
					w := d.NewWorker(wn)
					w.Enter()
					w.Leave()

					if dn+"/"+wn == stuck {
						culprit = w
					}
				}
			}

			apply(t, p, domains...)

			e := patch.NewEngine(patch.Options{})
			on := patch.On(domains...)
			sec = culprit.Enter()

			r, err := e.Apply(untilSwap(t, domains[0]), q, on)
			require.ErrorAs(t, err, &late)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, stuck, late.Domain+"/"+late.Worker)
			require.Equal(t, `patch: apply "q" on domain "`+stuck[:2]+`": gave up waiting for worker "`+stuck[3:]+
				`", which is still in a section: context deadline exceeded`, err.Error())

			last := r.Workers[len(r.Workers)-1]
			require.Equal(t, stuck, last.Domain+"/"+last.Worker)
			require.Positive(t, last.Waited)

			_, err = e.Revert(untilSwap(t, domains[0]), p, on)
			require.ErrorAs(t, err, &late)
			require.Equal(t, patch.OpRevert, late.Op)

			for _, d := range domains {
				require.Equal(t, "alpha/p beta gamma", answers(d), "rolled back")
				require.Equal(t, []*patch.Patch{p}, d.Applied())
			}

			require.Equal(t, "alpha/p", alpha.In(sec)())
			culprit.Leave()
			require.Len(t, apply(t, q, domains...).Workers, 9)
		})
	}
}

// A section that began with a patch which was then taken back keeps it to its end, and
// the next transition waits for it.
func TestEngine_sectionOutlivesRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := patch.NewDomain("d")
		e := patch.NewEngine(patch.Options{})
		stuck, other := d.NewWorker("stuck"), d.NewWorker("other")

		stuck.Enter()

		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)

		go func() {
			_, err := e.Apply(ctx, fix(t, "p", alpha), patch.On(d))
			failed <- err
		}()

		synctest.Wait()

		sec := other.Enter()

		cancel()
		require.ErrorIs(t, <-failed, context.Canceled)
		require.Equal(t, "alpha/p", alpha.In(sec)())
		require.Equal(t, declared, answers(d))
		stuck.Leave()

		var late *patch.TimeoutError

		_, err := e.Apply(untilSwap(t, d), fix(t, "q", beta), patch.On(d))
		require.ErrorAs(t, err, &late)
		require.Equal(t, "other", late.Worker)

		other.Leave()
		apply(t, fix(t, "q", beta), d)
	})
}

// Transitions of a domain take turns, and one whose context ends gives up its turn.
func TestEngine_cancelledWhileAnotherIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, free := patch.NewDomain("d"), patch.NewDomain("free")
		e := patch.NewEngine(patch.Options{})

		w := d.NewWorker("slow")
		w.Enter()

		first, second := make(chan error), make(chan error)
		ctx, cancel := context.WithCancel(t.Context())

		go func() {
			_, err := e.Apply(t.Context(), fix(t, "first", alpha), patch.On(d))
			first <- err
		}()

		synctest.Wait()

		go func() {
			_, err := e.Apply(ctx, fix(t, "second", alpha), patch.On(free, d))
			second <- err
		}()

		synctest.Wait()
		cancel()

		err := <-second
		require.EqualError(t, err, `patch: apply "second" on domain "d": gave up waiting for its turn: context canceled`)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, declared, answers(free), "it never got the second domain")
		apply(t, fix(t, "third", alpha), free) // whose lock was given back

		w.Leave()
		require.NoError(t, <-first)
		require.Equal(t, "alpha/first beta gamma", answers(d))
	})
}

// A worker that leaves and is closed while a transition waits for it ends the wait.
func TestWorker_closedWhileATransitionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := patch.NewDomain("d")
		w := d.NewWorker("w")
		w.Enter()

		done := make(chan error)

		go func() {
			_, err := patch.NewEngine(patch.Options{}).Apply(t.Context(), fix(t, "p", alpha), patch.On(d))
			done <- err
		}()

		synctest.Wait()
		require.NotZero(t, d.Generation(), "published")
		require.Empty(t, d.Applied(), "but not yet done")

		w.Leave()
		w.Close()
		require.NoError(t, <-done)
		require.Len(t, d.Applied(), 1)
	})
}

// The whole wait is as long as the longest section, not as all of them together: a worker
// that has passed a boundary, and is in its next section, is not waited for again.
func TestEngine_waitsForASectionOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := patch.NewDomain("d")
		one, two := d.NewWorker("one"), d.NewWorker("two")

		one.Enter()
		two.Enter()

		done := make(chan error)

		go func() {
			_, err := patch.NewEngine(patch.Options{}).Apply(t.Context(), fix(t, "p", alpha), patch.On(d))
			done <- err
		}()

		synctest.Wait()
		two.Leave()
		two.Enter() // for ever
		one.Leave()
		require.NoError(t, <-done)
	})
}
