package patch

import (
	"fmt"
	"slices"
)

// State is where a patch is in its life.
type State string

// The states of a patch in an engine.
const (
	Checked State = "checked"
	Applied State = "applied"
)

// Status describes a loaded patch.
type Status struct {
	Patch      *Patch
	State      State
	Domains    []*Domain // where it is applied
	Everywhere bool      // domains attached later get it
	Revoked    bool      // it can't be applied again
	File       File      // that it was uploaded as; zero where there is none
}

// List gives every loaded patch, in the order of loading.
func (e *Engine) List() []Status {
	e.mu.Lock()
	defer e.mu.Unlock()

	out := make([]Status, len(e.patches))
	for i, p := range e.patches {
		out[i] = e.status(p)
	}

	return out
}

// Get finds a loaded patch by its name or its id; otherwise it is ErrUnknown.
func (e *Engine) Get(name string) (Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	for _, p := range e.patches {
		if p.Name() == name || p.ID() == ID(name) {
			return e.status(p), nil
		}
	}

	return Status{}, fmt.Errorf("patch: %q: %w", name, ErrUnknown)
}

func (e *Engine) status(p *Patch) Status {
	s := Status{Patch: p, State: Checked, Domains: p.life.where(), Everywhere: slices.Contains(e.everywhere, p), Revoked: e.trust.revokes(p) != "", File: p.file}
	if len(s.Domains) > 0 {
		s.State = Applied
	}

	return s
}
