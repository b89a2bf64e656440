package elfdiff

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report says what changed between two builds, and what of it can be patched.
type Report struct {
	Base  string `json:"base"`  // build id of the program to be patched
	Fixed string `json:"fixed"` // build id of the program that has the fix

	Stack []string `json:"stack,omitempty"` // IDs of the payloads that are applied already, the bottom one first

	Changed   []string `json:"changed"`             // functions of the running program that the fix changed
	Removed   []string `json:"removed,omitempty"`   // and those that it no longer has
	LinesOnly int      `json:"linesOnly,omitempty"` // functions of which only line numbers changed
	Slots     []string `json:"slots,omitempty"`     // that the payload binds
	Hooks     []string `json:"hooks,omitempty"`     // of the patch, and their functions
	Inits     []string `json:"inits,omitempty"`     // packages, and initialisers of packages of the program, that are run when the payload is loaded
	Functions []Change `json:"functions,omitempty"` // in the payload, and why
	Variables []string `json:"variables,omitempty"` // new ones
	Types     []string `json:"types,omitempty"`     // new ones
	Words     []string `json:"words,omitempty"`     // process-wide words that are overwritten
	Fixups    []string `json:"fixups,omitempty"`    // entries that the program's linker left out, and that are filled in

	Refusals []Refusal `json:"refusals,omitempty"`
	Accepted []Refusal `json:"accepted,omitempty"` // those that Options.Accept overrode

	Proof string `json:"proof"` // what reverse linking found

	analysis *analysis
}

// Change is a function of the payload.
type Change struct {
	Function string `json:"function"`
	Reason   string `json:"reason"`
	Size     uint64 `json:"size"` // of its code, in bytes
}

// Errors of a report.
var (
	// ErrRefused is a payload that was asked for and that there can't be: the report has
	// the reasons.
	ErrRefused = errors.New("the change can't be patched into a running process")

	// ErrNothing is a payload of two builds that do the same.
	ErrNothing = errors.New("nothing that the program runs has changed")
)

// refuse records a reason, unless the author took it upon themselves.
func (r *Report) refuse(o Options, x Refusal) {
	if slices.Contains(o.Accept, x.ID()) {
		r.Accepted = append(r.Accepted, x)
		return
	}

	r.Refusals = append(r.Refusals, x)
}

// Empty says whether the builds do the same: there is nothing to patch and nothing to
// refuse.
func (r *Report) Empty() bool { return len(r.Changed)+len(r.Removed)+len(r.Refusals) == 0 }

// Err is nil where there can be a payload, and else ErrRefused, with the first reasons, or
// ErrNothing.
func (r *Report) Err() error {
	switch {
	case len(r.Refusals) > 0:
		var s []string
		for _, x := range r.Refusals[:min(3, len(r.Refusals))] {
			s = append(s, x.String())
		}

		return fmt.Errorf("%w: %d reasons: %s", ErrRefused, len(r.Refusals), strings.Join(s, "; "))
	case len(r.Slots)+len(r.Words)+len(r.Hooks) == 0:
		return ErrNothing
	}

	return nil
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	p := &printer{w: w}

	p.list("on top of", r.Stack)
	p.list("changed", r.Changed)
	p.list("removed", r.Removed)

	if r.LinesOnly > 0 {
		p.f("line numbers only: %d functions\n", r.LinesOnly)
	}

	if r.Empty() {
		p.f("nothing that the program runs has changed\n")
		return p.err
	}

	if len(r.Refusals) == 0 {
		p.list("slots bound", r.Slots)
		p.list("hooks", r.Hooks)
		p.list("initialised at load", r.Inits)

		if len(r.Functions) > 0 {
			p.f("functions in the payload:\n")
		}

		for _, f := range r.Functions {
			p.f("  %-60s %6d bytes  %s\n", f.Function, f.Size, f.Reason)
		}

		p.list("new variables", r.Variables)
		p.list("new types", r.Types)
		p.list("process-wide words", r.Words)
		p.list("entries filled in", r.Fixups)
	}

	p.refusals("taken upon themselves by the author", r.Accepted)
	p.refusals("refused", r.Refusals)

	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, a...)
	}
}

func (p *printer) list(what string, items []string) {
	if len(items) == 0 {
		return
	}

	p.f("%s:\n", what)

	for _, s := range items {
		p.f("  %s\n", s)
	}
}

func (p *printer) refusals(what string, rs []Refusal) {
	if len(rs) == 0 {
		return
	}

	p.f("%s:\n", what)

	for _, r := range rs {
		p.f("  %s %s\n", r.Kind, r.Symbol)

		if r.Detail != "" {
			p.f("    %s\n", r.Detail)
		}

		if len(r.Path) > 1 {
			p.f("    path: %s\n", strings.Join(r.Path, " → "))
		}

		if r.Advice != "" {
			p.f("    what to do: %s\n", r.Advice)
		}

		if r.Lift != RungNone {
			p.f("    what would lift it: %s\n", r.Lift)
		}
	}
}
