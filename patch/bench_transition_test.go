package patch_test

import (
	"context"
	"flag"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"strings"
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

var samplesFile = flag.String("bench.samples", "", "append the distributions that BenchmarkApplyRevert measures to this file, for internal/cmd/plot")

// BenchmarkApplyRevert is one Apply and one Revert, by the mode, the number of slots in the
// patch, and of workers in the domain. An idle worker is in no section, as a vCPU in
// KVM_RUN; a busy one runs sections all the time, and yields between them.
//
//   - p50-ns, p99-ns, max-ns: one transition, as its caller sees it
//   - swap-ns/op: the part of Apply and Revert in which the new views are published
//   - enter-p50-ns and so on: what a busy worker spends in Enter while transitions run,
//     which is where Barrier mode has it wait
//   - still-p99-ns: the same while none does; what is more is what transitions add, and
//     what the scheduler adds, which takes a worker off its processor at any place
func BenchmarkApplyRevert(b *testing.B) {
	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		for _, slots := range []int{1, 10, 1000} {
			for _, workers := range []int{1, 8, 64} {
				for _, state := range []string{"idle", "busy"} {
					b.Run(fmt.Sprintf("%s/slots=%d/workers=%d/%s", mode, slots, workers, state), func(b *testing.B) {
						benchmarkApplyRevert(b, mode, slots, workers, state == "busy")
					})
				}
			}
		}
	}
}

func benchmarkApplyRevert(b *testing.B, mode patch.Mode, slots, workers int, busy bool) {
	var (
		bindings []patch.Binding
		swap     time.Duration
		took     distribution
		d        = patch.NewDomain("bench")
		e        = patch.NewEngine(patch.Options{})
		on       = patch.On(d)
		load     = newLoad(d, workers, busy)
	)

	for _, s := range manySlots()[:slots] {
		bindings = append(bindings, patch.Func(s, func() {}))
	}

	p, err := patch.New("bench", bindings...)
	require.NoError(b, err)
	require.NoError(b, e.Load(b.Context(), p))

	on.Mode = mode

	defer load.end()

	still := load.measure(func() { load.wait(200) })

	b.ReportAllocs()

	enter := load.measure(func() {
		for b.Loop() {
			for _, do := range []func(context.Context, *patch.Patch, patch.Target) (patch.Report, error){e.Apply, e.Revert} {
				r, err := do(b.Context(), p, on)
				if err != nil {
					b.Fatal(err)
				}

				swap += r.Swap
				took.add(r.Took)
			}
		}
	})

	b.ReportMetric(float64(swap.Nanoseconds())/float64(b.N), "swap-ns/op")
	took.report(b, "")

	if busy {
		enter.report(b, "enter-")
		b.ReportMetric(still.quantile(0.99), "still-p99-ns")
	}

	save(b, "transition", took)
	save(b, "enter", enter)
	save(b, "enter, no transition", still)
}

// load is the workers of a benchmark.
type load struct {
	workers []*patch.Worker
	busy    bool
	over    atomic.Bool
	rounds  atomic.Int64 // sections of all
	running sync.WaitGroup
	phase   atomic.Int64     // which of its distributions a worker adds to
	seen    []atomic.Int64   // by worker: the phase it is in
	enter   [][]distribution // by worker and phase: before, measured, after
}

func newLoad(d *patch.Domain, workers int, busy bool) *load {
	l := &load{busy: busy, seen: make([]atomic.Int64, workers), enter: make([][]distribution, workers)}

	for i := range workers {
		w := d.NewWorker(fmt.Sprint("w", i))
		l.workers = append(l.workers, w)
		l.enter[i] = make([]distribution, 3)

		if busy {
			l.running.Go(func() { l.run(w, &l.seen[i], l.enter[i]) })
		}
	}

	return l
}

func (l *load) run(w *patch.Worker, seen *atomic.Int64, enter []distribution) {
	for !l.over.Load() {
		phase := l.phase.Load()
		seen.Store(phase)

		start := time.Now()
		sec := w.Enter()
		took := time.Since(start)

		manySlots()[0].In(sec)()
		w.Leave()

		enter[phase].add(took)
		l.rounds.Add(1)
		runtime.Gosched()
	}
}

// measure runs f, and gives what busy workers spent in Enter meanwhile.
func (l *load) measure(f func()) (all distribution) {
	if !l.busy {
		f()
		return all
	}

	l.phase.Store(1)
	f()
	l.phase.Store(2)

	for i, d := range l.enter {
		for l.seen[i].Load() != 2 { // it may be about to add one more
			runtime.Gosched()
		}

		all.merge(&d[1])
		d[1] = distribution{}
	}

	return all
}

// wait waits until the busy workers have had so many sections each, on average.
func (l *load) wait(each int64) {
	for until := l.rounds.Load() + each*int64(len(l.workers)); l.busy && l.rounds.Load() < until; {
		runtime.Gosched()
	}
}

func (l *load) end() {
	l.over.Store(true)
	l.running.Wait()

	for _, w := range l.workers {
		w.Close()
	}
}

// distribution counts durations in buckets that are an eighth of a power of two wide. The
// zero distribution is empty.
type distribution struct {
	counts [64 * 8]int64
	n      int64
	max    time.Duration
}

func (d *distribution) add(t time.Duration) {
	d.counts[bucketOf(t)]++
	d.n++
	d.max = max(d.max, t)
}

func (d *distribution) merge(o *distribution) {
	for i, c := range o.counts {
		d.counts[i] += c
	}

	d.n += o.n
	d.max = max(d.max, o.max)
}

func bucketOf(t time.Duration) int {
	if t < 8 {
		return int(max(t, 0))
	}

	exp := bits.Len64(uint64(t)) - 4 // the three bits below the highest tell eighths

	return exp*8 + int(t>>exp)
}

// bound is the greatest duration of a bucket.
func bound(bucket int) float64 {
	if bucket < 16 {
		return float64(bucket)
	}

	exp := bucket/8 - 1

	return float64((int64(bucket%8+8)+1)<<exp - 1)
}

func (d *distribution) quantile(q float64) float64 {
	left := int64(q * float64(d.n))

	for i, c := range d.counts {
		if left -= c; left < 0 {
			return min(bound(i), float64(d.max))
		}
	}

	return float64(d.max)
}

func (d *distribution) report(b *testing.B, prefix string) {
	b.ReportMetric(d.quantile(0.5), prefix+"p50-ns")
	b.ReportMetric(d.quantile(0.99), prefix+"p99-ns")
	b.ReportMetric(float64(d.max), prefix+"max-ns")
}

// save appends the distribution to the file that the flag names: a line for each bucket,
// with the series, the bucket's bound and its count.
func save(b *testing.B, what string, d distribution) {
	if *samplesFile == "" || d.n == 0 {
		return
	}

	f, err := os.OpenFile(*samplesFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(b, err)

	defer f.Close()

	for i, c := range d.counts {
		if c > 0 {
			_, err = fmt.Fprintf(f, "%s: %s\t%.0f\t%d\n", strings.TrimPrefix(b.Name(), "BenchmarkApplyRevert/"), what, min(bound(i), float64(d.max)), c)
			require.NoError(b, err)
		}
	}
}

// The buckets cover every duration, in order, and are no wider than an eighth.
func TestDistribution(t *testing.T) {
	for i := range 60 * 8 {
		require.LessOrEqual(t, bound(max(i, 1)-1), bound(i))
	}

	for _, v := range []time.Duration{0, 1, 7, 8, 9, 15, 16, 17, 100, 1000, 4097, time.Second, time.Hour} {
		upper := bound(bucketOf(v))

		require.LessOrEqual(t, float64(v), upper)
		require.LessOrEqual(t, upper, float64(v)*1.125+1)
	}

	var d distribution
	for i := range 1000 {
		d.add(time.Duration(i) * time.Microsecond)
	}

	require.InDelta(t, 500_000, d.quantile(0.5), 70_000)
	require.InDelta(t, 990_000, d.quantile(0.99), 70_000)
	require.Equal(t, 999*time.Microsecond, d.max)
}
