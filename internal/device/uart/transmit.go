package uart

import (
	"io"
	"time"

	"github.com/vgraft/vgraft/patch"
)

// batch is the most that gathers while one Write is under way.
const batch = 4096

// stopTime is how long Stop waits for a writer, and for a reader, that may block.
const stopTime = 2 * time.Second

// queue is the bytes on their way to the writer: one buffer fills while the other is
// being written. UART.mu guards it.
type queue struct {
	fill    []byte // what the guest sent; its capacity is the bound
	spare   []byte // nil while it is with the writer
	writing bool   // the writer has a batch
	failed  bool   // the writer is no longer asked
	dropped uint64
}

func (q *queue) init() {
	q.fill, q.spare = make([]byte, 0, batch), make([]byte, 0, batch)
}

// room is how many bytes may still be put.
func (q *queue) room() int { return cap(q.fill) - len(q.fill) }

// put adds a byte. A guest that doesn't wait for room loses it, as it would overwrite
// THR on the chip; but the queue never holds more than it should.
func (q *queue) put(v byte) {
	if q.room() == 0 {
		q.dropped++
		return
	}

	q.fill = append(q.fill, v)
}

// transmit takes what has gathered, for the writer; then the guest may send more. It
// runs in a section of the transmitter's goroutine.
func (u *UART) transmit(s patch.Section) []byte {
	u.mu.Lock()
	defer u.mu.Unlock()

	q := &u.queue
	if len(q.fill) == 0 {
		return nil
	}

	u.thri = true
	defer u.update(s)

	if q.failed {
		q.dropped += uint64(len(q.fill))
		q.fill = q.fill[:0]

		return nil
	}

	out := q.fill
	q.fill, q.spare = q.spare, nil
	q.writing = true

	return out
}

// transmitted takes a batch back from the writer, which took n bytes of it. It runs in
// a section of the transmitter's goroutine. It says whether this was the first error.
func (u *UART) transmitted(out []byte, n int, err error) bool {
	u.mu.Lock()
	defer u.mu.Unlock()

	q := &u.queue
	q.spare, q.writing = out[:0], false

	if n < len(out) {
		// A writer outside its contract may say less than 0 or more than all.
		q.dropped += uint64(len(out) - max(n, 0))
	}

	first := err != nil && !q.failed
	q.failed = q.failed || err != nil

	return first
}

// transmitter is the goroutine that writes.
type transmitter struct {
	u      *UART
	worker *patch.Worker
	done   chan struct{} // closed at its end
	giveUp chan struct{} // closed when Stop has waited long enough
}

func (u *UART) newTransmitter() *transmitter {
	return &transmitter{
		u:      u,
		worker: u.domain.NewWorker("uart transmitter"),
		done:   make(chan struct{}),
		giveUp: make(chan struct{}),
	}
}

func (t *transmitter) run() {
	defer close(t.done)
	defer t.worker.Close()

	for stopped := false; !stopped; {
		// What was sent before Stop is in the queue when Stop is called, since no vCPU
		// runs any more: one more look after the stop is enough.
		select {
		case <-t.u.sent:
		case <-t.u.stop:
			stopped = true
		}

		for t.step() {
		}
	}
}

// step writes one batch, and says whether there may be another.
func (t *transmitter) step() bool {
	select {
	case <-t.giveUp:
		return false
	default:
	}

	out := t.take()
	if len(out) == 0 {
		return false
	}

	n, err := t.u.out.Write(out)
	if err == nil && n != len(out) {
		err = io.ErrShortWrite
	}

	if t.give(out, n, err) {
		t.u.log.Error("uart: output lost from here on", "err", err)
	}

	return true
}

func (t *transmitter) take() []byte {
	s := t.worker.Enter()
	defer t.worker.Leave()

	return transmit.In(s)(t.u, s)
}

func (t *transmitter) give(out []byte, n int, err error) bool {
	s := t.worker.Enter()
	defer t.worker.Leave()

	return transmitted.In(s)(t.u, out, n, err)
}

// wait waits for the end of the goroutine, or gives it up.
func (t *transmitter) wait() {
	timer := time.NewTimer(stopTime)
	defer timer.Stop()

	select {
	case <-t.done:
		return
	case <-timer.C:
	}

	close(t.giveUp)

	t.u.mu.Lock()
	t.u.queue.dropped += uint64(len(t.u.queue.fill))
	t.u.queue.fill = t.u.queue.fill[:0]
	t.u.mu.Unlock()

	t.u.log.Error("uart: writer blocked at stop, output lost")
}
