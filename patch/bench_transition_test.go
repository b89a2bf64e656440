package patch_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// manySlots are declared once, by the first benchmark that needs them.
var manySlots = sync.OnceValue(func() (out []*patch.Slot[func()]) {
	for i := range 1000 {
		out = append(out, patch.NewSlot(fmt.Sprintf("patch_test/many.%d", i), func() {}))
	}

	return out
})

// BenchmarkApplyRevert is one Apply and one Revert, by the number of slots in the patch
// and of workers in the domain. An idle worker is in no section, as a vCPU in KVM_RUN; a
// busy one runs sections all the time, and yields between them. swap-ns/op is the part
// in which the new views are published.
func BenchmarkApplyRevert(b *testing.B) {
	for _, slots := range []int{1, 10, 1000} {
		for _, workers := range []struct {
			n    int
			busy bool
		}{{0, false}, {1, false}, {8, false}, {1, true}, {8, true}} {
			state := "idle"
			if workers.busy {
				state = "busy"
			}

			b.Run(fmt.Sprintf("slots=%d/workers=%d/%s", slots, workers.n, state), func(b *testing.B) {
				benchmarkApplyRevert(b, slots, workers.n, workers.busy)
			})
		}
	}
}

func benchmarkApplyRevert(b *testing.B, slots, workers int, busy bool) {
	var (
		bindings []patch.Binding
		running  sync.WaitGroup
		over     atomic.Bool
		swap     time.Duration
	)

	for _, s := range manySlots()[:slots] {
		bindings = append(bindings, patch.Func(s, func() {}))
	}

	p, err := patch.New("bench", bindings...)
	require.NoError(b, err)

	d := patch.NewDomain("bench")
	e := patch.NewEngine(patch.Options{})
	on := patch.On(d)

	for range workers {
		w := d.NewWorker("w")
		defer w.Close()

		if busy {
			running.Go(func() {
				for !over.Load() {
					sec := w.Enter()
					manySlots()[0].In(sec)()
					w.Leave()
					runtime.Gosched()
				}
			})
		}
	}

	b.ReportAllocs()

	for b.Loop() {
		applied, err := e.Apply(b.Context(), p, on)
		if err != nil {
			b.Fatal(err)
		}

		reverted, err := e.Revert(b.Context(), p, on)
		if err != nil {
			b.Fatal(err)
		}

		swap += applied.Swap + reverted.Swap
	}

	over.Store(true)
	running.Wait()
	b.ReportMetric(float64(swap.Nanoseconds())/float64(b.N), "swap-ns/op")
}
