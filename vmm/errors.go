package vmm

import (
	"errors"
	"fmt"

	"github.com/vgraft/vgraft/internal/boot"
	"github.com/vgraft/vgraft/internal/bus"
)

// Errors that calls of this package wrap. What the host refuses wraps the system's
// error number, so errors.Is(err, fs.ErrNotExist) and fs.ErrPermission tell why
// /dev/kvm didn't open; what comes after Close wraps os.ErrClosed.
var (
	// ErrConfig is a Config that can't work. Every mistake in it is listed.
	ErrConfig = errors.New("vmm: invalid configuration")

	// ErrNotSupported is something that this host's KVM, or this platform, lacks.
	ErrNotSupported = errors.New("vmm: not supported by this host")

	// ErrState is a call that the machine's state doesn't allow; see StateError.
	ErrState = errors.New("vmm: wrong state")
)

// Errors of the kernel image and what comes with it, from New.
var (
	ErrImage    = boot.ErrFormat   // not a kernel that we can boot, or a damaged one
	ErrTooLarge = boot.ErrTooLarge // the kernel or the initrd doesn't fit into the guest's memory
	ErrCmdline  = boot.ErrCmdline  // the command line is too long, or holds a NUL
)

// OverlapError is a device window that another one, or RAM, occupies already.
type OverlapError = bus.OverlapError

// StateError is a call that the machine's state doesn't allow.
type StateError struct {
	Op    string
	State State
}

func (e *StateError) Error() string {
	return fmt.Sprintf("vmm: cannot %s a machine that is %v", e.Op, e.State)
}

// Unwrap gives ErrState.
func (e *StateError) Unwrap() error { return ErrState }

// ErrRefused is wrapped by errors of requests that the guest has turned down.
var ErrRefused = errors.New("vmm: the guest refused")

// PanicError is a device handler that panicked. It ends its machine, with ExitFailed,
// and no other one of the process.
type PanicError struct {
	VCPU  int
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("vCPU %d: device handler panicked: %v", e.VCPU, e.Value)
}

func configError(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, a...))
}
