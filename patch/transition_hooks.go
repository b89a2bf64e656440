package patch

import (
	"context"

	"github.com/vgraft/vgraft/patch/internal/fault"
)

// part is one patch's part in one domain's change.
type part struct {
	change *change
	patch  *Patch
	comes  bool
}

func (t *transit) parts() []part {
	var out []part

	for _, c := range t.changes {
		for _, p := range c.out {
			out = append(out, part{c, p, false})
		}

		if c.in != nil {
			out = append(out, part{c, c.in, true})
		}
	}

	return out
}

func (t *transit) seen(p part, action bool) *Transition {
	return &Transition{Op: t.op, Patch: p.patch, Domain: p.change.domain, Mode: t.target.Mode, change: p.change, action: action}
}

func (t *transit) hook(name string, p part, call func(context.Context) error) hook {
	return hook{name: name, patch: p.patch, domain: p.change.domain.name, call: call}
}

// pre runs the hooks that may call it off, and gives the parts whose post hooks are to
// run whatever happens.
func (t *transit) pre(ctx context.Context) (begun []part, err error) {
	for _, p := range t.parts() {
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

		begun = append(begun, p)
	}

	return begun, nil
}

// post runs the hooks that learn how it ended. They have time of their own: the end may
// have been that time ran out.
func (t *transit) post(ctx context.Context, begun []part, outcome error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.timeout)
	defer cancel()

	for _, p := range begun {
		name, f := "post-revert", p.patch.spec.Hooks.PostRevert
		if p.comes {
			name, f = "post-apply", p.patch.spec.Hooks.PostApply
		}

		if f == nil {
			continue
		}

		seen := t.seen(p, false)
		if err := t.hook(name, p, func(ctx context.Context) error { f(ctx, seen, outcome); return nil }).run(ctx, t.report); err != nil {
			t.log.ErrorContext(ctx, "hook failed", "err", err)
		}
	}
}

// act runs the action hooks, which decide what each domain's new view is.
func (t *transit) act(ctx context.Context) error {
	for _, p := range t.parts() {
		name, f := "revert", p.patch.spec.Hooks.Revert
		if p.comes {
			name, f = "apply", p.patch.spec.Hooks.Apply
		}

		if f == nil {
			continue
		}

		if p.comes {
			p.change.bind = false // until the hook wants it
		}

		seen := t.seen(p, true)
		if err := t.hook(name, p, func(ctx context.Context) error { return f(ctx, seen) }).run(ctx, t.report); err != nil {
			return err
		}

		if p.comes && !p.change.bind {
			var below *view
			if t.op == OpApply {
				below = p.change.old
			}

			p.change.new = below.with(nil)
		}
	}

	return fault.At(ctx, fault.Bound)
}
