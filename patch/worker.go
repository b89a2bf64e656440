package patch

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// Worker runs sections. Enter and Leave are for one goroutine at a time; the rest may
// be called from any.
type Worker struct {
	// boundaries counts the section boundaries passed, so that its bit inside says
	// what its name says; the bit closed is the worker's end. It has a cache line of
	// its own: each worker writes it all the time.
	_          [64]byte
	boundaries atomic.Uint64
	slot       int // the last one looked up in this section, for reports; 0 is none
	_          [48]byte

	domain *Domain
	name   string
}

// Name is the name the worker was registered with.
func (w *Worker) Name() string { return w.name }

// The two bits of Worker.boundaries that aren't just a count.
const (
	inside = 1
	closed = 1 << 63
)

// Enter begins a section and takes the domain's view for it. It waits for one thing
// alone: the end of a transition in Barrier mode, and then counts as outside. What may
// panic, or end its goroutine, inside the section needs a deferred Leave: a section that
// is never left makes every later transition of the domain time out, and the worker's
// next Enter panic.
//
// Entering a section inside a section and entering after Close are programming errors,
// and panic; the section under way goes on as it was. Two goroutines that use one worker
// at once panic too, where they are caught at it.
func (w *Worker) Enter() Section {
	// The order matters: the worker says that it is inside before it loads the view, so
	// that a transition which published a new view and then finds the worker outside
	// knows that it will load the new one. Go's atomics are sequentially consistent,
	// which is just what this needs.
	n := w.boundaries.Load()
	if n&(closed|inside) != 0 || w.boundaries.Add(1) != n+1 {
		panic(misuse{w, "Enter", n})
	}

	v := w.domain.view.Load()
	if v != nil && v.gate != nil {
		v = w.wait(v.gate)
	}

	return Section{v, w}
}

// wait leaves the section that Enter has just begun, waits at the gate, and begins it
// anew.
func (w *Worker) wait(g *gate) *view {
	for {
		w.Leave()
		g.pass()

		n := w.boundaries.Load()
		if n&(closed|inside) != 0 || w.boundaries.Add(1) != n+1 {
			panic(misuse{w, "Enter", n})
		}

		v := w.domain.view.Load()
		if v == nil || v.gate == nil {
			return v
		}

		g = v.gate
	}
}

// Leave ends the section. Leaving without having entered is a programming error, and
// panics.
func (w *Worker) Leave() {
	w.slot = 0

	n := w.boundaries.Load()
	if n&(closed|inside) != inside || w.boundaries.Add(1) != n+1 {
		panic(misuse{w, "Leave", n})
	}
}

// Close takes the worker out of its domain: no transition waits for it any more, and
// Enter panics. It is idempotent. Closing inside a section is a programming error and
// panics, since a transition would then end while that section still runs.
func (w *Worker) Close() {
	for {
		n := w.boundaries.Load()
		if n&closed != 0 {
			return
		}

		if n&inside != 0 {
			panic(misuse{w, "Close", n})
		}

		if w.boundaries.CompareAndSwap(n, n|closed) {
			break
		}
	}

	d := w.domain

	d.mu.Lock()
	defer d.mu.Unlock()

	if i := slices.Index(d.workers, w); i >= 0 {
		d.workers = slices.Delete(d.workers, i, i+1)
	}
}

// misuse is what a worker panics with: the boundaries that the method found tell the
// reason. It is made into text only when needed, so that Leave stays small enough to be
// inlined, and Enter short.
type misuse struct {
	w      *Worker
	method string
	found  uint64
}

func (m misuse) Error() string {
	why := "outside a section"

	switch busy := m.found&inside != 0; {
	case m.found&closed != 0:
		why = "after Close"
	case busy == (m.method == "Leave"): // as it should be, and then another wrote it
		why = "by two goroutines at once"
	case busy:
		why = "inside a section"
	}

	return fmt.Sprintf("patch: %s of worker %q of domain %q %s", m.method, m.w.name, m.w.domain.name, why)
}

// passed waits until the worker has passed a section boundary since its count was seen,
// or was outside any section then. done ends the wait early.
func (w *Worker) passed(seen uint64, done <-chan struct{}) bool {
	if seen&(closed|inside) != inside {
		return true
	}

	// Often at first, and then less and less often: see spins.
	for looks, nap := 0, 10*time.Microsecond; w.boundaries.Load() == seen; looks++ {
		select {
		case <-done:
			return false
		default:
		}

		if looks < spins {
			runtime.Gosched()
			continue
		}

		time.Sleep(nap)
		nap = min(2*nap, time.Millisecond)
	}

	return true
}

// lastSlot is the slot that the worker looked up last in its section. Nothing orders it
// with the worker's own writes, which are on the way of every call and therefore plain:
// it may be late, and serves to tell people where to look.
//
//go:norace
func (w *Worker) lastSlot() int { return w.slot }
