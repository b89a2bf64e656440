package power

import (
	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

var press = patch.NewSlot("vmm/power/button.press", (*Button).press)

// Button is a button of the machine. Each machine has a power button already: see
// vmm.Machine.PowerButton.
type Button struct {
	link
	prefix, hid string
	wake        device.Platform // set by Attach, under link's gate; nil before

	// Set by Attach, constant after.
	unit  int
	name  string
	event device.Event
}

// NewButton makes a power button. Most systems shut down when it is pressed.
func NewButton() *Button { return &Button{prefix: "PWR", hid: "PNP0C0C"} }

// NewSleepButton makes a sleep button. Systems that can suspend do when it is pressed. If they
// have suspended the machine, rather than to idle, any button wakes it: see package vmm.
func NewSleepButton() *Button { return &Button{prefix: "SLP", hid: "PNP0C0E"} }

// Press presses the button and lets it go. It doesn't wait: what comes of it is the
// guest's to decide.
func (b *Button) Press() {
	b.do("button", func(s patch.Section) { press.In(s)(b, s) })
}

func (b *Button) press(s patch.Section) {
	b.raise(s, &b.event)

	b.gate.Lock()
	wake := b.wake
	b.gate.Unlock()

	if wake != nil {
		wake.Wake(s)
	}
}

// Attach is for the machine.
func (b *Button) Attach(p device.Platform) (err error) {
	b.unit = p.Unit(b.prefix)
	if b.name, err = name(b.prefix, b.unit); err != nil {
		return err
	}

	if b.event, err = notify(p, `\_SB.`+aml.Path(b.name), statusChanged); err != nil {
		return err
	}

	b.gate.Lock()
	b.wake = p
	b.gate.Unlock()

	b.connect(p)

	return nil
}

// ACPI is for the machine.
func (b *Button) ACPI() ([]aml.Term, error) {
	return []aml.Term{aml.Scope(`\_SB`, aml.Device(b.name,
		aml.Name("_HID", aml.EISAID(b.hid)),
		aml.Name("_UID", aml.Integer(b.unit))))}, nil
}
