package patch

import (
	"errors"
	"fmt"
	"slices"
)

// Patch is a named set of bindings that are applied together or not at all. It is
// immutable, and the same patch may be applied to any number of domains.
type Patch struct {
	name     string
	bindings []Binding
}

// Func binds a slot to a Go function of this process: a plain one, a method expression,
// or a closure, which then lives as long as the patch does. The compiler holds that the
// function's type is the slot's.
func Func[F any](s *Slot[F], fn F) Binding {
	return Binding{name: s.name, id: s.id, fn: funcPointer(fn)}
}

// New makes a patch. The error, an ErrInvalid, says what is wrong with it: no name,
// no bindings, a nil function, two bindings for one slot, or one for a slot that NewSlot
// didn't make.
func New(name string, bindings ...Binding) (*Patch, error) {
	invalid := func(format string, a ...any) error {
		return fmt.Errorf("patch %q: %w: %s", name, ErrInvalid, fmt.Sprintf(format, a...))
	}

	var errs []error

	if name == "" {
		errs = append(errs, invalid("it has no name"))
	}

	if len(bindings) == 0 {
		errs = append(errs, invalid("it binds nothing"))
	}

	seen := map[int]bool{}

	for _, b := range bindings {
		switch {
		case b.name == "":
			errs = append(errs, invalid("a binding for no declared slot"))
		case b.fn == nil:
			errs = append(errs, invalid("slot %s is bound to a nil function", b.name))
		case seen[b.id]:
			errs = append(errs, invalid("slot %s is bound twice", b.name))
		}

		seen[b.id] = true
	}

	if err := errors.Join(errs...); err != nil {
		return nil, err
	}

	return &Patch{name: name, bindings: slices.Clone(bindings)}, nil
}

// Name is the name the patch was made with.
func (p *Patch) Name() string { return p.name }

// Slots lists the names of the slots that the patch binds.
func (p *Patch) Slots() []string {
	out := make([]string, len(p.bindings))
	for i, b := range p.bindings {
		out[i] = b.name
	}

	return out
}
