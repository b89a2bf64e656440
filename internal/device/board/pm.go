package board

import (
	"encoding/binary"
	"log/slog"
	"math/bits"
	"sync"
	"time"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/patch"
)

// SleepTypeS5 is the value of SLP_TYP that powers the machine off: what \_S5 in the
// DSDT must give. The other sleep states don't exist.
const SleepTypeS5 = 5

// TimerFrequency is the rate of the power management timer [ACPI 6.5, 4.8.2.1].
const TimerFrequency = 3_579_545

// Bits of the PM1 status and enable registers [ACPI 6.5, tables 4.10 and 4.11]. The ones
// left out never happen here and can't be enabled: a machine that is off doesn't wake.
const (
	evtTimer   = 1 << 0 // the timer's top bit has changed
	evtGlobal  = 1 << 5 // from a BIOS that we don't have; guests enable and test it
	evtPower   = 1 << 8 // power button
	evtSleep   = 1 << 9 // sleep button
	evtRTC     = 1 << 10
	enableMask = evtTimer | evtGlobal | evtPower | evtSleep | evtRTC
)

// Bits of the PM1 control register [ACPI 6.5, table 4.12].
const (
	cntSCI       = 1 << 0 // SCI_EN: ACPI mode, always, as the FADT has no SMI_CMD
	cntBusMaster = 1 << 1
	cntTypeShift = 10
	cntType      = 7 << cntTypeShift
	cntSleep     = 1 << 13 // SLP_EN, write-only
	cntKept      = cntBusMaster | cntType
)

// powerManagement is the ACPI fixed hardware: PM1 event and control block, and the timer
// [ACPI 6.5, 4.8.3]. All methods may be called from any goroutine.
type powerManagement struct {
	now    func() time.Duration
	sci    device.IRQ
	stop   func(patch.Section, device.ExitReason)
	log    *slog.Logger
	domain *patch.Domain

	mu      sync.Mutex // guards what follows; leaf but for IRQ.Set and now
	status  uint16
	enabled uint16
	control uint16
	carries uint64 // changes of the timer's top bit that the status has seen
	level   bool   // of the SCI line
	refused byte   // sleep types already logged, a bit each
}

func (h *powerManagement) attach(p device.Platform, sci device.IRQ) {
	h.sci, h.stop, h.log, h.domain = sci, p.Stop, p.Log(), p.Domain()
}

// ticks is the timer, without an end.
func (h *powerManagement) ticks() uint64 {
	d := max(h.now(), 0)
	// 128 bits in between: in 64, the product would overflow after an hour. The high
	// word is below 2^63 · 2^22 / 2^64, so that the division can't overflow either.
	hi, lo := bits.Mul64(uint64(d), TimerFrequency)
	q, _ := bits.Div64(hi, lo, uint64(time.Second))

	return q
}

// refresh brings the status and the line up to date and gives the timer. TMR_STS is
// found here, at the next access, and not at the moment the timer carries: no interrupt
// comes from an idle guest's timer. Nobody is known to use it since the HPET. Called
// with mu held.
func (h *powerManagement) refresh(s patch.Section) uint32 {
	t := h.ticks()
	if c := t >> 31; c != h.carries {
		h.carries = c
		h.status |= evtTimer
	}

	h.update(s)

	return uint32(t)
}

// update brings the SCI line to the level that status and enable say. Called with mu
// held.
func (h *powerManagement) update(s patch.Section) {
	level := h.status&h.enabled&enableMask != 0
	if level == h.level {
		return
	}

	h.level = level

	if err := h.sci.Set(s, level); err != nil {
		h.log.Debug("acpi: SCI line", "err", err)
	}
}

// read is bytewise over one image of the registers, so that a wide read of the timer is
// of one moment.
func (h *powerManagement) read(s patch.Section, off uint64, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()

	timer := h.refresh(s)

	var image [layout.PortPMSize]byte

	binary.LittleEndian.PutUint16(image[layout.PM1Event:], h.status)
	binary.LittleEndian.PutUint16(image[layout.PM1Event+2:], h.enabled)
	binary.LittleEndian.PutUint16(image[layout.PM1Control:], h.control|cntSCI)
	binary.LittleEndian.PutUint32(image[layout.PMTimer:], timer)

	clear(data)

	if off < uint64(len(image)) {
		copy(data, image[off:])
	}
}

func (h *powerManagement) write(s patch.Section, off uint64, data []byte) {
	if typ, sleep := h.set(s, off, data); sleep {
		h.sleep(s, typ)
	}
}

// set writes the registers byte by byte. It gives the sleep type if the guest asked for
// a transition.
func (h *powerManagement) set(s patch.Section, off uint64, data []byte) (typ byte, sleep bool) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.refresh(s) // so that a clear of TMR_STS clears what has happened before it

	for i, v := range data {
		at := off + uint64(i)
		shift := at % 2 * 8
		word := uint16(v) << shift
		mask := uint16(0xff) << shift

		switch at - at%2 {
		case layout.PM1Event:
			h.status &^= word // write one to clear
		case layout.PM1Event + 2:
			h.enabled = (h.enabled&^mask | word) & enableMask
		case layout.PM1Control:
			h.control = (h.control&^mask | word) & cntKept
			sleep = sleep || word&cntSleep != 0
		}
	}

	h.update(s)

	return byte(h.control & cntType >> cntTypeShift), sleep
}

// sleep is a write of SLP_EN. mu isn't held.
func (h *powerManagement) sleep(s patch.Section, typ byte) {
	if typ == SleepTypeS5 {
		h.stop(s, device.ExitPowerOff)
		return
	}

	// Once for each type: the guest must not be able to fill a log.
	h.mu.Lock()
	again := h.refused&(1<<typ) != 0
	h.refused |= 1 << typ
	h.mu.Unlock()

	if !again {
		h.log.Debug("acpi: sleep state ignored", "type", typ)
	}
}

// press is the power button [ACPI 6.5, 4.8.2.2.1].
func (h *powerManagement) press(s patch.Section) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.status |= evtPower
	h.update(s)
}
