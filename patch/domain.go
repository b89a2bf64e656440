package patch

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Domain is a set of workers that see the same bindings. Make one with NewDomain, or
// use Default: the zero Domain has no place in the order in which transitions lock.
// All methods may be called from any goroutine.
type Domain struct {
	view atomic.Pointer[view] // what sections take when they begin
	name string
	id   uint64 // order of making; 0 for the default domain

	transition lock // held by the one Apply or Revert that is under way

	mu      sync.Mutex // guards what follows
	applied []*Patch   // bottom first
	workers []*Worker
}

// NewDomain makes a domain in which every slot has its declared implementation. The
// name appears in reports and errors.
func NewDomain(name string) *Domain {
	return &Domain{name: name, id: domains.Add(1)}
}

// domains counts the domains made, to give each its place in the order of locking.
var domains atomic.Uint64

// Name is the name the domain was made with.
func (d *Domain) Name() string { return d.name }

// Applied lists the patches that are applied to the domain, the oldest first.
func (d *Domain) Applied() []*Patch {
	d.mu.Lock()
	defer d.mu.Unlock()

	return slices.Clone(d.applied)
}

// Generation tells views apart: Apply gives the domain a number that no view had
// before, Revert gives it back the one it had, and 0 is a domain without patches. Equal
// numbers mean equal bindings; a greater one isn't always a later one.
func (d *Domain) Generation() uint64 {
	if v := d.view.Load(); v != nil {
		return v.gen
	}

	return 0
}

// NewWorker registers a worker: a goroutine, or a sequence of them, that runs
// sections one after the other. Close it when it ends.
func (d *Domain) NewWorker(name string) *Worker {
	w := &Worker{domain: d, name: name}

	d.mu.Lock()
	d.workers = append(d.workers, w)
	d.mu.Unlock()

	return w
}

func (d *Domain) snapshot() []*Worker {
	d.mu.Lock()
	defer d.mu.Unlock()

	return slices.Clone(d.workers)
}

// Worker runs sections. Enter and Leave are for one goroutine at a time; the rest may
// be called from any.
type Worker struct {
	// boundaries counts the section boundaries passed, so that its bit inside says
	// what its name says; the bit closed is the worker's end. It has a cache line of
	// its own: each worker writes it all the time.
	_          [64]byte
	boundaries atomic.Uint64
	_          [56]byte

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

// Enter begins a section and takes the domain's view for it. It never waits. What may
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

	return Section{w.domain.view.Load()}
}

// Leave ends the section. Leaving without having entered is a programming error, and
// panics.
func (w *Worker) Leave() {
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
// reason. It is made into text only when needed, so that Enter and Leave stay small
// enough to be inlined.
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

	// A section lasts microseconds: look again soon, and less and less often.
	for looks, nap := 0, 10*time.Microsecond; w.boundaries.Load() == seen; looks++ {
		select {
		case <-done:
			return false
		default:
		}

		if looks < 100 {
			runtime.Gosched()
			continue
		}

		time.Sleep(nap)
		nap = min(2*nap, time.Millisecond)
	}

	return true
}

// lock is a mutex that can be waited for with a deadline. The zero lock is free.
type lock struct {
	once sync.Once
	ch   chan struct{}
}

// acquire takes the lock, unless done comes first, or came before.
func (l *lock) acquire(done <-chan struct{}) bool {
	l.once.Do(func() { l.ch = make(chan struct{}, 1) })

	select {
	case <-done:
		return false
	default:
	}

	select {
	case l.ch <- struct{}{}:
		return true
	case <-done:
		return false
	}
}

func (l *lock) release() { <-l.ch }

// String gives the domain's name, for logs.
func (d *Domain) String() string { return fmt.Sprintf("domain %q", d.name) }
