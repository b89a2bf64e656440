package patch_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// The hammered slots answer with the number of the set they belong to.
var (
	left  = patch.NewSlot("patch_test/left", func() int { return 0 })
	right = patch.NewSlot("patch_test/right", func() int { return 0 })
)

// hammer flips a patch of both slots on a domain and knows what sections may then see.
type hammer struct {
	domain *patch.Domain
	patch  *patch.Patch

	// phase modulo 4 is 0 while nothing is applied, 1 during Apply, 2 while the patch is
	// applied, and 3 during Revert.
	phase    atomic.Int64
	over     atomic.Bool
	sections atomic.Int64
}

func newHammer(t *testing.T) *hammer {
	one := func() int { return 1 }

	p, err := patch.New("hammer", patch.Func(left, one), patch.Func(right, one))
	require.NoError(t, err)

	return &hammer{domain: patch.NewDomain("hammered"), patch: p}
}

// section calls both slots. They must be of one set; and once a transition has returned,
// no section with the view before it may still be running.
func (h *hammer) section(w *patch.Worker) error {
	sec := w.Enter()
	defer w.Leave()

	l := left.In(sec)()

	if h.sections.Add(1)%7 == 0 {
		runtime.Gosched() // let the others in between the two calls
	}

	r := right.In(sec)()
	phase := h.phase.Load() % 4

	switch {
	case l != r:
		return fmt.Errorf("torn: left is %d, right is %d", l, r)
	case phase == 0 && l != 0, phase == 2 && l != 1:
		return fmt.Errorf("a section with set %d runs in phase %d", l, phase)
	default:
		return nil
	}
}

// flip applies and reverts the patch, while run is in as many goroutines as asked for.
func (h *hammer) flip(t *testing.T, flips, goroutines int, run func(i int) error) {
	e := patch.NewEngine(patch.Options{})
	on := patch.On(h.domain)
	errs := make([]error, goroutines)

	var running sync.WaitGroup

	for i := range goroutines {
		running.Go(func() {
			for errs[i] == nil && !h.over.Load() {
				errs[i] = run(i)
				runtime.Gosched()
			}
		})
	}

	for range flips {
		for _, step := range []func(context.Context, *patch.Patch, patch.Target) (patch.Report, error){e.Apply, e.Revert} {
			h.phase.Add(1)

			if _, err := step(t.Context(), h.patch, on); err != nil {
				errs = append(errs, err)
				break
			}

			h.phase.Add(1)
			runtime.Gosched()
		}
	}

	h.over.Store(true)
	running.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Empty(t, h.domain.Applied())
}

func flips(n int) int {
	if testing.Short() {
		return n / 10
	}

	return n
}

func TestAtomicity_ofASetOfSlots(t *testing.T) {
	const workers = 8

	h := newHammer(t)

	var ws []*patch.Worker

	for i := range workers {
		w := h.domain.NewWorker(fmt.Sprint("w", i))
		defer w.Close()

		ws = append(ws, w)
	}

	h.flip(t, flips(5000), workers, func(i int) error { return h.section(ws[i]) })
}

func TestAtomicity_workersComeAndGo(t *testing.T) {
	h := newHammer(t)

	h.flip(t, flips(2000), 8, func(i int) error {
		w := h.domain.NewWorker(fmt.Sprint("w", i))
		defer w.Close()

		for range i % 3 { // some never enter a section
			if err := h.section(w); err != nil {
				return err
			}
		}

		return nil
	})

	w := h.domain.NewWorker("last")
	defer w.Close()

	require.Len(t, apply(t, h.patch, h.domain).Workers, 1, "those that went are gone")
}

// What a worker wrote in a section with the old set is seen by who has waited for the
// transition: the race detector is the judge.
func TestTransition_happensAfterOldSections(t *testing.T) {
	h := newHammer(t)
	state := []int{0, 0} // one for each set of bindings; owned by the sections that use it

	w := h.domain.NewWorker("w")
	defer w.Close()

	var done sync.WaitGroup

	done.Go(func() {
		for !h.over.Load() {
			sec := w.Enter()
			state[left.In(sec)()]++
			w.Leave()
			runtime.Gosched()
		}
	})

	for range flips(1000) {
		apply(t, h.patch, h.domain)

		state[0] = 0 // nobody uses it now

		revert(t, h.patch, h.domain)

		state[1] = 0
	}

	h.over.Store(true)
	done.Wait()
}

func TestSlot_getIsHammered(t *testing.T) {
	h := newHammer(t)
	h.domain = patch.Default()

	h.flip(t, flips(3000), 4, func(int) error {
		if n := left.Get()(); n != 0 && n != 1 {
			return fmt.Errorf("got %d", n)
		}

		return nil
	})
}

// Two goroutines take the same domains in opposite order.
func TestEngine_noDeadlockOverDomains(t *testing.T) {
	a, b, c := patch.NewDomain("a"), patch.NewDomain("b"), patch.NewDomain("c")
	targets := []patch.Target{patch.On(a, b, c), patch.On(c, b, a), patch.On(b, patch.Default(), a)}
	errs := make([]error, len(targets))

	var running sync.WaitGroup

	for i, on := range targets {
		p := fix(t, fmt.Sprint("p", i), alpha, beta)
		e := patch.NewEngine(patch.Options{})

		running.Go(func() {
			for range flips(1000) {
				if _, err := e.Apply(t.Context(), p, on); err != nil {
					errs[i] = err
					return
				}

				// Another's patch may lie above ours, somewhere; whoever is on top goes.
				_, err := e.Revert(t.Context(), p, on)
				for errors.Is(err, patch.ErrNotTop) {
					runtime.Gosched()

					_, err = e.Revert(t.Context(), p, on)
				}

				if errs[i] = err; err != nil {
					return
				}
			}
		})
	}

	running.Wait()
	require.NoError(t, errors.Join(errs...))

	for _, d := range []*patch.Domain{a, b, c, patch.Default()} {
		require.Empty(t, d.Applied())
		require.Equal(t, declared, answers(d))
	}
}

// One patch, many engines, one domain: exactly one of each round gets it.
func TestEngine_racingForOnePatch(t *testing.T) {
	d := patch.NewDomain("d")
	p := fix(t, "p", alpha)

	for range flips(500) {
		var (
			running sync.WaitGroup
			won     atomic.Int64
			lost    atomic.Int64
		)

		for range 4 {
			running.Go(func() {
				_, err := patch.NewEngine(patch.Options{}).Apply(t.Context(), p, patch.On(d))

				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, patch.ErrApplied):
					lost.Add(1)
				}
			})
		}

		running.Wait()
		require.Equal(t, [2]int64{1, 3}, [2]int64{won.Load(), lost.Load()})
		revert(t, p, d)
	}
}

// Slots are declared, listed and bound all at the same time.
func TestNewSlot_concurrently(t *testing.T) {
	d := patch.NewDomain("d")
	errs := make([]error, 4)

	var running sync.WaitGroup

	for i := range errs {
		w := d.NewWorker("w")
		defer w.Close()

		running.Go(func() {
			for range flips(100) {
				s := patch.NewSlot(uniqueName(t), says("old"))
				p := fix(t, s.Name(), s)

				e := patch.NewEngine(patch.Options{})
				if _, err := e.Apply(t.Context(), p, patch.On(d)); err != nil {
					errs[i] = err
					return
				}

				sec := w.Enter()
				got := s.In(sec)()
				w.Leave()

				if got == "old" || len(patch.Slots()) == 0 {
					errs[i] = fmt.Errorf("%s says %q", s.Name(), got)
					return
				}
			}
		})
	}

	running.Wait()
	require.NoError(t, errors.Join(errs...))
}
