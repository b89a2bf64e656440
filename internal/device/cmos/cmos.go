// Package cmos is the battery-backed clock and RAM of the board, behind ports 0x70 and
// 0x71: a Motorola MC146818 with the PC's century byte and the memory sizes that a PC's
// firmware leaves there.
//
// [DS] below is the MC146818 data sheet (Motorola, 1984). The clock gives UTC. It makes
// no interrupts: alarm, periodic and update-ended interrupts can be enabled, and the
// alarm be set, but register C always reads 0 and the line is not claimed. So the
// firmware tables must not name an interrupt for it; Linux then polls.
package cmos

import (
	"sync"
	"time"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/patch"
)

// Everything that the guest can make run.
var (
	read  = patch.NewSlot("vmm/cmos.read", (*CMOS).read)
	write = patch.NewSlot("vmm/cmos.write", (*CMOS).write)
)

// The two ports, as offsets into the window.
const (
	portIndex = 0 // bits 6:0 choose a byte, bit 7 masks NMI; write-only
	portData  = 1

	windowSize = 2
	indexMask  = size - 1
)

// CMOS is the clock and its RAM. Make it with New. Read and Write are called by vCPU
// threads inside a section, any number at a time.
type CMOS struct {
	mu    sync.Mutex // guards what follows, leaf but for the clock's source of time
	index byte
	ram   [size]byte // the bytes that aren't the clock's
	clock clock
}

// New makes a clock and the RAM beside it, for a guest with that many bytes of memory.
// now is the time of the host, nil for time.Now; the guest may set its own clock, and
// then runs at an offset from now. now is called with a lock held, must not block, and
// may be called from several goroutines.
func New(memory uint64, now func() time.Time) *CMOS {
	if now == nil {
		now = time.Now
	}

	c := &CMOS{clock: newClock(now)}
	c.describe(memory)

	return c
}

// Attach claims the two ports.
func (c *CMOS) Attach(p device.Platform) error {
	return p.PIO("cmos", layout.PortCMOS, windowSize, c)
}

// Read is a read of the guest from the ports. See device.Handler.
func (c *CMOS) Read(s patch.Section, off uint64, data []byte) { read.In(s)(c, s, off, data) }

// Write is a write of the guest to the ports. See device.Handler.
func (c *CMOS) Write(s patch.Section, off uint64, data []byte) { write.In(s)(c, s, off, data) }

func (c *CMOS) read(_ patch.Section, off uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for i := range data {
		data[i] = 0xff // the index can't be read

		if off+uint64(i) == portData {
			data[i] = c.get(c.index)
		}
	}
}

// A word written to port 0x70 is the index and the byte for it: the bus splits it.
func (c *CMOS) write(_ patch.Section, off uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for i, v := range data {
		switch off + uint64(i) {
		case portIndex:
			// A guest can't mask NMIs here: the monitor sends none.
			c.index = v & indexMask
		case portData:
			c.set(c.index, v)
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
