//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package patch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// lockJournal takes a lock that ends with the process at the latest, so that a crash
// leaves none behind. It doesn't wait.
func lockJournal(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}

	raw, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}

	// Control, and not Fd, which would put the file into blocking mode; and the file
	// can't be closed meanwhile.
	var lockErr error

	err = raw.Control(func(fd uintptr) {
		for {
			lockErr = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB)
			if !errors.Is(lockErr, syscall.EINTR) {
				return
			}
		}
	})

	switch {
	case errors.Is(lockErr, syscall.EWOULDBLOCK):
		lockErr = fmt.Errorf("%w: by another process, or another engine of this one", ErrJournalInUse)
	case lockErr != nil:
		lockErr = fmt.Errorf("lock %s: %w", name, lockErr)
	}

	if err = errors.Join(err, lockErr); err != nil {
		return nil, errors.Join(err, f.Close())
	}

	return f, nil
}
