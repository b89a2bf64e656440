package patch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/internal/fault"
)

// rig is an engine with domains that have two patches each, and a transition to do. All
// that happens in the transition, hooks and steps alike, is an event, and one of the
// events can be made to go wrong.
type rig struct {
	op      patch.Op
	mode    patch.Mode
	engine  *patch.Engine
	domains []*patch.Domain
	lower   *patch.Patch // binds alpha and beta
	upper   *patch.Patch // binds beta, and brings about the state
	next    *patch.Patch // binds beta and gamma, and the next version of the state; not loaded

	mu     sync.Mutex // hooks that were given up on still use what follows
	events []string
	at     int          // the event that goes wrong; none is -1
	wrong  func() error // how
}

func newRig(t *testing.T, op patch.Op, mode patch.Mode, domains int) *rig {
	r := &rig{op: op, mode: mode, engine: patch.NewEngine(patch.Options{Timeout: time.Minute}), at: -1}

	for i := range domains {
		r.domains = append(r.domains, patch.NewDomain(fmt.Sprint("d", i)))
	}

	r.lower = r.patch(t, "lower", 0, alpha, beta)
	r.upper = r.patch(t, "upper", 1, beta)
	r.next = r.patch(t, "next", 2, beta, gamma)

	for _, p := range []*patch.Patch{r.lower, r.upper} {
		_, err := r.engine.Apply(t.Context(), p, patch.On(r.domains...))
		require.NoError(t, err)
	}

	r.plan(-1, nil)

	return r
}

// patch makes one with all the hooks there are. Version 0 is one without the state.
func (r *rig) patch(t *testing.T, name string, version uint32, slots ...*patch.Slot[func() string]) *patch.Patch {
	s := patch.Spec{Name: name}

	for _, slot := range slots {
		s.Bindings = append(s.Bindings, patch.Func(slot, says(slot.Declared()()+"/"+name)))
	}

	if version > 0 {
		s.States = []patch.SystemState{{ID: shape, Version: version}}
	}

	pre := func(hook string) func(context.Context, *patch.Transition) error {
		return func(_ context.Context, tr *patch.Transition) error {
			err := r.event(hook, name, tr.Domain.Name())

			if version > 0 {
				tr.SetData(shape, hook+" of "+name)
			}

			return err
		}
	}

	act := func(hook string) func(context.Context, *patch.Transition) error {
		return func(_ context.Context, tr *patch.Transition) error {
			return errors.Join(r.event(hook, name, tr.Domain.Name()), tr.Default())
		}
	}

	post := func(hook string) func(context.Context, *patch.Transition, error) {
		return func(_ context.Context, tr *patch.Transition, err error) {
			outcome := "well"
			if err != nil {
				outcome = "badly"
			}

			_ = r.event(hook, name, tr.Domain.Name(), outcome)
		}
	}

	s.Hooks = patch.Hooks{
		Load:     func(context.Context) error { return r.event("load", name) },
		Unload:   func(context.Context) { _ = r.event("unload", name) },
		PreApply: pre("pre-apply"), PreRevert: pre("pre-revert"),
		Apply: act("apply"), Revert: act("revert"),
		PostApply: post("post-apply"), PostRevert: post("post-revert"),
	}

	p, err := s.New()
	require.NoError(t, err)

	return p
}

// event is a hook, which has several words, or a step, which has one.
func (r *rig) event(words ...string) error {
	r.mu.Lock()
	r.events = append(r.events, strings.Join(words, " "))
	goesWrong := len(r.events)-1 == r.at
	r.mu.Unlock()

	if goesWrong {
		return r.wrong()
	}

	return nil
}

// happened is what the transition consisted of.
func (r *rig) happened() []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	return slices.Clone(r.events)
}

// plan has the event with the number go wrong in the next transition.
func (r *rig) plan(at int, wrong func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.events, r.at, r.wrong = nil, at, wrong
}

func isHook(event string) bool { return strings.Contains(event, " ") }
func isVoid(event string) bool {
	return strings.HasPrefix(event, "post-") || strings.HasPrefix(event, "unload")
}

func (r *rig) do(ctx context.Context) error {
	ctx = fault.With(ctx, func(step string) error { return r.event(step) })
	on := patch.On(r.domains...)
	on.Mode = r.mode

	var err error

	switch r.op {
	case patch.OpApply:
		_, err = r.engine.Apply(ctx, r.next, on)
	case patch.OpReplace:
		_, err = r.engine.Replace(ctx, r.next, on)
	default:
		_, err = r.engine.Revert(ctx, r.upper, on)
	}

	return err
}

// state is all that can be seen from outside, but the generations.
func (r *rig) state(t *testing.T) string {
	var out strings.Builder

	for _, d := range r.domains {
		fmt.Fprintf(&out, "%s: %s; %s; %v\n", d.Name(), answers(d), names(d.Applied()), dataOf(t, d, shape))
	}

	for _, s := range r.engine.List() {
		var where []string
		for _, d := range s.Domains {
			where = append(where, d.Name())
		}

		fmt.Fprintln(&out, s.Patch.Name(), s.State, where, s.Everywhere)
	}

	return out.String()
}

func (r *rig) generations() (out []uint64) {
	for _, d := range r.domains {
		out = append(out, d.Generation())
	}

	return out
}

// dataOf asks for a state's data by a patch that vetoes itself, and so changes nothing.
func dataOf(t *testing.T, d *patch.Domain, id string) (data any) {
	p, err := patch.Spec{Name: "probe", Hooks: patch.Hooks{PreApply: func(_ context.Context, tr *patch.Transition) error {
		data = tr.Data(id)

		return errInjected
	}}}.New()
	require.NoError(t, err)

	_, err = patch.NewEngine(patch.Options{}).Apply(t.Context(), p, patch.On(d))
	require.ErrorIs(t, err, errInjected)

	return data
}

// paired checks that every patch whose pre hook agreed has heard how it ended, that no
// other has, and that all heard the truth.
func (r *rig) paired(t *testing.T, failed int, err error) {
	var want, got []string

	for i, e := range r.happened() {
		switch {
		case strings.HasPrefix(e, "pre-") && i != failed:
			want = append(want, strings.TrimPrefix(e, "pre-"))
		case strings.HasPrefix(e, "post-"):
			e, outcome, _ := cutLast(strings.TrimPrefix(e, "post-"))
			got = append(got, e)

			require.Equal(t, err == nil, outcome == "well", e)
		}
	}

	require.Equal(t, want, got, "in %v", r.happened())
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndex(s, " ")

	return s[:i], s[i+1:], true
}

// shapes are the transitions that the tests of this file break.
func shapes(t *testing.T, f func(t *testing.T, fresh func(t *testing.T) *rig, events []string, after string)) {
	for _, op := range []patch.Op{patch.OpApply, patch.OpRevert, patch.OpReplace} {
		for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
			for _, domains := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/%s/%d", op, mode, domains), func(t *testing.T) {
					fresh := func(t *testing.T) *rig { return newRig(t, op, mode, domains) }
					good := fresh(t)

					require.NoError(t, good.do(t.Context()))
					good.paired(t, -1, nil)
					f(t, fresh, good.happened(), good.state(t))
				})
			}
		}
	}
}
