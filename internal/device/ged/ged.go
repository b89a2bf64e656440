// Package ged is what stands behind ACPI's generic event device (ACPI 6.5, §5.6.9): the
// register by which a guest learns which events have come, and the interrupt that says
// that some have.
//
// The register has 32 bits, one for each event. A read gives those that have come and
// clears them; the interrupt is up from the first until then.
package ged

import (
	"encoding/binary"
	"log/slog"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/patch"
)

// What the guest can make run, and what an event does.
var (
	read  = patch.NewSlot("vmm/ged.read", (*GED).read)
	write = patch.NewSlot("vmm/ged.write", (*GED).write)
	raise = patch.NewSlot("vmm/ged.raise", (*GED).raise)
)

// PowerButton is the event of the power button, which asks the guest to power off.
const PowerButton = 0

// GED is the register. Make it with New. Its slots are called by vCPU threads inside a
// section, any number at a time; Attach by the machine, once; Raise by anyone after it.
type GED struct {
	// Set by Attach, constant after.
	irq device.IRQ
	log *slog.Logger

	mu     sync.Mutex // guards what follows; leaf but for IRQ.Set
	events uint32
	up     bool
	fault  bool // of the interrupt line: said once
}

// New makes a register without events.
func New() *GED { return &GED{} }

// Attach claims the register's window and the interrupt line.
func (g *GED) Attach(p device.Platform) error {
	irq, err := p.IRQ(arm64.IRQGED)
	if err != nil {
		return err
	}

	g.irq, g.log = irq, p.Log()

	return p.MMIO("ged", arm64.GED, arm64.GEDSize, device.Slots(g, read, write))
}

// Raise tells the guest of event number n, 0 to 31. Where it hasn't seen an earlier one
// of that number, the two are one.
func (g *GED) Raise(s patch.Section, n int) { raise.In(s)(g, s, n) }

func (g *GED) raise(s patch.Section, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.events |= 1 << (n & 31)
	g.update(s)
}

func (g *GED) read(s patch.Section, off uint64, data []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()

	clear(data)

	if off != 0 {
		return
	}

	// An access narrower than the register sees, and clears, a part of it.
	var b, seen [4]byte

	binary.LittleEndian.PutUint32(b[:], g.events)
	copy(seen[:], b[:copy(data, b[:])])
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
