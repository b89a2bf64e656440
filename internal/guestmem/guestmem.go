// Package guestmem is the guest's RAM: anonymous memory of this process, arranged in
// regions of guest-physical addresses, reached only through bounds-checked calls.
//
// It knows nothing of KVM or of devices. The guest writes this memory while we read
// it, so a value that was checked must be copied out first and checked in the copy.
package guestmem

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// PageSize is the granularity of regions.
const PageSize = 4096

// ErrBounds is wrapped by every error for an access outside RAM.
var ErrBounds = errors.New("outside guest memory")

// BoundsError is an access that RAM doesn't hold in one region.
type BoundsError struct {
	GPA, Len uint64
}

func (e *BoundsError) Error() string {
	return fmt.Sprintf("guest memory: [%#x, +%#x) is %v", e.GPA, e.Len, ErrBounds)
}

// Unwrap gives ErrBounds.
func (e *BoundsError) Unwrap() error { return ErrBounds }

// HoleError is a hole that RAM can't go around: not of whole pages, round the end of the
// addresses, at address 0, or so high that the RAM above it would not fit.
type HoleError struct {
	Hole Range
	Size uint64 // of the RAM
}

func (e *HoleError) Error() string {
	return fmt.Sprintf("guest memory: %#x bytes don't fit around a hole [%#x, +%#x)", e.Size, e.Hole.Base, e.Hole.Size)
}

// Range is a span of guest-physical addresses.
type Range struct {
	Base, Size uint64
}

// End is the first address after the range.
func (r Range) End() uint64 { return r.Base + r.Size }

// fits says whether RAM of that size can be put around the range. Nothing may end at 2^64
// or beyond: End would be 0.
func (r Range) fits(size uint64) bool {
	high := size - min(size, r.Base)

	return r.Base != 0 && r.Base%PageSize == 0 && r.Size%PageSize == 0 &&
		r.Size < -r.Base && high < -r.Base-r.Size
}

// Region is a range of RAM and the memory behind it. Bytes stays valid until Close.
type Region struct {
	Range
	Bytes []byte
}

// Memory is the RAM of one guest. ReadAt, WriteAt, Slice, Grow and Shrink may be called from any
// goroutine; after Close they return an error that wraps os.ErrClosed.
type Memory struct {
	// mu is held for reading by each copy, so that Close can't unmap under it.
	mu      sync.RWMutex
	regions []Region
	gone    []Region // by Shrink: mapped, for slices that somebody may have
	closed  bool
}

// New maps size bytes of RAM from guest-physical address 0, leaving the addresses of
// hole free: what doesn't fit below the hole continues above it. Nothing is resident
// until the guest or the loader touches it. size must be a positive multiple of
// PageSize, and the hole be of whole pages, not at 0; else the error is a *HoleError.
func New(size uint64, hole Range) (_ *Memory, err error) {
	if size == 0 || size%PageSize != 0 {
		return nil, fmt.Errorf("guest memory: size %#x is not a positive multiple of %#x", size, PageSize)
	}

	if !hole.fits(size) {
		return nil, &HoleError{Hole: hole, Size: size}
	}

	m := &Memory{}

	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()

	low := min(size, hole.Base)
	if err := m.add(Range{0, low}); err != nil {
		return nil, err
	}

	if high := size - low; high > 0 {
		if err := m.add(Range{hole.End(), high}); err != nil {
			return nil, err
		}
	}

	return m, nil
}

// NewAt maps size bytes of RAM from a guest-physical address, in one piece. size must be
// a positive multiple of PageSize and base be one of it; what would go round the end of
// the addresses is a *HoleError too.
func NewAt(base, size uint64) (_ *Memory, err error) {
	if size == 0 || size%PageSize != 0 {
		return nil, fmt.Errorf("guest memory: size %#x is not a positive multiple of %#x", size, PageSize)
	}

	if below := (Range{0, base}); base%PageSize != 0 || base != 0 && size >= -base {
		return nil, &HoleError{Hole: below, Size: size}
	}

	m := &Memory{}
	if err := m.add(Range{base, size}); err != nil {
		return nil, errors.Join(err, m.Close())
	}

	return m, nil
}

func (m *Memory) add(r Range) error {
	b, err := mapped(r.Size)
	if b != nil {
		m.regions = append(m.regions, Region{Range: r, Bytes: b})
	}

	return err
}

// Grow maps more RAM, where there is none, while others use what there is. ready is called
// with it before anyone else can reach it; if that fails, nothing has changed. Base and
// size must be multiples of PageSize.
func (m *Memory) Grow(r Range, ready func(Region) error) error {
	if r.Size == 0 || r.Size%PageSize != 0 || r.Base%PageSize != 0 || r.Size >= -r.Base && r.Base != 0 {
		return &HoleError{Hole: Range{0, r.Base}, Size: r.Size}
	}

	b, err := m.again(r.Size)
	if b == nil && err == nil {
		b, err = mapped(r.Size)
	}

	if err == nil {
		err = ready(Region{Range: r, Bytes: b})
	}

	if err == nil {
		err = m.publish(Region{Range: r, Bytes: b})
	}

	if err != nil && b != nil {
		err = errors.Join(err, os.NewSyscallError("munmap", unix.Munmap(b)))
	}

	return err
}

// Shrink takes a region out that Grow has put in, while others use the rest. done is called
// when nobody can reach it any more by this Memory, but for slices that were taken before;
// these stay valid, and have nothing to do with the guest. If done fails, the region is
// back. What was in it is lost. A range that isn't a region is a *BoundsError.
func (m *Memory) Shrink(r Range, done func() error) error {
	region, err := m.withdraw(r)
	if err != nil {
		return err
	}

	if err := done(); err != nil {
		back := m.publish(region)
		if back != nil { // closed meanwhile
			back = errors.Join(back, os.NewSyscallError("munmap", unix.Munmap(region.Bytes)))
		}

		return errors.Join(err, back)
	}

	m.mu.Lock()
	defer m.mu.Unlock()

	if m.closed {
		return os.NewSyscallError("munmap", unix.Munmap(region.Bytes))
	}

	m.gone = append(m.gone, region)

	// The host has the memory back; the addresses stay, and hold zeros.
	return os.NewSyscallError("madvise", unix.Madvise(region.Bytes, unix.MADV_DONTNEED))
}

func (m *Memory) withdraw(r Range) (Region, error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.closed {
		return Region{}, fmt.Errorf("guest memory: %w", os.ErrClosed)
	}

	for i, o := range m.regions {
		if o.Range == r {
			m.regions = slices.Concat(m.regions[:i], m.regions[i+1:])
			return o, nil
		}
	}

	return Region{}, &BoundsError{GPA: r.Base, Len: r.Size}
}

// again takes addresses that Shrink has left, if there are some of that size. Whoever still
// has a slice of them may have written to it.
func (m *Memory) again(size uint64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	for i, r := range m.gone {
		if r.Size == size {
			m.gone = slices.Delete(m.gone, i, i+1)
			return r.Bytes, os.NewSyscallError("madvise", unix.Madvise(r.Bytes, unix.MADV_DONTNEED))
		}
	}

	return nil, nil
}

// publish makes a region one of the guest's RAM.
func (m *Memory) publish(r Region) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.closed {
		return fmt.Errorf("guest memory: %w", os.ErrClosed)
	}

	at := len(m.regions)

	for i, o := range m.regions {
		if r.Base < o.End() && o.Base < r.End() {
			return fmt.Errorf("guest memory: [%#x, +%#x) overlaps [%#x, +%#x)", r.Base, r.Size, o.Base, o.Size)
		}

		if r.Base < o.Base {
			at = min(at, i)
		}
	}

	// Another slice: Regions gives copies, but a reader may hold a pointer into this one.
	m.regions = slices.Concat(m.regions[:at:at], []Region{r}, m.regions[at:])

	return nil
}

// mapped gives memory that isn't resident. It may give it with an error.
func mapped(size uint64) ([]byte, error) {
	// NORESERVE: a guest may be given more RAM than the host would promise now.
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("guest memory: map %#x bytes: %w", size, err)
	}

	// A core dump of the monitor should not hold the guests' secrets, nor their size.
	return b, os.NewSyscallError("madvise", unix.Madvise(b, unix.MADV_DONTDUMP))
}

// Regions lists the RAM in ascending order of address. The caller must not use the
// bytes after Close.
func (m *Memory) Regions() []Region {
	m.mu.RLock()
	defer m.mu.RUnlock()

	return slices.Clone(m.regions)
}

// Ranges lists the addresses of RAM in ascending order.
func (m *Memory) Ranges() []Range {
	m.mu.RLock()
	defer m.mu.RUnlock()

	out := make([]Range, len(m.regions))
	for i, r := range m.regions {
		out[i] = r.Range
	}

	return out
}

// Slice gives the n bytes of RAM at gpa themselves, not a copy. It is for devices and
// loaders, which never outlive the machine: the slice is dead after Close.
func (m *Memory) Slice(gpa, n uint64) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()

	return m.slice(gpa, n)
}

func (m *Memory) slice(gpa, n uint64) ([]byte, error) {
	if m.closed {
		return nil, fmt.Errorf("guest memory: %w", os.ErrClosed)
	}

	for i := range m.regions {
		r := &m.regions[i]
		// Written so that no sum can overflow, whatever the guest chose.
		if gpa >= r.Base && gpa-r.Base <= r.Size && n <= r.Size-(gpa-r.Base) {
			off := gpa - r.Base
			return r.Bytes[off : off+n : off+n], nil
		}
	}

	return nil, &BoundsError{GPA: gpa, Len: n}
}

// ReadAt copies RAM at guest-physical address gpa into p: all of it or none.
func (m *Memory) ReadAt(p []byte, gpa int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()

	b, err := m.slice(uint64(gpa), uint64(len(p)))
	if err != nil {
		return 0, err
	}

	return copy(p, b), nil
}

// WriteAt copies p into RAM at guest-physical address gpa: all of it or none.
func (m *Memory) WriteAt(p []byte, gpa int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()

	b, err := m.slice(uint64(gpa), uint64(len(p)))
	if err != nil {
		return 0, err
	}

	return copy(b, p), nil
}

// Close unmaps the RAM. The machine must no longer run. It is idempotent.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()

	var errs []error

	for _, r := range append(m.gone, m.regions...) {
		errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(r.Bytes)))
	}

	m.regions, m.gone, m.closed = nil, nil, true

	return errors.Join(errs...)
}
