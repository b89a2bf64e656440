package gort

import (
	"reflect"
	"sync"
	"unsafe"
)

// madeTypes calls f with every type in a cache of reflection: a sync.Map of types, or of lists
// of them.
func madeTypes(cache uint64, f func(t uint64)) {
	(*sync.Map)(pointer(cache)).Range(func(_, v any) bool {
		eachPointer(reflect.ValueOf(v), f)
		return true
	})
}

const mapSize = uint64(unsafe.Sizeof(sync.Map{}))

// isMap says whether there is a sync.Map: memory with nothing in it, or with the functions that
// every one of them has for its keys and values. It is at least read before it is taken for one.
func isMap(at uint64) bool {
	var m sync.Map

	m.Store(at, at)

	const inited, keyHash, valEqual = 0, 24, 32

	same := func(off uint64) bool {
		return load(at+off, 8) == *(*uint64)(unsafe.Add(unsafe.Pointer(&m), off))
	}

	if load(at+inited, 4) == 0 {
		return load(at+keyHash, 8)|load(at+valEqual, 8) == 0
	}

	return same(keyHash) && same(valEqual)
}

func eachPointer(v reflect.Value, f func(uint64)) {
	switch v.Kind() {
	case reflect.Pointer:
		f(uint64(v.Pointer()))
	case reflect.Interface:
		eachPointer(v.Elem(), f)
	case reflect.Slice:
		for i := range v.Len() {
			eachPointer(v.Index(i), f)
		}
	}
}

// nameOfType is what a type that the runtime knows is called.
func nameOfType(t uint64) string {
	nothing := [2]uintptr{uintptr(t)} // an interface with a nil pointer of the type

	return reflect.TypeOf(*(*any)(unsafe.Pointer(&nothing))).String()
}
