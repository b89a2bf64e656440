package vmm

import (
	"fmt"
	"sync"
)

// State is where a machine is in its life.
//
//	          Start          Pause
//	Created ────────▶ Running ⇄ Paused    Running ⇄ Suspended: the guest, Wake
//	   │                │  Resume │
//	   │          exit  ▼         ▼
//	   │              Stopped ◀───┘
//	   │     Close      │  Close
//	   └──────────────▶ Closed
type State int

// States of a machine.
const (
	Created State = iota // New has returned; nothing of the guest has run
	Running
	Paused  // no vCPU runs; devices keep their state
	Stopped // the guest has ended; Wait gives the Exit
	Closed  // everything is given back

	// Suspended is Running while the guest has turned itself off until something wakes
	// it: Machine.Wake, a button, or what the guest wants to be woken by: an interrupt on
	// arm64, the clock's alarm on amd64.
	Suspended
)

var stateNames = [...]string{"created", "running", "paused", "stopped", "closed", "suspended"}

func (s State) String() string {
	if s >= 0 && int(s) < len(stateNames) {
		return stateNames[s]
	}

	return fmt.Sprintf("State(%d)", int(s))
}

// stateBox holds the state and tells those who watch.
type stateBox struct {
	mu       sync.Mutex
	state    State
	watchers []chan State
}

func (b *stateBox) get() State {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.state
}

// set moves to next if the present state is one of from, and tells which it was.
func (b *stateBox) set(next State, from ...State) (State, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()

	for _, f := range from {
		if b.state != f {
			continue
		}

		b.state = next
		for _, w := range b.watchers {
			replace(w, next)
		}

		if next == Closed {
			for _, w := range b.watchers {
				close(w)
			}

			b.watchers = nil
		}

		return f, true
	}

	return b.state, false
}

func (b *stateBox) watch() <-chan State {
	b.mu.Lock()
	defer b.mu.Unlock()

	w := make(chan State, 1)
	w <- b.state

	if b.state == Closed {
		close(w)
	} else {
		b.watchers = append(b.watchers, w)
	}

	return w
}

// replace puts the newest state into a channel of one, in the place of one that
// nobody took: a watcher that sleeps must not hold up the machine.
func replace(w chan State, s State) {
	for {
		select {
		case w <- s:
			return
		default:
		}

		select {
		case <-w:
		default:
		}
	}
}
