package acpi

import (
	"errors"
	"fmt"
)

// What can be wrong. Every error of this package is an *Error, and wraps one of these
// or the error of a reader it was given.
var (
	ErrTruncated = errors.New("table ends early")
	ErrLength    = errors.New("impossible length")
	ErrSignature = errors.New("not the table's signature")
	ErrValue     = errors.New("value has no place in the table")

	// ErrChecksum comes with a table that is otherwise complete and usable.
	ErrChecksum = errors.New("bytes don't sum up to zero")

	// ErrLayout is a table with all parts, but arranged or padded in a way that writing
	// it again would not reproduce. Parse gives it as Raw.
	ErrLayout = errors.New("layout that can't be reproduced")

	// ErrNotFound is a root pointer, or a table pointed to, that is not there.
	ErrNotFound = errors.New("no such table")

	// ErrDump is text that is not acpidump's.
	ErrDump = errors.New("not the text of acpidump")

	// ErrRoom is an image that is larger than its place.
	ErrRoom = errors.New("tables don't fit")
)

// Error says where something is wrong.
type Error struct {
	Table  string // signature, or a file's name; may be empty
	Offset int    // in bytes from the start of the table, in lines for text, from 0
	Reason string // may be empty
	Err    error  // one of the package's errors, or a reader's
}

func (e *Error) Error() string {
	s := "acpi: "
	if e.Table != "" {
		s += fmt.Sprintf("%q: ", e.Table)
	}

	s += fmt.Sprintf("at %#x: %v", e.Offset, e.Err)
	if e.Reason != "" {
		s += ": " + e.Reason
	}

	return s
}

// Unwrap makes errors.Is see Err.
func (e *Error) Unwrap() error { return e.Err }

// fail makes an *Error.
func fail(table string, offset int, err error, format string, args ...any) *Error {
	return &Error{Table: table, Offset: offset, Err: err, Reason: fmt.Sprintf(format, args...)}
}

func isChecksum(err error) bool { return errors.Is(err, ErrChecksum) }

func layout(err error) bool { return errors.Is(err, ErrLayout) }
