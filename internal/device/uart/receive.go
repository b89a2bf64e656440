package uart

import (
	"errors"
	"io"
	"time"

	"github.com/vgraft/vgraft/patch"
)

// demand is how many bytes the receiver takes now. It runs in a section of the
// receiver's goroutine.
func (u *UART) demand() int {
	u.mu.Lock()
	defer u.mu.Unlock()

	if !u.open() || u.n > 0 {
		return 0
	}

	return u.depth()
}

// receive gives the receiver what it takes of in, and says how much that was: the
// guest may have closed the line while the bytes were read. It runs in a section of
// the receiver's goroutine.
func (u *UART) receive(s patch.Section, in []byte) int {
	u.mu.Lock()
	defer u.mu.Unlock()

	if !u.open() {
		return 0
	}

	n := min(len(in), u.depth()-u.n)
	for _, v := range in[:max(n, 0)] {
		u.push(v)
	}

	u.update(s)

	return max(n, 0)
}

// idleReads is how many reads may give neither bytes nor an error: io.Reader allows it,
// bufio gives up after as many.
const idleReads = 100

// receiver is the goroutine that reads.
type receiver struct {
	u      *UART
	src    source
	worker *patch.Worker
	done   chan struct{} // closed at its end
}

// newReceiver gives nil when there is nothing to read from.
func (u *UART) newReceiver() (*receiver, error) {
	if u.in == nil {
		return nil, nil
	}

	src, err := newSource(u.in, u.stop)
	if err != nil {
		return nil, err
	}

	return &receiver{
		u:      u,
		src:    src,
		worker: u.domain.NewWorker("uart receiver"),
		done:   make(chan struct{}),
	}, nil
}

func (r *receiver) run() {
	defer close(r.done)
	defer r.worker.Close()

	var buf [fifoDepth]byte

	idle := 0 // reads in a row that gave nothing, not even an error

	for {
		n, err := r.space()
		if err != nil {
			return
		}

		n, err = r.src.read(buf[:n])
		if n > 0 || err != nil {
			idle = 0
		} else if idle++; idle == idleReads {
			err = io.ErrNoProgress
		}

		// By the contract of io.Reader, bytes may come together with the error.
		for in := buf[:n]; len(in) > 0; in = in[r.give(in):] {
			if _, err := r.space(); err != nil {
				return
			}
		}

		if err != nil {
			if !errors.Is(err, errStopped) && !errors.Is(err, io.EOF) {
				r.u.log.Warn("uart: input ended", "err", err)
			}

			return
		}
	}
}

// space waits until the guest takes bytes, outside any section.
func (r *receiver) space() (int, error) {
	for {
		if n := r.ask(); n > 0 {
			return n, nil
		}

		select {
		case <-r.u.room:
		case <-r.u.stop:
			return 0, errStopped
		}
	}
}

func (r *receiver) ask() int {
	s := r.worker.Enter()
	defer r.worker.Leave()

	return demand.In(s)(r.u)
}

func (r *receiver) give(in []byte) int {
	s := r.worker.Enter()
	defer r.worker.Leave()

	return receive.In(s)(r.u, s, in)
}

// wait waits for the end of the goroutine, unless it is inside a Read that no one can
// end.
func (r *receiver) wait() {
	timer := time.NewTimer(stopTime)
	defer timer.Stop()

	r.src.interrupt()

	select {
	case <-r.done:
		r.src.release()
	case <-r.src.stuck():
	case <-timer.C:
		r.u.log.Warn("uart: reader blocked at stop, left behind")
	}
}
