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

// parts are all of them, in the order in which their hooks run. They are there once the
// plan is.
func (t *transit) parts() []part {
	if t.all != nil {
		return t.all
	}

	n := 0
	for _, c := range t.changes {
		n += len(c.out) + 1
	}

	t.all = make([]part, 0, n)

	for _, c := range t.changes {
		for _, p := range c.out {
			t.all = append(t.all, part{c, p, false})
		}

		if c.in != nil {
			t.all = append(t.all, part{c, c.in, true})
		}
	}

	return t.all
}

func (t *transit) seen(p part, action bool) *Transition {
	return &Transition{Op: t.op, Patch: p.patch, Domain: p.change.domain, Mode: t.target.Mode, change: p.change, action: action}
}

func (t *transit) hook(name string, p part, call func(context.Context) error) hook {
	return hook{name: name, patch: p.patch, domain: p.change.domain.name, call: call}
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
