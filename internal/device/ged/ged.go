// Package ged is ACPI's generic event device (ACPI 6.5, §5.6.9): the register by which a
// guest learns which events have come, the interrupt that says that some have, and the
// method that the guest's system runs then.
//
// The register has 32 bits, one for each event. A read gives those that have come and
// clears them; the interrupt is up from the first until then.
package ged

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// What the guest can make run, and what an event does.
var (
	read  = patch.NewSlot("vmm/ged.read", (*GED).read)
	write = patch.NewSlot("vmm/ged.write", (*GED).write)
	raise = patch.NewSlot("vmm/ged.raise", raiseEvent)
)

// MaxEvents is how many events there are.
const MaxEvents = 32

const windowSize = MaxEvents / 8

// GED is the device. Make it with New. Its slots are called by vCPU threads inside a
// section, any number at a time; Attach by the machine, once, then Event while other
// devices attach, then ACPI.
type GED struct {
	// Set by Attach, constant after.
	irq  device.IRQ
	log  *slog.Logger
	base uint64

	bodies [][]aml.Term // of the events, in their order; by Event

	mu     sync.Mutex // guards what follows; leaf but for IRQ.Set
	events uint32
	up     bool
	fault  bool // of the interrupt line: said once
}

// New makes a device without events.
func New() *GED { return &GED{} }

// Attach claims the register's window and the interrupt line.
func (g *GED) Attach(p device.Platform) (err error) {
	if g.irq, err = p.FreeIRQ(); err != nil {
		return err
	}

	g.log = p.Log()
	g.base, err = p.Place("ged", windowSize, device.Slots(g, read, write))

	return err
}

// Event makes another event. The body is what the guest's system does when it has come.
// It may use any Local but the first.
func (g *GED) Event(body ...aml.Term) (device.Event, error) {
	n := len(g.bodies)
	if n == MaxEvents {
		return device.Event{}, fmt.Errorf("%w: a machine has %d events", device.ErrNoRoom, MaxEvents)
	}

	g.bodies = append(g.bodies, body)

	return device.NewEvent(raise, g, n), nil
}

// ACPI gives the device.
func (g *GED) ACPI() ([]aml.Term, error) {
	body := []aml.Term{aml.Store(aml.Path("GEDS"), aml.Local(0))}
	for n, b := range g.bodies {
		body = append(body, aml.If(aml.And(aml.Local(0), aml.Integer(1<<n), nil), b...))
	}

	return []aml.Term{aml.Scope(`\_SB`,
		aml.OperationRegion("GEDR", aml.SystemMemory, aml.Integer(g.base), aml.Integer(windowSize)),
		aml.Field("GEDR", aml.FieldFlags{Access: aml.DWordAcc, Update: aml.WriteAsZeros}, aml.Bits("GEDS", MaxEvents)),
		aml.GED("GED0", 0, aml.GEDEvent{Interrupt: aml.Interrupt{GSIs: []uint32{g.irq.Number()}}, Body: body}),
	)}, nil
}

func raiseEvent(owner any, s patch.Section, n int) {
	g := owner.(*GED)

	g.mu.Lock()
	defer g.mu.Unlock()

	g.events |= 1 << (n % MaxEvents)
	g.update(s)
}

func (g *GED) read(s patch.Section, off uint64, data []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()

	clear(data)

	// An access narrower than the register sees, and clears, a part of it.
	var b, seen [windowSize]byte

	binary.LittleEndian.PutUint32(b[:], g.events)

	if off < windowSize {
		copy(seen[off:], b[off:off+uint64(copy(data, b[off:]))])
	}

	g.events &^= binary.LittleEndian.Uint32(seen[:])
	g.update(s)
}

func (g *GED) write(patch.Section, uint64, []byte) {}

// update brings the line to what the events say. Called with mu held.
func (g *GED) update(s patch.Section) {
	up := g.events != 0
	if up == g.up {
		return
	}

	g.up = up
	if err := g.irq.Set(s, up); err != nil && !g.fault {
		g.fault = true
		g.log.Warn("ged: interrupt line", "err", err)
	}
}
