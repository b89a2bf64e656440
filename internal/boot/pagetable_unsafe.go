//go:build amd64 && !vgraft_plaintables

package boot

import (
	"unsafe"

	"gvisor.dev/gvisor/pkg/ring0/pagetables"
)

// aligned tells whether page table entries can be stored at b atomically.
func aligned(b []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))%unsafe.Sizeof(uintptr(0)) == 0
}

// ptes views a page of guest memory as page table entries. The page must be aligned.
// A PTE is a word without pointers, so any bytes are valid ones, and the tables must
// not outlive the memory: they don't outlive the loader.
func ptes(page []byte) *pagetables.PTEs {
	return (*pagetables.PTEs)(unsafe.Pointer(unsafe.SliceData(page[:unsafe.Sizeof(pagetables.PTEs{})])))
}
