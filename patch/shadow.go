package patch

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// ErrAttached is what Shadow.Attach says of an object that has the variable already.
var ErrAttached = errors.New("already attached")

// Shadow is a variable of type V that objects of type O have without being made for it:
// a patch that needs one more field attaches it to the objects there are, since it can't
// change their type. Make one with NewShadow. All methods may be called from any
// goroutine; what the *V points to has no lock but the caller's own.
//
// The variable goes with its object: it doesn't keep the object alive, and is freed some
// time after it. No destructor runs then. A V that has to be told uses
// runtime.AddCleanup, or a code path of the program that ends such objects, with Detach.
//
// What follows from how Go's collector sees it:
//
//   - A V must not lead to its own object. The table holds the V as long as the object
//     lives, and then the object would live as long as the V: neither is ever freed. A
//     method gets the object as an argument; what can't, keeps a weak.Pointer to it.
//   - An object of a package variable never dies; its V lives until it is detached.
//   - Objects below 16 bytes without pointers share an allocation with others, and are
//     freed together.
//   - A part of an object, such as a field or an element, is an object too. It lives as
//     long as the whole.
//   - When an object's finalizer or cleanup runs, the object has no shadows any more.
//   - Memory that isn't Go's, such as a mapped file or a guest's, has no objects: the
//     runtime ends the process if asked to attach to it.
type Shadow[O, V any] struct {
	table *shadowTable
	id    string
}

// shadows is the list of declared shadow variables. It belongs to the process for the
// reason that the list of slots does, and to no engine: what is attached is a property
// of objects that all domains may share. Revert and Unload leave it alone, so that a
// successor of the patch finds it.
var shadows struct {
	mu   sync.Mutex
	byID map[string]declaredShadow
}

type declaredShadow struct {
	object, value reflect.Type
	table         *shadowTable
}

// NewShadow declares a shadow variable. The id is what makes it this one: by convention
// the import path, the type and the name of the field it stands for. Declaring it again
// with the same types gives the same variable: that is how a patch finds what its
// predecessor attached. Types are the same when they are in Go: one that a payload
// brings itself is its own, even if the next payload has one of that name.
//
// An id that is empty or not made of printable characters without spaces, one that is
// declared with other types, and an O whose values have no size, and so no identity, are
// programming errors and panic, as with NewSlot.
func NewShadow[O, V any](id string) *Shadow[O, V] {
	return &Shadow[O, V]{id: id, table: declareShadow(id, reflect.TypeFor[O](), reflect.TypeFor[V]())}
}

func declareShadow(id string, object, value reflect.Type) *shadowTable {
	switch {
	case id == "":
		panic("patch: shadow variable without an id")
	case strings.ContainsFunc(id, unprintable):
		panic(fmt.Sprintf("patch: shadow variable %q: its id has a space, or what can't be printed", id))
	case object.Size() == 0:
		panic(fmt.Sprintf("patch: shadow variable %s: objects of type %v have no size, and so can't be told apart", id, object))
	}

	shadows.mu.Lock()
	defer shadows.mu.Unlock()

	if d, ok := shadows.byID[id]; ok {
		if d.object != object || d.value != value {
			panic(fmt.Sprintf("patch: shadow variable %s is declared as %v of %v, and now as %v of %v",
				id, typeName(d.value), typeName(d.object), typeName(value), typeName(object)))
		}

		return d.table
	}

	if shadows.byID == nil {
		shadows.byID = map[string]declaredShadow{}
	}

	t := &shadowTable{}
	shadows.byID[id] = declaredShadow{object, value, t}

	return t
}

// typeName has the whole import path: two packages of one name are just what is confused.
func typeName(t reflect.Type) string {
	if t.PkgPath() == "" {
		return t.String()
	}

	return t.PkgPath() + "." + t.Name()
}

// ID is the id the variable was declared with.
func (s *Shadow[O, V]) ID() string { return s.id }

// Attach gives the object the variable, with the value v. The error is ErrAttached when
// it has one: that one is not touched. A nil object is a programming error, and panics.
//
// The pointer is good for as long as the caller keeps it, but after a Detach it is no
// longer the object's.
func (s *Shadow[O, V]) Attach(obj *O, v V) (*V, error) {
	p, fresh := s.GetOrAttach(obj, func() V { return v })
	if !fresh {
		return nil, fmt.Errorf("patch: shadow variable %s: %w", s.id, ErrAttached)
	}

	return p, nil
}

// GetOrAttach gives the object's variable, and whether this call attached it. If there is
// none, build makes its value: in one goroutine only, however many ask at once, while the
// others wait and get the same. When build panics or ends its goroutine nothing is
// attached, and the next to ask builds it.
//
// build may use other objects and other variables. Asking for this one of the same object
// waits for itself, for ever. A nil object is a programming error, and panics.
func (s *Shadow[O, V]) GetOrAttach(obj *O, build func() V) (v *V, fresh bool) {
	if obj == nil {
		panic(fmt.Sprintf("patch: shadow variable %s: attaching it to a nil object", s.id))
	}

	return getOrAttach(s.table, obj, build)
}

// Get gives the object's variable, and whether it has one. It waits for nobody: one that
// GetOrAttach is about to attach isn't there yet. A nil object has none.
func (s *Shadow[O, V]) Get(obj *O) (*V, bool) { return getShadow[O, V](s.table, obj) }

// Detach takes the variable from the object and says whether it had one: of several
// goroutines that detach it at once, one is told so. destroy, which may be nil, gets the
// value then; others that hold a pointer to it may still use it meanwhile.
func (s *Shadow[O, V]) Detach(obj *O, destroy func(*V)) bool {
	v, ok := detachShadow[O, V](s.table, obj)
	if ok && destroy != nil {
		destroy(v)
	}

	return ok
}

// DetachAll takes the variable from every object that has it, and says how many those
// were. destroy, which may be nil, gets each with its object; if it panics, the objects
// not yet visited keep theirs. One that is attached meanwhile may be left.
func (s *Shadow[O, V]) DetachAll(destroy func(*O, *V)) int {
	return detachAllShadows(s.table, destroy)
}

// Len is the number of objects that have the variable. Dead ones count until the collector
// has found them.
func (s *Shadow[O, V]) Len() int { return int(s.table.attached.Load()) }
