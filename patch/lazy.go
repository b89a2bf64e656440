package patch

import (
	"context"
	"sync"
	"time"
)

// lazy is a context with a deadline that sets a timer only when somebody waits for it. Most
// transitions wait for nobody, and a timer would be a good part of what they cost.
type lazy struct {
	parent   context.Context
	deadline time.Time

	mu     sync.Mutex
	inner  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

func newLazy(parent context.Context, timeout time.Duration) (*lazy, context.CancelFunc) {
	l := &lazy{parent: parent, deadline: time.Now().Add(timeout)}

	return l, l.stop
}

func (l *lazy) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.inner == nil {
		l.inner, l.cancel = context.WithCancel(l.parent)
	}

	l.cancel()
}

// real is the context with the timer.
func (l *lazy) real() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.inner == nil {
		l.inner, l.cancel = context.WithDeadline(l.parent, l.deadline)
	}

	return l.inner
}

// now is the context as far as there is one.
func (l *lazy) now() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.inner == nil {
		return l.parent
	}

	return l.inner
}

func (l *lazy) Deadline() (time.Time, bool) { return l.deadline, true }
func (l *lazy) Done() <-chan struct{}       { return l.real().Done() }
func (l *lazy) Value(key any) any           { return l.now().Value(key) }

func (l *lazy) Err() error {
	if err := l.now().Err(); err != nil {
		return err
	}

	if !time.Now().Before(l.deadline) {
		return l.real().Err() // its timer is late, or has just made it so
	}

	return nil
}

// take takes the lock, unless the context ends first, or has ended.
func (l *lock) take(ctx context.Context) bool {
	return ctx.Err() == nil && (l.try() || l.acquire(ctx.Done()))
}
