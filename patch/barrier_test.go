package patch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/internal/fault"
)

// arena is what the sections of one domain share: how many run with the old code, and
// how many with the new. Its slots are the first and the last thing that a section does.
type arena struct {
	running  [2]atomic.Int64 // old, new
	overlaps atomic.Int64    // times that one kind began while the other ran
	torn     atomic.Int64    // sections that ended as another kind than they began
	sections atomic.Int64
}

func (a *arena) begin(kind int) int {
	a.running[kind].Add(1)

	if a.running[1-kind].Load() > 0 {
		a.overlaps.Add(1)
	}

	return kind
}

func (a *arena) end(kind, began int) {
	if kind != began {
		a.torn.Add(1)
	}

	a.running[kind].Add(-1)
	a.sections.Add(1)
}

var (
	arenaBegin = patch.NewSlot("patch_test/arena.begin", func(a *arena) int { return a.begin(0) })
	arenaEnd   = patch.NewSlot("patch_test/arena.end", func(a *arena, began int) { a.end(0, began) })
)

func (a *arena) section(w *patch.Worker, yields int) {
	sec := w.Enter()
	defer w.Leave()

	began := arenaBegin.In(sec)(a)
	for range yields {
		runtime.Gosched()
	}

	arenaEnd.In(sec)(a, began)
}

// battle has workers run sections in two domains while transitions of the mode come and
// go, some of which are cancelled or fail half way, until it is enough.
func battle(t *testing.T, mode patch.Mode, enough func(*[2]arena) bool) *[2]arena {
	var arenas [2]arena

	p, err := patch.New("arena",
		patch.Func(arenaBegin, func(a *arena) int { return a.begin(1) }),
		patch.Func(arenaEnd, func(a *arena, began int) { a.end(1, began) }))
	require.NoError(t, err)

	var (
		domains = []*patch.Domain{patch.NewDomain("a"), patch.NewDomain("b")}
		e       = patch.NewEngine(patch.Options{})
		r       = rand.New(rand.NewPCG(3, 4))
		on      = patch.On(domains...)
		over    atomic.Bool
		running sync.WaitGroup
	)

	on.Mode = mode

	for i, d := range domains {
		for j := range 8 {
			running.Go(func() {
				for !over.Load() {
					w := d.NewWorker(fmt.Sprint("w", j)) // they come and go
					for range 100 {
						arenas[i].section(w, j%3)
					}

					w.Close()
					runtime.Gosched()
				}
			})
		}
	}

	steps := fault.Steps()

	attempt := func(do func(context.Context, *patch.Patch, patch.Target) (patch.Report, error)) bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()

		way, at := r.IntN(4), steps[r.IntN(len(steps))]

		_, err := do(fault.With(ctx, func(step string) error {
			switch {
			case step != at || way > 1:
			case way == 0:
				return errInjected
			default:
				cancel()
			}

			return nil
		}), p, on)
		require.True(t, err == nil || errors.Is(err, errInjected) || errors.Is(err, context.Canceled), err)

		return err == nil
	}

	for i := 0; i < flips(500) || !enough(&arenas); i++ {
		for !attempt(e.Apply) {
		}

		for !attempt(e.Revert) {
		}
	}

	for i := range arenas { // nobody is left behind a gate
		for before := arenas[i].sections.Load(); arenas[i].sections.Load() < before+1000; {
			runtime.Gosched()
		}
	}

	over.Store(true)
	running.Wait()

	for i := range arenas {
		require.Zero(t, arenas[i].torn.Load())
		require.Zero(t, arenas[i].running[0].Load())
		require.Zero(t, arenas[i].running[1].Load())
	}

	return &arenas
}

// In Barrier mode no section with the new code overlaps one with the old.
func TestBarrier_neverOverlaps(t *testing.T) {
	arenas := battle(t, patch.Barrier, func(a *[2]arena) bool { return a[0].sections.Load() > 10_000 })

	for i := range arenas {
		require.Zero(t, arenas[i].overlaps.Load())
	}
}

// In PerSection mode each section is wholly old or wholly new. They do overlap: the test
// doesn't end before the arena has seen it, or else the test above would show nothing.
func TestPerSection_overlapsAndNeverTears(t *testing.T) {
	battle(t, patch.PerSection, func(a *[2]arena) bool { return a[0].overlaps.Load() > 0 && a[1].overlaps.Load() > 0 })
}

// gated are the steps at which the gate is closed.
var gated = []string{fault.Gated, fault.Drained, fault.Bound}

// At each step with the gate closed a worker comes, waits, and goes on as soon as the
// transition has ended: with the old bindings if that failed, with the new ones if not.
func TestBarrier_gateIsAlwaysOpened(t *testing.T) {
	for _, step := range gated {
		for name, fail := range map[string]func(cancel func()) error{
			"succeeds":     func(func()) error { return nil },
			"fails":        func(func()) error { return errInjected },
			"is cancelled": func(cancel func()) error { cancel(); return context.Canceled },
		} {
			t.Run(step+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()

					var (
						d       = patch.NewDomain("d")
						early   = d.NewWorker("early")
						on      = patch.On(d)
						said    = make(chan string, 2)
						waiting atomic.Int64
					)

					on.Mode = patch.Barrier

					come := func(w *patch.Worker) {
						waiting.Add(1)

						sec := w.Enter()

						waiting.Add(-1)

						answer := alpha.In(sec)()

						w.Leave()
						w.Close()

						said <- answer
					}

					_, err := patch.NewEngine(patch.Options{}).Apply(fault.With(ctx, func(at string) error {
						if at != step {
							return nil
						}

						go come(early)
						go come(d.NewWorker("made at the gate"))

						synctest.Wait()
						require.EqualValues(t, 2, waiting.Load())

						return fail(cancel)
					}), fix(t, "p", alpha), on)

					want := "alpha"
					if err == nil {
						want = "alpha/p"
					}

					require.Equal(t, name == "succeeds", err == nil)
					require.Equal(t, []string{want, want}, []string{<-said, <-said})
					require.Empty(t, apply(t, fix(t, "q", beta), d).Workers, "they could be closed")
				})
			})
		}
	}
}

// A transition that waits for a section holds the others back, until it is given up: then
// they run on with what they had.
func TestBarrier_cancelledWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			d     = patch.NewDomain("d")
			stuck = d.NewWorker("stuck")
			on    = patch.On(d)
			done  = make(chan error)
			said  = make(chan string)
		)

		on.Mode = patch.Barrier
		ctx, cancel := context.WithCancel(t.Context())

		stuck.Enter()

		go func() {
			_, err := patch.NewEngine(patch.Options{}).Apply(ctx, fix(t, "p", alpha), on)
			done <- err
		}()

		synctest.Wait()

		go func() { said <- answers(d) }()

		synctest.Wait()

		select {
		case s := <-said:
			t.Fatal("a section began before the old one ended: ", s)
		default:
		}

		cancel()

		var late *patch.TimeoutError

		require.ErrorAs(t, <-done, &late)
		require.Equal(t, "stuck", late.Worker)
		require.Equal(t, declared, <-said)
		stuck.Leave()
	})
}

// Closing a worker that waits at the gate is like closing it outside: its Enter panics.
func TestBarrier_closedAtTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := patch.NewDomain("d")
		w := d.NewWorker("w")
		on := patch.On(d)
		on.Mode = patch.Barrier
		panicked := make(chan any)

		_, err := patch.NewEngine(patch.Options{}).Apply(fault.With(t.Context(), func(step string) error {
			if step == fault.Drained {
				go func() {
					defer func() { panicked <- recover() }()

					w.Enter()
				}()

				synctest.Wait()
				w.Close()
			}

			return nil
		}), fix(t, "p", alpha), on)

		require.NoError(t, err)
		require.EqualError(t, (<-panicked).(error), `patch: Enter of worker "w" of domain "d" after Close`)
	})
}

// A domain that isn't of the transition knows nothing of its gate.
func TestBarrier_othersAreNotHeldBack(t *testing.T) {
	d, other := patch.NewDomain("d"), patch.NewDomain("other")
	on := patch.On(d)
	on.Mode = patch.Barrier

	_, err := patch.NewEngine(patch.Options{}).Apply(fault.With(t.Context(), func(step string) error {
		if step == fault.Drained {
			require.Equal(t, declared, answers(other))
		}

		return nil
	}), fix(t, "p", alpha), on)
	require.NoError(t, err)
}

// A hook that wants a section of its own domain while the gate is closed waits for itself,
// and so for the deadline; nobody waits longer.
func TestBarrier_hookAtItsOwnGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		on := patch.On(s.d)
		on.Mode = patch.Barrier

		p := specced(t, patch.Spec{Name: "p", Hooks: actions(func(tr *patch.Transition) error {
			answers(tr.Domain)

			return tr.Default()
		}, nil)})

		_, err := s.e.Apply(t.Context(), p, on)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		synctest.Wait() // it goes on, and is no longer in the way
		require.Equal(t, declared, answers(s.d))
		require.NoError(t, s.apply(fix(t, "q", alpha)))
		require.NoError(t, s.unload(p))
	})
}
