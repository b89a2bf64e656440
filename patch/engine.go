package patch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Options configures an Engine. The zero value is a good default.
type Options struct {
	// Logger gets one record per transition, when all is done. nil is silent.
	Logger *slog.Logger

	// Timeout bounds a transition whose context has no deadline, from the call on,
	// waiting for another transition included. 0 or less means 10 seconds.
	Timeout time.Duration
}

// Engine applies and reverts patches. Make one with NewEngine. All methods may be called
// from any goroutine that is in no section of the domains they change: such a section
// can't end while its own goroutine waits for that. Transitions of one domain run one
// after the other. Many engines may serve the same domains: what is applied is the
// domain's state, not the engine's.
type Engine struct {
	log     *slog.Logger
	timeout time.Duration
}

// NewEngine makes an engine.
func NewEngine(o Options) *Engine {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}

	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}

	return &Engine{log: o.Logger, timeout: o.Timeout}
}

// Target says where a transition happens. Make it with On.
type Target struct{ domains []*Domain }

// On targets domains, in this order; a domain named twice counts once. A nil one makes
// every transition of the target fail: it is somebody's mistake, and to patch just the
// others would hide it.
func On(domains ...*Domain) Target {
	t := Target{}

	for _, d := range domains {
		if !slices.Contains(t.domains, d) {
			t.domains = append(t.domains, d)
		}
	}

	return t
}

// Apply binds the patch's functions in every domain of the target. Each domain takes
// the new view with one pointer store, so that each section is wholly old or wholly
// new; then Apply waits until every worker has passed a section boundary. No worker
// ever waits. When Apply returns no section runs with the view before; of calls through
// Slot.Get it knows nothing, and one that began before may still run.
//
// An error means that every domain of the target has the bindings it had. It is, or
// joins, one *StateError per domain where the patch is applied already; or it is a
// *TimeoutError, when the context, or the engine's Timeout, ended first. In that case
// some sections may have run with the patch before it was taken back, and may still do
// so when Apply returns, until they end.
func (e *Engine) Apply(ctx context.Context, p *Patch, on Target) (Report, error) {
	return e.transition(ctx, "apply", p, on, func(d *Domain) (*view, []*Patch, error) {
		if slices.Contains(d.applied, p) {
			return nil, nil, &StateError{Op: "apply", Patch: p.name, Domain: d.name, Err: ErrApplied}
		}

		return d.view.Load().with(p.bindings), append(slices.Clone(d.applied), p), nil
	})
}

// Revert takes the patch out of every domain of the target, in the same way as Apply
// puts it in, with the same errors: *StateError when it isn't applied there, or isn't
// the top of the stack.
func (e *Engine) Revert(ctx context.Context, p *Patch, on Target) (Report, error) {
	return e.transition(ctx, "revert", p, on, func(d *Domain) (*view, []*Patch, error) {
		top := len(d.applied) - 1

		switch i := slices.Index(d.applied, p); {
		case i < 0:
			return nil, nil, &StateError{Op: "revert", Patch: p.name, Domain: d.name, Err: ErrNotApplied}
		case i < top:
			return nil, nil, &StateError{Op: "revert", Patch: p.name, Domain: d.name, Err: ErrNotTop, Top: d.applied[top].name}
		}

		return d.view.Load().from, slices.Clone(d.applied[:top]), nil
	})
}

// plan says what a domain's view and stack become, or why not.
type plan func(d *Domain) (*view, []*Patch, error)

// change is one domain's part of a transition.
type change struct {
	domain   *Domain
	old, new *view
	stack    []*Patch
}

func (e *Engine) transition(ctx context.Context, op string, p *Patch, on Target, next plan) (r Report, err error) {
	r = Report{Op: op}

	start := time.Now()

	defer func(ctx context.Context) { // the caller's, which hasn't ended when ours has
		r.Took = time.Since(start)
		e.record(ctx, r, err)
	}(ctx)

	if p == nil || len(p.bindings) == 0 {
		return r, fmt.Errorf("patch: %s: %w: one that New didn't make", op, ErrInvalid)
	}

	r.Patch = p.name

	if len(on.domains) == 0 || slices.Contains(on.domains, nil) {
		return r, &StateError{Op: op, Patch: p.name, Err: ErrNoDomain}
	}

	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc

		ctx, cancel = context.WithTimeout(ctx, e.timeout)
		defer cancel()
	}

	unlock, err := on.lock(ctx, op, p)
	if err != nil {
		return r, err
	}

	defer unlock()

	// Plan for all before the first is changed: a wrong state anywhere changes nothing.
	changes, err := on.plan(next)
	if err != nil {
		return r, err
	}

	swap := time.Now()

	for _, c := range changes {
		c.domain.view.Store(c.new)
	}

	r.Swap = time.Since(swap)

	if err := r.settle(ctx, swap, changes); err != nil {
		for _, c := range changes {
			c.domain.view.Store(c.old)
		}

		return r, err
	}

	for _, c := range changes {
		c.domain.mu.Lock()
		c.domain.applied = c.stack
		c.domain.mu.Unlock()
	}

	return r, nil
}

// lock takes every domain of the target, always in the order in which the domains
// were made, so that two transitions can't wait for each other.
func (t Target) lock(ctx context.Context, op string, p *Patch) (unlock func(), _ error) {
	order := slices.Clone(t.domains)
	slices.SortFunc(order, func(a, b *Domain) int { return cmp.Compare(a.id, b.id) })

	var held []*Domain

	unlock = func() {
		for _, d := range held {
			d.transition.release()
		}
	}

	for _, d := range order {
		if !d.transition.acquire(ctx.Done()) {
			unlock()
			return nil, &TimeoutError{Op: op, Patch: p.name, Domain: d.name, Err: ctx.Err()}
		}

		held = append(held, d)
	}

	return unlock, nil
}

func (t Target) plan(next plan) ([]change, error) {
	var (
		changes []change
		errs    []error
	)

	for _, d := range t.domains {
		d.mu.Lock()
		v, stack, err := next(d)
		d.mu.Unlock()

		changes = append(changes, change{domain: d, old: d.view.Load(), new: v, stack: stack})
		errs = append(errs, err)
	}

	return changes, errors.Join(errs...)
}

// settle waits until every worker of the changed domains has passed a boundary since the
// views were stored. It looks at all of them before it waits for the first, so that the
// whole takes as long as the longest section, not as all of them together.
func (r *Report) settle(ctx context.Context, swap time.Time, changes []change) error {
	type sighting struct {
		worker *Worker
		seen   uint64
	}

	var sightings []sighting

	for _, c := range changes {
		for _, w := range c.domain.snapshot() {
			sightings = append(sightings, sighting{w, w.boundaries.Load()})
		}
	}

	for _, s := range sightings {
		w := s.worker
		ok := w.passed(s.seen, ctx.Done())

		var waited time.Duration
		if s.seen&inside != 0 {
			waited = time.Since(swap)
		}

		r.Workers = append(r.Workers, WorkerReport{Domain: w.domain.name, Worker: w.name, Waited: waited})

		if !ok {
			return &TimeoutError{Op: r.Op, Patch: r.Patch, Domain: w.domain.name, Worker: w.name, Err: ctx.Err()}
		}
	}

	return nil
}

func (e *Engine) record(ctx context.Context, r Report, err error) {
	if err != nil {
		e.log.ErrorContext(ctx, r.Op+" failed", "patch", r.Patch, "err", err)
		return
	}

	e.log.InfoContext(ctx, r.Op, "patch", r.Patch, "took", r.Took, "swap", r.Swap, "workers", len(r.Workers))
}
