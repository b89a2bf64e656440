package patch_test

import (
	"testing"

	"github.com/vgraft/vgraft/patch"
)

type adder struct{ n int }

//go:noinline
func (a *adder) add(x int) { a.n += x }

func (a *adder) addFixed(x int) { a.n += x }

type adderI interface{ add(x int) }

var addSlot = patch.NewSlot("patch_test/adder.add", (*adder).add)

// BenchmarkCall puts the call through a slot beside a direct call that can't be
// inlined, a call through a function variable, and one through an interface.
func BenchmarkCall(b *testing.B) {
	a := &adder{}

	b.Run("direct", func(b *testing.B) {
		for b.Loop() {
			a.add(1)
		}
	})

	b.Run("interface", func(b *testing.B) {
		var i adderI = a
		for b.Loop() {
			i.add(1)
		}
	})

	d := patch.NewDomain("bench")
	w := d.NewWorker("bench")

	defer w.Close()

	b.Run("slot", func(b *testing.B) {
		s := w.Enter()
		defer w.Leave()

		for b.Loop() {
			addSlot.In(s)(a, 1)
		}
	})

	b.Run("slot-get", func(b *testing.B) {
		for b.Loop() {
			addSlot.Get()(a, 1)
		}
	})

	b.Run("section", func(b *testing.B) {
		for b.Loop() {
			w.Enter()
			w.Leave()
		}
	})

	p, err := patch.New("bench", patch.Func(addSlot, (*adder).addFixed))
	if err != nil {
		b.Fatal(err)
	}

	e := patch.NewEngine(patch.Options{})

	if _, err := e.Apply(b.Context(), p, patch.On(d)); err != nil {
		b.Fatal(err)
	}

	b.Run("slot-patched", func(b *testing.B) {
		s := w.Enter()
		defer w.Leave()

		for b.Loop() {
			addSlot.In(s)(a, 1)
		}
	})
}
