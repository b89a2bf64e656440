package patch

import (
	"runtime"
	"sync"
	"sync/atomic"
)

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

// try takes the lock if it is free.
func (l *lock) try() bool {
	l.once.Do(func() { l.ch = make(chan struct{}, 1) })

	select {
	case l.ch <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l *lock) release() { <-l.ch }

// gate holds workers back while a transition in Barrier mode runs. It is closed when
// made, and opened once.
type gate struct {
	isOpen  atomic.Bool
	opened  chan struct{}
	waiting atomic.Int64
	eager   int64 // how many may look that often: more would keep each other from it
}

func newGate() *gate {
	return &gate{opened: make(chan struct{}), eager: int64(runtime.GOMAXPROCS(0))}
}

func (g *gate) open() {
	g.isOpen.Store(true)
	close(g.opened)
}

// spins is how often somebody who waits for the end of a section yields before he sleeps.
// A section takes as long as a handler: often less than going to sleep and waking up, which
// the scheduler may take a millisecond for.
const spins = 1000

// fewSpins is the same where more wait than there are processors.
const fewSpins = 20

// pass waits until the gate is open.
func (g *gate) pass() {
	looks := spins
	if g.waiting.Add(1) > g.eager {
		looks = fewSpins
	}

	for range looks {
		if g.isOpen.Load() {
			return
		}

		runtime.Gosched()
	}

	<-g.opened
}
