package gort

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/vgraft/vgraft/internal/payload"
)

func supported() error {
	if !supportedArch() || uint64(os.Getpagesize()) > payload.PageSize(runtime.GOARCH) {
		return fmt.Errorf("%w: on %s with pages of %d bytes", ErrNotSupported, runtime.GOARCH, os.Getpagesize())
	}

	return nil
}

const fixedNoReplace = 0x100000 // MAP_FIXED_NOREPLACE

// reserveAt maps nothing there, unless there is something already.
func reserveAt(addr, size uint64) (bool, error) {
	got, _, e := syscall.Syscall6(syscall.SYS_MMAP, uintptr(addr), uintptr(size), syscall.PROT_NONE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|fixedNoReplace, ^uintptr(0), 0)

	switch {
	case e == syscall.EEXIST:
		return false, nil
	case e != 0:
		return false, fmt.Errorf("mmap of %d bytes: %w", size, e)
	case got != uintptr(addr): // a kernel before 4.17 takes the address for a wish
		return false, unmap(uint64(got), size)
	}

	return true, nil
}

func unmap(addr, size uint64) error {
	if _, _, e := syscall.Syscall(syscall.SYS_MUNMAP, uintptr(addr), uintptr(size), 0); e != 0 {
		return fmt.Errorf("munmap: %w", e)
	}

	return nil
}

// protection is one that memory may have here. None is both writable and executable.
type protection uintptr

const (
	readOnly  protection = syscall.PROT_READ
	readWrite protection = syscall.PROT_READ | syscall.PROT_WRITE
)

func protect(addr, size uint64, p protection) error {
	if _, _, e := syscall.Syscall(syscall.SYS_MPROTECT, uintptr(addr), uintptr(size), uintptr(p)); e != 0 {
		return fmt.Errorf("mprotect: %w", e)
	}

	return nil
}

const (
	mfdCloexec, mfdSealing, mfdExec = 1, 2, 0x10
	addSeals, allSeals              = 1033, 0xf // F_ADD_SEALS; SEAL, SHRINK, GROW, WRITE
)

// mapText puts code at an address that was reserved. It is written to a file in memory, and
// that is mapped: no page is ever writable and executable, and the kernel sees to it that
// the processor's instruction caches have what was written, as it does for any program.
func mapText(addr uint64, code []byte) error {
	name := []byte("vgraft\x00")

	fd, _, e := syscall.Syscall(memfdCreate, uintptr(unsafe.Pointer(&name[0])), mfdCloexec|mfdSealing|mfdExec, 0)
	if e == syscall.EINVAL { // a kernel before 6.3 doesn't know that one may ask for this
		fd, _, e = syscall.Syscall(memfdCreate, uintptr(unsafe.Pointer(&name[0])), mfdCloexec|mfdSealing, 0)
	}

	if e != 0 {
		return fmt.Errorf("%w: memfd_create: %w", ErrNotSupported, e)
	}

	f := os.NewFile(fd, "memfd")
	defer f.Close() // the mapping stays

	if _, err := f.Write(code); err != nil {
		return err
	}

	if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, fd, addSeals, allSeals); e != 0 {
		return fmt.Errorf("sealing: %w", e)
	}

	if _, _, e := syscall.Syscall6(syscall.SYS_MMAP, uintptr(addr), uintptr(len(code)), syscall.PROT_READ|syscall.PROT_EXEC,
		syscall.MAP_PRIVATE|syscall.MAP_FIXED, fd, 0); e != 0 {
		return fmt.Errorf("%w: mapping code: %w", ErrNotSupported, e)
	}

	return nil
}
