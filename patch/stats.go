package patch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// Outcome is how an operation ended.
type Outcome string

// The outcomes of an operation.
const (
	OutcomeOK      Outcome = "ok"
	OutcomeRefused Outcome = "refused" // by a state, an expectation, a signature: asking again changes nothing
	OutcomeTimeout Outcome = "timeout" // or its context was canceled
	OutcomeFailed  Outcome = "failed"  // a hook, or anything else
)

// OutcomeOf sorts the errors of an engine.
func OutcomeOf(err error) Outcome {
	var (
		hook  *HookError
		state *StateError
		late  *TimeoutError
		file  *FileError
	)

	switch {
	case err == nil:
		return OutcomeOK
	case errors.As(err, &hook):
		return OutcomeFailed
	case errors.As(err, &late), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return OutcomeTimeout
	case errors.As(err, &state), errors.As(err, &file), errors.Is(err, ErrExpectation), errors.Is(err, ErrUnknown), errors.Is(err, ErrInvalid):
		return OutcomeRefused
	}

	return OutcomeFailed
}

// Durations sums up how long something took.
type Durations struct{ Sum, Max time.Duration }

func (d *Durations) add(t time.Duration) {
	d.Sum += t
	d.Max = max(d.Max, t)
}

// Operation counts the operations of one kind that ended in one way since the engine was
// made.
type Operation struct {
	Op      Op
	Outcome Outcome
	Count   int

	Took Durations // of the whole calls
	Swap Durations // publishing the new views
	Gate Durations // keeping sections waiting, in Barrier mode
}

// Stats is what an engine has done, and what it has.
type Stats struct {
	Operations []Operation // those that happened, by Op and Outcome; no dry runs

	Loaded  int // patches
	Applied int // of those, to one domain or more
	Revoked int // of those loaded
	Domains int // attached

	EventsLost int // by all receivers together

	// Mapped is how many bytes are mapped for payloads in the whole process, whatever engine
	// has them. Retired is how many of these are of payloads that were unloaded, and stay.
	Mapped, Retired int
}

type count struct {
	op      Op
	outcome Outcome
}

// Stats counts from when the engine was made. It may be called from any goroutine.
func (e *Engine) Stats() Stats {
	s := Stats{Domains: len(e.Domains())}
	s.Mapped, s.Retired = mapped()

	for _, p := range e.List() {
		s.Loaded++

		if p.State == Applied {
			s.Applied++
		}

		if p.Revoked {
			s.Revoked++
		}
	}

	e.watch.mu.Lock()
	defer e.watch.mu.Unlock()

	s.EventsLost = e.watch.lost
	for _, o := range e.watch.count {
		s.Operations = append(s.Operations, *o)
	}

	slices.SortFunc(s.Operations, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Op, b.Op), cmp.Compare(a.Outcome, b.Outcome))
	})

	return s
}

func (e *Engine) tally(r Report, err error) {
	e.watch.mu.Lock()
	defer e.watch.mu.Unlock()

	key := count{r.Op, OutcomeOf(err)}

	o := e.watch.count[key]
	if o == nil {
		o = &Operation{Op: key.op, Outcome: key.outcome}

		if e.watch.count == nil {
			e.watch.count = map[count]*Operation{}
		}

		e.watch.count[key] = o
	}

	o.Count++
	o.Took.add(r.Took)
	o.Swap.add(r.Swap)
	o.Gate.add(r.Gate)
}
