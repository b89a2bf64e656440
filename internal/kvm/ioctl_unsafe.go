package kvm

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Error is a failed ioctl. It unwraps to the kernel's error number.
type Error struct {
	Call string // the kernel's name, KVM_CREATE_VM say
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Call, e.Err) }

// Unwrap gives Err.
func (e *Error) Unwrap() error { return e.Err }

// file owns a descriptor. It is closed by Close, or at the latest when nothing refers
// to it any more.
type file struct {
	// mu is held for reading by each call, so that Close can't give the number of the
	// descriptor away under it. KVM_RUN alone goes without: its thread has ended by then.
	mu      sync.RWMutex
	fd      atomic.Int64 // -1 when closed
	cleanup runtime.Cleanup
}

func newFile(fd uintptr) *file {
	f := &file{}
	f.fd.Store(int64(fd))
	f.cleanup = runtime.AddCleanup(f, func(fd int) { _ = unix.Close(fd) }, int(fd))

	return f
}

// Close closes the descriptor, once the calls that are under way have ended. It is
// idempotent.
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()

	fd := f.fd.Swap(-1)
	if fd < 0 {
		return nil
	}

	f.cleanup.Stop()

	return os.NewSyscallError("close", unix.Close(int(fd)))
}

// call does an ioctl with a plain number as its argument.
func (f *file) call(name string, op, arg uintptr) (uintptr, error) {
	return f.syscall(name, op, arg)
}

// syscall is the place that enters the kernel with an ioctl, but for KVM_RUN and
// KVM_IRQ_LINE.
//
//go:uintptrescapes
func (f *file) syscall(name string, op, arg uintptr) (uintptr, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()

	fd := f.fd.Load()
	if fd < 0 {
		return 0, &Error{name, os.ErrClosed}
	}

	for {
		r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), op, arg)

		switch errno {
		case 0:
			return r, nil
		case unix.EINTR:
			// Only calls that are safe to repeat come here.
		default:
			return 0, &Error{name, errno}
		}
	}
}

// ioctl does an ioctl with a pointer to a structure as its argument. The conversion
// stands in the call itself, so that the object can't move while the kernel uses it.
func ioctl[T any](f *file, name string, op uintptr, arg *T) error {
	_, err := f.syscall(name, op, uintptr(unsafe.Pointer(arg)))

	return err
}

// address is where b starts in this process, for the kernel to map.
func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
