package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// What stall_ns means. The device notes the host's time of each access of each vCPU. A
// guest that is held up is one whose next access comes late. So for each flip, and for
// each vCPU, the gap is taken between the last access before the instant at which
// Apply (or Revert) was called and the first one after it. The control, a moment later
// and measured by the same function, is the same call for another domain, one that the
// guest's vCPUs don't belong to: it costs this host's few processors the same work, and
// concerns the guest in no way. The difference of the medians is what the guest loses by
// being the one that is patched. A negative difference is noise, and becomes 0.

// accesses are the times of the last ones, newest at count-1.
type accesses struct {
	count atomic.Uint64
	times [1 << 14]atomic.Int64
}

var epoch = time.Now()

func now() int64 { return int64(time.Since(epoch)) }

// note is called by one vCPU. A hostile guest that has two use one FIFO falsifies
// the measurement, and nothing else.
func (a *accesses) note() {
	n := a.count.Load()
	a.times[n%uint64(len(a.times))].Store(now())
	a.count.Store(n + 1)
}

// gapAt is the gap between the accesses around the instant. It is 0 if the second one
// is still to come; later is whether it has come.
func (a *accesses) gapAt(instant int64) (gap int64, later bool) {
	n := a.count.Load()
	next := int64(0)

	// Half of the table: the vCPU writes on.
	for i := range min(n, uint64(len(a.times)/2)) {
		t := a.times[(n-1-i)%uint64(len(a.times))].Load()
		if t <= instant {
			if next == 0 {
				return 0, false
			}

			return next - t, true
		}

		next = t
	}

	return 0, next != 0 // before the first access, or too long ago
}

// longest is the longest time that passed between two accesses, of those in which a part of
// the interval lies. It is 0 if the last one is still to come; later is whether it has come.
func (a *accesses) longest(from, to int64) (gap int64, later bool) {
	n := a.count.Load()
	next := int64(0)

	for i := range min(n, uint64(len(a.times)/2)) {
		t := a.times[(n-1-i)%uint64(len(a.times))].Load()

		switch {
		case next == 0 && t <= to:
			return 0, false
		case t < to:
			gap = max(gap, next-t)
		}

		if t <= from {
			break
		}

		next = t
	}

	return gap, next != 0
}

// longest is that of all vCPUs. It waits for the next access of each.
func (d fifos) longest(ctx context.Context, from, to int64) (longest int64, err error) {
	for _, f := range d {
		gap, later := f.accesses.longest(from, to)
		for ; !later; gap, later = f.accesses.longest(from, to) {
			if err := sleep(ctx, 20*time.Microsecond); err != nil {
				return 0, err
			}
		}

		longest = max(longest, gap)
	}

	return longest, nil
}

// samples are durations in nanoseconds.
type samples []int64

// quantile is 0 if there are none.
func (s samples) quantile(q float64) int64 {
	if len(s) == 0 {
		return 0
	}

	sorted := slices.Clone(s)
	slices.Sort(sorted)

	return sorted[int(q*float64(len(sorted)-1))]
}

// around does something at an instant, and appends for each vCPU the gap that contains
// the instant. It waits for no vCPU before, and for the next access of each after.
func (d fifos) around(ctx context.Context, to *samples, do func() error) error {
	if err := sleep(ctx, 100*time.Microsecond+rand.N(100*time.Microsecond)); err != nil {
		return err
	}

	instant := now()
	if err := do(); err != nil {
		return err
	}

	for _, f := range d {
		gap, later := f.accesses.gapAt(instant)
		for ; !later; gap, later = f.accesses.gapAt(instant) {
			if err := sleep(ctx, 20*time.Microsecond); err != nil {
				return err
			}
		}

		if gap > 0 {
			*to = append(*to, gap)
		}
	}

	return nil
}
