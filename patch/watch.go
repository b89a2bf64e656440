package patch

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// Watch says how a patch proves itself after it was applied: Health is asked about each
// of its domains, at once and then every while, and the patch is reverted when it says no.
type Watch struct {
	// Health says what is wrong with the domain; nil is well. It may block until its
	// context ends, and is then taken for a no, as is a panic. Needed.
	Health func(context.Context, *Domain) error

	// For is how long the patch is watched; 0 or less means 10 s.
	For time.Duration

	// Every is the time between two looks; 0 or less means a tenth of For.
	Every time.Duration

	// Patience is how many looks in a row may fail before the patch goes; 0 or less
	// means that the first one counts.
	Patience int

	// Timeout bounds one look at one domain; 0 or less means Every.
	Timeout time.Duration
}

func (w Watch) withDefaults() Watch {
	if w.For <= 0 {
		w.For = 10 * time.Second
	}

	if w.Every <= 0 {
		w.Every = max(w.For/10, 1)
	}

	if w.Timeout <= 0 {
		w.Timeout = w.Every
	}

	return w
}

// WatchError is a patch that didn't prove itself, and is reverted where it was applied.
type WatchError struct {
	Patch, Domain string
	Looks         int   // rounds over all domains, the last one included
	Err           error // what Health said, or how the context ended
	Revert        error // why the patch could not be reverted; nil if it was
}

func (e *WatchError) Error() string {
	s := fmt.Sprintf("patch: %q doesn't prove itself", e.Patch)
	if e.Domain != "" {
		s += fmt.Sprintf(" on domain %q", e.Domain)
	}

	s += fmt.Sprintf(", look %d: %v", e.Looks, e.Err)
	if e.Revert != nil {
		s += fmt.Sprintf("; and it could not be reverted: %v", e.Revert)
	}

	return s
}

// Unwrap gives Err and Revert.
func (e *WatchError) Unwrap() []error { return []error{e.Err, e.Revert} }

// ApplyWatched applies the patch, as Apply does, and returns when it has proved itself. If
// it doesn't, or the context ends before it has, the patch is reverted in the same mode
// and the error is a *WatchError. The context's deadline counts for all of it; without
// one, the engine's Timeout counts for the apply alone. A domain that closes meanwhile is
// not asked about any more.
func (e *Engine) ApplyWatched(ctx context.Context, p *Patch, on Target, w Watch) (Report, error) {
	if w.Health == nil {
		return Report{Op: OpApply}, fmt.Errorf("patch: %s: %w: a watch without Health", OpApply, ErrInvalid)
	}

	r, err := e.Apply(ctx, p, on)
	if err != nil {
		return r, err
	}

	domains := on.domains
	if on.everywhere {
		domains = e.Domains()
	}

	if bad := e.prove(ctx, p, domains, w.withDefaults()); bad != nil {
		bad.Revert = e.takeBack(ctx, p, on)
		return r, bad
	}

	return r, nil
}

// takeBack reverts even when the context has ended.
func (e *Engine) takeBack(ctx context.Context, p *Patch, on Target) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.timeout)
	defer cancel()

	on.NoWait = false
	_, err := e.Revert(ctx, p, on)

	return err
}

// prove looks at the domains until the time is over.
func (e *Engine) prove(ctx context.Context, p *Patch, domains []*Domain, w Watch) *WatchError {
	end := time.Now().Add(w.For)
	failed := 0

	for looks := 1; ; looks++ {
		bad := &WatchError{Patch: p.Name(), Looks: looks}

		for _, d := range domains {
			if d.isClosed() {
				continue
			}

			if err := w.look(ctx, d); err != nil {
				bad.Domain, bad.Err = d.name, err
				break
			}
		}

		if failed++; bad.Err == nil {
			failed = 0
		}

		left := time.Until(end)

		switch {
		case ctx.Err() != nil:
			bad.Domain, bad.Err = "", context.Cause(ctx)
			return bad
		case failed > max(w.Patience, 0) || failed > 0 && left <= 0:
			return bad
		case left <= 0:
			return nil
		}

		timer := time.NewTimer(min(left, w.Every))

		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// look asks about one domain. A Health that doesn't return is left behind.
func (w Watch) look(ctx context.Context, d *Domain) error {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()

	said := make(chan error, 1)

	go func() {
		err := errGoexit

		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("health: panic: %v\n%s", v, debug.Stack())
			}
			said <- err
		}()

		err = w.Health(ctx, d)
	}()

	select {
	case err := <-said:
		return err
	case <-ctx.Done():
		return fmt.Errorf("health: %w", context.Cause(ctx))
	}
}

// Canary says how a patch comes to many domains: to a few at first, and to more each
// time that it has proved itself on all that have it.
type Canary struct {
	Watch

	// First is how many domains begin; 0 or less means 1.
	First int

	// Growth is how many times more have it after each wave; less than 2 means 4.
	Growth int
}

// CanaryReport is one Report for each wave, the last of them, after an error, included.
type CanaryReport struct {
	Waves []Report
}

// ApplyCanary brings the patch to the domains of the target in waves, the order being the
// target's. Where it doesn't prove itself, or a wave can't be applied, it is reverted
// wherever this call has applied it, the last wave first, and the error is a *WatchError
// or what Apply gave. For Everywhere the last wave takes along domains attached meanwhile.
func (e *Engine) ApplyCanary(ctx context.Context, p *Patch, on Target, c Canary) (CanaryReport, error) {
	r := CanaryReport{}

	if c.Health == nil {
		return r, fmt.Errorf("patch: %s: %w: a canary without Health", OpApply, ErrInvalid)
	}

	c.Watch, c.First = c.Watch.withDefaults(), max(c.First, 1)

	if c.Growth < 2 {
		c.Growth = 4
	}

	domains := on.domains

	if on.everywhere {
		domains = e.Domains()
	}

	var waves []Target

	undo := func() (err error) {
		for _, w := range slices.Backward(waves) {
			if bad := e.takeBack(ctx, p, w); bad != nil {
				err = bad
			}
		}

		return err
	}

	for n := 0; ; {
		wave := on
		wave.everywhere = false
		next := min(max(n*c.Growth, c.First), len(domains))
		wave.domains = domains[n:next]
		n = next

		if on.everywhere && n == len(domains) {
			wave = on
		}

		report, err := e.Apply(ctx, p, wave)
		r.Waves = append(r.Waves, report)

		if err != nil {
			if back := undo(); back != nil {
				err = fmt.Errorf("%w; and the waves before could not all be reverted: %w", err, back)
			}

			return r, err
		}

		waves = append(waves, wave)

		if bad := e.prove(ctx, p, domains[:n], c.Watch); bad != nil {
			bad.Revert = undo()
			return r, bad
		}

		if n == len(domains) {
			return r, nil
		}
	}
}
