// Package board is the small fixed hardware of a PC that isn't worth a device of its
// own: the ACPI power management registers, the two ports that reset the machine, and
// the diagnostics port.
//
// It claims its ports always; a guest finds the first two kinds through the FADT.
package board

import (
	"errors"
	"time"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/patch"
)

// Board is the fixed hardware of one machine. Make it with New.
type Board struct {
	pm       powerManagement
	reset    resetControl
	keyboard keyboard
	post     post
}

// New makes the board. now is a monotonic clock that the guest's power management timer
// follows; nil is the host's, from now on. It must not block, and may be called from
// several goroutines.
func New(now func() time.Duration) *Board {
	if now == nil {
		start := time.Now()
		now = func() time.Duration { return time.Since(start) }
	}

	return &Board{pm: powerManagement{now: now}}
}

// Attach claims the ports and the SCI line.
func (b *Board) Attach(p device.Platform) error {
	sci, err := p.IRQ(layout.IRQSCI)
	if err != nil {
		return err
	}

	b.pm.attach(p, sci)
	b.reset.stop = p.Stop
	b.keyboard.stop = p.Stop

	return errors.Join(
		p.PIO("acpi-pm", layout.PortPM, layout.PortPMSize, device.Slots(&b.pm, pmRead, pmWrite)),
		p.PIO("reset", layout.PortReset, 1, device.Slots(&b.reset, resetRead, resetWrite)),
		p.PIO("i8042", layout.PortI8042, 1, device.Slots(&b.keyboard, i8042Read, i8042Write)),
		p.PIO("post", layout.PortPost, 1, device.Slots(&b.post, postRead, postWrite)),
	)
}

// PowerButton presses the power button: the guest gets an ACPI event, and most shut
// down. It may be called from any goroutine outside a section, once attached.
func (b *Board) PowerButton() {
	b.pm.domain.Do("power button", func(s patch.Section) { press.In(s)(&b.pm, s) })
}

// Everything that the guest, or the power button, can make run.
var (
	pmRead     = patch.NewSlot("vmm/pm.read", (*powerManagement).read)
	pmWrite    = patch.NewSlot("vmm/pm.write", (*powerManagement).write)
	press      = patch.NewSlot("vmm/pm.press", (*powerManagement).press)
	resetRead  = patch.NewSlot("vmm/reset.read", (*resetControl).read)
	resetWrite = patch.NewSlot("vmm/reset.write", (*resetControl).write)
	i8042Read  = patch.NewSlot("vmm/i8042.read", (*keyboard).read)
	i8042Write = patch.NewSlot("vmm/i8042.write", (*keyboard).write)
	postRead   = patch.NewSlot("vmm/post.read", (*post).read)
	postWrite  = patch.NewSlot("vmm/post.write", (*post).write)
)
