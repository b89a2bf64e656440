package patch_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// BenchmarkLatency is what a transition adds to the work of two workers that never rest,
// with handlers of 1 µs: for each transition the longest that either of them spent in an
// Enter that overlaps it. none has the same goroutine do as much that is no transition, and
// so shows what the machine adds by itself, with three goroutines on its processors.
func BenchmarkLatency(b *testing.B) {
	b.Run("none", func(b *testing.B) { benchmarkLatency(b, false, patch.PerSection) })
	b.Run("per-section", func(b *testing.B) { benchmarkLatency(b, true, patch.PerSection) })
	b.Run("barrier", func(b *testing.B) { benchmarkLatency(b, true, patch.Barrier) })
}

// rested is a busy worker's longest Enter during the transition, and how many sections it
// did.
type rested struct {
	longest, rounds atomic.Int64
	_               [48]byte
}

func benchmarkLatency(b *testing.B, transitions bool, mode patch.Mode) {
	const handler = time.Microsecond

	var (
		d       = patch.NewDomain("bench")
		e       = patch.NewEngine(patch.Options{})
		on      = patch.On(d)
		workers [2]rested
		during  atomic.Bool // a transition is under way
		over    atomic.Bool
		running sync.WaitGroup
		all     distribution
	)

	on.Mode = mode

	p, err := patch.New("bench", patch.Func(manySlots()[0], func() {}))
	require.NoError(b, err)
	require.NoError(b, e.Load(b.Context(), p))

	for i := range workers {
		running.Go(func() {
			w := d.NewWorker("busy")
			defer w.Close()

			for r := &workers[i]; !over.Load(); r.rounds.Add(1) {
				before := during.Load()
				start := time.Now()
				sec := w.Enter()
				entered := time.Now()

				manySlots()[0].In(sec)()

				for time.Since(entered) < handler {
				}

				w.Leave()

				if took := int64(entered.Sub(start)); (before || during.Load()) && took > r.longest.Load() {
					r.longest.Store(took)
				}
			}
		})
	}

	defer running.Wait()
	defer over.Store(true)

	op := e.Apply

	for b.Loop() {
		time.Sleep(200 * time.Microsecond)

		for i := range workers {
			workers[i].longest.Store(0)
		}

		during.Store(true)

		if transitions {
			if _, err := op(b.Context(), p, on); err != nil {
				b.Fatal(err)
			}

			if op = e.Apply; len(d.Applied()) > 0 {
				op = e.Revert
			}
		} else {
			for i := range workers { // as a transition does
				for until := workers[i].rounds.Load() + 1; workers[i].rounds.Load() < until; {
					runtime.Gosched()
				}
			}
		}

		during.Store(false)

		// An Enter that has begun meanwhile may still be under way. Not asked for again and
		// again: there are no more processors than workers.
		for i := range workers {
			for until := workers[i].rounds.Load() + 1; workers[i].rounds.Load() < until; {
				time.Sleep(200 * time.Microsecond)
			}
		}

		all.add(time.Duration(max(workers[0].longest.Load(), workers[1].longest.Load())))
	}

	b.ReportMetric(0, "ns/op") // the time of the waits
	all.report(b, "")
	save(b, "longest Enter around a transition", all)
}
