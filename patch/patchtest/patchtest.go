package patchtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/internal/fault"
)

// Options says how. The zero value is a good default.
type Options struct {
	// Below are patches that are applied first, in this order: what the patch depends on.
	Below []*patch.Patch

	// Workers is how many goroutines observe at once in Hammer; 0 is 8.
	Workers int

	// Flips is how many times the patch is applied and reverted in each mode in Hammer; 0
	// is 200.
	Flips int
}

// stage is a domain with what is below the patch.
type stage struct {
	t      testing.TB
	engine *patch.Engine
	domain *patch.Domain
	patch  *patch.Patch
	on     patch.Target
}

func newStage(t testing.TB, p *patch.Patch, o Options, mode patch.Mode) *stage {
	t.Helper()

	d := patch.NewDomain("patchtest")
	s := &stage{t, patch.NewEngine(patch.Options{}), d, p, patch.On(d)}
	s.on.Mode = mode

	for _, b := range o.Below {
		if _, err := s.engine.Apply(context.Background(), b, s.on); err != nil {
			t.Fatalf("patchtest: what should be below: %v", err)
		}
	}

	return s
}

func (s *stage) apply(ctx context.Context) error {
	_, err := s.engine.Apply(ctx, s.patch, s.on)

	return err
}

func (s *stage) revert(ctx context.Context) error {
	_, err := s.engine.Revert(ctx, s.patch, s.on)

	return err
}

// must fails the test for an error.
func (s *stage) must(err error) {
	s.t.Helper()

	if err != nil {
		s.t.Fatalf("patchtest: %v", err)
	}
}

// look is what a section sees now.
func look[T any](s *stage, observe func(patch.Section) T) T {
	w := s.domain.NewWorker("observer")
	defer w.Close()

	sec := w.Enter()
	defer w.Leave()

	return observe(sec)
}

// Compare runs the body in a section without the patch, in one with it, and in one after
// the revert. It gives the first two results, and fails the test if the third isn't the
// first: what a patch changes must be gone with it.
func Compare[T comparable](t testing.TB, p *patch.Patch, o Options, body func(patch.Section) T) (without, with T) {
	t.Helper()

	s := newStage(t, p, o, patch.PerSection)

	without = look(s, body)

	s.must(s.apply(context.Background()))

	with = look(s, body)

	s.must(s.revert(context.Background()))

	if after := look(s, body); after != without {
		t.Fatalf("patchtest: %v before the patch, %v with it, and %v after the revert", without, with, after)
	}

	return without, with
}

// learn is Compare for those who must tell the two apart.
func learn[T comparable](t testing.TB, p *patch.Patch, o Options, observe func(patch.Section) T) (without, with T) {
	t.Helper()

	without, with = Compare(t, p, o, observe)
	if without == with {
		t.Fatalf("patchtest: observe gives %v with and without the patch: it can't tell which it saw", with)
	}

	return without, with
}

// Hammer learns what observe gives without the patch and with it, then has many goroutines
// call it, each time in a section, while the patch is applied and reverted again and again,
// in PerSection mode and in Barrier mode. Each call must give the one or the other: one
// that calls several slots, or one several times, is so shown to be never half patched.
// Once a transition is over, sections must give what it brought about.
//
// observe is called by several goroutines at once; what it changes must be its own.
func Hammer[T comparable](t testing.TB, p *patch.Patch, o Options, observe func(patch.Section) T) {
	t.Helper()

	without, with := learn(t, p, o, observe)

	if o.Workers <= 0 {
		o.Workers = 8
	}

	if o.Flips <= 0 {
		o.Flips = 200
	}

	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		s := newStage(t, p, o, mode)
		h := &hammer[T]{observe: observe, want: [2]T{without, with}}

		if err := errors.Join(h.flip(s, o), h.wrong()); err != nil {
			t.Fatalf("patchtest: %s: %v", mode, err)
		}
	}
}

type hammer[T comparable] struct {
	observe func(patch.Section) T
	want    [2]T // without, with

	// phase counts the beginnings and ends of transitions: modulo 4 it is 0 while the
	// patch is not applied, 1 while it is being, 2 while it is, 3 while it is reverted.
	phase atomic.Int64
	over  atomic.Bool

	mu    sync.Mutex
	found error
}

// section looks once, and says what is wrong. When the phase before the section and in
// its end is the same, and no transition is under way, only one answer is right.
func (h *hammer[T]) section(w *patch.Worker) error {
	before := h.phase.Load()
	sec := w.Enter()

	defer w.Leave()

	got := h.observe(sec)
	i := slices.Index(h.want[:], got)

	switch phase := h.phase.Load(); {
	case i < 0:
		return fmt.Errorf("%v is neither what is seen without the patch, %v, nor with it, %v", got, h.want[0], h.want[1])
	case phase == before && phase%2 == 0 && int64(i) != phase%4/2:
		return fmt.Errorf("%v was seen when the transition to %v was over", got, h.want[1-i])
	}

	return nil
}

func (h *hammer[T]) flip(s *stage, o Options) error {
	var running sync.WaitGroup

	for i := range o.Workers {
		running.Go(func() {
			w := s.domain.NewWorker(fmt.Sprint("hammer-", i))
			defer w.Close()

			for !h.over.Load() {
				if err := h.section(w); err != nil {
					h.report(err)
				}

				runtime.Gosched()
			}
		})
	}

	defer running.Wait()
	defer h.over.Store(true)

	for range o.Flips {
		for _, do := range []func(context.Context) error{s.apply, s.revert} {
			h.phase.Add(1)

			if err := do(context.Background()); err != nil {
				return err
			}

			h.phase.Add(1)
			runtime.Gosched()

			if h.over.Load() { // somebody has seen enough
				return nil
			}
		}
	}

	return nil
}

func (h *hammer[T]) report(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.over.Store(true)

	if h.found == nil {
		h.found = err
	}
}

func (h *hammer[T]) wrong() error {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.found
}

// ErrInjected is what Fail makes transitions fail with: it is what the patch's post hooks
// are given.
var ErrInjected = errors.New("patchtest: injected failure")

// Fail lets the application of the patch fail at each step there is, then its revert, in
// both modes. Each time observe must give what it gave before, and the stack must be what
// it was; after that the same must work. It is the test of a patch whose hooks change
// something: what the pre hook does, the post hook has to undo when it is given an error.
func Fail[T comparable](t testing.TB, p *patch.Patch, o Options, observe func(patch.Section) T) {
	t.Helper()

	without, with := learn(t, p, o, observe)

	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		s := newStage(t, p, o, mode)

		for _, step := range fault.Steps() {
			s.failAt(step, patch.OpApply, s.apply, func() error { return same(s, observe, without, false) })
			s.must(same(s, observe, with, true))
			s.failAt(step, patch.OpRevert, s.revert, func() error { return same(s, observe, with, true) })
			s.must(same(s, observe, without, false))
		}
	}
}

// failAt has the transition fail at the step, checks that all is as it was, and then has
// it succeed. A step that the mode doesn't have is passed over by the engine.
func (s *stage) failAt(step string, op patch.Op, do func(context.Context) error, asBefore func() error) {
	s.t.Helper()

	reached := false

	err := do(fault.With(context.Background(), func(at string) error {
		if at != step {
			return nil
		}

		reached = true

		return ErrInjected
	}))

	switch {
	case !reached:
		s.must(err)
		return
	case !errors.Is(err, ErrInjected):
		s.t.Fatalf("patchtest: %s, %s, failed at %q: gives %v", op, s.on.Mode, step, err)
	}

	if err := asBefore(); err != nil {
		s.t.Fatalf("patchtest: %s, %s, failed at %q: %v", op, s.on.Mode, step, err)
	}

	if err := do(context.Background()); err != nil {
		s.t.Fatalf("patchtest: %s, %s, after a failure at %q: %v", op, s.on.Mode, step, err)
	}
}

func same[T comparable](s *stage, observe func(patch.Section) T, want T, applied bool) error {
	if got := look(s, observe); got != want {
		return fmt.Errorf("observe gives %v, and should give %v", got, want)
	}

	if slices.Contains(s.domain.Applied(), s.patch) != applied {
		return fmt.Errorf("the stack is %v", s.domain.Applied())
	}

	return nil
}
