package patch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

func specced(t testing.TB, s patch.Spec) *patch.Patch {
	t.Helper()

	p, err := s.New()
	require.NoError(t, err)

	return p
}

// While the Load hook may still refuse the patch, nobody else can apply it.
func TestEngine_loadIsOver(t *testing.T) {
	for name, refuses := range map[string]error{"agrees": nil, "refuses": errInjected} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var (
					d, e    = patch.NewDomain("d"), patch.NewEngine(patch.Options{})
					answer  = make(chan error)
					loads   = make(chan error)
					applies = make(chan error)
					calls   int
				)

				p := specced(t, patch.Spec{
					Name: "p", Bindings: []patch.Binding{patch.Func(alpha, says("new"))},
					Hooks: patch.Hooks{Load: func(context.Context) error {
						if calls++; calls > 1 {
							return refuses
						}

						return <-answer
					}},
				})

				go func() { loads <- e.Load(t.Context(), p) }()

				synctest.Wait()

				go func() {
					_, err := patch.NewEngine(patch.Options{}).Apply(t.Context(), p, patch.On(d)) // another engine
					applies <- err
				}()

				synctest.Wait()
				require.Equal(t, declared, answers(d))

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()

				var late *patch.TimeoutError

				require.ErrorAs(t, e.Unload(ctx, p), &late)
				require.EqualError(t, late, `patch: unload "p": gave up waiting for its turn: context deadline exceeded`)

				answer <- refuses

				require.ErrorIs(t, <-loads, refuses)
				require.ErrorIs(t, <-applies, refuses)

				if refuses != nil {
					require.Equal(t, 2, calls, "whoever comes next asks anew")
					require.Equal(t, declared, answers(d))
				} else {
					require.Equal(t, "new beta gamma", answers(d))
				}
			})
		})
	}
}

// A patch that is being applied can't be unloaded, nor can it be applied while it is being
// unloaded: it would be in use, and nobody would know.
func TestEngine_unloadWhileInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			d, e     = patch.NewDomain("d"), patch.NewEngine(patch.Options{})
			pre, unl = make(chan error), make(chan error)
			done     = make(chan error)
			loads    int
		)

		p := specced(t, patch.Spec{Name: "p", Hooks: patch.Hooks{
			Load:     func(context.Context) error { loads++; return nil },
			PreApply: func(context.Context, *patch.Transition) error { return <-pre },
			Unload:   func(context.Context) { _ = <-unl },
		}})

		go func() {
			_, err := e.Apply(t.Context(), p, patch.On(d))
			done <- err
		}()

		synctest.Wait()
		require.ErrorIs(t, e.Unload(t.Context(), p), patch.ErrBusy)

		pre <- nil
		require.NoError(t, <-done)

		_, err := e.Revert(t.Context(), p, patch.On(d))
		require.NoError(t, err)

		go func() { done <- e.Unload(t.Context(), p) }()

		synctest.Wait()

		applied := make(chan error)

		go func() {
			_, err := e.Apply(t.Context(), p, patch.On(d))
			applied <- err
		}()

		synctest.Wait()
		require.Equal(t, 1, loads)

		unl <- nil
		require.NoError(t, <-done)

		pre <- nil
		require.NoError(t, <-applied)
		require.Equal(t, 2, loads)

		s, err := e.Get("p")
		require.NoError(t, err)
		require.Equal(t, patch.Applied, s.State)
	})
}

// A patch that waits for its turn is in use already.
func TestEngine_unloadWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		p := fix(t, "p", alpha)
		w := s.d.NewWorker("slow")
		first, second := make(chan error), make(chan error)

		require.NoError(t, s.load(p))
		w.Enter()

		go func() { first <- s.apply(fix(t, "first", beta)) }()

		synctest.Wait()

		go func() { second <- s.apply(p) }()

		synctest.Wait()
		require.ErrorIs(t, s.unload(p), patch.ErrBusy)

		w.Leave()
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		require.Equal(t, patch.Applied, s.state("p"))
	})
}

// A patch that could not be applied is unloaded with all its time, and is free when Apply
// returns: the next attempt meets nothing of the first.
func TestEngine_failedApplyUnloads(t *testing.T) {
	d, e := patch.NewDomain("d"), patch.NewEngine(patch.Options{})
	unloads := 0

	p := specced(t, patch.Spec{Name: "p", Hooks: patch.Hooks{
		PreApply: func(context.Context, *patch.Transition) error { return errInjected },
		Unload: func(ctx context.Context) {
			if ctx.Err() == nil {
				unloads++
			}
		},
	}})

	for i := range 100 {
		_, err := e.Apply(t.Context(), p, patch.On(d))
		require.ErrorIs(t, err, errInjected)
		require.Empty(t, e.List())
		require.Equal(t, i+1, unloads)
	}
}

// What is applied everywhere is in use, even when there is no domain yet.
func TestEngine_unloadOfEverywhere(t *testing.T) {
	d, e := patch.NewDomain("d"), patch.NewEngine(patch.Options{})
	p := fix(t, "p", alpha)

	_, err := e.Apply(t.Context(), p, patch.Everywhere())
	require.NoError(t, err)

	err = e.Unload(t.Context(), p)
	require.ErrorIs(t, err, patch.ErrApplied)
	require.EqualError(t, err, `patch: unload "p": already applied: domains attached later begin with it`)

	require.NoError(t, e.Attach(t.Context(), d))
	require.Equal(t, "alpha/p beta gamma", answers(d))

	_, err = e.Revert(t.Context(), p, patch.Everywhere())
	require.NoError(t, err)
	require.NoError(t, e.Unload(t.Context(), p))
}

// A domain that can't have all that is applied everywhere has none of it, and isn't
// attached.
func TestEngine_attachAllOrNothing(t *testing.T) {
	e := patch.NewEngine(patch.Options{})
	p, q := fix(t, "p", alpha), fix(t, "q", beta)
	picky := specced(t, patch.Spec{Name: "picky", Expect: []patch.Expectation{patch.ExpectDeclared(gamma)}, Bindings: []patch.Binding{patch.Func(gamma, says("new"))}})

	for _, p := range []*patch.Patch{p, q, picky} {
		_, err := e.Apply(t.Context(), p, patch.Everywhere())
		require.NoError(t, err)
	}

	d := patch.NewDomain("d")
	own := fix(t, "own", gamma)
	apply(t, own, d)
	gen := d.Generation()

	err := e.Attach(t.Context(), d)
	require.ErrorIs(t, err, patch.ErrExpectation)
	require.Equal(t, "alpha beta gamma/own", answers(d))
	require.Equal(t, gen, d.Generation())
	require.Equal(t, []string{"own"}, names(d.Applied()))
	require.Empty(t, e.Domains())

	revert(t, own, d)
	require.NoError(t, e.Attach(t.Context(), d))
	require.Equal(t, []string{"p", "q", "picky"}, names(d.Applied()))
}

// Of sections that had seen a patch which was taken back, those that have ended are
// forgotten, with their workers.
func TestEngine_forgetsLateSections(t *testing.T) {
	s := newScene(t)
	p := fix(t, "p", alpha)
	require.NoError(t, s.load(p))

	fail := func() weak.Pointer[patch.Worker] {
		w := s.d.NewWorker("w")
		defer w.Close()

		w.Enter()
		defer w.Leave()

		_, err := s.e.Apply(untilSwap(t, s.d), p, patch.On(s.d))
		require.ErrorIs(t, err, context.DeadlineExceeded)

		return weak.Make(w)
	}

	first := fail()

	for fail(); first.Value() != nil; { // the second failure has cleaned up
		runtime.GC()
	}

	require.NoError(t, s.apply(p))
}

// Many goroutines do everything at once with one engine. Whatever they are told, in the
// end each domain is what its stack says, and what is applied is loaded.
func TestEngine_everythingAtOnce(t *testing.T) {
	var (
		e       = patch.NewEngine(patch.Options{})
		domains = []*patch.Domain{patch.NewDomain("d0"), patch.NewDomain("d1"), patch.NewDomain("d2")}
		running sync.WaitGroup
		patches []*patch.Patch
		errs    = make([]error, 4)
		may     = []error{patch.ErrApplied, patch.ErrNotApplied, patch.ErrNotTop, patch.ErrBusy, patch.ErrUnknown}
	)

	for i, slots := range [][]*patch.Slot[func() string]{{alpha}, {alpha, beta}, {beta, gamma}} {
		loaded := &atomic.Bool{}

		var bindings []patch.Binding
		for _, s := range slots {
			bindings = append(bindings, patch.Func(s, says(fmt.Sprint(s.Declared()(), "/p", i))))
		}

		inUse := func(context.Context, *patch.Transition) error {
			if !loaded.Load() {
				return errInjected
			}

			return nil
		}

		patches = append(patches, specced(t, patch.Spec{Name: fmt.Sprint("p", i), Bindings: bindings, Hooks: patch.Hooks{
			Load:     func(context.Context) error { loaded.Store(true); return nil },
			Unload:   func(context.Context) { loaded.Store(false) },
			PreApply: inUse, PreRevert: inUse,
		}}))
	}

	do := func(r *rand.Rand) (err error) {
		p, d := patches[r.IntN(len(patches))], domains[r.IntN(len(domains))]
		on := patch.On(d, domains[r.IntN(len(domains))])

		if r.IntN(4) == 0 {
			on = patch.Everywhere()
		}

		on.Mode, on.NoWait = patch.Mode(r.IntN(2)), r.IntN(3) == 0

		switch r.IntN(8) {
		case 0, 1:
			_, err = e.Apply(t.Context(), p, on)
		case 2, 3:
			_, err = e.Revert(t.Context(), p, on)
		case 4:
			_, err = e.Replace(t.Context(), p, on)
		case 5:
			err = e.Unload(t.Context(), p)
		case 6:
			err = e.Attach(t.Context(), d)
		default:
			e.Detach(d)
			e.List()
		}

		return err
	}

	for i := range errs {
		r := rand.New(rand.NewPCG(uint64(i), 5))

		running.Go(func() {
			for range flips(5000) {
				if err := do(r); err != nil && !slices.ContainsFunc(may, func(m error) bool { return errors.Is(err, m) }) {
					errs[i] = err
					return
				}
			}
		})
	}

	running.Wait()
	require.NoError(t, errors.Join(errs...))

	for _, d := range domains {
		want := map[string]string{}

		for _, p := range d.Applied() {
			st, err := e.Get(p.Name())
			require.NoError(t, err)
			require.Equal(t, patch.Applied, st.State)
			require.Contains(t, st.Domains, d)

			for _, s := range p.Slots() {
				want[s] = "/" + p.Name()
			}
		}

		require.Equal(t, fmt.Sprint("alpha", want[alpha.Name()], " beta", want[beta.Name()], " gamma", want[gamma.Name()]), answers(d))
	}
}
