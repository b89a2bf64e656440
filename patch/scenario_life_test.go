package patch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// What a patch's life is made of, row by row of SCENARIOS.md.

func TestLife_uploadIsNotApply(t *testing.T) {
	s := newScene(t)
	p := fix(t, "p", alpha)

	require.NoError(t, s.load(p))
	require.Equal(t, declared, answers(s.d))
	require.Equal(t, "p:checked", s.list())
	require.NoError(t, s.load(p), "loaded already")
	require.Equal(t, "p:checked", s.list())

	require.NoError(t, s.apply(p))
	require.Equal(t, "p:applied", s.list())
}

// There is no page and no bound: the list is one slice, in the order of loading.
func TestLife_list(t *testing.T) {
	s := newScene(t)

	var want []string

	for i := range 1100 {
		p := fix(t, fmt.Sprint("p", i), alpha)
		require.NoError(t, s.load(p))

		want = append(want, fmt.Sprint("p", i, ":checked"))
	}

	require.Equal(t, strings.Join(want, " "), s.list())
}

func TestLife_getOne(t *testing.T) {
	s := newScene(t)
	other := patch.NewDomain("other")
	p := fix(t, "p", alpha)

	require.NoError(t, s.apply(p))
	apply(t, p, other)

	for _, key := range []string{"p", string(p.ID())} {
		st, err := s.e.Get(key)
		require.NoError(t, err)
		require.Equal(t, patch.Status{Patch: p, State: patch.Applied, Domains: []*patch.Domain{s.d, other}}, st)
	}
}

func TestLife_states(t *testing.T) {
	s := newScene(t)
	p, q := fix(t, "p", alpha), fix(t, "q", alpha)

	for _, step := range []struct {
		do    func() error
		p     string
		after string
	}{
		{func() error { return s.load(p) }, "p:checked", declared},
		{func() error { return s.apply(p) }, "p:applied", "alpha/p beta gamma"},
		{func() error { return s.replace(q) }, "p:checked q:applied", "alpha/q beta gamma"},
		{func() error { return s.revert(q) }, "p:checked q:checked", declared},
		{func() error { return s.unload(p) }, "q:checked", declared},
		{func() error { return s.unload(q) }, "", declared},
	} {
		require.NoError(t, step.do())
		require.Equal(t, step.p, s.list())
		require.Equal(t, step.after, answers(s.d))
	}
}

// Transitions of one domain take turns; others run meanwhile.
func TestLife_oneActionADomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		other := patch.NewDomain("other")
		w := s.d.NewWorker("slow")

		w.Enter()

		first, second := make(chan error), make(chan error)

		go func() { first <- s.apply(fix(t, "first", alpha)) }()

		synctest.Wait()

		go func() { second <- s.apply(fix(t, "second", alpha)) }()

		synctest.Wait()

		on := patch.On(s.d)
		on.NoWait = true

		_, err := s.e.Apply(t.Context(), fix(t, "third", alpha), on)
		require.ErrorIs(t, err, patch.ErrBusy)

		_, err = s.e.Apply(t.Context(), fix(t, "fourth", alpha), patch.On(other))
		require.NoError(t, err)

		w.Leave()
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		require.Equal(t, []string{"first", "second"}, names(s.d.Applied()))
	})
}

// An identity that isn't given is made of what the patch is: it tells patches of other
// functions apart, and is the same each time.
func TestLife_identity(t *testing.T) {
	make := func(fn func() string, depends patch.ID) patch.ID {
		return specced(t, patch.Spec{Name: "p", Depends: depends, Bindings: []patch.Binding{patch.Func(alpha, fn)}}).ID()
	}

	require.Equal(t, make(xenExtra, ""), make(xenExtra, ""))
	require.NotEqual(t, make(xenExtra, ""), make(extraVersion.Declared(), "01"))
	require.NotEqual(t, make(xenExtra, ""), make(func() string { return "" }, ""))
}

func TestLife_dependency(t *testing.T) {
	s := newScene(t)
	base := fix(t, "base", alpha)
	next := specced(t, patch.Spec{Name: "next", Depends: base.ID(), Bindings: []patch.Binding{patch.Func(beta, says("next"))}})

	require.ErrorIs(t, s.apply(next), patch.ErrDepends)

	on := patch.On(s.d)
	on.NoDepends = true

	_, err := s.e.Apply(t.Context(), next, on)
	require.NoError(t, err)
	require.NoError(t, s.revert(next))

	require.NoError(t, s.apply(base))
	require.NoError(t, s.apply(next))
	require.ErrorIs(t, s.revert(base), patch.ErrNotTop)
}

// NoDepends leaves out one check, and no other.
func TestLife_noDependsIsNoForce(t *testing.T) {
	s := newScene(t)
	on := patch.On(s.d)
	on.NoDepends = true

	require.NoError(t, s.apply(fix(t, "below", alpha)))

	picky := specced(t, patch.Spec{
		Name: "picky", Depends: "01", Expect: []patch.Expectation{patch.ExpectDeclared(alpha)},
		Bindings: []patch.Binding{patch.Func(alpha, says("picky"))},
	})

	_, err := s.e.Apply(t.Context(), picky, on)
	require.ErrorIs(t, err, patch.ErrExpectation)
}

func TestLife_replaceTakesTheWholeStack(t *testing.T) {
	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		t.Run(mode.String(), func(t *testing.T) {
			s := newScene(t)
			h, n := counts(nil)
			p := specced(t, patch.Spec{Name: "p", Hooks: h, Bindings: []patch.Binding{patch.Func(alpha, says("alpha/p"))}})

			require.NoError(t, s.apply(p))
			require.NoError(t, s.apply(fix(t, "q", alpha, beta)))

			on := patch.On(s.d)
			on.Mode = mode

			r, err := s.e.Replace(t.Context(), fix(t, "all", gamma), on)
			require.NoError(t, err)
			require.Equal(t, []string{"q", "p"}, r.Removed)
			require.Equal(t, "alpha beta gamma/all", answers(s.d))
			require.Equal(t, 1, n["pre-revert"])
			require.NoError(t, s.apply(p), "what was replaced may come again")
		})
	}
}

func TestLife_reapply(t *testing.T) {
	s := newScene(t)
	calls := 0
	p := specced(t, patch.Spec{
		Name: "p", Owned: []patch.Owned{patch.Own("calls", &calls)},
		Bindings: []patch.Binding{patch.Func(alpha, func() string { calls++; return "new" })},
	})

	for range 3 { // unused, it is as new
		require.NoError(t, s.apply(p))
		require.NoError(t, s.revert(p))
	}

	require.NoError(t, s.apply(p))
	answers(s.d)
	require.NoError(t, s.revert(p))
	require.ErrorIs(t, s.apply(p), patch.ErrChanged)

	calls = 0

	require.NoError(t, s.apply(p))
}

// A deadline may be longer than Xen's 4.29 s, and holds from the call on.
func TestLife_deadline(t *testing.T) {
	for name, bound := range map[string]time.Duration{"short": time.Millisecond, "long": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.d.NewWorker("stuck").Enter()

				ctx, cancel := context.WithTimeout(t.Context(), bound)
				defer cancel()

				start := time.Now()
				_, err := s.e.Apply(ctx, fix(t, "p", alpha), patch.On(s.d))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.InDelta(t, bound, time.Since(start), float64(time.Millisecond))
			})
		})
	}
}

func TestLife_metadata(t *testing.T) {
	said := map[string]string{"advisory": "VG-1"}
	p := specced(t, patch.Spec{Name: "p", Metadata: said, Mapped: 4096, Bindings: []patch.Binding{patch.Func(alpha, says("x"))}})
	said["advisory"] = "changed"
	p.Metadata()["advisory"] = "changed"

	require.Equal(t, map[string]string{"advisory": "VG-1"}, p.Metadata())

	r := apply(t, p, patch.NewDomain("d"))
	require.Equal(t, 4096, r.Mapped)
	require.Equal(t, p.ID(), r.ID)
}

// What Xen's debug key dumps: what is declared, what is bound to it by which patch, where.
func TestLife_whatCanBeSeen(t *testing.T) {
	s := newScene(t)
	p := fix(t, "p", alpha, gamma)

	require.NoError(t, s.apply(p))
	require.Equal(t, []string{alpha.Name(), gamma.Name()}, p.Slots())
	require.Equal(t, []*patch.Domain{s.d}, s.e.List()[0].Domains)
	require.Contains(t, fmt.Sprint(patch.Slots()), alpha.Name())
}
