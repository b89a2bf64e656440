package aml

import (
	"errors"
	"fmt"
)

// What can be wrong with a block. Errors of this package are of type [*Error] and wrap one
// of these; those of Encode are joined.
var (
	ErrName      = errors.New("bad name")                         // also one that doesn't fit where it stands
	ErrDuplicate = errors.New("name is defined twice")            // in the same scope
	ErrNoID      = errors.New("device has neither _HID nor _ADR") // ACPI 6.5 §6.1
	ErrUID       = errors.New("devices of one _HID need distinct _UIDs")
	ErrIndex     = errors.New("no such Arg or Local")
	ErrArgs      = errors.New("wrong number of arguments")
	ErrTooMany   = errors.New("too many elements")
	ErrTooLong   = errors.New("too long to encode")
	ErrString    = errors.New("bad string")
	ErrValue     = errors.New("value out of range")
	ErrField     = errors.New("field is outside of its region")
	ErrResource  = errors.New("bad resource descriptor")
	ErrContext   = errors.New("not allowed here")
	ErrNil       = errors.New("nil term")
	ErrDepth     = errors.New("nested too deeply")
	ErrTruncated = errors.New("ends too early") // only of what is read, as are the next two
	ErrOpcode    = errors.New("unknown or misplaced opcode")
	ErrLength    = errors.New("package length beyond what contains it")
)

// Error is one mistake.
type Error struct {
	Path   string // of the object that has it, such as \_SB_.CPU0; empty where that isn't known
	Offset int    // into the bytes that were parsed; -1 for what was built
	Reason error  // one of the sentinels
	Detail string // what exactly; may be empty
}

func (e *Error) Error() string {
	s := "aml: "
	if e.Path != "" {
		s += e.Path + ": "
	}

	if e.Offset >= 0 {
		s += fmt.Sprintf("offset %#x: ", e.Offset)
	}

	s += e.Reason.Error()
	if e.Detail != "" {
		s += ": " + e.Detail
	}

	return s
}

// Unwrap gives the sentinel.
func (e *Error) Unwrap() error { return e.Reason }

// wrong makes the error of something built; its path is filled in later.
func wrong(reason error, format string, args ...any) *Error {
	return &Error{Offset: -1, Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
