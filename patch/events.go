package patch

import (
	"context"
	"sync"
	"time"
)

// EventKind is what happened.
type EventKind string

// The kinds of events.
const (
	EventLoaded   EventKind = "loaded"
	EventUnloaded EventKind = "unloaded"
	EventApplied  EventKind = "applied"
	EventReverted EventKind = "reverted"
	EventReplaced EventKind = "replaced"
	EventFailed   EventKind = "failed" // an operation, with its Report and Err; nothing was changed
	EventRevoked  EventKind = "revoked"
)

// Event is something that an engine has done, or failed to do. Dry runs are none.
type Event struct {
	Kind  EventKind
	Time  time.Time
	Patch string // its name; empty where it isn't known
	ID    ID
	Key   KeyID // that was revoked

	// Report is that of the operation. For loading and unloading it has Op, Patch, ID,
	// Mapped and Took.
	Report Report
	Err    error

	// Lost is how many events before this one the receiver has lost, since it was told so
	// last.
	Lost int
}

// eventBuffer is how many events wait for a receiver that is busy.
const eventBuffer = 256

// Events gives what the engine does from now on, in the order in which it happened to each
// domain. A receiver that falls behind loses the oldest events and is told how many: the
// engine waits for nobody. stop ends it and closes the channel; it is idempotent. Both may
// be used by any goroutine.
func (e *Engine) Events() (events <-chan Event, stop func()) {
	w := &watcher{ch: make(chan Event, eventBuffer)}

	e.watch.mu.Lock()
	defer e.watch.mu.Unlock()

	if e.watch.all == nil {
		e.watch.all = map[*watcher]bool{}
	}

	e.watch.all[w] = true

	return w.ch, func() {
		e.watch.mu.Lock()
		defer e.watch.mu.Unlock()

		if e.watch.all[w] {
			delete(e.watch.all, w)
			close(w.ch)
		}
	}
}

// watch is everybody who watches an engine, and what it counts.
type watch struct {
	mu    sync.Mutex // guards what follows, and is held by the one who sends
	all   map[*watcher]bool
	lost  int
	count map[count]*Operation
}

type watcher struct {
	ch   chan Event
	lost int // not told yet
}

// send never blocks: nobody else sends, so where one event was taken there is room.
func (w *watcher) send(ev Event) (lost int) {
	if len(w.ch) == cap(w.ch) {
		select {
		case old := <-w.ch:
			lost = 1
			w.lost += 1 + old.Lost
		default: // the receiver came first
		}
	}

	ev.Lost, w.lost = w.lost, 0
	w.ch <- ev

	return lost
}

func (e *Engine) emit(ev Event) {
	ev.Time = time.Now()

	e.watch.mu.Lock()
	defer e.watch.mu.Unlock()

	for w := range e.watch.all {
		e.watch.lost += w.send(ev)
	}
}

// kinds is what an operation is called that went well.
var kinds = map[Op]EventKind{
	OpUpload: EventLoaded, OpUnload: EventUnloaded,
	OpApply: EventApplied, OpRevert: EventReverted, OpReplace: EventReplaced,
}

// tell counts an operation and tells those who watch.
func (e *Engine) tell(r Report, err error) {
	if r.DryRun {
		return
	}

	e.tally(r, err)

	ev := Event{Kind: kinds[r.Op], Patch: r.Patch, ID: r.ID, Report: r, Err: err}
	if err != nil || ev.Kind == "" {
		ev.Kind = EventFailed
	}

	e.emit(ev)
}

// teller is a function that tells of a transition as it stands when it is called first.
func (e *Engine) teller(start time.Time, r *Report, err *error) func() {
	return sync.OnceFunc(func() {
		r.Took = time.Since(start)
		e.tell(*r, *err)
	})
}

// tellOf is tell for what has no report of its own: it is deferred where the patch is
// loaded or unloaded.
func (e *Engine) tellOf(ctx context.Context, op Op, p *Patch, start time.Time, err error) {
	r := Report{Op: op, Took: time.Since(start)}
	if p.made() {
		r.Patch, r.ID, r.Mapped = p.Name(), p.ID(), p.Mapped()
	}

	e.tell(r, err)
	e.record(ctx, r, err)
}
