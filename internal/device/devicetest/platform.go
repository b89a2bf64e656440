// Package devicetest is what tests of devices need: a platform without a machine, and a
// suite that every device must pass. Package vmm/vmmtest offers it to the authors of
// other devices.
package devicetest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/ged"
	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/patch"
)

// MemorySize is how much RAM a Platform has, and CPUs how many vCPUs.
const (
	MemorySize = 16 << 20
	CPUs       = 2
)

// board is what differs between architectures.
type board struct {
	arch        string // whose machines it is like
	memory      func() (*guestmem.Memory, error)
	ram         uint64 // where it begins
	lines       uint32
	firstNumber uint32
	room        device.Room
}

func pc() board {
	return board{
		arch: "amd64",
		memory: func() (*guestmem.Memory, error) {
			return guestmem.New(MemorySize, guestmem.Range{Base: layout.HoleStart, Size: layout.HoleEnd - layout.HoleStart})
		},
		lines: layout.GSIMax,
		room: device.Room{
			WindowStart: layout.Place, WindowEnd: layout.Place + layout.PlaceSize,
			MemoryStart: layout.ACPI, MemoryEnd: layout.ACPI + layout.ACPISize,
		},
	}
}

func virt() board {
	return board{
		arch:   "arm64",
		memory: func() (*guestmem.Memory, error) { return guestmem.NewAt(arm64.RAM, MemorySize) },
		ram:    arm64.RAM,
		lines:  arm64.GSIMax, firstNumber: arm64.SPI,
		room: device.Room{
			WindowStart: arm64.Place, WindowEnd: arm64.Place + arm64.PlaceSize,
			MemoryStart: arm64.ACPI, MemoryEnd: arm64.ACPI + arm64.ACPISize,
		},
	}
}

// Window is one claim of a device.
type Window struct {
	Name    string
	Base    uint64
	Size    uint64
	MMIO    bool // rather than I/O ports
	Handler device.Handler
}

// Platform is a device.Platform without a machine: it records what a device claims and
// does, and lets a test play the vCPU. All methods may be called from any goroutine.
type Platform struct {
	board
	memory *guestmem.Memory
	domain *patch.Domain
	cpus   int
	log    *slog.Logger

	mu      sync.Mutex // guards what follows
	windows []Window
	lines   map[uint32]*Line
	reason  device.ExitReason
	wakes   int
	sleeps  int
	stopped chan struct{}

	ged *ged.GED // from the first Event on
}

var _ device.Platform = (*Platform)(nil)

// NewPlatform makes a platform for one test. Its memory is unmapped at the end of the
// test; its log goes to the test's log.
func NewPlatform(t testing.TB) *Platform {
	t.Helper()

	return newPlatform(t, pc(), CPUs)
}

// NewVirtPlatform makes one that is like a machine on arm64, on any host, for the addresses
// and lines that it gives. Its memory begins where that of those does.
func NewVirtPlatform(t testing.TB, cpus int) *Platform {
	t.Helper()

	return newPlatform(t, virt(), cpus)
}

// NewPCPlatform makes one that is like a machine on amd64.
func NewPCPlatform(t testing.TB, cpus int) *Platform {
	t.Helper()

	return newPlatform(t, pc(), cpus)
}

func newPlatform(t testing.TB, b board, cpus int) *Platform {
	t.Helper()

	mem, err := b.memory()
	require.NoError(t, err)

	t.Cleanup(func() { require.NoError(t, mem.Close()) })

	return &Platform{
		board:   b,
		cpus:    cpus,
		memory:  mem,
		domain:  patch.NewDomain(t.Name()),
		log:     slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
		lines:   map[uint32]*Line{},
		stopped: make(chan struct{}),
	}
}

// PIO claims I/O ports. Overlaps and windows beyond the last port are errors.
func (p *Platform) PIO(name string, base, size uint16, h device.Handler) error {
	if uint32(base)+uint32(size) > 1<<16 {
		return fmt.Errorf("%s: ports [%#x, +%#x) don't exist", name, base, size)
	}

	return p.claim(Window{Name: name, Base: uint64(base), Size: uint64(size), Handler: h})
}

// MMIO claims guest-physical addresses. Overlaps, with RAM too, are errors.
func (p *Platform) MMIO(name string, base, size uint64, h device.Handler) error {
	if base < p.ram+MemorySize && base+size > p.ram || base+size < base {
		return fmt.Errorf("%s: window [%#x, +%#x) overlaps RAM or wraps", name, base, size)
	}

	return p.claim(Window{Name: name, Base: base, Size: size, MMIO: true, Handler: h})
}

func (p *Platform) claim(w Window) error {
	if w.Size == 0 || w.Handler.IsZero() {
		return fmt.Errorf("%s: a window needs a size and a handler", w.Name)
	}

	p.mu.Lock()
	defer p.mu.Unlock()

	for _, o := range p.windows {
		if o.MMIO == w.MMIO && w.Base < o.Base+o.Size && o.Base < w.Base+w.Size {
			return fmt.Errorf("%s: window [%#x, +%#x) overlaps that of %s", w.Name, w.Base, w.Size, o.Name)
		}
	}

	p.windows = append(p.windows, w)

	return nil
}

// IRQ gives the line with that number, to one caller only.
func (p *Platform) IRQ(gsi uint32) (device.IRQ, error) {
	if gsi >= p.board.lines {
		return device.IRQ{}, fmt.Errorf("interrupt line %d doesn't exist", gsi)
	}

	p.mu.Lock()
	defer p.mu.Unlock()

	if p.lines[gsi] != nil {
		return device.IRQ{}, fmt.Errorf("interrupt line %d is taken", gsi)
	}

	l := &Line{changed: make(chan struct{}, 1)}
	p.lines[gsi] = l

	return device.NewIRQ(lineSlot, l, gsi, p.firstNumber+gsi), nil
}

// Memory is MemorySize bytes of RAM.
func (p *Platform) Memory() device.Memory { return p.memory }

// Domain is the platform's own.
func (p *Platform) Domain() *patch.Domain { return p.domain }

// Log goes to the test's log.
func (p *Platform) Log() *slog.Logger { return p.log }

// Stop records the first reason given.
func (p *Platform) Stop(_ patch.Section, r device.ExitReason) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.reason == device.ExitNone {
		p.reason = r
		close(p.stopped)
	}
}

// Wake counts.
func (p *Platform) Wake(patch.Section) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.wakes++
}

// Suspend counts.
func (p *Platform) Suspend(patch.Section) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.sleeps++
}

// Sleeps is how often the machine was to sleep.
func (p *Platform) Sleeps() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.sleeps
}

// Wakes is how often the guest was to be woken.
func (p *Platform) Wakes() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.wakes
}

// Stopped is the reason given to the first Stop, or ExitNone.
func (p *Platform) Stopped() device.ExitReason {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.reason
}

// Windows lists the claims in the order they were made.
func (p *Platform) Windows() []Window {
	p.mu.Lock()
	defer p.mu.Unlock()

	return slices.Clone(p.windows)
}

// Line is the interrupt line that a device took, or nil.
func (p *Platform) Line(gsi uint32) *Line {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.lines[gsi]
}

// Line is an interrupt line that remembers.
type Line struct {
	mu      sync.Mutex // guards what follows
	level   bool
	rises   int
	sets    int
	broken  error
	changed chan struct{}
}

// lineSlot is what the lines of a Platform are made of.
var lineSlot = patch.NewSlot("vmm/vmmtest.irq", setLine)

func setLine(owner any, _ uint32, level bool) error { return owner.(*Line).set(level) }

// set changes the level.
func (l *Line) set(level bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.broken != nil {
		return l.broken
	}

	l.sets++

	if level && !l.level {
		l.rises++

		select {
		case l.changed <- struct{}{}:
		default:
		}
	}

	l.level = level

	return nil
}

// Break has every later change of the line fail with err, and change nothing. nil mends it.
func (l *Line) Break(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.broken = err
}

// Level is the present level.
func (l *Line) Level() bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.level
}

// Rises is the number of rising edges so far.
func (l *Line) Rises() int {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.rises
}

// Sets is the number of calls of Set so far, with or without a change.
func (l *Line) Sets() int {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.sets
}

// Wait waits for a rising edge that no earlier Wait has seen, as an interrupt controller
// that is programmed for edges does: several edges may count as one. It is for one
// goroutine at a time.
func (l *Line) Wait(ctx context.Context) error {
	select {
	case <-l.changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Arch is that of the machines that the platform is like.
func (p *Platform) Arch() string { return p.arch }
