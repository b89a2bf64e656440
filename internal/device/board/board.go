// Package board is the small fixed hardware of a PC that isn't worth a device of its
// own: the registers of ACPI that power the machine off and reset it, the keyboard
// controller's reset, and the diagnostics port.
//
// It claims its ports always; a guest finds the registers through the FADT.
package board

import (
	"errors"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// Board is the fixed hardware of one machine. Make it with New.
type Board struct {
	sleep    sleepControl
	reset    resetControl
	keyboard keyboard
	post     post
}

// New makes the board.
func New() *Board { return &Board{} }

// Attach claims the ports.
func (b *Board) Attach(p device.Platform) error {
	b.sleep.stop, b.sleep.log = p.Stop, p.Log()
	b.reset.stop = p.Stop
	b.keyboard.stop = p.Stop

	return errors.Join(
		p.PIO("sleep", layout.PortSleep, layout.PortSleepSize, device.Slots(&b.sleep, sleepRead, sleepWrite)),
		p.PIO("reset", layout.PortReset, 1, device.Slots(&b.reset, resetRead, resetWrite)),
		p.PIO("i8042", layout.PortI8042, 1, device.Slots(&b.keyboard, i8042Read, i8042Write)),
		p.PIO("post", layout.PortPost, 1, device.Slots(&b.post, postRead, postWrite)),
	)
}

// ACPI says what powers the machine off (§7.4.2.5 and §16.1: SLP_TYPa, SLP_TYPb, two
// reserved). The rest stands in the FADT.
func (b *Board) ACPI() ([]aml.Term, error) {
	return []aml.Term{aml.Name("_S5", aml.Package(aml.Integer(SleepTypeS5), aml.Zero, aml.Zero, aml.Zero))}, nil
}

// ResetValue is what resets the machine when it is written to layout.PortReset.
const ResetValue = rstSystem | rstCPU

// Everything that the guest can make run.
var (
	sleepRead  = patch.NewSlot("vmm/sleep.read", (*sleepControl).read)
	sleepWrite = patch.NewSlot("vmm/sleep.write", (*sleepControl).write)
	resetRead  = patch.NewSlot("vmm/reset.read", (*resetControl).read)
	resetWrite = patch.NewSlot("vmm/reset.write", (*resetControl).write)
	i8042Read  = patch.NewSlot("vmm/i8042.read", (*keyboard).read)
	i8042Write = patch.NewSlot("vmm/i8042.write", (*keyboard).write)
	postRead   = patch.NewSlot("vmm/post.read", (*post).read)
	postWrite  = patch.NewSlot("vmm/post.write", (*post).write)
)
