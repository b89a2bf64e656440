// Package board is the small fixed hardware of a PC that isn't worth a device of its
// own: the registers of ACPI that have the machine sleep, power it off and reset it, the
// keyboard controller's reset, and the diagnostics port.
//
// It claims its ports always; a guest finds the registers through the FADT.
package board

import (
	"errors"
	"time"

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
	timer    pmTimer
}

// New makes the board. now is a monotonic clock that the guest's power management timer
// follows; nil is the host's, from now on. It must not block, and may be called from
// several goroutines.
func New(now func() time.Duration) *Board {
	if now == nil {
		start := time.Now()
		now = func() time.Duration { return time.Since(start) }
	}

	return &Board{timer: pmTimer{now: now}}
}

// resetCode is what stands at the reset vector: mov al, 6; mov dx, 0xcf9; out dx, al; hlt;
// jmp -3. Linux jumps there, in real mode, when it reboots a machine with hardware-reduced
// ACPI: it takes that for one with UEFI, whose runtime services it hasn't got, and tries
// neither the FADT's register nor the keyboard controller.
var resetCode = [...]byte{0xb0, ResetValue, 0xba, layout.PortReset & 0xff, layout.PortReset >> 8, 0xee, 0xf4, 0xeb, 0xfd}

// Attach claims the ports, and puts code to the reset vector.
func (b *Board) Attach(p device.Platform) error {
	b.sleep.stop, b.sleep.log = p.Stop, p.Log()
	b.reset.stop = p.Stop

	if sleeper, ok := p.(Sleeper); ok {
		b.sleep.suspend = sleeper.Suspend
	}
	b.keyboard.stop = p.Stop

	if _, err := p.Memory().WriteAt(resetCode[:], layout.ResetVector); err != nil {
		return err
	}

	return errors.Join(
		p.PIO("sleep", layout.PortSleep, layout.PortSleepSize, device.Slots(&b.sleep, sleepRead, sleepWrite)),
		p.PIO("reset", layout.PortReset, 1, device.Slots(&b.reset, resetRead, resetWrite)),
		p.PIO("i8042", layout.PortI8042, 1, device.Slots(&b.keyboard, i8042Read, i8042Write)),
		p.PIO("pm-timer", layout.PortPMTimer, layout.PortPMTimerSize, device.Slots(&b.timer, timerRead, timerWrite)),
		p.PIO("post", layout.PortPost, 1, device.Slots(&b.post, postRead, postWrite)),
	)
}

// ACPI says what has the machine sleep and what powers it off (§7.4.2 and §16.1: SLP_TYPa,
// SLP_TYPb, two reserved). The rest stands in the FADT.
func (b *Board) ACPI() ([]aml.Term, error) {
	state := func(name string, typ uint64) aml.Term {
		return aml.Name(name, aml.Package(aml.Integer(typ), aml.Zero, aml.Zero, aml.Zero))
	}

	var list []aml.Term
	if b.sleep.suspend != nil {
		list = append(list, state("_S3", SleepTypeS3))
	}

	return append(list, state("_S5", SleepTypeS5)), nil
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
	timerRead  = patch.NewSlot("vmm/pmtimer.read", (*pmTimer).read)
	timerWrite = patch.NewSlot("vmm/pmtimer.write", (*pmTimer).write)
	postRead   = patch.NewSlot("vmm/post.read", (*post).read)
	postWrite  = patch.NewSlot("vmm/post.write", (*post).write)
)
