package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// rawTerminal hands every key to us at once, if f is a terminal: Ctrl-c is for the
// guest. The function that it returns restores what was; more calls do nothing.
func rawTerminal(f *os.File) (restore func()) {
	fd := int(f.Fd())

	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {} // not a terminal
	}

	// What cfmakeraw(3) does, but for the output: a newline of ours still begins a line.
	raw := *old
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0

	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return func() {}
	}

	return sync.OnceFunc(func() {
		// There is nothing to be done about an error: the terminal is gone.
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, old)
	})
}

const ctrlA = 'a' & 0x1f

// escape is console input in which Ctrl-a x calls quit, and Ctrl-a twice is one
// Ctrl-a. One goroutine reads it.
type escape struct {
	in      io.Reader
	quit    func()
	pending bool // the last byte was a Ctrl-a
}

// Read gives what is for the guest.
func (e *escape) Read(p []byte) (int, error) {
	for {
		n, err := e.in.Read(p)
		kept := p[:0]

		for _, b := range p[:n] {
			switch {
			case !e.pending && b == ctrlA:
				e.pending = true
				continue
			case e.pending && b == 'x':
				e.quit()
			default:
				kept = append(kept, b)
			}

			e.pending = false
		}

		if len(kept) > 0 || err != nil || len(p) == 0 {
			return len(kept), err
		}
	}
}
