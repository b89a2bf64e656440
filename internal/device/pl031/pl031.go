// Package pl031 is the clock of machines on arm64: Arm's PL031 real time clock, which
// counts seconds since 1970 and interrupts when the count is that of its match register.
//
// [TRM] below is the "PrimeCell Real Time Clock (PL031) Technical Reference Manual" (Arm,
// DDI 0224). No timer of the host's runs for it: whether the match has come is found at
// the guest's next access, so that its interrupt wakes no idle guest. Linux finds no such
// clock through ACPI; firmware and other systems may. Linux has its time from the same clock by
// another window: see time.go.
package pl031

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/patch"
)

// What the guest can make run.
var (
	read  = patch.NewSlot("vmm/pl031.read", (*Clock).read)
	write = patch.NewSlot("vmm/pl031.write", (*Clock).write)
)

// Registers [TRM, table 3-1].
const (
	regData  = 0x00
	regMatch = 0x04
	regLoad  = 0x08
	regCtl   = 0x0c
	regMask  = 0x10
	regRaw   = 0x14
	regState = 0x18
	regClear = 0x1c
	regID    = 0xfe0
)

// identity is part 031, designed by Arm, a PrimeCell.
var identity = [8]byte{0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1}

// Clock is a PL031. Make it with New. Its slots are called by vCPU threads inside a
// section, any number at a time; Attach by the machine, once.
type Clock struct {
	now func() time.Time

	// Set by Attach, constant after.
	irq device.IRQ
	log *slog.Logger

	mu     sync.Mutex // guards what follows; leaf but for IRQ.Set and now
	offset uint32     // of the count from the host's
	match  uint32
	armed  bool   // the match is still to come
	load   uint32 // as it was last written
	mask   uint32
	raw    uint32
	status uint64 // of the last write to regTime
	up     bool
	fault  bool // of the interrupt line: said once
}

// New makes a clock. now is the time of the host, nil for time.Now; it is called with a
// lock held and must not block.
func New(now func() time.Time) *Clock {
	if now == nil {
		now = time.Now
	}

	return &Clock{now: now}
}

// Attach claims the clock's windows and interrupt line.
func (c *Clock) Attach(p device.Platform) error {
	irq, err := p.IRQ(arm64.IRQRTC)
	if err != nil {
		return err
	}

	c.irq, c.log = irq, p.Log()

	return errors.Join(
		p.MMIO("pl031", arm64.RTC, arm64.RTCSize, device.Slots(c, read, write)),
		p.MMIO("time", arm64.Time, arm64.TimeSize, device.Slots(c, timeRead, timeWrite)),
	)
}

func (c *Clock) count() uint32 { return uint32(c.now().Unix()) + c.offset }

// refresh brings the interrupt up to date. Called with mu held.
func (c *Clock) refresh(s patch.Section) {
	// The count goes round after 136 years: what is less than half of that ahead is to come.
	if c.armed && int32(c.count()-c.match) >= 0 {
		c.armed, c.raw = false, 1
	}

	up := c.raw&c.mask != 0
	if up == c.up {
		return
	}

	c.up = up
	if err := c.irq.Set(s, up); err != nil && !c.fault {
		c.fault = true
		c.log.Warn("pl031: interrupt line", "err", err)
	}
}

func (c *Clock) read(s patch.Section, off uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.refresh(s)

	var word [4]byte

	for i := range data {
		at := off + uint64(i)
		if i == 0 || at%4 == 0 {
			binary.LittleEndian.PutUint32(word[:], c.register(at&^3))
		}

		data[i] = word[at%4]
	}
}

func (c *Clock) register(reg uint64) uint32 {
	switch reg {
	case regData:
		return c.count()
	case regMatch:
		return c.match
	case regLoad:
		return c.load
	case regCtl:
		return 1 // it always runs
	case regMask:
		return c.mask
	case regRaw:
		return c.raw
	case regState:
		return c.raw & c.mask
	}

	if reg >= regID && reg < regID+4*uint64(len(identity)) {
		return uint32(identity[(reg-regID)/4])
	}

	return 0
}

// write takes accesses of whole registers only.
func (c *Clock) write(s patch.Section, off uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for ; off%4 == 0 && len(data) >= 4; off, data = off+4, data[4:] {
		c.set(off, binary.LittleEndian.Uint32(data))
	}

	c.refresh(s)
}

func (c *Clock) set(reg uint64, v uint32) {
	switch reg {
	case regMatch:
		c.match, c.armed = v, int32(v-c.count()) >= 0
	case regLoad:
		c.load = v
		c.offset += v - c.count()
	case regMask:
		c.mask = v & 1
	case regClear:
		c.raw &^= v
	}
}
