package patch

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Load takes a patch into the engine, so that it can be listed and found by name, and
// runs its Load hook. Nothing is applied. The error is a *StateError with ErrDuplicate
// when another patch of that name or id is loaded, or with ErrBusy when a hook of it that
// was given up on still runs; or the *HookError; or a *TimeoutError when the context ended
// while another goroutine loads or unloads it. A patch that is loaded already is left as
// it is.
func (e *Engine) Load(ctx context.Context, p *Patch) error {
	_, done, err := e.load(ctx, OpUpload, p)
	if err == nil {
		done()
	}

	return err
}

// load says whether it was this call that loaded the patch. Until done is called, nobody
// else loads or unloads it: nobody takes a patch for loaded that its Load hook may yet
// refuse.
func (e *Engine) load(ctx context.Context, op Op, p *Patch) (fresh bool, done func(), err error) {
	defer func(ctx context.Context, start time.Time) { // the caller's
		if err != nil {
			e.tellOf(ctx, op, p, start, err)
		} else if fresh {
			e.tellOf(ctx, OpUpload, p, start, nil)
		}
	}(ctx, time.Now())

	if !p.made() {
		return false, nil, fmt.Errorf("patch: %s: %w: one that New didn't make", op, ErrInvalid)
	}

	ctx, cancel := e.bounded(ctx)
	defer cancel()

	if !p.life.loading.try() && !p.life.loading.acquire(ctx.Done()) {
		return false, nil, &TimeoutError{Op: op, Patch: p.Name(), Err: ctx.Err()}
	}
	defer func() {
		if err != nil {
			p.life.loading.release()
		}
	}()

	if err = e.trust.permits(op, p); err != nil {
		return false, nil, err
	}

	e.mu.Lock()

	err = e.duplicate(op, p)
	fresh = err == nil && !slices.Contains(e.patches, p)

	if fresh {
		e.patches = append(e.patches, p)
	}

	e.mu.Unlock()

	if !fresh || !p.life.hold() || p.spec.Hooks.Load == nil && !p.spec.native.eager() {
		return fresh, p.life.loading.release, err
	}

	if err = p.life.begin(); err == nil {
		err = p.enter(ctx, op)
		p.life.end()
	} else {
		err = &StateError{Op: op, Patch: p.Name(), Err: err, Detail: stillRuns}
	}

	if err != nil {
		e.forget(p)
		p.life.release()
	}

	return err == nil, p.life.loading.release, err
}

// enter runs what a patch has to run before anything else of it does.
func (p *Patch) enter(ctx context.Context, op Op) error {
	if err := p.commit(ctx, op); err != nil || p.spec.Hooks.Load == nil {
		return err
	}

	return (hook{name: "load", patch: p, call: p.spec.Hooks.Load}).run(ctx, &Report{})
}

// duplicate says which loaded patch is in the way of this one.
func (e *Engine) duplicate(op Op, p *Patch) error {
	for _, q := range e.patches {
		if q != p && (q.Name() == p.Name() || q.ID() == p.ID()) {
			return &StateError{Op: op, Patch: p.Name(), Err: ErrDuplicate, Detail: fmt.Sprintf("%q, id %s", q.Name(), q.ID())}
		}
	}

	return nil
}

func (e *Engine) forget(p *Patch) {
	e.mu.Lock()
	defer e.mu.Unlock()

	if i := slices.Index(e.patches, p); i >= 0 {
		e.patches = slices.Delete(e.patches, i, i+1)
	}
}

// Unload lets the patch go. It waits until no section runs that may have seen it in a
// transition that failed, then runs its Unload hook. It is a *StateError where the patch
// is applied to a domain, or to those that will be attached, isn't loaded, or takes part in
// a transition; and a *TimeoutError where such a section doesn't end in time. Then it stays
// loaded. After a *HookError it is gone: the hook has no say.
//
// A payload that was never applied, and had nothing to run when it was loaded, is unmapped.
// Any other stays mapped until the process ends, as the Go runtime has it in its lists, and
// types, strings and program counters of it may be anywhere: Stats counts it.
func (e *Engine) Unload(ctx context.Context, p *Patch) (err error) {
	defer func(ctx context.Context, start time.Time) { e.tellOf(ctx, OpUnload, p, start, err) }(ctx, time.Now())

	ctx, cancel := e.bounded(ctx)
	defer cancel()

	if !p.made() {
		return &StateError{Op: OpUnload, Err: ErrUnknown}
	}

	if !p.life.loading.try() && !p.life.loading.acquire(ctx.Done()) {
		return &TimeoutError{Op: OpUnload, Patch: p.Name(), Err: ctx.Err()}
	}
	defer p.life.loading.release()

	return e.unload(ctx, p, ctx.Done())
}

// unload is Unload for who has the patch to itself. What still runs of it is waited for
// until waited is closed.
func (e *Engine) unload(ctx context.Context, p *Patch, waited <-chan struct{}) error {
	switch loaded, everywhere := e.holds(p); {
	case !loaded:
		return &StateError{Op: OpUnload, Patch: p.Name(), Err: ErrUnknown}
	case everywhere:
		return &StateError{Op: OpUnload, Patch: p.Name(), Err: ErrApplied, Detail: "domains attached later begin with it"}
	}

	if detail, err := p.life.unload(); err != nil {
		return &StateError{Op: OpUnload, Patch: p.Name(), Err: err, Detail: detail}
	}
	defer p.life.end()

	if w := p.life.settled(waited); w != nil {
		return &TimeoutError{Op: OpUnload, Patch: p.Name(), Domain: w.domain.name, Worker: w.name, Slot: slotName(w.lastSlot()), Err: ctx.Err()}
	}

	e.forget(p)
	defer p.life.free()

	if !p.life.release() || p.spec.Hooks.Unload == nil {
		return nil
	}

	return (hook{name: "unload", patch: p, call: func(ctx context.Context) error { p.spec.Hooks.Unload(ctx); return nil }}).run(ctx, &Report{})
}

func (e *Engine) holds(p *Patch) (loaded, everywhere bool) {
	e.mu.Lock()
	defer e.mu.Unlock()

	return slices.Contains(e.patches, p), slices.Contains(e.everywhere, p)
}

// unloadNow unloads a patch that could not be applied, unless a section still runs with
// it, or somebody else has begun to do something with it.
func (e *Engine) unloadNow(ctx context.Context, p *Patch) {
	if !p.life.loading.try() {
		return
	}
	defer p.life.loading.release()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.timeout)
	defer cancel()

	now := make(chan struct{})
	close(now)

	start := time.Now()
	if err := e.unload(ctx, p, now); err == nil {
		e.tellOf(ctx, OpUnload, p, start, nil)
	}
}

// loadable says, for a dry run, what is in the way of loading the patch.
func (e *Engine) loadable(op Op, p *Patch) error {
	e.mu.Lock()
	defer e.mu.Unlock()

	return e.duplicate(op, p)
}
