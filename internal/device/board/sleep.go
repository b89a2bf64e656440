package board

import (
	"log/slog"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
)

// Values of SLP_TYP: what \_S3 and \_S5 in the DSDT give. The other sleep states don't exist.
const (
	SleepTypeS3 = 3 // the machine sleeps, and keeps its memory
	SleepTypeS5 = 5 // it is off
)

// Bits of the sleep control and the sleep status register of hardware-reduced ACPI (ACPI 6.5,
// tables 4.18 and 4.19).
const (
	sleepTypeShift = 2
	sleepTypeMask  = 7 << sleepTypeShift
	sleepEnable    = 1 << 5 // write-only

	wakeStatus = 1 << 7 // WAK_STS; a 1 written clears it
)

// Sleeper is a platform whose machine can sleep. Others haven't got that state.
type Sleeper interface {
	// Suspend has the machine sleep until it is woken. It returns at once, in the caller's
	// section.
	Suspend(s patch.Section)
}

// sleepControl is the sleep control and the sleep status register (ACPI 6.5, §4.8.3.7), one
// byte each.
//
// In S3 by the book processors lose their state, and one of them goes on at a vector in the
// FACS. Here they keep it, and go on behind the write, where systems wait for WAK_STS: there is
// no FACS, as on hardware-reduced platforms there need not be one, and Linux (6.1 at least)
// takes no notice of it there. It is what Linux expects of a platform that didn't sleep deep.
//
// All methods may be called from any goroutine.
type sleepControl struct {
	stop    func(patch.Section, device.ExitReason)
	suspend func(patch.Section) // nil for never
	log     *slog.Logger

	mu      sync.Mutex // guards what follows
	kept    byte       // SLP_TYP
	status  byte
	refused byte // sleep types already logged, a bit each
}

func (h *sleepControl) read(_ patch.Section, off uint64, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()

	clear(data)

	if registers := [...]byte{h.kept, h.status}; off < uint64(len(registers)) {
		copy(data, registers[off:])
	}
}

func (h *sleepControl) write(s patch.Section, off uint64, data []byte) {
	if off == 1 {
		h.clear(data[0])
		return
	}

	if off != 0 {
		return
	}

	if len(data) > 1 {
		h.clear(data[1])
	}

	switch typ, now := h.control(data[0]); {
	case !now:
	case typ == SleepTypeS5:
		h.stop(s, device.ExitPowerOff)
	case typ == SleepTypeS3 && h.suspend != nil:
		h.suspend(s)
	case h.first(typ):
		h.log.Debug("acpi: sleep state ignored", "type", typ)
	}
}

// clear is a write of the status.
func (h *sleepControl) clear(v byte) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.status &^= v & wakeStatus
}

// control is a write of the other one. It says which state is meant, and whether the machine is
// to go there. That it has woken can be said before it sleeps: until then nobody reads it.
func (h *sleepControl) control(v byte) (typ byte, now bool) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.kept = v & sleepTypeMask
	typ, now = h.kept>>sleepTypeShift, v&sleepEnable != 0

	if now && typ == SleepTypeS3 && h.suspend != nil {
		h.status |= wakeStatus
	}

	return typ, now
}

// first says whether it is the first time that a type is refused: the guest must not be able
// to fill a log.
func (h *sleepControl) first(typ byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	was := h.refused
	h.refused |= 1 << typ

	return h.refused != was
}
