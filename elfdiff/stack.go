package elfdiff

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// Layer is a payload that is applied to the program when the next one is.
type Layer struct {
	Payload []byte // as it was applied, signed or not
	Build   *Build // the fixed build that it was made from
}

// ErrStack is Options.Stack with payloads that can't be applied to the base build in that
// order, or weren't made from their builds.
var ErrStack = errors.New("not a stack of payloads on that program")

// StackError is an ErrStack, and says what is wrong with which of the layers.
type StackError struct {
	Layer int    // the bottom one is 0
	ID    string // of the payload; empty where it can't be read
	Err   error
}

func (e *StackError) Error() string {
	return fmt.Sprintf("%v: layer %d, payload %s: %v", ErrStack, e.Layer, e.ID, e.Err)
}

// Unwrap gives ErrStack and what is wrong.
func (e *StackError) Unwrap() []error { return []error{ErrStack, e.Err} }

// readStack reads the payloads, which must be for the base and for each other.
func readStack(base *Build, layers []Layer) ([]*payload.File, error) {
	var (
		files []*payload.File
		ids   []string
	)

	for i, l := range layers {
		content, _, err := payload.Split(l.Payload)
		if errors.Is(err, payload.ErrUnsigned) {
			content, err = l.Payload, nil
		}

		if err != nil {
			return nil, &StackError{Layer: i, Err: err}
		}

		f, err := payload.Parse(content)
		if err != nil {
			return nil, &StackError{Layer: i, Err: err}
		}

		wrong := func(format string, a ...any) error {
			return &StackError{Layer: i, ID: f.ID, Err: fmt.Errorf(format, a...)}
		}

		switch m := &f.Meta; {
		case l.Build == nil:
			return nil, wrong("there is no build of it")
		case m.Target.BuildID != base.Info.BuildID:
			return nil, wrong("it is for the program %s, and not for %s", m.Target.BuildID, base.Info.BuildID)
		case !slices.Equal(m.Depends, ids):
			return nil, wrong("it depends on %q, and %q are below it", m.Depends, ids)
		case l.Build.Info.GoVersion != base.Info.GoVersion:
			return nil, wrong("its build is of %s, and the program's of %s", l.Build.Info.GoVersion, base.Info.GoVersion)
		}

		if d := base.Info.Differences(&l.Build.Info); len(d) > 0 {
			return nil, wrong("its build was made in another way: %s", d[0])
		}

		files, ids = append(files, f), append(ids, f.ID)
	}

	return files, nil
}

// overlay puts the layers onto the program.
func overlay(base *program.Program, builds []*program.Program, files []*payload.File) (*program.Stack, error) {
	st := program.NewStack(base)

	for i, f := range files {
		if err := st.Push(builds[i], f); err != nil {
			return nil, &StackError{Layer: i, ID: f.ID, Err: err}
		}
	}

	return st, nil
}

// place is an address of the process: in the program, or in a payload of the stack.
type place struct {
	layer int // 0 is the program
	addr  uint64
}

func (p place) compare(q place) int {
	switch {
	case p.layer != q.layer:
		return p.layer - q.layer
	case p.addr < q.addr:
		return -1
	case p.addr > q.addr:
		return 1
	}

	return 0
}

// ref is a reference to the place.
func (p place) ref(name string) payload.Ref {
	if p.layer == 0 {
		return payload.Ref{Kind: payload.RefHost, Value: p.addr, Name: name}
	}

	return payload.Ref{Kind: payload.RefPatch, Index: p.layer - 1, Value: p.addr, Name: name}
}

// refTo is a reference to a symbol of the process.
func refTo(s *program.Symbol) payload.Ref {
	name := s.Name
	if s.Layer > 0 && name == "" { // the program's are named by the mini linker
		name = "go:anonymous"
	}

	return place{s.Layer, s.Addr}.ref(name)
}

// outdated says whether constants of the process lead to a function that a payload replaced.
func (a *analysis) outdated(s *program.Symbol) bool {
	if len(a.stack.Dead) == 0 {
		return false
	}

	if v, ok := a.old[s]; ok {
		return v
	}

	a.old[s] = false // a cycle alone is no reason

	for _, r := range s.Relocs() {
		t := r.Sym
		if t == nil || r.Marks() || !r.Live {
			continue
		}

		if t.IsText() && t.Dead || t.Kind.IsROData() && !t.IsType() && !t.IsItab() && a.outdated(t) {
			a.old[s] = true
		}
	}

	return a.old[s]
}

// taken says whether a refusal about a function that a payload below replaced was taken upon
// themselves by that payload's author.
func (a *analysis) taken(kind RefusalKind, s *program.Symbol) bool {
	return s.Dead && slices.Contains(a.accepted, Refusal{Kind: kind, Symbol: s.Name}.ID())
}
