package patch_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// world is what a wrong call is made on: a domain with two patches, one of which brings
// about version 2 of a state, and a third patch that is only loaded.
type world struct {
	engine         *patch.Engine
	domain, closed *patch.Domain
	lower, upper   *patch.Patch
	loaded         *patch.Patch
	ended          context.Context
}

func newWorld(t *testing.T) *world {
	w := &world{engine: patch.NewEngine(patch.Options{}), domain: patch.NewDomain("d"), closed: patch.NewDomain("closed")}
	w.lower, w.loaded = fix(t, "lower", alpha, beta), fix(t, "loaded", gamma)
	w.upper = specced(t, patch.Spec{
		Name: "upper", ID: "0123", Bindings: []patch.Binding{patch.Func(alpha, says("alpha/upper"))},
		States: []patch.SystemState{{ID: shape, Version: 2}},
	})

	require.NoError(t, w.engine.Attach(t.Context(), w.domain))

	for _, p := range []*patch.Patch{w.lower, w.upper} {
		_, err := w.engine.Apply(t.Context(), p, patch.On(w.domain))
		require.NoError(t, err)
	}

	require.NoError(t, w.engine.Load(t.Context(), w.loaded))
	w.closed.Close()

	var cancel context.CancelFunc

	w.ended, cancel = context.WithCancel(t.Context())
	cancel()

	return w
}

func (w *world) state() string {
	out := answers(w.domain) + strings.Join(names(w.domain.Applied()), " ")
	for _, s := range w.engine.List() {
		out += " " + s.Patch.Name() + ":" + string(s.State)
	}

	return out
}

// Each is a wrong argument, or an action in a wrong state: it has an error of its own, and
// changes nothing.
func TestEngine_mistakes(t *testing.T) {
	type test = struct {
		do   func(ctx context.Context, w *world) error
		want error // wrapped, in an error of the type that as points to
		as   any
		text string
	}

	state := func() any { return new(*patch.StateError) }
	late := func() any { return new(*patch.TimeoutError) }

	apply := func(spec func(*world) patch.Spec) func(context.Context, *world) error {
		return func(ctx context.Context, w *world) error {
			s := spec(w)
			if s.Name == "" {
				s.Name = "p"
			}

			if s.Bindings == nil {
				s.Bindings = []patch.Binding{patch.Func(gamma, says("p"))}
			}

			p, err := s.New()
			if err != nil {
				return err
			}

			dry, applies := w.engine.DryRun(ctx, patch.OpApply, p, patch.On(w.domain))
			_, err = w.engine.Apply(ctx, p, patch.On(w.domain))

			if !dry.DryRun || applies == nil || applies.Error() != err.Error() {
				return errors.New("the dry run says otherwise: " + applies.Error())
			}

			return err
		}
	}

	for name, tc := range map[string]test{
		// Arguments.
		"load nil": {
			func(ctx context.Context, w *world) error { return w.engine.Load(ctx, nil) },
			patch.ErrInvalid, nil, "patch: upload: invalid patch: one that New didn't make",
		},
		"apply nil": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Apply(ctx, nil, patch.On(w.domain))
				return err
			},
			patch.ErrInvalid, nil, "patch: apply: invalid patch: one that New didn't make",
		},
		"replace by zero": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Replace(ctx, &patch.Patch{}, patch.On(w.domain))
				return err
			},
			patch.ErrInvalid, nil, "patch: replace: invalid patch: one that New didn't make",
		},
		"revert nil": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Revert(ctx, nil, patch.On(w.domain))
				return err
			},
			patch.ErrInvalid, nil, "patch: revert: invalid patch: one that New didn't make",
		},
		"dry run nil": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.DryRun(ctx, patch.OpApply, nil, patch.On(w.domain))
				return err
			},
			patch.ErrInvalid, nil, "patch: apply: invalid patch: one that New didn't make",
		},
		"unload nil": {
			func(ctx context.Context, w *world) error { return w.engine.Unload(ctx, nil) },
			patch.ErrUnknown, state(), "patch: unload: no such patch",
		},
		"dry run of what is no transition": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.DryRun(ctx, patch.OpUnload, w.loaded, patch.On(w.domain))
				return err
			},
			patch.ErrArgument, state(), `patch: unload "loaded": invalid argument: it is no transition`,
		},
		"no such mode": {
			func(ctx context.Context, w *world) error {
				on := patch.On(w.domain)
				on.Mode = 7
				_, err := w.engine.Apply(ctx, w.loaded, on)
				return err
			},
			patch.ErrArgument, state(), `patch: apply "loaded": invalid argument: there is no mode 7`,
		},
		"no domain": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Apply(ctx, w.loaded, patch.Target{})
				return err
			},
			patch.ErrNoDomain, state(), `patch: apply "loaded": no domain given`,
		},
		"nil domain": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Apply(ctx, w.loaded, patch.On(w.domain, nil))
				return err
			},
			patch.ErrNoDomain, state(), `patch: apply "loaded": no domain given`,
		},
		"attach nil": {
			func(ctx context.Context, w *world) error { return w.engine.Attach(ctx, nil) },
			patch.ErrNoDomain, state(), "patch: attach: no domain given",
		},
		"attach a closed domain": {
			func(ctx context.Context, w *world) error { return w.engine.Attach(ctx, w.closed) },
			patch.ErrClosed, state(), `patch: attach on domain "closed": the domain is closed`,
		},
		"attach a second of the name": {
			func(ctx context.Context, w *world) error { return w.engine.Attach(ctx, patch.NewDomain("d")) },
			patch.ErrDuplicate, state(), `patch: attach on domain "d": another patch has this name or id: an attached domain has this name`,
		},
		"get an unknown": {
			func(_ context.Context, w *world) error { _, err := w.engine.Get("x"); return err },
			patch.ErrUnknown, nil, `patch: "x": no such patch`,
		},
		"apply in an ended context": {
			func(_ context.Context, w *world) error {
				_, err := w.engine.Apply(w.ended, w.loaded, patch.On(w.domain))
				return err
			},
			context.Canceled, late(), `patch: apply "loaded" on domain "d": gave up waiting for its turn: context canceled`,
		},
		"everywhere in an ended context": {
			func(_ context.Context, w *world) error {
				_, err := w.engine.Apply(w.ended, w.loaded, patch.Everywhere())
				return err
			},
			context.Canceled, late(), `patch: apply "loaded": gave up waiting for its turn: context canceled`,
		},
		"attach in an ended context": {
			func(_ context.Context, w *world) error { return w.engine.Attach(w.ended, patch.NewDomain("new")) },
			context.Canceled, late(), `patch: attach on domain "new": gave up waiting for its turn: context canceled`,
		},

		// States.
		"load one of the same name": {
			func(ctx context.Context, w *world) error {
				p, _ := patch.New("upper", patch.Func(beta, says("x")))
				return w.engine.Load(ctx, p)
			},
			patch.ErrDuplicate, state(), `patch: upload "upper": another patch has this name or id: "upper", id 0123`,
		},
		"apply one of the same name": {
			apply(func(*world) patch.Spec { return patch.Spec{Name: "loaded"} }),
			patch.ErrDuplicate, state(), "",
		},
		"apply one of the same id": {
			apply(func(*world) patch.Spec { return patch.Spec{ID: "0123"} }),
			patch.ErrDuplicate, state(), `patch: apply "p": another patch has this name or id: "upper", id 0123`,
		},
		"apply the applied": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Apply(ctx, w.lower, patch.On(w.domain))
				return err
			},
			patch.ErrApplied, state(), `patch: apply "lower" on domain "d": already applied`,
		},
		"replace by the applied": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Replace(ctx, w.upper, patch.On(w.domain))
				return err
			},
			patch.ErrApplied, state(), `patch: replace "upper" on domain "d": already applied`,
		},
		"revert what isn't applied": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Revert(ctx, w.loaded, patch.On(w.domain))
				return err
			},
			patch.ErrNotApplied, state(), `patch: revert "loaded" on domain "d": not applied`,
		},
		"revert what isn't the top": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Revert(ctx, w.lower, patch.On(w.domain))
				return err
			},
			patch.ErrNotTop, state(), `patch: revert "lower" on domain "d": not the top of the stack: "upper" is above it`,
		},
		"apply to a closed domain": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Apply(ctx, w.loaded, patch.On(w.domain, w.closed))
				return err
			},
			patch.ErrClosed, state(), `patch: apply "loaded" on domain "closed": the domain is closed`,
		},
		"unload the applied": {
			func(ctx context.Context, w *world) error { return w.engine.Unload(ctx, w.lower) },
			patch.ErrApplied, state(), `patch: unload "lower": already applied`,
		},
		"unload the unknown": {
			func(ctx context.Context, w *world) error {
				p, _ := patch.New("p", patch.Func(beta, says("x")))
				return w.engine.Unload(ctx, p)
			},
			patch.ErrUnknown, state(), `patch: unload "p": no such patch`,
		},
		"depends on another": {
			apply(func(*world) patch.Spec { return patch.Spec{Depends: "4567"} }),
			patch.ErrDepends, state(),
			`patch: apply "p" on domain "d": depends on another patch than the top of the stack: it needs 4567, and the top is "upper", id 0123`,
		},
		"depends, and replaces": {
			func(ctx context.Context, w *world) error {
				p, _ := patch.Spec{Name: "p", Depends: "0123", Bindings: []patch.Binding{patch.Func(beta, says("x"))}}.New()
				_, err := w.engine.Replace(ctx, p, patch.On(w.domain))
				return err
			},
			patch.ErrDepends, state(),
			`patch: replace "p" on domain "d": depends on another patch than the top of the stack: it needs 0123 below, and a replacement leaves nothing below`,
		},
		"an older state": {
			apply(func(*world) patch.Spec { return patch.Spec{States: []patch.SystemState{{ID: shape, Version: 1}}} }),
			patch.ErrIncompatible, state(),
			`patch: apply "p" on domain "d": incompatible with the state that another patch brought about: patch_test/shape is at version 2`,
		},
		"a replacement that drops the state": {
			func(ctx context.Context, w *world) error {
				_, err := w.engine.Replace(ctx, w.loaded, patch.On(w.domain))
				return err
			},
			patch.ErrIncompatible, state(),
			`patch: replace "loaded" on domain "d": incompatible with the state that another patch brought about: patch_test/shape is at version 2`,
		},
		"a changed variable": {
			apply(func(*world) patch.Spec {
				n := 1
				s := patch.Spec{Owned: []patch.Owned{patch.Own("n", &n)}}
				n = 2
				return s
			}),
			patch.ErrChanged, state(), `patch: apply "p" on domain "d": a variable of the patch has changed since it was made: n`,
		},
		"an expected function": {
			apply(func(*world) patch.Spec { return patch.Spec{Expect: []patch.Expectation{patch.ExpectDeclared(beta)}} }),
			patch.ErrExpectation, new(*patch.ExpectationError), `patch: "p" on domain "d": slot patch_test/beta: found bound to a function of a patch`,
		},
		"an expected value": {
			apply(func(*world) patch.Spec {
				n := 1
				return patch.Spec{Expect: []patch.Expectation{patch.ExpectValue("n", &n, 2)}}
			}),
			patch.ErrExpectation, new(*patch.ExpectationError), `patch: "p" on domain "d": variable n: found 1 and not 2`,
		},
		"an expectation that panics": {
			apply(func(*world) patch.Spec {
				return patch.Spec{Expect: []patch.Expectation{patch.ExpectValue[int]("n", nil, 2)}}
			}),
			patch.ErrExpectation, new(*patch.ExpectationError),
			`patch: "p" on domain "d": variable n: found panic: runtime error: invalid memory address or nil pointer dereference`,
		},
		"an expectation of an undeclared slot": {
			apply(func(*world) patch.Spec {
				return patch.Spec{Expect: []patch.Expectation{patch.ExpectDeclared(&patch.Slot[func()]{})}}
			}),
			patch.ErrExpectation, new(*patch.ExpectationError), `patch: "p" on domain "d": slot : found a slot that nobody declared`,
		},
		"a veto": {
			func(ctx context.Context, w *world) error {
				p, _ := patch.Spec{Name: "p", Hooks: patch.Hooks{PreApply: func(context.Context, *patch.Transition) error { return errInjected }}}.New()
				_, err := w.engine.Apply(ctx, p, patch.On(w.domain))
				return err
			},
			errInjected, new(*patch.HookError), `patch: hook pre-apply of "p" on domain "d": injected`,
		},
		"the default action in a pre hook": {
			func(ctx context.Context, w *world) error {
				p, _ := patch.Spec{Name: "p", Hooks: patch.Hooks{PreApply: func(_ context.Context, tr *patch.Transition) error { return tr.Default() }}}.New()
				_, err := w.engine.Apply(ctx, p, patch.On(w.domain))
				return err
			},
			patch.ErrHook, new(*patch.HookError),
			`patch: hook pre-apply of "p" on domain "d": patch: apply "p" on domain "d": hook failed: Default is for the hooks Apply and Revert`,
		},
		"a turn that would be waited for": {
			func(ctx context.Context, w *world) (err error) {
				p, _ := patch.Spec{Name: "p", Hooks: patch.Hooks{PreApply: func(ctx context.Context, _ *patch.Transition) error {
					on := patch.On(w.domain)
					on.NoWait = true
					_, err := w.engine.Apply(ctx, w.loaded, on)
					return err
				}}}.New()
				_, err = w.engine.Apply(ctx, p, patch.On(w.domain))
				return err
			},
			patch.ErrBusy, state(), `patch: hook pre-apply of "p" on domain "d": patch: apply "loaded" on domain "d": busy: another transition is under way`,
		},
		"a turn everywhere that would be waited for": {
			func(ctx context.Context, w *world) (err error) {
				p, _ := patch.Spec{Name: "p", Hooks: patch.Hooks{PreApply: func(ctx context.Context, _ *patch.Transition) error {
					on := patch.Everywhere()
					on.NoWait = true
					_, err := w.engine.Apply(ctx, w.loaded, on)
					return err
				}}}.New()
				_, err = w.engine.Apply(ctx, p, patch.Everywhere())
				return err
			},
			patch.ErrBusy, state(), `patch: hook pre-apply of "p" on domain "d": patch: apply "loaded": busy: another transition is under way`,
		},
		"a section that doesn't end": {
			func(_ context.Context, w *world) error {
				stuck := w.domain.NewWorker("stuck")
				alpha.In(stuck.Enter())
				_, err := w.engine.Apply(untilSwap(t, w.domain), w.loaded, patch.On(w.domain))
				stuck.Leave()
				return err
			},
			context.DeadlineExceeded, late(),
			`patch: apply "loaded" on domain "d": gave up waiting for worker "stuck", which is still in a section, in slot patch_test/alpha: context deadline exceeded`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.state()
			err := tc.do(t.Context(), w)

			if tc.text != "" { // an id that is made has no place in a test
				require.EqualError(t, err, tc.text)
			}

			require.ErrorIs(t, err, tc.want)

			if tc.as != nil {
				require.ErrorAs(t, err, tc.as)
			}

			require.Equal(t, before, w.state(), "it changed something")
		})
	}
}

// A hook that was given up on keeps its patch from everything, until it returns; a dry run
// knows that too.
func TestEngine_hookStillRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			w       = newWorld(t)
			on      = patch.On(w.domain)
			release = make(chan struct{})
		)

		p := specced(t, patch.Spec{Name: "p", Hooks: patch.Hooks{
			PreApply: func(context.Context, *patch.Transition) error { <-release; return nil },
		}})

		_, err := w.engine.Apply(t.Context(), p, on)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		_, applies := w.engine.Apply(t.Context(), p, on)
		_, would := w.engine.DryRun(t.Context(), patch.OpApply, p, on)

		for do, err := range map[string]error{
			"apply": applies, "apply ": would,
			"unload": w.engine.Unload(t.Context(), p),
		} {
			var busy *patch.StateError

			require.ErrorAs(t, err, &busy)
			require.ErrorIs(t, err, patch.ErrBusy)
			require.EqualError(t, err, "patch: "+strings.TrimSpace(do)+` "p": busy: a hook that was given up on still runs`)
		}

		close(release)
		synctest.Wait()
		require.NoError(t, w.engine.Unload(t.Context(), p))

		_, err = w.engine.Apply(t.Context(), p, on)
		require.NoError(t, err)
	})
}
