package patchtest_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/patchtest"
)

// t stands in the examples for what a test is given.
var t testing.TB = &verdict{}

// verdict is a test that keeps what it is failed with.
type verdict struct {
	testing.TB
	said string
}

func (*verdict) Helper() {}

func (v *verdict) Fatalf(format string, a ...any) {
	v.said = fmt.Sprintf(format, a...)

	runtime.Goexit()
}

// failed runs a test that should fail, and gives what it says.
func failed(f func(testing.TB)) string {
	v := &verdict{}
	done := make(chan struct{})

	go func() {
		defer close(done)

		f(v)
	}()

	<-done

	return v.said
}

func price(sec patch.Section) int { return (&shop{tax: 7}).price(sec, 100) }

// Each helper fails for what it is there to find.
func TestHelpers_fail(t *testing.T) {
	flag := atomic.Bool{}
	sloppy := func(h patch.Hooks) *patch.Patch {
		p, err := patch.Spec{Name: "sloppy", Hooks: h, Bindings: []patch.Binding{patch.Func(net, func(*shop, int) int { return 0 })}}.New()
		require.NoError(t, err)

		return p
	}

	set := func(v bool) func(context.Context, *patch.Transition) error {
		return func(context.Context, *patch.Transition) error { flag.Store(v); return nil }
	}

	for name, tc := range map[string]struct {
		test func(testing.TB)
		want string
	}{
		"a patch that is refused": {
			func(t testing.TB) { patchtest.Compare(t, nil, patchtest.Options{}, price) },
			"patchtest: patch: apply: invalid patch: one that New didn't make",
		},
		"a base that is refused": {
			func(t testing.TB) {
				patchtest.Compare(t, fixedShop(), patchtest.Options{Below: []*patch.Patch{nil}}, price)
			},
			"patchtest: what should be below: patch: apply: invalid patch: one that New didn't make",
		},
		"a revert that leaves something": {
			func(t testing.TB) {
				flag.Store(false)
				patchtest.Compare(t, sloppy(patch.Hooks{PreApply: set(true)}), patchtest.Options{}, func(patch.Section) bool { return flag.Load() })
			},
			"patchtest: false before the patch, true with it, and true after the revert",
		},
		"nothing to tell apart": {
			func(t testing.TB) {
				patchtest.Hammer(t, fixedShop(), patchtest.Options{}, func(patch.Section) int { return 1 })
			},
			"patchtest: observe gives 1 with and without the patch: it can't tell which it saw",
		},
		"a torn observation": {
			func(t testing.TB) {
				calls := atomic.Int64{}
				patchtest.Hammer(t, fixedShop(), patchtest.Options{}, func(sec patch.Section) int {
					if calls.Add(1) > 20 {
						return 1
					}

					return price(sec)
				})
			},
			"patchtest: per-section: 1 is neither what is seen without the patch, 114, nor with it, 107",
		},
		"a hook that doesn't undo": {
			func(t testing.TB) {
				flag.Store(false)
				patchtest.Fail(t, sloppy(patch.Hooks{PreApply: set(true), PreRevert: set(false)}), patchtest.Options{},
					func(patch.Section) bool { return flag.Load() })
			},
			`patchtest: apply, per-section, failed at "prepared": observe gives true, and should give false`,
		},
		"a hook that fails once it has run": {
			func(t testing.TB) {
				once := false
				patchtest.Fail(t, sloppy(patch.Hooks{PreApply: func(context.Context, *patch.Transition) error {
					if once {
						return patch.ErrBusy
					}

					once = true

					return nil
				}}), patchtest.Options{}, price)
			},
			`patchtest: apply, per-section, after a failure at "planned": patch: hook pre-apply of "sloppy" on domain "patchtest": busy`,
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, failed(tc.test)) })
	}
}

// A section with the old view that goes on after Apply has returned would be seen: here
// observe itself is at fault, which gives what it saw before.
func TestHammer_late(t *testing.T) {
	said := failed(func(t testing.TB) {
		calls := atomic.Int64{}

		patchtest.Hammer(t, fixedShop(), patchtest.Options{Flips: 100_000}, func(sec patch.Section) int {
			if calls.Add(1) > 20 {
				return 114
			}

			return price(sec)
		})
	})

	require.Equal(t, "patchtest: per-section: 114 was seen when the transition to 107 was over", said)
}

// Hooks that undo what they did pass, and patches below are there.
func TestFail_hooksThatUndo(t *testing.T) {
	flag := atomic.Bool{}

	set := func(v bool) func(context.Context, *patch.Transition) error {
		return func(context.Context, *patch.Transition) error { flag.Store(v); return nil }
	}
	back := func(v bool) func(context.Context, *patch.Transition, error) {
		return func(_ context.Context, _ *patch.Transition, err error) {
			if err != nil {
				flag.Store(v)
			}
		}
	}

	base := fixedShop()

	p, err := patch.Spec{Name: "careful", Depends: base.ID(), Hooks: patch.Hooks{
		PreApply: set(true), PostApply: back(false), PreRevert: set(false), PostRevert: back(true),
	}}.New()
	require.NoError(t, err)

	o := patchtest.Options{Below: []*patch.Patch{base}, Workers: 2, Flips: 20}
	observe := func(patch.Section) bool { return flag.Load() }

	patchtest.Fail(t, p, o, observe)

	old, fixed := patchtest.Compare(t, p, o, func(sec patch.Section) int { return price(sec) })
	require.Equal(t, [2]int{107, 107}, [2]int{old, fixed})
}
