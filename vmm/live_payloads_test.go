package vmm_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
)

// What Xen tests its live patching with, payload by payload, where it makes sense for
// slots: while two vCPUs storm what is patched, and a second machine looks on.
func TestLive_payloads(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	const one = patched

	no := errors.New("no")

	for name, scenario := range map[string]func(*testing.T, *storm, patch.Target){
		"hello_world: hooks are counted, and what it owns must be as it was": func(t *testing.T, s *storm, on patch.Target) {
			loads, unloads, owned := 0, 0, 0
			p := s.handlers("hello", one, patch.Spec{
				Owned: []patch.Owned{patch.Own("owned", &owned)},
				Hooks: patch.Hooks{
					Load:   func(context.Context) error { loads++; return nil },
					Unload: func(context.Context) { unloads++ },
				},
			})

			s.do(patch.OpApply, p, on, nil)
			s.see(one, old)
			s.do(patch.OpApply, p, on, patch.ErrApplied)
			require.ErrorIs(t, s.engine.Unload(within(t), p), patch.ErrApplied)
			s.do(patch.OpRevert, p, on, nil)
			s.see(old, old)
			s.do(patch.OpApply, p, on, nil)
			s.do(patch.OpRevert, p, on, nil)

			owned++

			s.do(patch.OpApply, p, on, patch.ErrChanged)
			s.see(old, old)
			require.NoError(t, s.engine.Unload(within(t), p))
			require.Equal(t, []int{1, 1}, []int{loads, unloads})
		},
		"prepost_hooks: the first revert is vetoed": func(t *testing.T, s *storm, on patch.Target) {
			ran := map[string]int{}
			count := func(what string, err error) error { ran[what]++; return err }

			p := s.handlers("hooks", one, patch.Spec{Hooks: patch.Hooks{
				PreApply:  func(context.Context, *patch.Transition) error { return count("pre-apply", nil) },
				PostApply: func(_ context.Context, _ *patch.Transition, err error) { _ = count("post-apply", err) },
				PreRevert: func(context.Context, *patch.Transition) error {
					if ran["pre-revert"] == 0 {
						return count("pre-revert", no)
					}

					return count("pre-revert", nil)
				},
				PostRevert: func(_ context.Context, _ *patch.Transition, err error) { _ = count("post-revert", err) },
			}})

			s.do(patch.OpApply, p, on, nil)
			s.do(patch.OpRevert, p, on, no)
			s.see(one, old)
			s.do(patch.OpRevert, p, on, nil)
			s.see(old, old)
			require.Equal(t, map[string]int{"pre-apply": 1, "post-apply": 1, "pre-revert": 2, "post-revert": 1}, ran)
		},
		"prepost_hooks_fail, and one that panics": func(_ *testing.T, s *storm, on patch.Target) {
			p := s.handlers("fails", one, patch.Spec{Hooks: patch.Hooks{
				PreApply: func(context.Context, *patch.Transition) error { return no },
			}})
			q := s.handlers("panics", one, patch.Spec{Hooks: patch.Hooks{
				PreApply: func(context.Context, *patch.Transition) error { panic(no) },
			}})

			s.do(patch.OpApply, p, on, no)
			s.do(patch.OpApply, q, on, patch.ErrHook)
			s.see(old, old)
		},
		"action_hooks: applied, and nothing is bound": func(t *testing.T, s *storm, on patch.Target) {
			p := s.handlers("action", one, patch.Spec{Hooks: patch.Hooks{
				Apply:  func(context.Context, *patch.Transition) error { return nil },
				Revert: func(context.Context, *patch.Transition) error { return nil },
			}})

			s.do(patch.OpApply, p, on, nil)
			require.Equal(t, []*patch.Patch{p}, s.machines[0].Domain().Applied())
			s.see(old, old)
			s.do(patch.OpRevert, p, on, nil)
			s.see(old, old)
		},
		"action_hooks_noapply and norevert": func(t *testing.T, s *storm, on patch.Target) {
			refuse := true
			p := s.handlers("refuses", one, patch.Spec{Hooks: patch.Hooks{
				Apply: func(_ context.Context, tr *patch.Transition) error {
					return errors.Join(tr.Default(), map[bool]error{true: no}[refuse])
				},
				Revert: func(_ context.Context, tr *patch.Transition) error {
					return errors.Join(tr.Default(), map[bool]error{true: no}[refuse])
				},
			}})

			s.do(patch.OpApply, p, on, no)
			require.Empty(t, s.machines[0].Domain().Applied())
			s.see(old, old)

			refuse = false
			s.do(patch.OpApply, p, on, nil)
			s.see(one, old)

			refuse = true
			s.do(patch.OpRevert, p, on, no)
			s.see(one, old)
		},
		"expectations, met and not": func(_ *testing.T, s *storm, on patch.Target) {
			p := s.handlers("met", one, patch.Spec{Expect: []patch.Expectation{patch.ExpectDeclared(ledgerFirst)}})
			q := s.handlers("unmet", one+1, patch.Spec{Expect: []patch.Expectation{patch.ExpectDeclared(ledgerFirst)}})

			s.do(patch.OpApply, p, on, nil)
			s.do(patch.OpApply, q, on, patch.ErrExpectation)
			s.see(one, old)
			s.do(patch.OpReplace, q, on, nil) // with nothing below it
			s.see(one+1, old)
		},
		"state: a version that another one doesn't know": func(_ *testing.T, s *storm, on patch.Target) {
			state := func(v uint32) []patch.SystemState { return []patch.SystemState{{ID: "ledger", Version: v}} }
			p := s.handlers("newer", one, patch.Spec{States: state(2)})
			q := s.handlers("older", one+1, patch.Spec{States: state(1)})
			r := s.handlers("ignorant", one+1, patch.Spec{})

			s.do(patch.OpApply, p, on, nil)
			s.do(patch.OpApply, q, on, patch.ErrIncompatible)
			s.do(patch.OpReplace, r, on, patch.ErrIncompatible)
			s.see(one, old)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
				s := newStorm(t, 2)
				on := patch.On(s.machines[0].Domain())
				on.Mode = mode

				scenario(t, s, on)
				s.end()
			}
		})
	}
}

// do does it, and holds that it ends so; and that a dry run says the same, where it can.
func (s *storm) do(op patch.Op, p *patch.Patch, on patch.Target, want error) {
	s.t.Helper()

	ctx := within(s.t)

	if _, err := s.engine.DryRun(ctx, op, p, on); want == nil {
		require.NoError(s.t, err)
	}

	var err error

	switch op {
	case patch.OpApply:
		_, err = s.engine.Apply(ctx, p, on)
	case patch.OpRevert:
		_, err = s.engine.Revert(ctx, p, on)
	case patch.OpReplace:
		_, err = s.engine.Replace(ctx, p, on)
	default:
		panic(fmt.Sprint("no transition: ", op))
	}

	if want == nil {
		require.NoError(s.t, err)
	} else {
		require.ErrorIs(s.t, err, want)
	}
}
