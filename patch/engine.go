package patch

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Options configures an Engine. The zero value is a good default.
type Options struct {
	// Logger gets one record per transition, when all is done. nil is silent.
	Logger *slog.Logger

	// Timeout bounds a transition whose context has no deadline, from the call on,
	// waiting for another transition included; and post hooks. 0 or less means 10 s.
	Timeout time.Duration

	// Loader makes files into patches, for Upload. Without one there are no uploads.
	Loader Loader

	// MaxFile bounds what Upload reads, in bytes, signature included. 0 or less means 16 MiB.
	MaxFile int

	// TrustedKeys are those of which a signature is accepted.
	TrustedKeys []ed25519.PublicKey

	// AllowUnsigned has Upload accept files without a signature: whoever can upload one
	// can run any code. It is for development. A signature that is there must still hold.
	AllowUnsigned bool

	// RevokedKeys and Revoked are as if given to RevokeKey and Revoke.
	RevokedKeys []KeyID
	Revoked     []ID
}

// Engine loads, applies and reverts patches. Make one with NewEngine. All methods may be
// called from any goroutine that is in no section of the domains they change: such a
// section can't end while its own goroutine waits for that. Transitions of one domain run
// one after the other. Many engines may serve the same domains: what is applied is the
// domain's state, not the engine's.
//
//	                Load                  Apply, Replace
//	(not loaded) ----------> Checked <----------------------> Applied
//	             <----------          Revert, Replace of it
//	               Unload
//
// A patch is Applied while it is in the stack of some domain, and Checked otherwise. What
// fails leaves it where it was.
type Engine struct {
	log     *slog.Logger
	timeout time.Duration

	trust *trust
	watch watch

	fleet lock // held by transitions everywhere and by Attach

	mu         sync.Mutex // guards what follows
	patches    []*Patch   // loaded, the oldest first
	attached   []*Domain
	everywhere []*Patch // the stack that an attached domain begins with
}

// NewEngine makes an engine.
func NewEngine(o Options) *Engine {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}

	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}

	return &Engine{log: o.Logger, timeout: o.Timeout, trust: newTrust(o)}
}

// Load takes a patch into the engine, so that it can be listed and found by name, and
// runs its Load hook. Nothing is applied. The error is a *StateError with ErrDuplicate
// when another patch of that name or id is loaded, or the *HookError. A patch that is
// loaded already is left as it is.
func (e *Engine) Load(ctx context.Context, p *Patch) error {
	_, err := e.load(ctx, OpUpload, p)

	return err
}

// load says whether it was this call that loaded the patch.
func (e *Engine) load(ctx context.Context, op Op, p *Patch) (fresh bool, err error) {
	start := time.Now()

	defer func() {
		if err != nil {
			e.tellOf(op, p, start, err)
		} else if fresh {
			e.tellOf(OpUpload, p, start, nil)
		}
	}()

	if !p.made() {
		return false, fmt.Errorf("patch: %s: %w: one that New didn't make", op, ErrInvalid)
	}

	if err := e.trust.permits(op, p); err != nil {
		return false, err
	}

	e.mu.Lock()

	for _, q := range e.patches {
		if q == p {
			e.mu.Unlock()
			return false, nil
		}

		if q.Name() == p.Name() || q.ID() == p.ID() {
			e.mu.Unlock()
			return false, &StateError{Op: op, Patch: p.Name(), Err: ErrDuplicate, Detail: fmt.Sprintf("%q, id %s", q.Name(), q.ID())}
		}
	}

	e.patches = append(e.patches, p)
	e.mu.Unlock()

	first := p.life.hold()
	if first {
		defer p.life.loaded()
	}

	// From here on it can't be: the last engine may have let it go since it was asked.
	if err := e.trust.permits(op, p); err != nil {
		e.forget(p)
		p.life.release()

		return false, err
	}

	if !first || p.spec.Hooks.Load == nil {
		return true, nil
	}

	ctx, cancel := e.bounded(ctx)
	defer cancel()

	if err := (hook{name: "load", patch: p, call: p.spec.Hooks.Load}).run(ctx, &Report{}); err != nil {
		e.forget(p)
		p.life.release()

		return false, err
	}

	return true, nil
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
// is applied to a domain, isn't loaded, or takes part in a transition; and a
// *TimeoutError where such a section doesn't end in time. Then it stays loaded.
func (e *Engine) Unload(ctx context.Context, p *Patch) (err error) {
	defer func(start time.Time) { e.tellOf(OpUnload, p, start, err) }(time.Now())

	ctx, cancel := e.bounded(ctx)
	defer cancel()

	if !p.made() || !e.holds(p) {
		name := ""
		if p.made() {
			name = p.Name()
		}

		return &StateError{Op: OpUnload, Patch: name, Err: ErrUnknown}
	}

	if e.bringsEverywhere(p) {
		return &StateError{Op: OpUnload, Patch: p.Name(), Err: ErrApplied, Detail: "everywhere, so that domains attached later would need it"}
	}

	if err := p.life.unload(); err != nil {
		return &StateError{Op: OpUnload, Patch: p.Name(), Err: err}
	}
	defer p.life.unloaded()

	if w := p.life.settled(ctx.Done()); w != nil {
		return &TimeoutError{Op: OpUnload, Patch: p.Name(), Domain: w.domain.name, Worker: w.name, Slot: slotName(w.lastSlot()), Err: ctx.Err()}
	}

	e.forget(p)
	defer p.life.free()

	if !p.life.release() || p.spec.Hooks.Unload == nil {
		return nil
	}

	return (hook{name: "unload", patch: p, call: func(ctx context.Context) error { p.spec.Hooks.Unload(ctx); return nil }}).run(ctx, &Report{})
}

// bringsEverywhere says whether a domain that is attached gets the patch.
func (e *Engine) bringsEverywhere(p *Patch) bool {
	e.mu.Lock()
	defer e.mu.Unlock()

	return slices.Contains(e.everywhere, p)
}

func (e *Engine) holds(p *Patch) bool {
	e.mu.Lock()
	defer e.mu.Unlock()

	return slices.Contains(e.patches, p)
}

// bounded is the context with the engine's timeout, if it has no deadline.
func (e *Engine) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}

	return context.WithTimeout(ctx, e.timeout)
}

// Attach puts the domain under the engine: Everywhere includes it from now on, and what
// is applied everywhere is applied to it before Attach returns. The name must be unique
// among those attached: ErrDuplicate. It stays until Domain.Close or Detach.
func (e *Engine) Attach(ctx context.Context, d *Domain) error {
	ctx, cancel := e.bounded(ctx)
	defer cancel()

	if !e.fleet.acquire(ctx.Done()) {
		return &TimeoutError{Op: OpApply, Domain: d.name, Err: ctx.Err()}
	}
	defer e.fleet.release()

	e.mu.Lock()
	stack := slices.Clone(e.everywhere)
	e.mu.Unlock()

	for _, o := range e.Domains() {
		if o.name == d.name && o != d {
			return &StateError{Op: OpApply, Domain: d.name, Err: ErrDuplicate, Detail: "an attached domain has this name"}
		}
	}

	for _, p := range stack {
		if slices.Contains(d.Applied(), p) {
			continue
		}

		if _, err := e.transition(ctx, OpApply, p, On(d), false); err != nil {
			return err
		}
	}

	e.mu.Lock()
	defer e.mu.Unlock()

	if !slices.Contains(e.attached, d) {
		e.attached = append(e.attached, d)
	}

	return nil
}

// Detach takes the domain out from under the engine. What is applied to it stays.
func (e *Engine) Detach(d *Domain) {
	e.mu.Lock()
	defer e.mu.Unlock()

	if i := slices.Index(e.attached, d); i >= 0 {
		e.attached = slices.Delete(e.attached, i, i+1)
	}
}

// Domains lists the domains that are attached and not closed, the oldest first.
func (e *Engine) Domains() []*Domain {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.attached = slices.DeleteFunc(e.attached, (*Domain).isClosed)

	return slices.Clone(e.attached)
}

// Apply binds the patch's functions in every domain of the target, on top of what is
// applied there. Each domain takes the new view with one pointer store, so that each
// section is wholly old or wholly new; in PerSection mode Apply then waits until every
// worker has passed a section boundary, and no worker ever waits. When Apply returns no
// section runs with the view before; of calls through Slot.Get it knows nothing, and one
// that began before may still run. A patch that isn't loaded is loaded first, and unloaded
// again if it could not be applied and no section runs with it.
//
// An error means that every domain of the target has the bindings it had. It is, or
// joins, a *StateError or *ExpectationError for each domain that doesn't fit; or it is a
// *HookError, or a *TimeoutError when the context, or the engine's Timeout, ended first.
// In the last case some sections may have run with the patch in PerSection mode before it
// was taken back, and may still do so when Apply returns, until they end. The context is
// heeded until the last worker has passed its boundary: after that, Apply ends well.
func (e *Engine) Apply(ctx context.Context, p *Patch, on Target) (Report, error) {
	return e.bring(ctx, OpApply, p, on)
}

// Replace puts the patch in place of all that are applied, in one transition: a section
// sees the old stack or the new patch and nothing between, and an error, as for Apply,
// leaves the stack as it was. Revert of the patch leaves no patch at all. The hooks of
// those that go run as in a revert, the topmost patch's first.
func (e *Engine) Replace(ctx context.Context, p *Patch, on Target) (Report, error) {
	return e.bring(ctx, OpReplace, p, on)
}

func (e *Engine) bring(ctx context.Context, op Op, p *Patch, on Target) (Report, error) {
	fresh, err := e.load(ctx, op, p)
	if err != nil {
		r := Report{Op: op}
		if p.made() {
			r.Patch, r.ID = p.Name(), p.ID()
		}

		return r, err
	}

	r, err := e.transition(ctx, op, p, on, false)
	if err != nil && fresh {
		// Without waiting: where a section still runs with it, it stays.
		now, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel()

		_ = e.Unload(now, p)
	}

	return r, err
}

// Revert takes the patch out of every domain of the target, in the same way as Apply
// puts it in, with the same errors: *StateError when it isn't applied there, or isn't
// the top of the stack. It stays loaded.
func (e *Engine) Revert(ctx context.Context, p *Patch, on Target) (Report, error) {
	return e.transition(ctx, OpRevert, p, on, false)
}

// DryRun does everything of the operation, OpApply, OpReplace or OpRevert, that comes
// before the first change: states, dependencies, expectations. It runs no hook.
func (e *Engine) DryRun(ctx context.Context, op Op, p *Patch, on Target) (Report, error) {
	return e.transition(ctx, op, p, on, true)
}

// transition does one operation on all domains of the target, or on none.
func (e *Engine) transition(ctx context.Context, op Op, p *Patch, on Target, dry bool) (r Report, err error) {
	r = Report{Op: op, Mode: on.Mode, DryRun: dry}

	tell := e.teller(time.Now(), &r, &err)

	defer func(ctx context.Context) { // the caller's, which hasn't ended when ours has
		tell()
		e.record(ctx, r, err)
	}(ctx)

	if !p.made() {
		return r, fmt.Errorf("patch: %s: %w: one that New didn't make", op, ErrInvalid)
	}

	r.Patch, r.ID, r.Mapped = p.Name(), p.ID(), p.Mapped()

	if op != OpApply && op != OpReplace && op != OpRevert {
		return r, fmt.Errorf("patch: %q is no transition: %w", op, ErrInvalid)
	}

	ctx, cancel := e.bounded(ctx)
	defer cancel()

	if on.everywhere {
		if !e.fleet.acquire(ctx.Done()) {
			return r, &TimeoutError{Op: op, Patch: p.Name(), Err: ctx.Err()}
		}
		defer e.fleet.release()

		on.domains = e.Domains()
	} else if len(on.domains) == 0 || slices.Contains(on.domains, nil) {
		return r, &StateError{Op: op, Patch: p.Name(), Err: ErrNoDomain}
	}

	t := &transit{Engine: e, op: op, patch: p, target: on, report: &r}

	unlock, err := t.lock(ctx)
	if err != nil {
		return r, err
	}
	defer unlock()
	defer tell() // before others have their turn: events come in the order of the changes

	if err := t.permitted(ctx); err != nil || dry {
		return r, err
	}

	if err := t.run(ctx); err != nil {
		return r, err
	}

	if on.everywhere {
		e.remember(op, p)
	}

	return r, nil
}

// remember keeps what a domain that is attached later begins with.
func (e *Engine) remember(op Op, p *Patch) {
	e.mu.Lock()
	defer e.mu.Unlock()

	i := slices.Index(e.everywhere, p)

	switch {
	case op != OpRevert && !slices.Contains(e.patches, p): // unloaded meanwhile, as there was no domain
	case op == OpReplace:
		e.everywhere = []*Patch{p}
	case op == OpApply && i < 0:
		e.everywhere = append(e.everywhere, p)
	case op == OpRevert && i >= 0:
		e.everywhere = slices.Delete(e.everywhere, i, i+1)
	}
}

func (e *Engine) record(ctx context.Context, r Report, err error) {
	if err != nil {
		e.log.ErrorContext(ctx, string(r.Op)+" failed", "patch", r.Patch, "err", err)
		return
	}

	e.log.InfoContext(ctx, string(r.Op), "patch", r.Patch, "took", r.Took, "swap", r.Swap, "workers", len(r.Workers))
}

// The journal is told what is about to happen, and when it is over.
func (t *transit) journalBegin() error { return nil }

func (t *transit) journalEnd() error { return nil }
