package main

import (
	"context"
	"fmt"
	"time"

	"github.com/vgraft/vgraft/patch"
)

// story is what the demonstration works with.
type story struct {
	show     *show
	guest    guest
	device   fifos
	operator *operator
	made     made
	repair   *patch.Patch
	target   patch.Target
	other    patch.Target // of the control: see measure.go

	applyTook, swap samples // of every Apply; of every Apply and Revert
	flipped, idle   samples // the gaps: see measure.go
}

// phase is how long the guest is watched before something happens to it.
const phase = 300 * time.Millisecond

// tell runs the demonstration.
func (s *story) tell(ctx context.Context, flips int) error {
	if err := s.watch(ctx, "before", false); err != nil {
		return err
	}

	if err := s.make(ctx); err != nil {
		return err
	}

	for _, step := range []struct {
		op       patch.Op
		name     string
		repaired bool
	}{
		{patch.OpApply, "after", true},
		{patch.OpRevert, "reverted", false},
		{patch.OpApply, "repaired", true},
	} {
		if err := s.step(ctx, step.op); err != nil {
			return err
		}

		if err := s.watch(ctx, step.name, step.repaired); err != nil {
			return err
		}
	}

	began := time.Now()
	if err := s.flip(ctx, flips); err != nil {
		return err
	}

	sum, err := s.finish(ctx, flips, time.Since(began))
	if err != nil {
		return err
	}

	s.show.summary(sum)

	return sum.check()
}

// make makes the payload and has the engine take it, while the guest runs.
func (s *story) make(ctx context.Context) error {
	before, err := s.guest.read()
	if err != nil {
		return err
	}

	if s.made, s.repair, err = s.operator.make(ctx); err != nil {
		return err
	}

	after, err := s.guest.read()
	if err != nil {
		return err
	}

	s.made.Meanwhile = sum(after).minus(sum(before)).messages
	s.show.made(s.made)

	return nil
}

// step applies or reverts the way an operator does.
func (s *story) step(ctx context.Context, op patch.Op) error {
	began := now()

	report, err := s.operator.transition(ctx, op, s.made.Patch)
	if err != nil {
		return err
	}

	ended := now()

	pause, err := s.device.longest(ctx, began, ended)
	if err != nil {
		return err
	}

	s.show.transition(report, ended-began, pause)

	return nil
}

func (s *story) apply(ctx context.Context) (patch.Report, error) {
	r, err := s.operator.engine.Apply(ctx, s.repair, s.target)
	s.applyTook = append(s.applyTook, int64(r.Took))
	s.swap = append(s.swap, int64(r.Swap))

	return r, err
}

func (s *story) revert(ctx context.Context) (patch.Report, error) {
	r, err := s.operator.engine.Revert(ctx, s.repair, s.target)
	s.swap = append(s.swap, int64(r.Swap))

	return r, err
}

// watch shows what the guest sees for a while, and holds it against what it should see.
func (s *story) watch(ctx context.Context, name string, repaired bool) error {
	c, err := s.guest.period(ctx, phase)
	if err != nil {
		return err
	}

	s.show.phase(name, c)

	switch {
	case repaired && (c.corrupt != 0 || c.intact == 0):
		return fmt.Errorf("%s: the guest must see intact messages only with the patch applied, but saw %d intact and %d corrupt", name, c.intact, c.corrupt)
	case !repaired && (c.corrupt == 0 || c.intact != 0):
		return fmt.Errorf("%s: the guest must see corrupt messages only without the patch, but saw %d corrupt and %d intact", name, c.corrupt, c.intact)
	}

	return nil
}

// flip reverts and applies in turn, n times in all, and after each time measures the
// same thing done elsewhere.
func (s *story) flip(ctx context.Context, n int) error {
	for i := range n {
		next, elsewhere := s.revert, s.operator.engine.Apply
		if i%2 != 0 {
			next, elsewhere = s.apply, s.operator.engine.Revert
		}

		err := s.device.around(ctx, &s.flipped, func() error { _, err := next(ctx); return err })
		if err == nil {
			err = s.device.around(ctx, &s.idle, func() error { _, err := elsewhere(ctx, s.repair, s.other); return err })
		}

		if err != nil {
			s.show.endProgress()
			return err
		}

		s.show.progress(i+1, n, s.device.seen)
	}

	s.show.endProgress()

	return nil
}
