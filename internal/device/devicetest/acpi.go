package devicetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/device/ged"
	"github.com/vgraft/vgraft/vmm/acpi"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// Place claims addresses where nobody is.
func (p *Platform) Place(name string, size uint64, h device.Handler) (uint64, error) {
	p.mu.Lock()
	base, err := p.room.Window(size)
	p.mu.Unlock()

	if err != nil {
		return 0, err
	}

	return base, p.MMIO(name, base, size, h)
}

// FreeIRQ gives the last line that nobody has.
func (p *Platform) FreeIRQ() (device.IRQ, error) {
	for gsi := p.board.lines; gsi > 0; gsi-- {
		if irq, err := p.IRQ(gsi - 1); err == nil {
			return irq, nil
		}
	}

	return device.IRQ{}, fmt.Errorf("%w: all interrupt lines are taken", device.ErrNoRoom)
}

// Event makes an event of a generic event device, which the platform has from then on. Its
// window is called "ged".
func (p *Platform) Event(body ...aml.Term) (device.Event, error) {
	p.mu.Lock()
	attached := p.ged != nil

	if !attached {
		p.ged = ged.New()
	}

	g := p.ged
	p.mu.Unlock()

	if !attached {
		if err := g.Attach(p); err != nil {
			return device.Event{}, err
		}
	}

	return g.Event(body...)
}

// GED is the device of the platform's events, or nil before the first.
func (p *Platform) GED() *ged.GED {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.ged
}

// Reserve gives RAM that is for firmware.
func (p *Platform) Reserve(size uint64) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.room.Memory(size)
}

// Unit counts devices of a kind.
func (p *Platform) Unit(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.room.Unit(kind)
}

// CPUs is how many there are.
func (p *Platform) CPUs() int { return p.cpus }

// DSDT is the table with what the devices have to say, which have been attached, beside
// the processors and the device of their events.
func (p *Platform) DSDT(devices ...device.Device) (*acpi.DSDT, error) {
	var list []device.Device

	if !slices.ContainsFunc(devices, func(d device.Device) bool { _, ok := d.(*cpus.CPUs); return ok }) {
		c := cpus.New()
		if err := c.Attach(p); err != nil {
			return nil, err
		}

		list = append(list, c)
	}

	if g := p.GED(); g != nil {
		list = append(list, g)
	}

	var terms []aml.Term

	for _, d := range append(list, devices...) {
		if d, ok := d.(device.Described); ok {
			t, err := d.ACPI()
			if err != nil {
				return nil, err
			}

			terms = append(terms, t...)
		}
	}

	body, err := aml.Encode(terms...)

	return &acpi.DSDT{Header: acpi.Header{Revision: 2, OEMID: "VGRAFT", OEMTableID: "TEST", CreatorID: "VGFT"}, Body: body}, err
}

// testACPI holds that what a device says is AML, and that nothing is wrong with it.
func (f suite) testACPI(t *testing.T) {
	d := f.fresh()
	p := f.attach(t, d)

	dsdt, err := p.DSDT(d)
	require.NoError(t, err)

	s := &acpi.Set{}
	s.Add(dsdt)

	arch := map[string]acpi.Arch{"amd64": acpi.ArchAMD64, "arm64": acpi.ArchARM64}[p.arch]

	for _, f := range acpi.Lint(s, acpi.LintOptions{Arch: arch}) {
		if f.Table == "DSDT" { // the others aren't there
			t.Error(f)
		}
	}
}
