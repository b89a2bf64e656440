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
// use Default. All methods may be called from any goroutine.
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

// Generation tells views apart: it changes with every Apply and Revert, and is 0
// while the domain has its first view.
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
	// boundaries counts the section boundaries passed; it is odd inside a section.
	// It has a cache line of its own: each worker writes it all the time.
	_          [64]byte
	boundaries atomic.Uint64
	_          [56]byte

	domain *Domain
	name   string
}

// Name is the name the worker was registered with.
func (w *Worker) Name() string { return w.name }

// Enter begins a section and takes the domain's view for it. It never waits. Entering
// twice without leaving is a programming error, and panics.
//
// The order matters: the worker says that it is inside before it loads the view, so
// that a transition which published a new view and then finds the worker outside
// knows that it will load the new one. Go's atomics are sequentially consistent,
// which is just what this needs.
func (w *Worker) Enter() Section {
	if w.boundaries.Add(1)&1 == 0 {
		panic("patch: worker " + w.name + " enters a section inside a section")
	}

	return Section{w.domain.view.Load()}
}

// Leave ends the section.
func (w *Worker) Leave() {
	if w.boundaries.Add(1)&1 != 0 {
		panic("patch: worker " + w.name + " leaves a section it isn't in")
	}
}

// Close takes the worker out of its domain. It must not be inside a section. Close is
// idempotent.
func (w *Worker) Close() {
	d := w.domain

	d.mu.Lock()
	defer d.mu.Unlock()

	if i := slices.Index(d.workers, w); i >= 0 {
		d.workers = slices.Delete(d.workers, i, i+1)
	}
}

// passed waits until the worker has passed a section boundary since the call, or is
// outside any section, and says how long that took. done ends the wait early.
func (w *Worker) passed(done <-chan struct{}) (time.Duration, bool) {
	seen := w.boundaries.Load()
	if seen&1 == 0 {
		return 0, true
	}

	// A section lasts microseconds: look again soon, and less and less often.
	start := time.Now()
	for nap := time.Duration(0); ; {
		if w.boundaries.Load() != seen {
			return time.Since(start), true
		}

		select {
		case <-done:
			return time.Since(start), false
		default:
		}

		switch {
		case nap > 0:
			time.Sleep(nap)
			nap = min(2*nap, time.Millisecond)
		case time.Since(start) > 20*time.Microsecond:
			nap = 10 * time.Microsecond
		default:
			runtime.Gosched()
		}
	}
}

// lock is a mutex that can be waited for with a deadline. The zero lock is free.
type lock struct {
	once sync.Once
	ch   chan struct{}
}

func (l *lock) acquire(done <-chan struct{}) bool {
	l.once.Do(func() { l.ch = make(chan struct{}, 1) })

	select {
	case l.ch <- struct{}{}:
		return true
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
