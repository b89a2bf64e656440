package patch_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// Xen's test payloads patch the getters of its version.
var (
	extraVersion = patch.NewSlot("patch_test/xen.extra-version", xenExtra)
	minorVersion = patch.NewSlot("patch_test/xen.minor-version", func() int { return 19 })
)

func xenExtra() string { return "-unstable" }

func (s *scene) extra() (v string) {
	s.in(func(sec patch.Section) { v = extraVersion.In(sec)() })

	return v
}

func (s *scene) minor() (v int) {
	s.in(func(sec patch.Section) { v = minorVersion.In(sec)() })

	return v
}

func xen(t *testing.T, name, version string, more patch.Spec) *patch.Patch {
	t.Helper()

	more.Name = name
	more.Bindings = append(more.Bindings, patch.Func(extraVersion, func() string { return version }))

	return specced(t, more)
}

// hello is Xen's first: code that faults and is caught, hooks that count, metadata, and
// data of its own, which it changes and which therefore keeps it from being applied twice.
func hello(t *testing.T) (p *patch.Patch, hooks map[string]int) {
	ran := 0

	h, hooks := counts(nil)
	p = specced(t, patch.Spec{
		Name: "hello", Hooks: h, Owned: []patch.Owned{patch.Own("ran", &ran)},
		Metadata: map[string]string{"why": "a test"},
		Bindings: []patch.Binding{patch.Func(extraVersion, func() (v string) {
			defer func() {
				if recover() != nil {
					v = "Hello World"
				}
			}()

			ran++

			return *(*string)(nil)
		})},
	})

	return p, hooks
}

func TestXen_helloWorld(t *testing.T) {
	s := newScene(t)
	p, hooks := hello(t)

	require.NoError(t, s.apply(p))
	require.Equal(t, "Hello World", s.extra())
	require.Equal(t, map[string]string{"why": "a test"}, p.Metadata())

	require.NoError(t, s.revert(p))
	require.Equal(t, "-unstable", s.extra())
	require.ErrorIs(t, s.apply(p), patch.ErrChanged, "it ran, and changed its data")
	require.NoError(t, s.unload(p))
	require.Equal(t, map[string]int{"load": 1, "unload": 1, "pre-apply": 1, "post-apply": 1, "pre-revert": 1, "post-revert": 1}, hooks)
}

func TestXen_byeWorld(t *testing.T) {
	s := newScene(t)
	p, _ := hello(t)
	bye := xen(t, "bye", "Bye World", patch.Spec{Depends: p.ID()})

	require.ErrorIs(t, s.apply(bye), patch.ErrDepends, "alone")
	require.NoError(t, s.apply(p))
	require.NoError(t, s.apply(bye))
	require.Equal(t, "Bye World", s.extra())
}

func TestXen_replaceWorld(t *testing.T) {
	s := newScene(t)
	p, hooks := hello(t)

	require.NoError(t, s.apply(p))
	require.NoError(t, s.apply(xen(t, "bye", "Bye World", patch.Spec{Depends: p.ID()})))
	require.NoError(t, s.replace(xen(t, "replace", "Replace World", patch.Spec{})))
	require.Equal(t, "Replace World", s.extra())
	require.Equal(t, "hello:checked bye:checked replace:applied", s.list())
	require.Equal(t, 1, hooks["post-revert"], "Xen refuses to replace a patch that has such hooks")
}

func TestXen_nop(t *testing.T) {
	s := newScene(t)

	p, err := patch.New("nop", patch.Func(minorVersion, func() (_ int) { return }))
	require.NoError(t, err)

	for range 2 { // it has no data
		require.NoError(t, s.apply(p))
		require.Zero(t, s.minor())
		require.NoError(t, s.revert(p))
		require.Equal(t, 19, s.minor())
	}
}

func TestXen_prepostHooks(t *testing.T) {
	s := newScene(t)
	fail := map[string]error{"pre-revert": errInjected}
	h, n := counts(fail)
	p := xen(t, "prepost", "x", patch.Spec{Hooks: h})

	require.NoError(t, s.apply(p))
	require.ErrorIs(t, s.revert(p), errInjected)
	require.Equal(t, patch.Applied, s.state("prepost"))
	require.Equal(t, "x", s.extra())
	require.Zero(t, n["post-revert"], "it didn't agree, so it is told nothing")

	delete(fail, "pre-revert")
	require.NoError(t, s.revert(p))
	require.Equal(t, map[string]int{"load": 1, "pre-apply": 1, "post-apply": 1, "pre-revert": 2, "post-revert": 1}, n)
}

func TestXen_prepostHooksFail(t *testing.T) {
	s := newScene(t)
	h, n := counts(map[string]error{"pre-apply": errInjected})
	p := xen(t, "prepost-fail", "x", patch.Spec{Hooks: h})

	require.NoError(t, s.load(p))
	require.ErrorIs(t, s.apply(p), errInjected)
	require.Equal(t, patch.Checked, s.state("prepost-fail"))
	require.Equal(t, "-unstable", s.extra())
	require.Equal(t, map[string]int{"load": 1, "pre-apply": 1}, n)
}

// actions are hooks that run in place of binding the functions.
func actions(apply, revert func(*patch.Transition) error) patch.Hooks {
	return patch.Hooks{
		Apply:  func(_ context.Context, tr *patch.Transition) error { return apply(tr) },
		Revert: func(_ context.Context, tr *patch.Transition) error { return revert(tr) },
	}
}

func TestXen_actionHooks(t *testing.T) {
	s := newScene(t)
	n := map[string]int{}

	p := xen(t, "action", "x", patch.Spec{Hooks: actions(
		func(*patch.Transition) error { n["apply"]++; return nil },
		func(*patch.Transition) error { n["revert"]++; return nil },
	)})

	require.NoError(t, s.apply(p))
	require.Equal(t, patch.Applied, s.state("action"))
	require.Equal(t, "-unstable", s.extra(), "the hook bound nothing")
	require.NoError(t, s.revert(p))
	require.Equal(t, map[string]int{"apply": 1, "revert": 1}, n)
}

func TestXen_actionHooksNofunc(t *testing.T) {
	s := newScene(t)
	bound := true

	see := func(tr *patch.Transition) error {
		bound = tr.Bound() || len(tr.Patch.Slots()) > 0

		return tr.Default()
	}

	p := specced(t, patch.Spec{Name: "nofunc", Hooks: actions(see, see)})

	require.NoError(t, s.apply(p))
	require.False(t, bound)
	require.NoError(t, s.revert(p))
	require.False(t, bound)
}

func TestXen_actionHooksMarker(t *testing.T) {
	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		t.Run(mode.String(), func(t *testing.T) {
			s := newScene(t)
			bound := map[string]bool{}

			pre := func(name string) func(context.Context, *patch.Transition) error {
				return func(_ context.Context, tr *patch.Transition) error { bound[name] = tr.Bound(); return nil }
			}
			post := func(name string) func(context.Context, *patch.Transition, error) {
				return func(_ context.Context, tr *patch.Transition, _ error) { bound[name] = tr.Bound() }
			}

			p := xen(t, "marker", "x", patch.Spec{Hooks: patch.Hooks{
				PreApply: pre("pre-apply"), PreRevert: pre("pre-revert"),
				PostApply: post("post-apply"), PostRevert: post("post-revert"),
			}})

			on := patch.On(s.d)
			on.Mode = mode

			_, err := s.e.Apply(t.Context(), p, on)
			require.NoError(t, err)
			_, err = s.e.Revert(t.Context(), p, on)
			require.NoError(t, err)
			require.Equal(t, map[string]bool{"pre-apply": false, "post-apply": true, "pre-revert": true, "post-revert": false}, bound)
		})
	}
}

func TestXen_actionHooksNoapply(t *testing.T) {
	s := newScene(t)

	var (
		outcome error
		bound   = true
	)

	h := actions(func(*patch.Transition) error { return errInjected }, func(*patch.Transition) error { return nil })
	h.PostApply = func(_ context.Context, tr *patch.Transition, err error) { outcome, bound = err, tr.Bound() }
	p := xen(t, "noapply", "x", patch.Spec{Hooks: h})

	require.NoError(t, s.load(p))
	require.ErrorIs(t, s.apply(p), errInjected)
	require.Equal(t, patch.Checked, s.state("noapply"))
	require.ErrorIs(t, outcome, errInjected)
	require.False(t, bound)
	require.Equal(t, "-unstable", s.extra())
}

// In Xen the hook after the failed revert reverts by itself. Here a hook can't change what
// is bound: the patch stays, and whoever wants it gone tries again.
func TestXen_actionHooksNorevert(t *testing.T) {
	s := newScene(t)
	fails := true

	h := actions((*patch.Transition).Default, func(*patch.Transition) error {
		if fails {
			return errInjected
		}

		return nil
	})

	bound := false
	h.PostRevert = func(_ context.Context, tr *patch.Transition, err error) {
		bound = tr.Bound()
		fails = err == nil
	}

	p := xen(t, "norevert", "x", patch.Spec{Hooks: h})

	require.NoError(t, s.apply(p))
	require.ErrorIs(t, s.revert(p), errInjected)
	require.True(t, bound)
	require.Equal(t, "x", s.extra())
	require.Equal(t, patch.Applied, s.state("norevert"))
	require.NoError(t, s.revert(p))
	require.Equal(t, "-unstable", s.extra())
}

func TestXen_expectations(t *testing.T) {
	s := newScene(t)
	p := xen(t, "expect", "x", patch.Spec{Expect: []patch.Expectation{patch.Expect(extraVersion, xenExtra)}})

	require.NoError(t, s.apply(p))
	require.Equal(t, "x", s.extra())
}

func TestXen_expectationsFail(t *testing.T) {
	s := newScene(t)
	p := xen(t, "expect-fail", "x", patch.Spec{Expect: []patch.Expectation{patch.Expect(extraVersion, says("another"))}})

	require.NoError(t, s.load(p))
	require.ErrorIs(t, s.apply(p), patch.ErrExpectation)
	require.Equal(t, "-unstable", s.extra())
	require.NoError(t, s.unload(p))
}

// The commands of Xen's own test run, with their numbers in SCENARIOS.md.
func TestXen_commands(t *testing.T) {
	s := newScene(t)
	p, hooks := hello(t)
	bye := xen(t, "bye", "Bye World", patch.Spec{Depends: p.ID()})
	replace := xen(t, "replace", "Replace World", patch.Spec{})

	require.Empty(t, s.list()) // C1
	require.Equal(t, "-unstable", s.extra())

	_, err := s.e.Get("hello")
	require.ErrorIs(t, err, patch.ErrUnknown) // C2
	require.ErrorIs(t, s.revert(p), patch.ErrNotApplied)

	require.NoError(t, s.apply(p)) // C3
	require.Equal(t, "Hello World", s.extra())

	again, _ := hello(t)
	require.ErrorIs(t, s.load(again), patch.ErrDuplicate) // C4
	require.Equal(t, "hello:applied", s.list())           // C5

	require.NoError(t, s.revert(p)) // C6
	require.Equal(t, "-unstable", s.extra())
	require.Equal(t, 1, hooks["post-revert"])

	require.NoError(t, s.unload(p))                   // C7
	require.ErrorIs(t, s.unload(p), patch.ErrUnknown) // C8
	require.ErrorIs(t, s.apply(p), patch.ErrChanged)  // its data stays as it is
	require.NoError(t, s.apply(again))                // C9
	require.Equal(t, "Hello World", s.extra())
	require.NoError(t, s.apply(bye))
	require.Equal(t, "Bye World", s.extra())

	require.NoError(t, s.load(replace)) // C10
	require.NoError(t, s.replace(replace))
	require.Equal(t, "Replace World", s.extra())
	require.Equal(t, "hello:checked bye:checked replace:applied", s.list())

	require.ErrorIs(t, s.apply(again), patch.ErrChanged)     // C11
	require.ErrorIs(t, s.apply(bye), patch.ErrDepends)       // C12
	require.ErrorIs(t, s.replace(replace), patch.ErrApplied) // C13: Xen says nothing

	require.NoError(t, s.revert(replace)) // C14

	for _, p := range []*patch.Patch{again, bye, replace} {
		require.NoError(t, s.unload(p))
	}

	require.Empty(t, s.list())
	require.Equal(t, "-unstable", s.extra())

	nop, err := patch.New("nop", patch.Func(minorVersion, func() int { return 0 }))
	require.NoError(t, err)
	require.NoError(t, s.apply(nop)) // C15
	require.NoError(t, s.revert(nop))
	require.NoError(t, s.apply(nop))
	require.Zero(t, s.minor())

	require.ErrorIs(t, s.unload(nop), patch.ErrApplied) // C16
	require.NoError(t, s.revert(nop))                   // C17
	require.NoError(t, s.unload(nop))
}
