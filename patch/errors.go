package patch

import (
	"errors"
	"fmt"

	"github.com/vgraft/vgraft/internal/gort"
	"github.com/vgraft/vgraft/internal/payload"
)

// Errors of this package. Those that name a state are wrapped in a *StateError.
var (
	ErrInvalid      = errors.New("invalid patch")
	ErrArgument     = errors.New("invalid argument")
	ErrApplied      = errors.New("already applied")
	ErrNotApplied   = errors.New("not applied")
	ErrNotTop       = errors.New("not the top of the stack")
	ErrNoDomain     = errors.New("no domain given")
	ErrClosed       = errors.New("the domain is closed")
	ErrBusy         = errors.New("busy")
	ErrDepends      = errors.New("depends on another patch than the top of the stack")
	ErrDuplicate    = errors.New("another patch has this name or id")
	ErrUnknown      = errors.New("no such patch")
	ErrIncompatible = errors.New("incompatible with the state that another patch brought about")
	ErrChanged      = errors.New("a variable of the patch has changed since it was made")
	ErrExpectation  = errors.New("not as the patch expects")
	ErrHook         = errors.New("hook failed")
	ErrNotAttached  = errors.New("not attached to the engine, whose journal tells domains by their names")
	ErrOtherBuild   = errors.New("recorded by another build of the program")
	ErrRevoked      = errors.New("revoked")
	ErrProcessWide  = errors.New("changes the whole process, so that it is applied everywhere or not at all")
)

// Errors of Upload, wrapped in a *FileError.
var (
	ErrNotSupported = errors.New("not supported")
	ErrTooLarge     = errors.New("too large")
	ErrUnsigned     = errors.New("not signed")
	ErrUntrusted    = errors.New("signed with a key that isn't trusted")
	ErrSignature    = errors.New("wrong signature")
)

// Errors of Upload for payloads, wrapped in a *FileError. ErrContent, ErrMadeType, ErrText and ErrRuntime may
// also be in a *StateError, when the patch is applied.
var (
	ErrNotPayload = payload.ErrNotPayload // the file is something else
	ErrVersion    = payload.ErrVersion    // another version of the format
	ErrMalformed  = payload.ErrFormat     // it contradicts itself, or wasn't made by elfdiff
	ErrPayloadID  = payload.ErrID         // its content was changed

	ErrArch      = errors.New("made for another architecture")
	ErrBuild     = errors.New("made for another build of the program")
	ErrGoVersion = errors.New("made for another version of Go")
	ErrSlot      = errors.New("the program has no such slot")
	ErrAddress   = gort.ErrAddress  // what it says of the program isn't so
	ErrMissing   = gort.ErrMissing  // linked against a patch that isn't loaded
	ErrNoRoom    = gort.ErrNoRoom   // nothing is free near the program's text
	ErrContent   = gort.ErrContent  // a word of the program holds something unexpected
	ErrText      = gort.ErrText     // the system doesn't let the program's code be written
	ErrMadeType  = gort.ErrMadeType // reflection has made a type without a name that the payload brings: use a named one
	ErrRuntime   = gort.ErrRuntime  // the Go runtime doesn't take it
)

// StateError is an operation that doesn't fit the state of a domain, of a patch or of
// the engine. Nothing was changed anywhere.
type StateError struct {
	Op            Op
	Patch, Domain string // empty where there is none
	Top           string // the patch on top, where that is what is in the way
	Detail        string
	Err           error // one of the errors above
}

func (e *StateError) Error() string {
	s := "patch: " + string(e.Op)
	if e.Patch != "" {
		s += fmt.Sprintf(" %q", e.Patch)
	}

	if e.Domain != "" {
		s += fmt.Sprintf(" on domain %q", e.Domain)
	}

	s += ": " + e.Err.Error()
	if e.Detail != "" {
		s += ": " + e.Detail
	}

	if e.Top != "" {
		s += fmt.Sprintf(": %q is above it", e.Top)
	}

	return s
}

// Unwrap gives Err.
func (e *StateError) Unwrap() error { return e.Err }

// TimeoutError is a transition that was given up: the context ended while it waited
// for a worker, or, where Worker is empty, before its turn on the domain came. Every
// domain has its previous bindings.
type TimeoutError struct {
	Op                    Op
	Patch, Domain, Worker string
	Slot                  string // the one the worker is in, or was last in; empty if none
	Err                   error  // what the context says: canceled or deadline exceeded
}

func (e *TimeoutError) Error() string {
	what := "its turn"
	if e.Worker != "" {
		what = fmt.Sprintf("worker %q, which is still in a section", e.Worker)
	}

	if e.Slot != "" {
		what += ", in slot " + e.Slot
	}

	where := ""
	if e.Domain != "" {
		where = fmt.Sprintf(" on domain %q", e.Domain)
	}

	which := ""
	if e.Patch != "" {
		which = fmt.Sprintf(" %q", e.Patch)
	}

	return fmt.Sprintf("patch: %s%s%s: gave up waiting for %s: %v", e.Op, which, where, what, e.Err)
}

// Unwrap gives Err.
func (e *TimeoutError) Unwrap() error { return e.Err }
