package emit

import (
	"errors"
	"fmt"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// Plan is what goes into a payload.
type Plan struct {
	Base      *program.Program // the program that is patched, linked
	GoVersion string           // such as "go1.26.8": which tables the runtime has

	// Include are the symbols of the fixed program that are copied: code, constants, types
	// and variables, with all that they refer to, except what Resolve knows.
	Include []*program.Symbol

	// Resolve says where a symbol that isn't included lives, as a RefHost or RefPatch.
	Resolve func(s *program.Symbol) (payload.Ref, bool)

	// KeepMethod says whether method i of an included type, in the order of its method
	// table, can be called. Its functions are included, or Resolve knows them. Nil keeps
	// none.
	KeepMethod func(typ *program.Symbol, i int) bool

	// Itabs are interface tables that the base may not have. The runtime makes them when
	// the payload is loaded, so that there is only one of each.
	Itabs []*program.Symbol

	Slots         []Slot
	Fixups, Words []WordPlan
	Entries       []EntryPlan
	Hooks         map[string]*program.Symbol // functions, by the payload.Hook* names
	Inits         []InitPlan

	// Meta has all that Emit doesn't know: Name, Target.BuildID, Depends, Provenance,
	// Changes, Accepted, Expect. What it has of the rest of Target and of Runtime is kept.
	Meta payload.Meta
}

// Slot binds a slot to a function.
type Slot struct {
	Name, Impl string          // of the slot, and the symbol that the base declares it with
	Func       *program.Symbol // the new function
}

// WordPlan is a word of the program that changes.
type WordPlan struct {
	Kind, Name string
	At         payload.Ref
	Size       int // in bytes, 8 or 4
	Old        []payload.Value

	New   *program.Symbol // included or resolvable; nil is Const
	Const uint64
	Same  bool // see payload.Word
}

// EntryPlan is a function of the program whose entry is to lead to another one.
type EntryPlan struct {
	Name string
	At   payload.Ref
	Old  []byte      // of the program's file
	From payload.Ref // where a payload below has it lead; nothing is none

	New *program.Symbol // included
}

// InitPlan is the initialisation of a package.
type InitPlan struct {
	Package string
	Funcs   []*program.Symbol
}

// ErrVersion is a program of a Go version whose tables aren't known, or aren't what they
// are known to be.
var ErrVersion = errors.New("tables of this Go version aren't known")

// ErrVerify is a payload whose tables contradict each other.
var ErrVerify = errors.New("payload contradicts itself")

// RelocError is a reference that a payload can't have.
type RelocError struct {
	Symbol, Target string
	Type           goobj.RelocType
	What           string
}

func (e *RelocError) Error() string {
	return fmt.Sprintf("reference of type %d from %s to %s: %s", e.Type, e.Symbol, e.Target, e.What)
}

// PlanError is a plan that can't be carried out.
type PlanError struct{ Symbol, What string }

func (e *PlanError) Error() string { return e.Symbol + ": " + e.What }
