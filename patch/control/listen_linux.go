package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// listen does in steps what net.Listen does in one, so that the mode can be set between
// bind, which makes the file, and listen, before which nobody can connect.
func listen(path string, mode fs.FileMode) (_ net.Listener, err error) {
	unlock, err := lockDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()

	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}

	f := os.NewFile(uintptr(fd), path)
	defer f.Close() // FileListener takes a copy

	// The file that bind makes has the mode of the socket, less the umask.
	if err := f.Chmod(mode); err != nil {
		return nil, err
	}

	if path == "" || path[0] == '@' {
		path = "./" + path // and not Linux's abstract names, which have no mode
	}

	if err := bind(fd, path); err != nil {
		return nil, err
	}

	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()

	if err := os.Chmod(path, mode); err != nil {
		return nil, err
	}

	made, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}

	if err := syscall.Listen(fd, syscall.SOMAXCONN); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}

	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}

	return &listener{Listener: l, path: path, made: made}, nil
}

// bind removes a socket that nobody listens on, and nothing else.
func bind(fd int, path string) error {
	err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	if err != syscall.EADDRINUSE {
		return os.NewSyscallError("bind", err)
	}

	if s, lerr := os.Lstat(path); lerr != nil || s.Mode().Type() != fs.ModeSocket {
		return os.NewSyscallError("bind", err)
	}

	c, derr := net.Dial("unix", path)
	if derr == nil {
		c.Close()
	}

	if !errors.Is(derr, syscall.ECONNREFUSED) {
		return os.NewSyscallError("bind", err)
	}

	if err := os.Remove(path); err != nil {
		return err
	}

	return os.NewSyscallError("bind", syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
}

// lockPatience is how long another process may take for what is a few system calls.
const lockPatience = 5 * time.Second

// lockDir has two processes that begin at once not take the socket that the other has
// bound, and doesn't listen on yet, for one left behind.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}

	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { d.Close() }, nil
		}

		if err != syscall.EWOULDBLOCK && err != syscall.EINTR || time.Since(start) > lockPatience {
			return nil, errors.Join(&fs.PathError{Op: "lock", Path: dir, Err: err}, d.Close())
		}
	}
}

// listener removes its socket when it is closed.
type listener struct {
	net.Listener
	path string
	made fs.FileInfo
	once sync.Once
}

func (l *listener) Close() error {
	var gone error

	l.once.Do(func() {
		// Another process may have the path by now.
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(l.made, now) {
			gone = os.Remove(l.path)
		}
	})

	return errors.Join(l.Listener.Close(), gone)
}
