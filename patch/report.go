package patch

import (
	"errors"
	"fmt"
	"time"
)

// Report says what a transition did and what it cost.
type Report struct {
	Op    string // "apply" or "revert"
	Patch string

	// Swap is how long it took to publish the new views: what the domains' workers
	// could notice, if they could notice it.
	Swap time.Duration

	// Took is the whole call, planning and waiting included.
	Took time.Duration

	// Workers has one entry for every worker of every domain; after a *TimeoutError,
	// the one that was in the way is the last.
	Workers []WorkerReport
}

// WorkerReport says how long after the swap the transition knew that a worker had passed
// a section boundary. The worker itself waited for nothing. It is 0 for one that was in
// no section, and an upper bound for others: the wait for those before it in the list
// counts.
type WorkerReport struct {
	Domain, Worker string
	Waited         time.Duration
}

// Errors of this package. Those that name a state are wrapped in a *StateError.
var (
	ErrInvalid    = errors.New("invalid patch")
	ErrApplied    = errors.New("already applied")
	ErrNotApplied = errors.New("not applied")
	ErrNotTop     = errors.New("not the top of the stack")
	ErrNoDomain   = errors.New("no domain given")
)

// StateError is an operation that doesn't fit the state of a domain. Nothing was
// changed anywhere.
type StateError struct {
	Op, Patch, Domain string
	Top               string // the patch on top, where that is what is in the way
	Err               error  // one of the errors above
}

func (e *StateError) Error() string {
	s := fmt.Sprintf("patch: %s %q", e.Op, e.Patch)
	if e.Domain != "" {
		s += fmt.Sprintf(" on domain %q", e.Domain)
	}

	s += ": " + e.Err.Error()
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
	Op, Patch, Domain, Worker string
	Err                       error // what the context says: canceled or deadline exceeded
}

func (e *TimeoutError) Error() string {
	what := "its turn"
	if e.Worker != "" {
		what = fmt.Sprintf("worker %q, which is still in a section", e.Worker)
	}

	return fmt.Sprintf("patch: %s %q on domain %q: gave up waiting for %s: %v", e.Op, e.Patch, e.Domain, what, e.Err)
}

// Unwrap gives Err.
func (e *TimeoutError) Unwrap() error { return e.Err }
