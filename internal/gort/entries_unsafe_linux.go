package gort

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/vgraft/vgraft/internal/payload"
)

// memory is the process's memory as a file. The kernel lets a process write through it to
// what is mapped read-only: it gives the mapping a page of its own, which stays read-only
// and executable, and has the instruction caches of all processors learn what was written,
// as for a debugger (access_process_vm, copy_to_user_page).
const memory = "/proc/self/mem"

func textError(err error) error { return fmt.Errorf("%w: %s: %w", ErrText, memory, err) }

// openText gives a descriptor with which code can be written.
func openText() (int, error) {
	fd, err := syscall.Open(memory, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, textError(err)
	}

	return fd, nil
}

func closeText(fd int) { _ = syscall.Close(fd) }

// tryText writes to each entry what it has: nothing that runs can see that, and what a
// system forbids it forbids now.
func (p *Process) tryText(es []entry) error {
	fd, err := openText()
	if err != nil {
		return err
	}
	defer closeText(fd)

	for _, renew := range []bool{p.renew, true} {
		ok, err := takesEffect(fd, renew)

		switch {
		case err != nil:
			return textError(err)
		case !ok && renew:
			return fmt.Errorf("%w: what is written doesn't run", ErrText)
		case ok:
			p.renew = renew
		}

		if ok {
			break
		}
	}

	// The cores' pipelines are told what was written, where the kernel knows how; all that
	// run Go's code have been stopped in the kernel anyhow.
	_, _, _ = syscall.RawSyscall(membarrier, registerSyncCore, 0, 0)

	for i := range es {
		e := &es[i]
		b := make([]byte, e.size)

		if n, err := syscall.Pread(fd, b, int64(e.at)); err != nil || n != e.size {
			return textError(fmt.Errorf("reading %d of %d bytes of %s: %w", n, e.size, e.name, err))
		}

		if !bytes.Equal(b, e.old[:e.size]) { // an emulator whose addresses aren't those of its system
			return fmt.Errorf("%w: %s: other memory than that of %s", ErrText, memory, e.name)
		}

		if n, err := syscall.Pwrite(fd, b, int64(e.at)); err != nil || n != e.size {
			return textError(fmt.Errorf("writing %d of %d bytes of %s: %w", n, e.size, e.name, err))
		}
	}

	return unlike(es)
}

// takesEffect says whether what is written to code is what runs from then on. It writes to the
// entry of a function that nobody but itself calls.
func takesEffect(fd int, renew bool) (bool, error) {
	from, to := uint64(reflect.ValueOf(probedOld).Pointer()), uint64(reflect.ValueOf(probedNew).Pointer())

	e := entry{name: "a function of its own", at: from, size: payload.EntrySize(runtime.GOARCH)}
	copy(e.old[:], bytesAt(from, uint64(e.size)))

	if err := jump(runtime.GOARCH, e.new[:e.size], from, to); err != nil {
		return false, err
	}

	page := uint64(os.Getpagesize())
	ok := probedOld() == 1

	if errno := put(uintptr(fd), &e.new, &e, page, renew); errno != 0 {
		return false, errno
	}

	ok = probedOld() == 2 && ok

	if errno := put(uintptr(fd), &e.old, &e, page, renew); errno != 0 {
		return false, errno
	}

	return probedOld() == 1 && ok, nil
}

//go:noinline
func probedOld() int { return 1 }

//go:noinline
func probedNew() int { return 2 }

// worldStop is what runtime.stopTheWorld gives and runtime.startTheWorld takes.
type worldStop struct {
	reason                 uint8 //nolint:unused // handed through, as the others
	started, finished, cpu int64 //nolint:unused
}

// written is what came of writing entries: the first that had something unexpected, that
// couldn't be written, or be put back; -1 is none.
type written struct {
	differs, failed, lost int
	errno                 syscall.Errno
}

// Commands of membarrier.
const (
	syncCore         = 1 << 5 // MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE
	registerSyncCore = 1 << 6
)

// stopAndWrite stops the world, writes the entries, and starts it again. stop and start are
// where the runtime's functions are.
//
// While the world is stopped nothing here allocates or blocks, and it makes system calls of
// which the runtime knows nothing. It can't be preempted, since the runtime has said so of its
// thread; that a stack may grow meanwhile is so for the runtime's own callers too.
//
//go:noinline
func stopAndWrite(stop, start uint64, fd int, page uint64, renew bool, es []entry) written {
	pcs := [2]uintptr{uintptr(stop), uintptr(start)}
	values := [2]*uintptr{&pcs[0], &pcs[1]}

	return writeStopped(*(*func(uint8) worldStop)(unsafe.Pointer(&values[0])), *(*func(worldStop))(unsafe.Pointer(&values[1])), uintptr(fd), page, renew, es)
}

//go:norace
//go:noinline
func writeStopped(stop func(uint8) worldStop, start func(worldStop), fd uintptr, page uint64, renew bool, es []entry) written {
	r := written{-1, -1, -1, 0}

	w := stop(0) // for a reason that isn't known

	for i := range es {
		if !has(&es[i]) {
			r.differs = i
			break
		}
	}

	if r.differs < 0 {
		for i := range es {
			if r.errno = put(fd, &es[i].new, &es[i], page, renew); r.errno == 0 {
				continue
			}

			r.failed = i

			for j := i; j >= 0; j-- {
				if e := put(fd, &es[j].old, &es[j], page, renew); e != 0 && !has(&es[j]) {
					r.lost = j
				}
			}

			break
		}

		_, _, _ = syscall.RawSyscall(membarrier, syncCore, 0, 0)
	}

	start(w)

	return r
}

// has says whether the bytes that must be there are.
//
//go:norace
func has(e *entry) bool {
	for k := range e.size {
		if *(*byte)(pointer(e.at + uint64(k))) != e.old[k] {
			return false
		}
	}

	return true
}

// put writes the bytes of an entry. renew is for emulators of a processor, which don't see what
// their own system writes for them: they translate code anew whose page becomes writable. It
// is no longer by the time anything runs.
//
//go:norace
func put(fd uintptr, b *[maxJump]byte, e *entry, page uint64, renew bool) syscall.Errno {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PWRITE64, fd, uintptr(unsafe.Pointer(b)), uintptr(e.size), uintptr(e.at), 0, 0)
	if errno == 0 && n != uintptr(e.size) {
		errno = syscall.EIO
	}

	if errno == 0 && renew {
		_, _, errno = syscall.RawSyscall(syscall.SYS_MPROTECT, uintptr(e.at&^(page-1)), uintptr(page), syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC)
		_, _, back := syscall.RawSyscall(syscall.SYS_MPROTECT, uintptr(e.at&^(page-1)), uintptr(page), syscall.PROT_READ|syscall.PROT_EXEC)

		if errno == 0 {
			errno = back
		}
	}

	return errno
}
