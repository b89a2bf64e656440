package patch

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Domain is a set of workers that see the same bindings. Make one with NewDomain, or
// use Default: the zero Domain has no place in the order in which transitions lock.
// All methods may be called from any goroutine.
type Domain struct {
	view atomic.Pointer[view] // what sections take when they begin
	name string
	id   uint64 // order of making; 0 for the default domain

	transition lock // held by the one transition that is under way

	mu      sync.Mutex // guards what follows
	applied []*Patch   // bottom first
	workers []*Worker
	data    map[string]any // of the states of the patches applied
	closed  bool
}

// NewDomain makes a domain in which every slot has its declared implementation. The
// name appears in reports and errors, and is what operators call it.
func NewDomain(name string) *Domain {
	return &Domain{name: name, id: domains.Add(1)}
}

// domains counts the domains made, to give each its place in the order of locking.
var domains atomic.Uint64

// Name is the name the domain was made with.
func (d *Domain) Name() string { return d.name }

// String gives the domain's name, for logs.
func (d *Domain) String() string { return fmt.Sprintf("domain %q", d.name) }

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

// Close says that the domain's workers have ended and that there won't be more: engines
// forget the domain, and it takes no more patches. What is applied stays bound. It is
// idempotent, and doesn't wait for a transition that is under way.
func (d *Domain) Close() {
	if d == Default() {
		return // it belongs to the process
	}

	d.mu.Lock()
	d.closed = true
	stack := d.applied
	d.applied = nil
	d.mu.Unlock()

	for _, p := range stack {
		p.life.leave(d)
	}
}

func (d *Domain) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.closed
}

// setStack makes the stack that of the domain. A domain closed meanwhile has none.
func (d *Domain) setStack(stack []*Patch) {
	d.mu.Lock()
	defer d.mu.Unlock()

	for _, p := range d.applied {
		if !slices.Contains(stack, p) {
			p.life.leave(d)
		}
	}

	if d.closed {
		return
	}

	for _, p := range stack {
		p.life.enter(d)
	}

	d.applied = stack
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

// Do runs f in a section, with a worker that has this name and is there for this call
// alone. It is for what happens now and then, on a goroutine that has no worker of its
// own: whoever runs sections often keeps a worker, which costs less.
//
// It must not be called inside a section of the same domain, which Barrier mode would have
// wait for itself: pass that section on instead. Nor may f block.
func (d *Domain) Do(name string, f func(Section)) {
	w := d.NewWorker(name)
	defer w.Close()

	s := w.Enter()
	defer w.Leave()

	f(s)
}
