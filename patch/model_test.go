package patch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// The slots and patches of the model. A slot answers with the number of the patch that
// binds it, or with none.
const none = -1

var (
	modelSlots   = declareModelSlots(5)
	modelPatches = makeModelPatches([]int{0}, []int{0, 1}, []int{1, 2}, []int{2, 3, 4}, []int{4}, []int{0, 1, 2, 3, 4})
)

type modelPatch struct {
	*patch.Patch
	slots []int
}

func declareModelSlots(n int) (out []*patch.Slot[func() int]) {
	for i := range n {
		out = append(out, patch.NewSlot(fmt.Sprintf("patch_test/model.%d", i), func() int { return none }))
	}

	return out
}

func makeModelPatches(sets ...[]int) (out []modelPatch) {
	for i, set := range sets {
		var bindings []patch.Binding
		for _, s := range set {
			bindings = append(bindings, patch.Func(modelSlots[s], func() int { return i }))
		}

		p, err := patch.New(fmt.Sprint("patch-", i), bindings...)
		if err != nil {
			panic(err)
		}

		out = append(out, modelPatch{p, set})
	}

	return out
}

// reference is what a domain should be: a stack of patches, and perhaps one worker that
// is in a section, with the stack as it was when it entered.
type reference struct {
	domain  *patch.Domain
	stack   []int
	worker  *patch.Worker
	section patch.Section
	seen    []int
	busy    bool
}

// bindings is the whole model of a view: the topmost patch that binds a slot counts.
func bindings(stack []int) []int {
	out := make([]int, len(modelSlots))
	for s := range out {
		out[s] = none

		for _, p := range stack {
			if slices.Contains(modelPatches[p].slots, s) {
				out[s] = p
			}
		}
	}

	return out
}

func observe(sec patch.Section) []int {
	out := make([]int, len(modelSlots))
	for i, s := range modelSlots {
		out[i] = s.In(sec)()
	}

	return out
}

func (r *reference) check(t *testing.T) {
	w := r.domain.NewWorker("observer")
	defer w.Close()

	sec := w.Enter()
	defer w.Leave()

	require.Equal(t, bindings(r.stack), observe(sec), "%s with %v", r.domain, r.stack)
	require.Equal(t, len(r.stack) == 0, r.domain.Generation() == 0)

	applied := r.domain.Applied()
	require.Len(t, applied, len(r.stack))

	for i, p := range r.stack {
		require.Same(t, modelPatches[p].Patch, applied[i])
	}

	if r.busy {
		require.Equal(t, r.seen, observe(r.section), "%s, in the section", r.domain)
	}
}

// expected is what a transition should say, by the first domain in its way.
func expected(op string, p int, on []*reference) error {
	for _, r := range on {
		switch at := slices.Index(r.stack, p); {
		case op == "apply" && at >= 0:
			return patch.ErrApplied
		case op == "revert" && at < 0:
			return patch.ErrNotApplied
		case op == "revert" && at < len(r.stack)-1:
			return patch.ErrNotTop
		}
	}

	for _, r := range on {
		if r.busy {
			return context.DeadlineExceeded
		}
	}

	return nil
}

// play runs a program of one-byte instructions on both the package and the model.
func play(t *testing.T, program []byte) {
	var (
		domains []*reference
		e       = patch.NewEngine(patch.Options{})
		next    = func() (b int) {
			if len(program) > 0 {
				b, program = int(program[0]), program[1:]
			}

			return b
		}
	)

	transition := func(op string) {
		p := next() % len(modelPatches)

		var (
			on      []*reference
			targets []*patch.Domain
		)

		for set, i := next(), 0; i < len(domains); i++ {
			if set>>(i%8)&1 != 0 {
				on = append(on, domains[i])
				targets = append(targets, domains[i].domain)
			}
		}

		if len(on) == 0 {
			return
		}

		do := e.Apply
		if op == "revert" {
			do = e.Revert
		}

		want := expected(op, p, on)
		_, err := do(untilSwap(t, targets[0]), modelPatches[p].Patch, patch.On(targets...))
		require.ErrorIs(t, err, want)

		var late *patch.TimeoutError
		if errors.As(err, &late) {
			first := slices.IndexFunc(on, func(r *reference) bool { return r.busy })
			require.Equal(t, on[first].domain.Name(), late.Domain)
			require.Equal(t, "worker", late.Worker)
		}

		for _, r := range on {
			switch {
			case err != nil:
			case op == "apply":
				r.stack = append(r.stack, p)
			default:
				r.stack = r.stack[:len(r.stack)-1]
			}
		}
	}

	for len(program) > 0 {
		switch op := next() % 8; {
		case op == 0 || len(domains) == 0:
			if len(domains) < 6 {
				d := patch.NewDomain(fmt.Sprint("d", len(domains)))
				domains = append(domains, &reference{domain: d, worker: d.NewWorker("worker")})
			}
		case op < 4:
			transition("apply")
		case op < 7:
			transition("revert")
		default: // into a section, or out of it
			r := domains[next()%len(domains)]
			if r.busy = !r.busy; r.busy {
				r.section, r.seen = r.worker.Enter(), bindings(r.stack)
			} else {
				r.worker.Leave()
			}
		}

		for _, r := range domains {
			r.check(t)
		}
	}
}

func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))

	for range flips(200) {
		program := make([]byte, 300)
		for i := range program {
			program[i] = byte(r.Uint32())
		}

		play(t, program)
	}
}

func FuzzModel(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 1, 1, 1, 4, 0, 1, 4, 1, 1, 4, 0, 1})             // stack two, revert in both orders
	f.Add([]byte{0, 0, 0, 1, 5, 7, 7, 1, 1, 3, 6, 7, 1, 1, 3, 6, 4, 5, 7})    // stuck, left, done
	f.Add([]byte{0, 0, 1, 0, 1, 1, 1, 3, 1, 0, 2, 4, 1, 3, 4, 0, 1, 4, 1, 2}) // two domains, other orders
	f.Fuzz(play)
}
