package board

import (
	"log/slog"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
)

// SleepTypeS5 is the value of SLP_TYP that powers the machine off: what \_S5 in the
// DSDT gives. The other sleep states don't exist.
const SleepTypeS5 = 5

// Bits of the sleep control register of hardware-reduced ACPI (ACPI 6.5, table 4.18).
const (
	sleepTypeShift = 2
	sleepTypeMask  = 7 << sleepTypeShift
	sleepEnable    = 1 << 5 // write-only
)

// sleepControl is the sleep control and the sleep status register (ACPI 6.5, §4.8.3.7). The
// status is always 0: a machine that is off doesn't wake. All methods may be called from
// any goroutine.
type sleepControl struct {
	stop func(patch.Section, device.ExitReason)
	log  *slog.Logger

	mu      sync.Mutex // guards what follows
	kept    byte       // SLP_TYP
	refused byte       // sleep types already logged, a bit each
}

func (h *sleepControl) read(_ patch.Section, off uint64, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()

	clear(data)

	if off == 0 {
		data[0] = h.kept
	}
}

func (h *sleepControl) write(s patch.Section, off uint64, data []byte) {
	if off != 0 {
		return
	}

	typ := data[0] & sleepTypeMask >> sleepTypeShift

	h.mu.Lock()
	h.kept = data[0] & sleepTypeMask

	// Once for each type: the guest must not be able to fill a log.
	again := h.refused&(1<<typ) != 0
	refused := data[0]&sleepEnable != 0 && typ != SleepTypeS5

	if refused {
		h.refused |= 1 << typ
	}
	h.mu.Unlock()

	switch {
	case data[0]&sleepEnable == 0:
	case !refused:
		h.stop(s, device.ExitPowerOff)
	case !again:
		h.log.Debug("acpi: sleep state ignored", "type", typ)
	}
}
