package patch

import (
	"cmp"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Slot is a declared, replaceable function of type F. Declare slots as package
// variables, with NewSlot; there is no way to remove one. All methods may be called
// from any goroutine.
type Slot[F any] struct {
	impl F
	name string
	id   int // index in the table of every view
}

// registry is the list of declared slots, the only state of the package beside the
// default domain. It grows during package initialisation and hardly ever after.
var registry struct {
	mu     sync.Mutex
	slots  []Info
	byName map[string]int
}

// Info describes a declared slot.
type Info struct {
	Name string // as declared
	Type string // of the function
	Impl string // symbol of the declared implementation
}

// NewSlot declares a slot. The name is what patches and tools call it: by convention
// the import path and the function, and unique in the process. A name that is empty
// or taken, an F that isn't a function type, and a nil impl are programming errors of
// the package that declares it, and panic, as regexp.MustCompile does.
//
//go:noinline
func NewSlot[F any](name string, impl F) *Slot[F] {
	return &Slot[F]{impl: impl, name: name, id: register(name, reflect.ValueOf(impl))}
}

func register(name string, fn reflect.Value) int {
	switch {
	case name == "":
		panic("patch: slot without a name")
	case fn.Kind() != reflect.Func:
		panic(fmt.Sprintf("patch: slot %s: not a function but %v", name, fn.Kind()))
	case fn.IsNil():
		panic(fmt.Sprintf("patch: slot %s: nil function", name))
	}

	registry.mu.Lock()
	defer registry.mu.Unlock()

	if registry.byName == nil {
		registry.byName = map[string]int{}
	}

	if _, dup := registry.byName[name]; dup {
		panic(fmt.Sprintf("patch: slot %s is declared twice", name))
	}

	id := len(registry.slots)
	registry.byName[name] = id
	registry.slots = append(registry.slots, Info{
		Name: name,
		Type: fn.Type().String(),
		Impl: runtime.FuncForPC(fn.Pointer()).Name(),
	})

	return id
}

// Slots lists every declared slot of the process, by name.
func Slots() []Info {
	registry.mu.Lock()
	defer registry.mu.Unlock()

	out := slices.Clone(registry.slots)
	slices.SortFunc(out, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })

	return out
}

// Name is the name the slot was declared with.
func (s *Slot[F]) Name() string { return s.name }

// Declared is the implementation the slot was declared with, whatever is bound now.
// It is for patches that wrap the original.
func (s *Slot[F]) Declared() F { return s.impl }

// Get is the implementation bound in the default domain right now. It is for code
// that runs in no section.
func (s *Slot[F]) Get() F { return s.In(Section{defaultDomain.view.Load()}) }

// defaultDomain is there from the start, so that Get needs no initialisation.
var defaultDomain = Domain{name: "default"}

// Default is the domain of code that runs in no section: the one Slot.Get reads.
func Default() *Domain { return &defaultDomain }

// Section is the view that a worker took when it entered. The zero Section has the
// declared implementation in every slot, which is handy in tests of a single function.
type Section struct{ v *view }

// generations numbers the views of the process, so that a report can say which is
// newer.
var generations atomic.Uint64
