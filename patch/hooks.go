package patch

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// Hooks are functions of a patch that the engine calls. All are optional. None runs
// inside a section; each runs on a goroutine of its own, so that one that panics, ends
// its goroutine or outlives the deadline is a failed hook and nothing worse: the context
// has the transition's deadline. A hook that is given up on goes on running, and until
// it has returned its patch takes part in no transition: ErrBusy.
//
// A hook must not call the engine for the domains of its own transition, nor load or unload
// its own patch: they are locked. Nor may it enter a section of these domains: in Barrier
// mode that waits for the transition. Either is a wait until the deadline.
type Hooks struct {
	// Load runs when the first engine takes the patch, Unload when the last one lets it
	// go. An error of Load refuses the patch. Unload can't refuse: it runs when the
	// patch is applied nowhere and none of its functions runs any more, but those
	// called through Slot.Get.
	Load   func(context.Context) error
	Unload func(context.Context)

	// PreApply and PreRevert run before anything changes, once for each domain. An error
	// calls the transition off.
	PreApply, PreRevert func(context.Context, *Transition) error

	// PostApply and PostRevert run after it, also when the transition failed or was
	// called off by another hook, provided that the patch's own pre hook succeeded or
	// that there is none. The error is how the transition ended.
	PostApply, PostRevert func(context.Context, *Transition, error)

	// Apply and Revert run in place of binding the functions, between the pre and the
	// post hook: Transition.Default does what is replaced. Without a call of it an
	// applied patch is in the stack and binds nothing; what is reverted is unbound in
	// any case. An error fails the transition, and everything is as it was. In Barrier
	// mode the workers wait for these hooks.
	Apply, Revert func(context.Context, *Transition) error
}

func (h Hooks) any() bool {
	return h.Load != nil || h.Unload != nil || h.PreApply != nil || h.PreRevert != nil ||
		h.PostApply != nil || h.PostRevert != nil || h.Apply != nil || h.Revert != nil
}

// Transition is one domain's part of a transition, as its hooks see it. The methods are
// for the hook it was given to, until that returns.
type Transition struct {
	Op     Op      // OpReplace for the hooks of the patches that go as well
	Patch  *Patch  // whose hook it is
	Domain *Domain // what changes
	Mode   Mode

	change *change
	action bool // Default is allowed
}

// Bound says whether the patch's functions are in effect in the domain now: what a
// section that begins would run.
func (t *Transition) Bound() bool {
	return t.change.bound(t.Patch)
}

// Default binds the functions, or takes them out, as it would happen without the hook.
// The workers see it when the hook has returned. It is a *StateError in any other hook than
// Apply and Revert.
func (t *Transition) Default() error {
	if !t.action {
		return &StateError{Op: t.Op, Patch: t.Patch.Name(), Domain: t.Domain.name, Err: ErrHook, Detail: "Default is for the hooks Apply and Revert"}
	}

	t.change.bind = true

	return nil
}

// State is the state with the id as the patches have brought it about that were applied
// before this transition.
func (t *Transition) State(id string) (SystemState, bool) { return stateOf(t.change.oldStack, id) }

// Data is what a hook kept for the state with SetData; nil is nothing. It is dropped
// when no patch that lists the state is applied to the domain any more: post hooks are the
// last that see it.
func (t *Transition) Data(id string) any {
	t.Domain.mu.Lock()
	defer t.Domain.mu.Unlock()

	return t.Domain.data[id]
}

// SetData keeps something for the state in the domain: the data in its new shape, or what
// is needed to go back. It belongs to the domain, and outlives the patch that set it when
// a successor lists the state. Of a transition that fails nothing is kept, once its post
// hooks have run; what a hook sets after the transition, having been given up on, is
// nothing either.
func (t *Transition) SetData(id string, v any) {
	t.Domain.mu.Lock()
	defer t.Domain.mu.Unlock()

	if t.change.over {
		return
	}

	if t.Domain.data == nil {
		t.Domain.data = map[string]any{}
	}

	t.Domain.data[id] = v
}

// HookError is a hook that failed. It unwraps to what the hook gave, or to the end of
// the context, or to ErrHook for one that panicked or ended its goroutine.
type HookError struct {
	Hook          string // "pre-apply"
	Patch, Domain string // no domain for load and unload
	Err           error
	Panic         any    // nil if it didn't
	Stack         []byte // of the panic
}

func (e *HookError) Error() string {
	s := fmt.Sprintf("patch: hook %s of %q", e.Hook, e.Patch)
	if e.Domain != "" {
		s += fmt.Sprintf(" on domain %q", e.Domain)
	}

	if e.Panic != nil {
		return fmt.Sprintf("%s: panic: %v", s, e.Panic)
	}

	return s + ": " + e.Err.Error()
}

// Unwrap gives Err.
func (e *HookError) Unwrap() error { return e.Err }

// HookReport is one hook that ran.
type HookReport struct {
	Hook          string
	Patch, Domain string
	Took          time.Duration
	Err           error // a *HookError
}

// hook is a hook to run.
type hook struct {
	name   string
	patch  *Patch
	domain string
	call   func(context.Context) error
}

// run runs the hook and waits for it, or for the end of the context.
func (h hook) run(ctx context.Context, r *Report) error {
	if ctx.Err() != nil { // it would be given up on, and run all the same
		return &HookError{Hook: h.name, Patch: h.patch.Name(), Domain: h.domain, Err: context.Cause(ctx)}
	}

	var (
		start = time.Now()
		end   = &HookError{Hook: h.name, Patch: h.patch.Name(), Domain: h.domain, Err: errGoexit}
		done  = make(chan struct{})
	)

	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				end.Err, end.Panic, end.Stack = fmt.Errorf("%w: it panicked", ErrHook), v, debug.Stack()
			}
		}()

		end.Err = h.call(ctx)
	}()

	select {
	case <-done:
	case <-ctx.Done():
	}

	var err error

	select {
	case <-done: // when both are true, what the hook said counts
		if end.Err != nil {
			err = end
		}
	default:
		h.patch.life.giveUp(done)

		err = &HookError{Hook: h.name, Patch: h.patch.Name(), Domain: h.domain, Err: context.Cause(ctx)}
	}

	r.Hooks = append(r.Hooks, HookReport{Hook: h.name, Patch: h.patch.Name(), Domain: h.domain, Took: time.Since(start), Err: err})

	return err
}

var errGoexit = fmt.Errorf("%w: it ended its goroutine", ErrHook)

// pre runs the hooks that may call it off, and gives the parts whose post hooks are to
// run whatever happens.
func (t *transit) pre(ctx context.Context) (begun []part, err error) {
	for i, p := range t.parts() {
		name, f := "pre-revert", p.patch.spec.Hooks.PreRevert
		if p.comes {
			name, f = "pre-apply", p.patch.spec.Hooks.PreApply
		}

		if f != nil {
			seen := t.seen(p, false)
			if err := t.hook(name, p, func(ctx context.Context) error { return f(ctx, seen) }).run(ctx, t.report); err != nil {
				return begun, err
			}
		}

		begun = t.parts()[:i+1]
	}

	return begun, nil
}

// post runs the hooks that learn how it ended. Each has time of its own: the end may have
// been that time ran out, and one that takes all of it doesn't keep the next from running.
func (t *transit) post(ctx context.Context, begun []part, outcome error) {
	for _, p := range begun {
		name, f := "post-revert", p.patch.spec.Hooks.PostRevert
		if p.comes {
			name, f = "post-apply", p.patch.spec.Hooks.PostApply
		}

		if f == nil {
			continue
		}

		seen := t.seen(p, false)
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.timeout)

		if err := t.hook(name, p, func(ctx context.Context) error { f(ctx, seen, outcome); return nil }).run(own, t.report); err != nil {
			t.log.ErrorContext(ctx, "hook failed", "err", err)
		}

		cancel()
	}
}
