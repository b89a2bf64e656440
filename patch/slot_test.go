package patch_test

import (
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

func TestNewSlot_mistakes(t *testing.T) {
	t.Run("panics", func(t *testing.T) {
		for name, tc := range map[string]struct {
			declare func()
			want    string
		}{
			"no name":     {func() { patch.NewSlot("", func() {}) }, "patch: slot without a name"},
			"taken":       {func() { patch.NewSlot(alpha.Name(), func() {}) }, "patch: slot patch_test/alpha is declared twice"},
			"space":       {func() { patch.NewSlot("a b", func() {}) }, `patch: slot "a b": its name has a space, or what can't be printed`},
			"newline":     {func() { patch.NewSlot("a\nb", func() {}) }, `patch: slot "a\nb": its name has a space, or what can't be printed`},
			"not UTF-8":   {func() { patch.NewSlot("a\xff", func() {}) }, `patch: slot "a\xff": its name has a space, or what can't be printed`},
			"no function": {func() { patch.NewSlot("x", 42) }, "patch: slot x: not a function type but int"},
			"nil":         {func() { patch.NewSlot[func()]("x", nil) }, "patch: slot x: nil function"},

			// A value of an interface type is two words: read as a function it would be
			// a pointer to nowhere.
			"interface with a function": {
				func() { patch.NewSlot("x", any(func() {})) },
				"patch: slot x: not a function type but interface {}",
			},
		} {
			t.Run(name, func(t *testing.T) { require.PanicsWithValue(t, tc.want, tc.declare) })
		}
	})

	for _, s := range patch.Slots() {
		require.NotEqual(t, "x", s.Name, "a slot that panicked is not declared")
	}
}

func TestSlots_lists(t *testing.T) {
	all := patch.Slots()

	require.True(t, slices.IsSortedFunc(all, func(a, b patch.Info) int { return strings.Compare(a.Name, b.Name) }))
	require.Contains(t, all, patch.Info{
		Name: "patch_test/adder.add",
		Type: "func(*patch_test.adder, int)",
		Impl: "github.com/vgraft/vgraft/patch_test.(*adder).add",
	})

	i := slices.IndexFunc(all, func(s patch.Info) bool { return s.Name == alpha.Name() })
	require.Equal(t, "func() string", all[i].Type)

	all[i].Name = "mine" // the list is the caller's

	require.False(t, slices.ContainsFunc(patch.Slots(), func(s patch.Info) bool { return s.Name == "mine" }))
}

func TestSlot_zeroSectionIsDeclared(t *testing.T) {
	require.Equal(t, "alpha", alpha.In(patch.Section{})())
}

func TestSlot_getReadsDefaultDomain(t *testing.T) {
	d := patch.NewDomain("other")
	p, q := fix(t, "p", alpha), fix(t, "q", alpha)

	apply(t, q, d)
	require.Equal(t, "alpha", alpha.Get()())

	apply(t, p, patch.Default())
	require.Equal(t, "alpha/p", alpha.Get()())
	require.Equal(t, "beta", beta.Get()())
	require.Equal(t, "alpha/q beta gamma", answers(d))

	revert(t, p, patch.Default())
	require.Equal(t, "alpha", alpha.Get()())
	require.Equal(t, "alpha/q beta gamma", answers(d))
}

func TestSlot_declaredIsWrapped(t *testing.T) {
	d := patch.NewDomain("d")

	p, err := patch.New("wrap", patch.Func(alpha, func() string { return "<" + alpha.Declared()() + ">" }))
	require.NoError(t, err)
	apply(t, p, d)
	require.Equal(t, "<alpha> beta gamma", answers(d))
	require.Equal(t, "alpha", alpha.Declared()())
}

// A slot that is declared after a view was made is past the end of that view's table.
func TestSlot_declaredLate(t *testing.T) {
	d := patch.NewDomain("d")
	first := fix(t, "first", alpha)
	apply(t, first, d)

	w := d.NewWorker("w")
	defer w.Close()

	sec := w.Enter()
	late := patch.NewSlot(uniqueName(t), says("late"))

	require.Equal(t, "late", late.In(sec)())
	w.Leave()

	second := fix(t, "second", late)
	apply(t, second, d)

	sec = w.Enter()
	require.Equal(t, "late/second", late.In(sec)())
	require.Equal(t, "alpha/first", alpha.In(sec)())
	w.Leave()

	revert(t, second, d)

	sec = w.Enter()
	require.Equal(t, "late", late.In(sec)())
	w.Leave()
}

// number has methods of every kind a function value can be made of.
type number int

func (n number) plus(m int) int   { return int(n) + m }
func (n *number) times(m int) int { return int(*n) * m }

func generic[T ~int](m T) int { return int(m) * 7 }

type binary func(int) int

func TestSlot_functionsOfEveryKind(t *testing.T) {
	slot := patch.NewSlot(uniqueName(t), func(m int) int { return m })
	named := patch.NewSlot(uniqueName(t), binary(func(m int) int { return m }))
	empty := patch.NewSlot(uniqueName(t), func() {})
	n, captured := number(3), 100

	for name, tc := range map[string]struct {
		fn   func(int) int
		want int
	}{
		"literal":              {func(m int) int { return m + 1 }, 5},
		"closure":              {func(m int) int { return m + captured }, 104},
		"method value":         {n.plus, 7},
		"pointer method value": {n.times, 12},
		"method expression":    {func(m int) int { return number.plus(5, m) }, 9},
		"instantiated":         {generic[int], 28},
		"of a named type":      {binary(func(m int) int { return -m }), -4},
		"of another slot":      {slot.Declared(), 4},
	} {
		t.Run(name, func(t *testing.T) {
			d := patch.NewDomain("d")

			p, err := patch.New("p", patch.Func(slot, tc.fn), patch.Func(named, binary(tc.fn)), patch.Func(empty, func() {}))
			require.NoError(t, err)
			require.Equal(t, []string{slot.Name(), named.Name(), empty.Name()}, p.Slots())

			apply(t, p, d)

			w := d.NewWorker("w")
			defer w.Close()

			sec := w.Enter()
			defer w.Leave()

			require.Equal(t, tc.want, slot.In(sec)(4))
			require.Equal(t, tc.want, named.In(sec)(4))
			empty.In(sec)()
		})
	}
}

// The only pointer to a bound closure may be the word in the view.
func TestSlot_closuresSurviveGC(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))

	slot := patch.NewSlot(uniqueName(t), func(i int) byte { return 0 })
	d := patch.NewDomain("d")
	freed := make(chan struct{})

	stop := make(chan struct{})

	var storm sync.WaitGroup

	storm.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})

	defer storm.Wait()
	defer close(stop)

	undo := applyClosure(t, slot, d, freed)
	w := d.NewWorker("w")

	defer w.Close()

	for range 300 {
		sec := w.Enter()

		for i := range 4 {
			require.Equal(t, byte(i+1), slot.In(sec)(i<<12))
		}

		w.Leave()
		litter()
	}

	select {
	case <-freed:
		t.Fatal("freed while it was bound")
	default:
	}

	undo()

	undo = nil

	<-freed // and when it is reverted and forgotten, nothing keeps it
}

//go:noinline
func applyClosure(t *testing.T, slot *patch.Slot[func(int) byte], d *patch.Domain, freed chan struct{}) (undo func()) {
	data := make([]byte, 4<<12)
	for i := range data {
		data[i] = byte(i>>12 + 1)
	}

	runtime.AddCleanup(&data[0], func(struct{}) { close(freed) }, struct{}{})

	p, err := patch.New("closure", patch.Func(slot, func(i int) byte { return data[i] }))
	require.NoError(t, err)
	apply(t, p, d)

	return func() { revert(t, p, d) }
}

// litter reuses memory that was freed too early, if any was.
//
//go:noinline
func litter() {
	for range 16 {
		b := make([]byte, 4<<12)
		for i := range b {
			b[i] = 0xff
		}

		runtime.KeepAlive(b)
	}
}

func TestSlot_noAllocations(t *testing.T) {
	a := &adder{}
	d := patch.NewDomain("d")

	w := d.NewWorker("w")
	defer w.Close()

	call := func() {
		sec := w.Enter()
		addSlot.In(sec)(a, 1)
		w.Leave()
		addSlot.Get()(a, 1)
	}

	require.Zero(t, testing.AllocsPerRun(1000, call), "never patched")

	p, err := patch.New("p", patch.Func(addSlot, (*adder).addFixed))
	require.NoError(t, err)
	apply(t, p, d, patch.Default())
	require.Zero(t, testing.AllocsPerRun(1000, call), "patched")
	revert(t, p, d, patch.Default())
	require.Zero(t, testing.AllocsPerRun(1000, call), "reverted")
}
