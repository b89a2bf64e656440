package patch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// ID is the identity of a patch: a build-id in hexadecimal, lower case.
type ID string

// Patch is a named set of bindings that are applied together or not at all, with what
// belongs to them. It is immutable, and the same patch may be applied to any number of
// domains. All methods may be called from any goroutine.
type Patch struct {
	spec Spec
	file File // zero for one that wasn't uploaded
	life life
}

// Spec is what a patch consists of. A name and either a binding or a hook are needed.
type Spec struct {
	// Name is what operators call the patch: printable, without spaces, unique in an
	// engine and in a domain.
	Name string

	// ID is the identity of the patch, unique in the same way. Left empty, it is made
	// from the name, the slots and the symbols of the functions: the same in each run of
	// a program.
	ID ID

	// Depends is the patch that must be on top of the stack when this one is applied;
	// empty is any or none. Replace wants it empty, since it leaves no stack.
	Depends ID

	// Bindings are the functions, each made with Func.
	Bindings []Binding

	// Hooks run around the patch's transitions.
	Hooks Hooks

	// Expect is what must hold in each domain for the patch to be applied.
	Expect []Expectation

	// Owned are variables of the patch itself. One that has changed since New keeps the
	// patch from being applied again: it would not start as it was tested.
	Owned []Owned

	// States are the versions of shared data that the patch brings about.
	States []SystemState

	// Metadata is for people: an origin, an advisory, a revision.
	Metadata map[string]string

	// Provenance is what the patch was built from; left empty, it is the program's own,
	// but for a file.
	Provenance Provenance

	// Mapped is how many bytes of code and data were mapped for the patch; 0 for one
	// made of the program's own functions.
	Mapped int

	native *native // nil but for a payload
}

// Func binds a slot to a Go function of this process: a plain one, a method expression,
// or a closure, which then lives as long as the patch does. The compiler holds that the
// function's type is the slot's.
func Func[F any](s *Slot[F], fn F) Binding {
	return Binding{name: s.name, id: s.id, fn: funcPointer(fn), symbol: symbol(fn)}
}

// symbol is the name of the function in the program's symbol table.
func symbol(fn any) string {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return ""
	}

	return runtime.FuncForPC(v.Pointer()).Name()
}

// New makes a patch of bindings alone: the short form of Spec.New.
func New(name string, bindings ...Binding) (*Patch, error) {
	return Spec{Name: name, Bindings: bindings}.New()
}

// New makes a patch, and keeps nothing of the Spec's slices and map. The error, an
// ErrInvalid, says all that is wrong with it: no name, neither bindings nor hooks, a nil
// function, two bindings for one slot, or one for a slot that NewSlot didn't make.
func (s Spec) New() (*Patch, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}

	s.Bindings = slices.Clone(s.Bindings)
	s.Expect = slices.Clone(s.Expect)
	s.Owned = slices.Clone(s.Owned)
	s.States = slices.Clone(s.States)
	s.Metadata = maps.Clone(s.Metadata)
	s.Provenance.Flags = maps.Clone(s.Provenance.Flags)

	if s.Provenance.empty() {
		s.Provenance = ownProvenance()
	}

	if s.ID == "" {
		s.ID = s.derivedID()
	}

	return &Patch{spec: s}, nil
}

func (s Spec) validate() error {
	var errs []error

	wrong := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("patch %q: %w: %s", s.Name, ErrInvalid, fmt.Sprintf(format, a...)))
	}

	switch {
	case s.Name == "":
		wrong("it has no name")
	case len(s.Name) > maxName:
		wrong("its name is longer than %d bytes", maxName)
	case strings.ContainsFunc(s.Name, unprintable):
		wrong("its name has a space, or what can't be printed")
	}

	if len(s.Bindings) == 0 && !s.Hooks.any() && !s.native.wide() {
		wrong("it binds nothing")
	}

	for _, id := range []ID{s.ID, s.Depends} {
		if b, err := hex.DecodeString(string(id)); err != nil || hex.EncodeToString(b) != string(id) || len(b) > maxID {
			wrong("%q is not a build-id in hexadecimal", id)
		}
	}

	slots := map[int]bool{}

	for _, b := range s.Bindings {
		switch {
		case b.name == "":
			wrong("a binding for no declared slot")
		case b.fn == nil:
			wrong("slot %s is bound to a nil function", b.name)
		case slots[b.id]:
			wrong("slot %s is bound twice", b.name)
		}

		slots[b.id] = true
	}

	for _, e := range s.Expect {
		if e.check == nil {
			wrong("an empty expectation")
		}
	}

	for _, o := range s.Owned {
		if o.pristine == nil {
			wrong("an empty owned variable")
		}
	}

	states := map[string]bool{}

	for _, st := range s.States {
		switch {
		case st.ID == "":
			wrong("a state without an id")
		case states[st.ID]:
			wrong("state %s is listed twice", st.ID)
		}

		states[st.ID] = true
	}

	return errors.Join(errs...)
}

// Bounds of what is kept and shown.
const (
	maxName = 127 // bytes
	maxID   = 64  // bytes
)

// derivedID depends on nothing that changes between two runs of a program.
func (s Spec) derivedID() ID {
	h := sha256.New()

	fmt.Fprintf(h, "vgraft in-process patch\n%q %q\n", s.Name, s.Depends)

	for _, b := range s.Bindings {
		fmt.Fprintf(h, "%q %q\n", b.name, b.symbol)
	}

	for _, st := range s.States {
		fmt.Fprintf(h, "%q %d\n", st.ID, st.Version)
	}

	_, _ = io.WriteString(h, "end")

	return ID(hex.EncodeToString(h.Sum(nil)[:20]))
}

// Name is the name the patch was made with.
func (p *Patch) Name() string { return p.spec.Name }

// ID is the identity of the patch.
func (p *Patch) ID() ID { return p.spec.ID }

// Depends is the identity of the patch below; empty is any or none.
func (p *Patch) Depends() ID { return p.spec.Depends }

// Metadata is a copy of what the patch says about itself.
func (p *Patch) Metadata() map[string]string { return maps.Clone(p.spec.Metadata) }

// Mapped is how many bytes were mapped for the patch.
func (p *Patch) Mapped() int { return p.spec.Mapped }

// Slots lists the names of the slots that the patch binds.
func (p *Patch) Slots() []string {
	out := make([]string, len(p.spec.Bindings))
	for i, b := range p.spec.Bindings {
		out[i] = b.name
	}

	return out
}

// made says whether New made the patch.
func (p *Patch) made() bool { return p != nil && p.spec.Name != "" }
