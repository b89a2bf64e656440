package boot

import (
	"errors"
	"fmt"
	"io"
)

// What can be wrong with a request to boot. Errors of this package wrap one of them,
// or the error of a failed read or of an access to guest memory.
var (
	// ErrFormat: the file is not a kernel image that we can boot.
	ErrFormat = errors.New("unusable kernel image")

	// ErrTooLarge: the guest has too little memory for what it is to hold.
	ErrTooLarge = errors.New("does not fit in guest memory")

	// ErrCmdline: the kernel command line can't be passed.
	ErrCmdline = errors.New("unusable kernel command line")
)

// ImageError is a kernel image that was refused. It is ErrFormat.
type ImageError struct {
	Format Format // what the image claims to be
	Reason string // what is wrong, with the numbers
	Err    error  // the cause, where there is one
}

func (e *ImageError) Error() string {
	s := fmt.Sprintf("%v: %s: %s", ErrFormat, e.Format, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}

	return s
}

// Unwrap gives ErrFormat and the cause.
func (e *ImageError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrFormat}
	}

	return []error{ErrFormat, e.Err}
}

// SizeError is something that has no place in guest RAM. It is ErrTooLarge.
type SizeError struct {
	What       string // "kernel", "initrd", ...
	Base, Size uint64 // the place it needs; Base is 0 where any place would do
	Limit      uint64 // end of the RAM that it could use, or with Base 0 the free bytes
}

func (e *SizeError) Error() string {
	if e.Base == 0 {
		return fmt.Sprintf("%s %v: needs %#x bytes, %#x are free", e.What, ErrTooLarge, e.Size, e.Limit)
	}

	return fmt.Sprintf("%s %v: needs [%#x, +%#x), usable RAM ends at %#x", e.What, ErrTooLarge, e.Base, e.Size, e.Limit)
}

// Unwrap gives ErrTooLarge.
func (e *SizeError) Unwrap() error { return ErrTooLarge }

// CmdlineError is a command line that can't be passed. It is ErrCmdline.
type CmdlineError struct {
	Len, Max int // bytes, without the NUL
	NUL      int // offset of a NUL inside the line, or -1
}

func (e *CmdlineError) Error() string {
	if e.NUL >= 0 {
		return fmt.Sprintf("%v: NUL byte at offset %d", ErrCmdline, e.NUL)
	}

	return fmt.Sprintf("%v: %d bytes, this kernel takes %d", ErrCmdline, e.Len, e.Max)
}

// Unwrap gives ErrCmdline.
func (e *CmdlineError) Unwrap() error { return ErrCmdline }

// truncated is the reason for a file that ends too early.
func truncated(off, n, size uint64) string {
	return fmt.Sprintf("truncated: needs [%#x, +%#x), the file has %#x bytes", off, n, size)
}

// readFull fills b from offset off of r. A file that ends early gives short(n), any
// other failure of r is wrapped with what was read.
func readFull(r io.ReaderAt, b []byte, off uint64, short func(n int) error, what string) error {
	n, err := r.ReadAt(b, int64(off))
	switch {
	case n >= len(b):
		return nil // io.ReaderAt may report EOF with the last byte
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return short(n)
	default:
		return fmt.Errorf("read %s at %#x: %w", what, off, err)
	}
}
