// Package cmos is the battery-backed clock and RAM of the board, behind ports 0x70 and
// 0x71: a Motorola MC146818 with the PC's century byte and the memory sizes that a PC's
// firmware leaves there.
//
// [DS] below is the MC146818 data sheet (Motorola, 1984). The clock gives UTC. Its alarm,
// its periodic and its update-ended interrupt come on ISA line 8, which is up from the
// first of them until the guest reads register C. The flags of register C are worked out
// when somebody looks: a guest that enables no interrupt costs no timer, and one that
// doesn't acknowledge costs none either, but for an alarm. That wakes a guest that has suspended
// the machine, once a second until it has looked, if its interrupt is enabled. Two things differ from the chip, on purpose:
//
//   - Periodic interrupts above 1024 Hz are merged, 8 periods of the shortest into one, so
//     that no guest keeps the host busier than that. PF in register C goes by the rate that
//     was chosen.
//   - An interrupt comes as late as the host's timer. What fell due several times
//     meanwhile is one interrupt, as on the chip for a guest that doesn't acknowledge.
package cmos

import (
	"log/slog"
	"sync"
	"time"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// Everything that the guest, or the passing of time, can make run.
var (
	read  = patch.NewSlot("vmm/cmos.read", (*CMOS).read)
	write = patch.NewSlot("vmm/cmos.write", (*CMOS).write)
	tick  = patch.NewSlot("vmm/cmos.tick", (*CMOS).tick)
)

// The two ports, as offsets into the window.
const (
	portIndex = 0 // bits 6:0 choose a byte, bit 7 masks NMI; write-only
	portData  = 1

	windowSize = 2
	indexMask  = size - 1
)

// CMOS is the clock and its RAM. Make it with New. Its slots are called by vCPU threads
// inside a section, any number at a time; Attach, Start and Stop by the machine,
// once each and in this order.
type CMOS struct {
	// Set by Attach, constant after.
	irq    device.IRQ
	log    *slog.Logger
	domain *patch.Domain
	rouse  func(patch.Section) // wakes a guest that has suspended the machine

	// changed wakes the goroutine: the next interrupt is another one. It holds one token,
	// as looking once is enough for any number of changes.
	changed chan struct{}
	timer   *alarmClock // nil before Start

	mu    sync.Mutex // guards what follows; leaf but for IRQ.Set and the clock's source of time
	index byte
	ram   [size]byte // the bytes that aren't the clock's
	clock clock
	up    bool  // the interrupt line
	fault error // of the interrupt line, the first one
}

// New makes a clock and the RAM beside it, for a guest with that many bytes of memory.
// now is the time of the host, nil for time.Now; the guest may set its own clock, and
// then runs at an offset from now. now is called with a lock held, must not block, and
// may be called from several goroutines.
func New(memory uint64, now func() time.Time) *CMOS {
	if now == nil {
		now = time.Now
	}

	c := &CMOS{clock: newClock(now), changed: make(chan struct{}, 1)}
	c.describe(memory)

	return c
}

// Attach claims the two ports and the interrupt line.
func (c *CMOS) Attach(p device.Platform) error {
	irq, err := p.IRQ(layout.IRQRTC)
	if err != nil {
		return err
	}

	c.irq, c.log, c.domain, c.rouse = irq, p.Log(), p.Domain(), p.Wake

	return p.PIO("cmos", layout.PortCMOS, windowSize, device.Slots(c, read, write))
}

// ACPI says where it is.
func (c *CMOS) ACPI() ([]aml.Term, error) {
	return []aml.Term{aml.Scope(`\_SB`, aml.Device("RTC",
		aml.Name("_HID", aml.EISAID("PNP0B00")),
		aml.Name("_CRS", aml.ResourceTemplate(
			aml.IO{Min: layout.PortCMOS, Max: layout.PortCMOS, Align: 1, Length: windowSize},
			aml.IRQ{Lines: []uint8{layout.IRQRTC}, NoFlags: true}))))}, nil
}

func (c *CMOS) read(s patch.Section, off uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for i := range data {
		data[i] = 0xff // the index can't be read

		if off+uint64(i) == portData {
			data[i] = c.get(c.index)
		}
	}

	c.update(s)
}

// A word written to port 0x70 is the index and the byte for it: the bus splits it.
func (c *CMOS) write(s patch.Section, off uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for i, v := range data {
		switch off + uint64(i) {
		case portIndex:
			// A guest can't mask NMIs here: the monitor sends none.
			c.index = v & indexMask
		case portData:
			c.set(c.index, v)
			c.update(s)
			c.wake()
		}
	}
}

func (c *CMOS) get(i byte) byte {
	if isClock(i) {
		return c.clock.get(i)
	}

	return c.ram[i]
}

func (c *CMOS) set(i, v byte) {
	switch {
	case isClock(i):
		c.clock.set(i, v)
	case !isMemorySize(i):
		c.ram[i] = v
	}
}
