package patch

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

// shadowTable holds one shadow variable of all objects. It isn't generic, though Shadow
// is: code instantiated for a patch's types belongs to that patch, and what a table keeps
// (the cleanups above all) has to outlive it.
//
// Entries are found by the object's address; the weak pointer in the entry then says
// whether that is still the same object. A table with weak pointers as keys would need no
// address, but weak.Make takes a lock, walks a list of up to all objects of the span, and
// leaves a record behind for every object that was merely asked about: measured, a Get
// took five times as long.
//
// The address of an object that has an entry doesn't change: attaching makes it escape
// to the heap, and Go's collector moves nothing but stacks.
type shadowTable struct {
	entries  sync.Map // uintptr, the object's address, to *shadowEntry
	attached atomic.Int64
}

// shadowEntry is the variable of one object.
type shadowEntry struct {
	addr    uintptr
	obj     weak.Pointer[byte]
	cleanup runtime.Cleanup // written before value is

	making sync.Mutex           // held until value is known, or known not to come
	value  atomic.Pointer[byte] // to the V; nil until it is made, and for ever if that failed
}

// getOrAttach does what Shadow.GetOrAttach says.
func getOrAttach[O, V any](t *shadowTable, obj *O, build func() V) (_ *V, fresh bool) {
	// An object is known by its first byte, and a V by its own: both pointers keep the
	// whole alive, as any pointer into it would. NewShadow refuses objects without bytes.
	e, fresh := t.claim((*byte)(unsafe.Pointer(obj)))
	if fresh {
		t.fill(e, (*byte)(unsafe.Pointer(obj)), func() *byte {
			v := new(V)
			*v = build()

			return (*byte)(unsafe.Pointer(v))
		})
	}

	runtime.KeepAlive(obj)

	// The table belongs to one O and one V: NewShadow holds that.
	return (*V)(unsafe.Pointer(e.value.Load())), fresh
}

func getShadow[O, V any](t *shadowTable, obj *O) (*V, bool) {
	_, v := t.find((*byte)(unsafe.Pointer(obj)))

	runtime.KeepAlive(obj)

	return (*V)(unsafe.Pointer(v)), v != nil
}

func detachShadow[O, V any](t *shadowTable, obj *O) (*V, bool) {
	e, v := t.find((*byte)(unsafe.Pointer(obj)))
	ok := v != nil && t.detach(e)

	runtime.KeepAlive(obj)

	return (*V)(unsafe.Pointer(v)), ok
}

func detachAllShadows[O, V any](t *shadowTable, destroy func(*O, *V)) int {
	n := 0

	t.entries.Range(func(_, x any) bool {
		e := x.(*shadowEntry)
		obj, v := e.obj.Value(), e.value.Load()

		if obj == nil || v == nil || !t.detach(e) {
			return true // dead, and its cleanup is on the way; not yet there; detached meanwhile
		}

		n++

		if destroy != nil {
			destroy((*O)(unsafe.Pointer(obj)), (*V)(unsafe.Pointer(v)))
		}

		return true
	})

	return n
}

// find gives the object's entry and value, and two nils if there is none.
func (t *shadowTable) find(obj *byte) (*shadowEntry, *byte) {
	x, ok := t.entries.Load(address(obj))
	if !ok {
		return nil, nil
	}

	e := x.(*shadowEntry)

	v := e.value.Load()
	if v == nil || e.obj.Value() != obj {
		return nil, nil // being made; or of an object that was at this address before
	}

	return e, v
}

// claim gives the entry that has the object's value, or, with fresh, a new one that is
// the caller's to fill.
func (t *shadowTable) claim(obj *byte) (_ *shadowEntry, fresh bool) {
	var own *shadowEntry

	for {
		if x, ok := t.entries.Load(address(obj)); ok {
			e := x.(*shadowEntry)
			if e.obj.Value() != obj {
				t.drop(e) // its object is dead, and its cleanup late
				continue
			}

			if e.value.Load() != nil {
				return e, false
			}

			// Wait for the one that makes the value, and look again: if nothing came of
			// it, fill has taken the entry out.
			e.making.Lock()
			e.making.Unlock()

			continue
		}

		if own == nil {
			own = &shadowEntry{addr: address(obj), obj: weak.Make(obj)}
			own.making.Lock()
		}

		if _, taken := t.entries.LoadOrStore(own.addr, own); !taken {
			return own, true
		}
	}
}

// fill makes the value of an entry that claim gave. If build doesn't return, the entry is
// out of the table again when those that wait for it wake.
func (t *shadowTable) fill(e *shadowEntry, obj *byte, build func() *byte) {
	defer e.making.Unlock()

	defer func() {
		if e.value.Load() == nil {
			t.entries.CompareAndDelete(e.addr, e)
		}
	}()

	v := build()

	// The cleanup is this package's code, and holds nothing of the object: it would
	// never die else.
	e.cleanup = runtime.AddCleanup(obj, func(e *shadowEntry) { t.drop(e) }, e)

	t.attached.Add(1)
	e.value.Store(v)
}

// detach takes the entry of a live object out of the table, and says whether this call
// did.
func (t *shadowTable) detach(e *shadowEntry) bool {
	if !t.drop(e) {
		return false
	}

	e.cleanup.Stop() // else they would pile up on an object that is attached to often

	return true
}

// drop is detach for an object that is dead.
func (t *shadowTable) drop(e *shadowEntry) bool {
	if !t.entries.CompareAndDelete(e.addr, e) {
		return false
	}

	if e.value.Load() != nil { // nil where build panicked, and hasn't got to remove it yet
		t.attached.Add(-1)
	}

	return true
}

// address is the key of an object in the table. It is a number, so that the table doesn't
// keep the object alive.
func address(obj *byte) uintptr { return uintptr(unsafe.Pointer(obj)) }
