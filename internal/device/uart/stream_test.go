package uart

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

var section patch.Section

// pattern is n bytes of which no window looks like another.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)

	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}

	return b
}

// sink is a writer that may be slow, blocked, or broken.
type sink struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	writes int
	delay  time.Duration
	gate   chan struct{} // if not nil, each Write waits for it
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}

	time.Sleep(s.delay)

	s.mu.Lock()
	defer s.mu.Unlock()

	s.writes++

	if s.err != nil {
		return 0, s.err
	}

	return s.buf.Write(p)
}

func (s *sink) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()

	return bytes.Clone(s.buf.Bytes())
}

// driver is a guest's interrupt-driven driver: it does something only when an edge of
// the line has come, then handles causes until none is left, or until it has had enough
// of them, as the kernel does.
type driver struct {
	*port
	tx, rx   []byte
	want     int // bytes to receive
	patience int // causes in one interrupt
	idle     int // interrupts without a cause
}

// patience is that of Linux.
const patience = 512

func (d *driver) open() {
	d.out(regIIR, fcrEnable)
	d.out(regIIR, fcrEnable|fcrClearRx|0x04)
	d.out(regIIR, 0)
	d.in(regLSR)
	d.in(regData)
	d.in(regIIR)
	d.in(regMSR)
	d.out(regLCR, 0x03)
	d.out(regIIR, fcrEnable|0x80)
	d.out(regIER, ierRLSI|ierRDI)
	d.out(regMCR, mcrDTR|mcrRTS|mcrOUT2)
}

func (d *driver) run(ctx context.Context) error {
	d.open()
	d.out(regIER, ierRLSI|ierRDI|ierTHRI)

	for len(d.tx) > 0 || len(d.rx) < d.want {
		if err := d.line.Wait(ctx); err != nil {
			return err
		}

		n := 0
		for n < d.patience && d.interrupt() {
			n++
		}

		if n == 0 {
			d.idle++
		}
	}

	return nil
}

// interrupt handles one cause, and says whether there was one.
func (d *driver) interrupt() bool {
	if d.in(regIIR)&iirNone != 0 {
		return false
	}

	lsr := d.in(regLSR)
	for ; lsr&lsrDR != 0; lsr = d.in(regLSR) {
		d.rx = append(d.rx, d.in(regData))
	}

	if lsr&lsrTHRE != 0 {
		n := min(fifoDepth, len(d.tx))
		for _, v := range d.tx[:n] {
			d.out(regData, v)
		}

		if d.tx = d.tx[n:]; len(d.tx) == 0 {
			d.out(regIER, ierRLSI|ierRDI)
		}
	}

	d.in(regMSR)

	return true
}

// readers are the kinds of input that need different ways to stop.
func readers(t *testing.T) map[string]func(in []byte) io.Reader {
	feed := func(w io.WriteCloser, in []byte) {
		go func() {
			_, _ = w.Write(in)
			_ = w.Close()
		}()
	}

	return map[string]func(in []byte) io.Reader{
		"plain": func(in []byte) io.Reader { return bytes.NewReader(in) },
		"pipe": func(in []byte) io.Reader { // has deadlines
			r, w, err := os.Pipe()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, r.Close()) })
			feed(w, in)

			return r
		},
		"blocking": func(in []byte) io.Reader { // as os.Stdin often is
			r, w := blockingPipe(t)
			feed(w, in)

			return r
		},
		"net": func(in []byte) io.Reader {
			r, w := net.Pipe()
			feed(w, in)

			return r
		},
	}
}

// blockingPipe is a pipe whose read end is in blocking mode.
func blockingPipe(t *testing.T) (r, w *os.File) {
	t.Helper()

	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	r.Fd() // sets blocking mode: deadlines are taken, and don't work

	return r, w
}

// 100 kB both ways at once, by interrupts, with nothing lost and nothing out of order.
func TestUART_interrupts(t *testing.T) {
	const size = 100_000

	patience := map[string]int{"plain": 512, "pipe": 1, "blocking": 3, "net": 512}

	for name, reader := range readers(t) {
		t.Run(name, func(t *testing.T) {
			out := &sink{}
			u := New(reader(pattern(size)), out)
			p := attach(t, u)
			require.NoError(t, u.Start())

			tx := pattern(size + 1)[1:]
			d := &driver{port: p, tx: tx, want: size, patience: patience[name]}
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()

			err := d.run(ctx)
			u.Stop()
			require.NoError(t, err, "left to send: %d, received: %d", len(d.tx), len(d.rx))
			require.True(t, bytes.Equal(pattern(size), d.rx))
			require.True(t, bytes.Equal(tx, out.bytes()))
			require.Zero(t, u.Dropped())
			require.Less(t, d.idle, p.line.Rises()/2, "too many idle interrupts, and a kernel masks the line")
			t.Logf("%d writes, %d edges, %d idle interrupts", out.writes, p.line.Rises(), d.idle)
		})
	}
}

// A slow writer gets large batches, and the guest waits for it.
func TestUART_slowWriter(t *testing.T) {
	const size = 100_000

	out := &sink{delay: 2 * time.Millisecond}
	u := New(nil, out)
	p := attach(t, u)
	require.NoError(t, u.Start())

	d := &driver{port: p, tx: pattern(size), patience: patience}
	require.NoError(t, d.run(t.Context()))
	u.Stop()
	require.True(t, bytes.Equal(pattern(size), out.bytes()))
	require.Less(t, out.writes, size/fifoDepth/2, "bytes are batched")
}

// A guest that polls LSR, as a kernel's console does, is held while the writer blocks,
// and its vCPU isn't.
func TestUART_blockedWriter(t *testing.T) {
	out := &sink{gate: make(chan struct{})}
	u := New(nil, out)
	p := attach(t, u)
	require.NoError(t, u.Start())

	p.out(regIIR, fcrEnable)

	sent := 0
	for ; p.in(regLSR)&lsrTHRE != 0; sent++ {
		p.out(regData, byte(sent))
		require.Less(t, sent, 3*batch, "the bound holds")

		if sent == 0 { // let the writer take the first
			require.Eventually(t, func() bool { return len(out.gate) == 0 && locked(u, func() bool { return u.queue.writing }) },
				time.Second, time.Millisecond)
		}
	}

	require.Zero(t, p.in(regLSR)&lsrTEMT)
	require.Equal(t, batch-fifoDepth+1+1, sent)

	// THRE comes back with an interrupt, as soon as there is room.
	p.out(regIER, ierTHRI)
	require.False(t, p.line.Level())
	close(out.gate)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	require.NoError(t, p.line.Wait(ctx))
	require.NotZero(t, p.in(regLSR)&lsrTHRE)
	u.Stop()
	require.Len(t, out.bytes(), sent)
	require.Zero(t, u.Dropped())
}

// A guest that ignores LSR loses bytes, and no more.
func TestUART_impoliteGuest(t *testing.T) {
	u := New(nil, nil)
	p := attach(t, u)

	for range batch + 100 {
		p.out(regData, 'x')
	}

	require.EqualValues(t, 100, u.Dropped())
}

func TestUART_writerError(t *testing.T) {
	out := &sink{err: errors.New("disk full")}
	u := New(nil, out)
	p := attach(t, u)
	require.NoError(t, u.Start())

	for range 10 {
		d := &driver{port: p, tx: pattern(1000), patience: patience}
		require.NoError(t, d.run(t.Context()))
	}

	u.Stop()
	require.Equal(t, 1, out.writes, "no second try")
	require.EqualValues(t, 10_000, u.Dropped())
}

func TestUART_shortWrite(t *testing.T) {
	u := New(nil, shortWriter{})
	p := attach(t, u)
	require.NoError(t, u.Start())
	p.out(regData, 1)
	p.out(regData, 2)
	u.Stop()
	require.NotZero(t, u.Dropped())
}

type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return len(p) - 1, nil }

// Stop delivers what the guest has sent.
func TestUART_stopDrains(t *testing.T) {
	out := &sink{delay: 5 * time.Millisecond}
	u := New(nil, out)
	p := attach(t, u)
	require.NoError(t, u.Start())

	want := pattern(3000)
	for _, v := range want {
		p.out(regData, v)
	}

	u.Stop()
	require.Equal(t, want, out.bytes())
}

func TestUART_stopGivesUp(t *testing.T) {
	out := &sink{gate: make(chan struct{})}
	u := New(nil, out)
	p := attach(t, u)
	require.NoError(t, u.Start())

	for range 100 {
		p.out(regData, 'x')
	}

	start := time.Now()
	u.Stop()
	require.Less(t, time.Since(start), 2*stopTime)
	close(out.gate)
	<-u.tx.done
	require.EqualValues(t, 100, int(u.Dropped())+len(out.bytes()))
}

// Until the guest opens the port, nothing is read, however much it probes.
func TestUART_inputWaitsForRTS(t *testing.T) {
	in := bytes.NewReader(pattern(100))
	u := New(in, nil)
	p := attach(t, u)
	require.NoError(t, u.Start())

	defer u.Stop()

	p.out(regIIR, fcrEnable|fcrClearRx)
	p.out(regMCR, mcrLoop|mcrRTS)
	p.out(regMCR, mcrDTR|mcrOUT2)
	time.Sleep(20 * time.Millisecond)
	require.Zero(t, p.in(regLSR)&lsrDR)

	p.out(regMCR, mcrDTR|mcrRTS)
	require.Eventually(t, func() bool { return p.in(regLSR)&lsrDR != 0 }, time.Second, time.Millisecond)

	// And no more than the FIFO holds is read ahead.
	require.Equal(t, 100-fifoDepth, locked(u, in.Len))
}

// After Stop the reader belongs to its owner again, and has lost nothing.
func TestUART_stopLeavesInput(t *testing.T) {
	for name, open := range map[string]func() (*os.File, *os.File){
		"pipe": func() (*os.File, *os.File) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, r.Close()) })

			return r, w
		},
		"blocking": func() (*os.File, *os.File) { return blockingPipe(t) },
	} {
		t.Run(name, func(t *testing.T) {
			r, w := open()
			defer func() { require.NoError(t, w.Close()) }()

			for range 3 {
				u := New(r, nil)
				p := attach(t, u)
				require.NoError(t, u.Start())
				p.out(regMCR, mcrRTS)
				time.Sleep(5 * time.Millisecond) // most likely it waits in Read by now

				start := time.Now()
				u.Stop()
				require.Less(t, time.Since(start), time.Second)

				select {
				case <-u.rx.done:
				default:
					require.Fail(t, "the goroutine is still there")
				}

				_, err := w.WriteString("mine")
				require.NoError(t, err)

				got := make([]byte, 4)
				_, err = io.ReadFull(r, got)
				require.NoError(t, err)
				require.Equal(t, "mine", string(got))
			}
		})
	}
}

// A reader that can't be interrupted doesn't hold Stop, and what it gives is dropped.
func TestUART_stopLeavesStuckReader(t *testing.T) {
	r, w := io.Pipe()
	u := New(r, nil)
	p := attach(t, u)
	require.NoError(t, u.Start())
	p.out(regMCR, mcrRTS)
	require.Eventually(t, func() bool { return u.rx.src.stuck() != nil }, time.Second, time.Millisecond)

	start := time.Now()
	u.Stop()
	require.Less(t, time.Since(start), time.Second)

	_, err := w.Write([]byte("!"))
	require.NoError(t, err)
	<-u.rx.done
	require.Zero(t, p.in(regLSR)&lsrDR)
}

func TestUART_idleReader(t *testing.T) {
	u := New(idleReader{}, nil)
	p := attach(t, u)
	require.NoError(t, u.Start())
	p.out(regMCR, mcrRTS)

	select {
	case <-u.rx.done:
	case <-time.After(5 * time.Second):
		require.Fail(t, "a reader that gives nothing is asked for ever")
	}

	u.Stop()
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

func locked[T any](u *UART, f func() T) T {
	u.mu.Lock()
	defer u.mu.Unlock()

	return f()
}
