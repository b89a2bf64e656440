package patch

import (
	"context"
	"crypto/ed25519"
	"errors"
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
	// waiting for another transition included; and, each by itself, Load, Unload and post
	// hooks. 0 or less means 10 s.
	Timeout time.Duration

	// Journal keeps what is applied to the attached domains, for Restore in the next
	// process. With one, a transition is of attached domains only, whose names tell them
	// apart, and the engine's transitions run one at a time. What it says is revoked is so
	// from the start. nil keeps nothing. The journal stays the caller's to close.
	Journal *Journal

	// Loader makes files into patches, for Upload. nil takes the payloads that elfdiff
	// makes, on linux/amd64 and linux/arm64; elsewhere there are no uploads without one.
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

	journal *Journal // nil if there is none
	trust   *trust
	watch   watch

	noting   sync.Mutex // held by who writes to the journal; guards what follows
	lastNote Record     // that was written; its Version is 0 if none was

	fleet lock // held by transitions everywhere and by Attach
	noted lock // held by transitions while there is a journal, after fleet

	mu         sync.Mutex // guards what follows
	patches    []*Patch   // loaded, the oldest first
	attached   []*Domain
	everywhere []*Patch        // the stack that an attached domain begins with
	settled    map[string]bool // domains that are no longer as the journal was found; fleetName is everywhere
}

// NewEngine makes an engine.
func NewEngine(o Options) *Engine {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}

	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}

	e := &Engine{log: o.Logger, timeout: o.Timeout, journal: o.Journal, settled: map[string]bool{}, trust: newTrust(o)}

	if o.Loader == nil && loadsPayloads {
		e.trust.loader = e.loadPayload
	}

	return e
}

// bounded is the context with the engine's timeout, if it has no deadline.
func (e *Engine) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}

	return newLazy(ctx, e.timeout)
}

// Attach puts the domain under the engine: Everywhere includes it from now on, and what
// is applied everywhere is applied to it before Attach returns. The name must be unique
// among those attached: ErrDuplicate. It stays until Domain.Close or Detach. Where Attach
// fails, the domain is as it was: the errors are those of Apply.
func (e *Engine) Attach(ctx context.Context, d *Domain) error {
	ctx, cancel := e.bounded(ctx)
	defer cancel()

	switch {
	case d == nil:
		return &StateError{Op: OpAttach, Err: ErrNoDomain}
	case d.isClosed():
		return &StateError{Op: OpAttach, Domain: d.name, Err: ErrClosed}
	case !e.fleet.take(ctx):
		return &TimeoutError{Op: OpAttach, Domain: d.name, Err: ctx.Err()}
	}
	defer e.fleet.release()

	if d.name == fleetName {
		return &StateError{Op: OpAttach, Domain: d.name, Err: ErrInvalid, Detail: "the name stands for all domains"}
	}

	for _, o := range e.Domains() {
		if o.name == d.name && o != d {
			return &StateError{Op: OpAttach, Domain: d.name, Err: ErrDuplicate, Detail: "an attached domain has this name"}
		}
	}

	e.mu.Lock()

	fresh := !slices.Contains(e.attached, d)
	if fresh {
		e.attached = append(e.attached, d)
	}

	e.mu.Unlock()

	if err := e.catchUp(ctx, d); err != nil {
		if fresh {
			e.Detach(d)
		}

		return err
	}

	return nil
}

// catchUp applies to the domain what is applied everywhere, or nothing.
func (e *Engine) catchUp(ctx context.Context, d *Domain) error {
	e.mu.Lock()
	stack := slices.Clone(e.everywhere)
	e.mu.Unlock()

	on := On(d)
	on.partial = true // what the domain had by itself may be restored yet

	var fresh []*Patch

	for _, p := range stack {
		if slices.Contains(d.Applied(), p) {
			continue
		}

		if _, err := e.transition(ctx, OpApply, p, on, false); err != nil {
			for _, q := range slices.Backward(fresh) {
				_, undo := e.transition(context.WithoutCancel(ctx), OpRevert, q, on, false)
				err = errors.Join(err, undo)
			}

			return err
		}

		fresh = append(fresh, p)
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
	ctx, cancel := e.bounded(ctx) // for loading it too
	defer cancel()

	fresh, loaded, err := e.load(ctx, op, p)
	if err == nil {
		if err = p.life.begin(); err != nil {
			err = &StateError{Op: op, Patch: p.Name(), Err: err, Detail: stillRuns}
		}

		loaded() // and from here on it can't be unloaded, being busy
	}

	if err != nil {
		r := Report{Op: op}
		if p.made() {
			r.Patch, r.ID = p.Name(), p.ID()
		}

		return r, err
	}

	r, err := e.transition(ctx, op, p, on, false)

	p.life.end()

	if err != nil && fresh {
		e.unloadNow(ctx, p)
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
// before the first change: states, dependencies, expectations, and whether the patch could
// be loaded. It runs no hook.
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

	if err := arguments(op, p, on); err != nil {
		return r, err
	}

	r.Patch, r.ID, r.Mapped = p.Name(), p.ID(), p.Mapped()

	if dry && op != OpRevert { // Apply has loaded it
		if err := e.loadable(op, p); err != nil {
			return r, err
		}
	}

	ctx, cancel := e.bounded(ctx)
	defer cancel()

	if on.everywhere {
		switch {
		case on.NoWait && !e.fleet.try():
			return r, &StateError{Op: op, Patch: p.Name(), Err: ErrBusy, Detail: "another transition is under way"}
		case !on.NoWait && !e.fleet.take(ctx):
			return r, &TimeoutError{Op: op, Patch: p.Name(), Err: ctx.Err()}
		}
		defer e.fleet.release()

		on.domains = e.Domains()
	} else if len(on.domains) == 0 || slices.Contains(on.domains, nil) {
		return r, &StateError{Op: op, Patch: p.Name(), Err: ErrNoDomain}
	}

	if e.journal != nil {
		unlock, err := e.beginNotes(ctx, op, p, on)
		if err != nil {
			return r, err
		}
		defer unlock()
	}

	t := &transit{Engine: e, op: op, patch: p, target: on, report: &r}

	unlock, err := t.lock(ctx)
	if err != nil {
		return r, err
	}
	defer unlock()
	defer tell() // before others have their turn: events come in the order of the changes

	if err := t.permitted(ctx); err != nil {
		return r, err
	}

	if dry {
		return r, t.rehearse()
	}

	return r, t.run(ctx)
}

// arguments says what is wrong with a call, whatever the state.
func arguments(op Op, p *Patch, on Target) error {
	switch {
	case !p.made():
		return fmt.Errorf("patch: %s: %w: one that New didn't make", op, ErrInvalid)
	case op != OpApply && op != OpReplace && op != OpRevert:
		return &StateError{Op: op, Patch: p.Name(), Err: ErrArgument, Detail: "it is no transition"}
	case on.Mode != PerSection && on.Mode != Barrier:
		return &StateError{Op: op, Patch: p.Name(), Err: ErrArgument, Detail: fmt.Sprintf("there is no mode %d", int(on.Mode))}
	}

	return nil
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

	if e.log.Enabled(ctx, slog.LevelInfo) { // its arguments cost something
		e.log.InfoContext(ctx, string(r.Op), "patch", r.Patch, "took", r.Took, "swap", r.Swap, "workers", len(r.Workers))
	}
}
