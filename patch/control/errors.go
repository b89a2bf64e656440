package control

import (
	"context"
	"fmt"

	"github.com/vgraft/vgraft/patch"
)

// codes are the errors that a program can ask for, by what they are called on the wire.
// What is here once stays: clients are older than servers.
var codes = map[string]error{
	"invalid":       patch.ErrInvalid,
	"applied":       patch.ErrApplied,
	"not-applied":   patch.ErrNotApplied,
	"not-top":       patch.ErrNotTop,
	"no-domain":     patch.ErrNoDomain,
	"closed":        patch.ErrClosed,
	"busy":          patch.ErrBusy,
	"depends":       patch.ErrDepends,
	"duplicate":     patch.ErrDuplicate,
	"unknown":       patch.ErrUnknown,
	"incompatible":  patch.ErrIncompatible,
	"changed":       patch.ErrChanged,
	"expectation":   patch.ErrExpectation,
	"hook":          patch.ErrHook,
	"argument":      patch.ErrArgument,
	"not-attached":  patch.ErrNotAttached,
	"other-build":   patch.ErrOtherBuild,
	"journal":       patch.ErrJournal,
	"journal-used":  patch.ErrJournalInUse,
	"attached":      patch.ErrAttached,
	"revoked":       patch.ErrRevoked,
	"not-supported": patch.ErrNotSupported,
	"too-large":     patch.ErrTooLarge,
	"unsigned":      patch.ErrUnsigned,
	"untrusted":     patch.ErrUntrusted,
	"signature":     patch.ErrSignature,
	"process-wide":  patch.ErrProcessWide,
	"not-payload":   patch.ErrNotPayload,
	"version":       patch.ErrVersion,
	"malformed":     patch.ErrMalformed,
	"payload-id":    patch.ErrPayloadID,
	"arch":          patch.ErrArch,
	"build":         patch.ErrBuild,
	"go-version":    patch.ErrGoVersion,
	"slot":          patch.ErrSlot,
	"address":       patch.ErrAddress,
	"missing":       patch.ErrMissing,
	"no-room":       patch.ErrNoRoom,
	"content":       patch.ErrContent,
	"text":          patch.ErrText,
	"made-type":     patch.ErrMadeType,
	"runtime":       patch.ErrRuntime,
	"request":       ErrRequest,
	"read-only":     ErrReadOnly,
	"limit":         ErrLimit,
	"canceled":      context.Canceled,
	"deadline":      context.DeadlineExceeded,
}

// The types of errors that come back as they were.
const (
	kindSentinel    = "sentinel" // one that has a code
	kindState       = "state"
	kindTimeout     = "timeout"
	kindHook        = "hook"
	kindExpectation = "expectation"
	kindFile        = "file"
)

// Error is an error on the wire.
type Error struct {
	// Code says which of the errors with a code it is, or wraps first; empty is none.
	Code string `json:"code,omitempty"`
	Text string `json:"text"`
	Kind string `json:"kind,omitempty"` // of the fields that follow, empty is none

	Op      patch.Op    `json:"op,omitempty"`
	Patch   string      `json:"patch,omitempty"`
	Domain  string      `json:"domain,omitempty"`
	Worker  string      `json:"worker,omitempty"`
	Slot    string      `json:"slot,omitempty"`
	Hook    string      `json:"hook,omitempty"`
	Top     string      `json:"top,omitempty"`
	Detail  string      `json:"detail,omitempty"`
	What    string      `json:"what,omitempty"`
	Found   string      `json:"found,omitempty"`
	Panic   string      `json:"panic,omitempty"`
	Stack   string      `json:"stack,omitempty"`
	SHA256  string      `json:"sha256,omitempty"`
	Size    int         `json:"size_bytes,omitempty"`
	Signer  patch.KeyID `json:"signer,omitempty"`
	Wrapped []*Error    `json:"wrapped,omitempty"`
}

// maxDepth bounds what is sent of an error that wraps and wraps.
const maxDepth = 16

// ErrorOf is the error in the form of the protocol; nil for nil.
func ErrorOf(err error) *Error { return errorOf(err, maxDepth) }

func errorOf(err error, depth int) *Error {
	if err == nil {
		return nil
	}

	w := &Error{Text: err.Error()}

	switch e := err.(type) {
	case *patch.StateError:
		w.Kind, w.Op, w.Patch, w.Domain, w.Top, w.Detail = kindState, e.Op, e.Patch, e.Domain, e.Top, e.Detail
	case *patch.TimeoutError:
		w.Kind, w.Op, w.Patch, w.Domain, w.Worker, w.Slot = kindTimeout, e.Op, e.Patch, e.Domain, e.Worker, e.Slot
	case *patch.HookError:
		w.Kind, w.Hook, w.Patch, w.Domain, w.Stack = kindHook, e.Hook, e.Patch, e.Domain, string(e.Stack)
		if e.Panic != nil {
			w.Panic = fmt.Sprint(e.Panic)
		}
	case *patch.ExpectationError:
		w.Kind, w.Code, w.Patch, w.Domain, w.What, w.Found = kindExpectation, "expectation", e.Patch, e.Domain, e.What, e.Found
	case *patch.FileError:
		w.Kind, w.SHA256, w.Size, w.Signer = kindFile, e.SHA256, e.Size, e.Signer
	}

	for code, sentinel := range codes {
		if err == sentinel {
			w.Kind, w.Code = kindSentinel, code
			return w
		}
	}

	if depth == 0 {
		return w
	}

	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := errorOf(e.Unwrap(), depth-1); inner != nil {
			w.Wrapped = []*Error{inner}
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if inner := errorOf(inner, depth-1); inner != nil {
				w.Wrapped = append(w.Wrapped, inner)
			}
		}
	}

	// What says nothing of its own, such as a join of one, isn't there for who reads this.
	if w.Kind == "" && len(w.Wrapped) == 1 && w.Wrapped[0].Text == w.Text {
		return w.Wrapped[0]
	}

	for _, inner := range w.Wrapped {
		if w.Code == "" {
			w.Code = inner.Code
		}
	}

	return w
}

// Err is the error that was sent: of the same type, where the type is one of package
// patch; and errors.Is and errors.As find what they found on the other side.
func (w *Error) Err() error {
	if w == nil {
		return nil
	}

	var inner []error

	for _, x := range w.Wrapped {
		if x != nil {
			inner = append(inner, x.Err())
		}
	}

	first := error(&remoteError{text: "unknown"})
	if len(inner) > 0 {
		first = inner[0]
	}

	switch w.Kind {
	case kindSentinel:
		if err := codes[w.Code]; err != nil {
			return err
		}
	case kindState:
		return &patch.StateError{Op: w.Op, Patch: w.Patch, Domain: w.Domain, Top: w.Top, Detail: w.Detail, Err: first}
	case kindTimeout:
		return &patch.TimeoutError{Op: w.Op, Patch: w.Patch, Domain: w.Domain, Worker: w.Worker, Slot: w.Slot, Err: first}
	case kindHook:
		e := &patch.HookError{Hook: w.Hook, Patch: w.Patch, Domain: w.Domain, Err: first}
		if w.Panic != "" {
			e.Panic, e.Stack = w.Panic, []byte(w.Stack)
		}

		return e
	case kindExpectation:
		return &patch.ExpectationError{Patch: w.Patch, Domain: w.Domain, What: w.What, Found: w.Found}
	case kindFile:
		return &patch.FileError{File: patch.File{SHA256: w.SHA256, Size: w.Size, Signer: w.Signer}, Err: first}
	}

	return &remoteError{text: w.Text, inner: inner}
}

// remoteError is an error of a type that isn't known here.
type remoteError struct {
	text  string
	inner []error
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() []error { return e.inner }
