// Package bus finds the device window that an access of the guest falls into.
//
// A Bus is one address space: ports or guest-physical addresses. It knows nothing of
// KVM, of machines or of what a device does.
package bus

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
)

// Window is a claimed range of addresses.
type Window struct {
	Name       string
	Base, Size uint64
	Handler    device.Handler
}

func (w *Window) String() string {
	return fmt.Sprintf("%s [%#x, +%#x)", w.Name, w.Base, w.Size)
}

// OverlapError is a claim of addresses that are taken.
type OverlapError struct {
	New, Old Window
}

func (e *OverlapError) Error() string {
	return fmt.Sprintf("device window %v overlaps %v", &e.New, &e.Old)
}

// Bus is an address space. Claim windows first; once guests run it must not change,
// and Load and Store may be called from any goroutine. For their names see device.Handler.
type Bus struct {
	Limit   uint64   // first address that doesn't exist; 0 is 2^64
	windows []Window // ascending, disjoint
}

// Claim adds a window. The error is an *OverlapError, or says that the range is
// empty or lies outside the space.
func (b *Bus) Claim(w Window) error {
	last := w.Base + w.Size - 1

	switch {
	case w.Handler.IsZero():
		return fmt.Errorf("device window %v has no handler", &w)
	case w.Size == 0, last < w.Base, b.Limit != 0 && last >= b.Limit:
		return fmt.Errorf("device window %v is empty or outside its address space", &w)
	}

	i, _ := slices.BinarySearchFunc(b.windows, w.Base, func(w Window, base uint64) int { return cmp.Compare(w.Base, base) })
	if i > 0 {
		if old := b.windows[i-1]; old.Base+old.Size-1 >= w.Base {
			return &OverlapError{w, old}
		}
	}

	if i < len(b.windows) {
		if old := b.windows[i]; old.Base <= last {
			return &OverlapError{w, old}
		}
	}

	b.windows = slices.Insert(b.windows, i, w)

	return nil
}

// Windows lists the claims in ascending order.
func (b *Bus) Windows() []Window { return slices.Clone(b.windows) }

// find gives the window that holds addr, or nil.
func (b *Bus) find(addr uint64) *Window {
	lo, hi := 0, len(b.windows)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)

		switch w := &b.windows[mid]; {
		case addr < w.Base:
			hi = mid
		case addr-w.Base >= w.Size:
			lo = mid + 1
		default:
			return w
		}
	}

	return nil
}

// natural says whether n is a width that handlers are promised.
func natural(n int) bool { return n > 0 && n <= 8 && n&(n-1) == 0 }

// Load does a guest's read of len(data) bytes at addr. What nobody claims reads as all
// ones, as on a bus that nobody drives.
func (b *Bus) Load(s patch.Section, addr uint64, data []byte) {
	w := b.find(addr)

	switch {
	case w == nil && len(data) == 1:
		data[0] = 0xff
	case w != nil && uint64(len(data)) <= w.Size-(addr-w.Base) && natural(len(data)):
		if d := w.Handler.Direct(); d != nil {
			d.Read(s, addr-w.Base, data)
		} else {
			w.Handler.Load(s, addr-w.Base, data)
		}
	default:
		// Nobody's, or partly somebody's: each byte is an access of its own.
		for i := range data {
			b.Load(s, addr+uint64(i), data[i:i+1])
		}
	}
}

// Store does a guest's write. What nobody claims goes nowhere.
func (b *Bus) Store(s patch.Section, addr uint64, data []byte) {
	w := b.find(addr)

	switch {
	case w == nil && len(data) == 1:
	case w != nil && uint64(len(data)) <= w.Size-(addr-w.Base) && natural(len(data)):
		if d := w.Handler.Direct(); d != nil {
			d.Write(s, addr-w.Base, data)
		} else {
			w.Handler.Store(s, addr-w.Base, data)
		}
	default:
		for i := range data {
			b.Store(s, addr+uint64(i), data[i:i+1])
		}
	}
}
