package uart

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// source is a reader whose Read can, if at all possible, be ended from outside.
type source interface {
	// read is Read. After an interrupt it gives errStopped and takes no more bytes.
	read(p []byte) (int, error)

	// interrupt ends the read under way and makes all later ones fail. stuck tells,
	// by a channel that is closed, that the read under way can't be ended.
	interrupt()
	stuck() <-chan struct{}

	// release gives the reader back to its owner as it was. read isn't running.
	release()
}

// newSource finds the way to interrupt a reader. stop is closed before interrupt.
//
// Where deadlines work they are best: the owner can close the reader at any time. But a
// file in blocking mode takes a deadline and doesn't obey it, and a call of its Fd (for
// a terminal's raw mode, say) puts it into that mode, at any time. Such a file gets
// poll(2) before each read.
func newSource(in io.Reader, stop <-chan struct{}) (source, error) {
	d, ok := in.(deadliner)
	if !ok || d.SetReadDeadline(time.Time{}) != nil {
		d = nil
	}

	c, ok := in.(syscall.Conn)

	switch {
	case ok:
		return newFileSource(in, c, d, stop)
	case d != nil:
		return &deadlineSource{in: d, stop: stop}, nil
	}

	return &plainSource{in: in}, nil
}

type deadliner interface {
	io.Reader
	SetReadDeadline(t time.Time) error
}

// deadlineSource is a reader with deadlines.
type deadlineSource struct {
	in   deadliner
	stop <-chan struct{}
}

func (s *deadlineSource) read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		select {
		case <-s.stop:
			err = errStopped
		default: // someone else's deadline: theirs to explain
		}
	}

	return n, err
}

// A reader that had deadlines at Start has them still, unless it was closed: then its
// Read has ended as well.
func (s *deadlineSource) interrupt() { _ = s.in.SetReadDeadline(time.Unix(1, 0)) }
func (s *deadlineSource) release()   { _ = s.in.SetReadDeadline(time.Time{}) }

func (s *deadlineSource) stuck() <-chan struct{} { return nil }

// fileSource is a file or a socket.
type fileSource struct {
	in       io.Reader
	raw      syscall.RawConn
	event    int             // eventfd that says stop, closed by release
	deadline *deadlineSource // nil if there are no deadlines
}

func newFileSource(in io.Reader, c syscall.Conn, d deadliner, stop <-chan struct{}) (*fileSource, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}

	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}

	s := &fileSource{in: in, raw: raw, event: event}
	if d != nil {
		s.deadline = &deadlineSource{in: d, stop: stop}
	}

	return s, nil
}

func (s *fileSource) read(p []byte) (int, error) {
	var (
		polled, stopped bool
		pollErr         error
	)

	// Control and not Fd: Fd would put the file into blocking mode for good. It holds
	// the file open while it runs, which Close doesn't wait for in blocking mode only.
	err := s.raw.Control(func(fd uintptr) {
		if polled = s.deadline == nil || blocking(fd); polled {
			stopped, pollErr = s.poll(int32(fd))
		}
	})

	switch err = errors.Join(err, pollErr); {
	case err != nil:
		return 0, err
	case stopped:
		return 0, errStopped
	case polled:
		return s.in.Read(p)
	}

	return s.deadline.read(p)
}

// blocking says that the file is in blocking mode, or that nobody can tell.
func blocking(fd uintptr) bool {
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	return err != nil || flags&unix.O_NONBLOCK == 0
}

func (s *fileSource) poll(fd int32) (stopped bool, err error) {
	fds := [...]unix.PollFd{
		{Fd: int32(s.event), Events: unix.POLLIN},
		{Fd: fd, Events: unix.POLLIN},
	}

	for {
		_, err := unix.Poll(fds[:], -1)
		if err == nil {
			// The end and errors of the file are for its Read to tell.
			return fds[0].Revents != 0, nil
		}

		if !errors.Is(err, unix.EINTR) {
			return false, os.NewSyscallError("poll", err)
		}
	}
}

func (s *fileSource) interrupt() {
	// The counter of an eventfd can't be full after one write.
	_, _ = unix.Write(s.event, []byte{1, 0, 0, 0, 0, 0, 0, 0})

	if s.deadline != nil {
		s.deadline.interrupt()
	}
}

func (s *fileSource) release() {
	_ = unix.Close(s.event)

	if s.deadline != nil {
		s.deadline.release()
	}
}

func (s *fileSource) stuck() <-chan struct{} { return nil }

// plainSource is a reader that we know nothing of.
type plainSource struct {
	in io.Reader

	mu      sync.Mutex // guards what follows
	reading bool
	stopped bool
}

func (s *plainSource) read(p []byte) (int, error) {
	if !s.begin() {
		return 0, errStopped
	}

	n, err := s.in.Read(p)

	if !s.end() {
		return 0, errStopped // nobody is there to take the bytes
	}

	return n, err
}

func (s *plainSource) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.reading = !s.stopped

	return s.reading
}

func (s *plainSource) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.reading = false

	return !s.stopped
}

func (s *plainSource) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.stopped = true
}

func (s *plainSource) stuck() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()

	if !s.reading {
		return nil // it will see that it is stopped before it reads again
	}

	c := make(chan struct{})
	close(c)

	return c
}

func (s *plainSource) release() {}
