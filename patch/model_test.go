package patch_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/internal/fault"
)

// The model's slots. One answers with the number of the patch that binds it, or with none.
const none = -1

var modelSlots = declareModelSlots(5)

func declareModelSlots(n int) (out []*patch.Slot[func() int]) {
	for i := range n {
		out = append(out, patch.NewSlot(fmt.Sprintf("patch_test/model.%d", i), func() int { return none }))
	}

	return out
}

// modelPatch is what the model knows of a patch. Two of them have one name.
type modelPatch struct {
	name     string
	slots    []int
	depends  int    // number of a patch
	version  uint32 // of the state
	unbound  bool   // its action hook binds nothing
	declared bool   // it expects the first slot to be as declared
}

var modelPatches = []modelPatch{
	{name: "p0", slots: []int{0}, depends: none},
	{name: "p1", slots: []int{0, 1}, depends: none},
	{name: "p2", slots: []int{1, 2}, depends: none, version: 1},
	{name: "p3", slots: []int{2, 3, 4}, depends: none, version: 2},
	{name: "p4", slots: []int{4}, depends: 1},
	{name: "p5", slots: []int{0, 1, 2, 3, 4}, depends: none, version: 2, declared: true},
	{name: "p6", slots: []int{0, 3}, depends: none, version: 3, unbound: true},
	{name: "p0", slots: []int{3}, depends: none},
}

// play is one run of a program of bytes on the package and on the model.
type play struct {
	t       *testing.T
	program []byte
	engine  *patch.Engine
	patches []*patch.Patch
	veto    int // the pre hook that fails, counted from 1, in the package; 0 is none
	way     int // how

	domains    []*reference
	loaded     []int
	everywhere []int
	late       map[int][]visit // sections that may have seen a patch that was taken back
}

// reference is what a domain should be, with one worker that is in a section at times.
type reference struct {
	domain           *patch.Domain
	stack            []int
	gens             []uint64
	data             any
	attached, closed bool
	frozen           []int // the bindings, once it is closed

	worker  *patch.Worker
	section patch.Section
	seen    []int // its bindings
	busy    bool
	visits  int // to sections
}

type visit struct {
	r *reference
	n int
}

func newPlay(t *testing.T, program []byte) *play {
	m := &play{t: t, program: program, engine: patch.NewEngine(patch.Options{}), late: map[int][]visit{}}

	for i, p := range modelPatches {
		m.patches = append(m.patches, m.patch(i, p))
	}

	return m
}

func (m *play) patch(i int, p modelPatch) *patch.Patch {
	s := patch.Spec{Name: p.name, ID: modelID(i)}

	for _, slot := range p.slots {
		s.Bindings = append(s.Bindings, patch.Func(modelSlots[slot], func() int { return i }))
	}

	if p.depends != none {
		s.Depends = modelID(p.depends)
	}

	if p.version > 0 {
		s.States = []patch.SystemState{{ID: shape, Version: p.version}}
	}

	if p.declared {
		s.Expect = []patch.Expectation{patch.ExpectDeclared(modelSlots[0])}
	}

	if p.unbound {
		s.Hooks.Apply = func(context.Context, *patch.Transition) error { return nil }
	}

	s.Hooks.PreRevert = func(context.Context, *patch.Transition) error { return m.hook() }
	s.Hooks.PreApply = func(_ context.Context, tr *patch.Transition) error {
		if p.version > 0 {
			tr.SetData(shape, i)
		}

		return m.hook()
	}

	out, err := s.New()
	require.NoError(m.t, err)

	return out
}

func modelID(i int) patch.ID { return patch.ID(fmt.Sprintf("%02x", i)) }

// hook is every pre hook.
func (m *play) hook() error {
	if m.veto--; m.veto != 0 {
		return nil
	}

	switch m.way {
	case 0:
		panic("injected")
	case 1:
		runtime.Goexit()
	}

	return errInjected
}

func (m *play) next() (b int) {
	if len(m.program) > 0 {
		b, m.program = int(m.program[0]), m.program[1:]
	}

	return b
}

// bindings is the whole model of a view: the topmost patch that binds a slot counts.
func bindings(stack []int) []int {
	out := make([]int, len(modelSlots))
	for s := range out {
		out[s] = none

		for _, p := range stack {
			if slices.Contains(modelPatches[p].slots, s) && !modelPatches[p].unbound {
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

func (r *reference) bindings() []int {
	if r.closed {
		return r.frozen
	}

	return bindings(r.stack)
}

func (r *reference) check(m *play) {
	t := m.t
	w := r.domain.NewWorker("observer")

	require.Equal(t, r.bindings(), observe(w.Enter()), "%s with %v", r.domain, r.stack)
	w.Leave()
	w.Close()

	if r.busy {
		require.Equal(t, r.seen, observe(r.section), "%s, in the section", r.domain)
	}

	want := []*patch.Patch{}
	for _, p := range r.stack {
		want = append(want, m.patches[p])
	}

	require.Equal(t, want, append([]*patch.Patch{}, r.domain.Applied()...))

	if r.closed {
		return
	}

	require.Equal(t, r.data, dataOf(t, r.domain, shape), "%s with %v", r.domain, r.stack)

	gen := uint64(0)

	if n := len(r.gens); n > 0 {
		if r.gens[n-1] == unseen {
			r.gens[n-1] = r.domain.Generation()
		}

		gen = r.gens[n-1]
	}

	require.Equal(t, gen, r.domain.Generation())
}

// check compares all that can be seen.
func (m *play) check() {
	for _, r := range m.domains {
		r.check(m)
	}

	var want, got []string

	for _, p := range m.loaded {
		state := patch.Checked

		var where []string

		for _, r := range m.domains {
			if slices.Contains(r.stack, p) {
				state = patch.Applied
				where = append(where, r.domain.Name())
			}
		}

		want = append(want, fmt.Sprint(modelID(p), state, where, slices.Contains(m.everywhere, p)))
	}

	for _, s := range m.engine.List() {
		var where []string
		for _, d := range s.Domains {
			where = append(where, d.Name())
		}

		got = append(got, fmt.Sprint(s.Patch.ID(), s.State, where, s.Everywhere))
	}

	require.Equal(m.t, want, got)
}

// run plays the program to its end.
func (m *play) run() {
	for len(m.program) > 0 {
		op := m.next() % 32

		switch r := m.pick(); {
		case r == nil, op == 0 && len(m.domains) < 5:
			d := patch.NewDomain(fmt.Sprint("d", len(m.domains)))
			m.domains = append(m.domains, &reference{domain: d, worker: d.NewWorker("worker")})
		case op < 10:
			m.transition(patch.OpApply)
		case op < 18:
			m.transition(patch.OpRevert)
		case op < 21:
			m.transition(patch.OpReplace)
		case op < 23:
			m.load()
		case op < 25:
			m.unload()
		case op < 28: // into a section, or out of it
			m.step(r)
		case op < 30:
			m.attach(r)
		case op < 31:
			r.attached = false
			m.engine.Detach(r.domain)
		case m.next()%4 == 0: // rarely: it does nothing more then
			if !r.closed {
				r.frozen, r.closed, r.attached, r.stack = bindings(r.stack), true, false, nil
			}

			r.domain.Close()
		}

		m.check()
	}
}

func (m *play) pick() *reference {
	if len(m.domains) == 0 {
		return nil
	}

	return m.domains[m.next()%len(m.domains)]
}

func (m *play) step(r *reference) {
	if r.busy = !r.busy; r.busy {
		r.visits++
		r.section, r.seen = r.worker.Enter(), r.bindings()
	} else {
		r.worker.Leave()
	}
}

// fails checks that the error is all of those wanted, and no error where none is.
func (m *play) fails(err error, want []error, what string) {
	if len(want) == 0 {
		require.NoError(m.t, err, what)
	}

	for _, w := range want {
		require.ErrorIs(m.t, err, w, what)
	}
}

// transition does one in the package and in the model.
func (m *play) transition(op patch.Op) {
	var (
		p, set, how = m.next() % len(m.patches), m.next(), m.next()
		c           = &course{op: op, patch: p, everywhere: set%5 == 0}
		on          = patch.Everywhere()
		targets     []*patch.Domain
	)

	if steps := fault.Steps(); how%4 == 0 {
		c.fault = steps[how/4%len(steps)]
	}

	if how%3 == 0 {
		c.veto = 1 + how/3%4
	}

	for i, r := range m.domains {
		if c.everywhere && r.attached || !c.everywhere && set>>i&1 != 0 {
			c.on = append(c.on, r)
			targets = append(targets, r.domain)
		}
	}

	if !c.everywhere {
		on = patch.On(targets...)
	} else { // in the order of attaching
		slices.SortFunc(c.on, func(a, b *reference) int {
			all := m.engine.Domains()

			return slices.Index(all, a.domain) - slices.Index(all, b.domain)
		})
	}

	if how%2 == 0 {
		c.mode = patch.Barrier
	}

	on.Mode, on.NoDepends = c.mode, set%7 == 0
	c.noDepends = on.NoDepends
	what := strings.TrimSpace(fmt.Sprintf("%s p%d on %v, %s, fault %q, veto %d", op, p, targets, c.mode, c.fault, c.veto))

	_, err := m.engine.DryRun(m.t.Context(), op, m.patches[p], on)
	m.fails(err, m.wouldFail(c), "dry run: "+what)

	ctx, cancel := context.WithCancel(m.t.Context())
	defer cancel()

	ctx = fault.With(ctx, func(step string) error {
		if (step == fault.Swapped || step == fault.Gated) && c.busy() != nil {
			cancel() // there would be no end to the wait
		}

		if step == c.fault {
			return errInjected
		}

		return nil
	})

	m.veto, m.way = c.veto, how%5

	switch op {
	case patch.OpApply:
		_, err = m.engine.Apply(ctx, m.patches[p], on)
	case patch.OpReplace:
		_, err = m.engine.Replace(ctx, m.patches[p], on)
	default:
		_, err = m.engine.Revert(ctx, m.patches[p], on)
	}

	m.fails(err, m.bring(c), what)

	var late *patch.TimeoutError
	if errors.As(err, &late) {
		require.Equal(m.t, c.busy().domain.Name()+" worker", late.Domain+" "+late.Worker)
	}
}

func TestModel(t *testing.T) {
	for _, seed := range []uint64{1, *modelSeed} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Logf("repeat with -model.seed=%d", seed)

			r := rand.New(rand.NewPCG(seed, 2))

			for range flips(400) {
				program := make([]byte, 300)
				for i := range program {
					program[i] = byte(r.Uint32())
				}

				newPlay(t, program).run()
			}
		})
	}
}

// modelSeed is another one each time, and is logged.
var modelSeed = flag.Uint64("model.seed", rand.Uint64(), "seed of the second run of TestModel")

// FuzzModel is best run with -fuzzminimizetime=1x: goroutines make its coverage differ from
// run to run, and the fuzzer tries to make inputs smaller that are none of it.
func FuzzModel(f *testing.F) {
	for seed := range uint64(4) {
		program := make([]byte, 200)
		for i, r := 0, rand.New(rand.NewPCG(seed, 3)); i < len(program); i++ {
			program[i] = byte(r.Uint32())
		}

		f.Add(program)
	}

	f.Fuzz(func(t *testing.T, program []byte) { newPlay(t, program).run() })
}
