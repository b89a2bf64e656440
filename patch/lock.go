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
	isOpen atomic.Bool
	opened chan struct{}
}

func newGate() *gate { return &gate{opened: make(chan struct{})} }

func (g *gate) open() {
	g.isOpen.Store(true)
	close(g.opened)
}

// gateSpins is how often a worker looks at the gate before it sleeps. What it waits for
// is the end of the sections under way, which takes as long as the longest handler: often
// less than going to sleep and waking up.
const gateSpins = 20

// pass waits until the gate is open.
func (g *gate) pass() {
	for range gateSpins {
		if g.isOpen.Load() {
			return
		}

		runtime.Gosched()
	}

	<-g.opened
}
