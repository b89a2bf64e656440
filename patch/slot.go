package patch

import (
	"cmp"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// Slot is a declared, replaceable function of type F. Declare slots as package
// variables, with NewSlot; there is no way to remove one. All methods may be called
// from any goroutine.
type Slot[F any] struct {
	impl F
	name string
	id   int // index in the table of every view, from 1 on: 0 is a Slot nobody declared
}

// registry is the list of declared slots, the only state of the package beside the
// default domain and the shadow variables. It grows during package initialisation and hardly ever after.
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
// the import path and the function, and unique in the process. A name that is empty,
// taken, or not made of printable characters without spaces, an F that isn't a function
// type, and a nil impl are programming errors of the package that declares it, and
// panic, as regexp.MustCompile does.
//
//go:noinline
func NewSlot[F any](name string, impl F) *Slot[F] {
	return &Slot[F]{impl: impl, name: name, id: register(name, reflect.TypeFor[F](), reflect.ValueOf(impl))}
}

// register wants F beside the value: an interface type isn't a function type, though the
// value in it may be a function.
func register(name string, typ reflect.Type, fn reflect.Value) int {
	switch {
	case name == "":
		panic("patch: slot without a name")
	case strings.ContainsFunc(name, unprintable):
		panic(fmt.Sprintf("patch: slot %q: its name has a space, or what can't be printed", name))
	case typ.Kind() != reflect.Func:
		panic(fmt.Sprintf("patch: slot %s: not a function type but %v", name, typ))
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

	registry.slots = append(registry.slots, Info{
		Name: name,
		Type: typ.String(),
		Impl: runtime.FuncForPC(fn.Pointer()).Name(),
	})

	id := len(registry.slots)
	registry.byName[name] = id

	return id
}

// unprintable is true of what would break a table, a log line or a command line.
func unprintable(r rune) bool {
	return r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r)
}

// Slots lists every declared slot of the process, by name.
func Slots() []Info {
	registry.mu.Lock()
	defer registry.mu.Unlock()

	out := slices.Clone(registry.slots)
	slices.SortFunc(out, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })

	return out
}

// slotName is the name of the slot with the id; 0 is none.
func slotName(id int) string {
	registry.mu.Lock()
	defer registry.mu.Unlock()

	if id < 1 || id > len(registry.slots) {
		return ""
	}

	return registry.slots[id-1].Name
}

// Name is the name the slot was declared with.
func (s *Slot[F]) Name() string { return s.name }

// Declared is the implementation the slot was declared with, whatever is bound now.
// It is for patches that wrap the original.
func (s *Slot[F]) Declared() F { return s.impl }

// Get is the implementation bound in the default domain right now. It is for code
// that runs in no section: nobody knows when the call through it ends.
func (s *Slot[F]) Get() F { return s.In(Section{v: defaultDomain.view.Load()}) }

// defaultDomain is there from the start, so that Get needs no initialisation.
var defaultDomain = Domain{name: "default"}

// Default is the domain of code that runs in no section: the one Slot.Get reads.
func Default() *Domain { return &defaultDomain }

// Section is the view that a worker took when it entered; it is good until the worker
// leaves. The zero Section has the declared implementation in every slot, which is handy
// in tests of a single function.
type Section struct {
	v *view
	w *Worker // nil outside a worker
}

// generations numbers the views of the process, so that no two have the same number.
var generations atomic.Uint64
