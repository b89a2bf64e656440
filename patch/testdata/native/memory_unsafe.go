package main

import (
	"reflect"
	"unsafe"
)

// addressOf is where a function begins.
func addressOf(fn any) uint64 { return uint64(reflect.ValueOf(fn).Pointer()) }

func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

func load[T any](addr uint64) T {
	a := uintptr(addr)

	return **(**T)(unsafe.Pointer(&a))
}

// typeOf is where the description of a type is.
func typeOf[T any]() uint64 {
	t := reflect.TypeFor[T]()

	return uint64((*[2]uintptr)(unsafe.Pointer(&t))[1])
}

// tableOf is the table of an interface value.
func tableOf[I any](v *I) uint64 { return uint64(*(*uintptr)(unsafe.Pointer(v))) }

// methodOfPointer is where the method table of a pointer type with one method has it: four
// words of four bytes, of which the last two are where its code is.
func methodOfPointer(typ uint64) uint64 {
	uncommon := typ + 56

	return uncommon + uint64(load[uint32](uncommon+8))
}
