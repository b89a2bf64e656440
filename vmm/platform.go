package vmm

import (
	"fmt"
	"log/slog"

	"github.com/vgraft/vgraft/internal/bus"
	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// platform is what a device sees of its machine. It is a type of its own so that a
// Machine doesn't offer its users what only devices may do, and only while they
// attach.
type platform struct {
	m *Machine
}

func (p platform) PIO(name string, base, size uint16, h Handler) error {
	return p.m.pio.Claim(bus.Window{Name: name, Base: uint64(base), Size: uint64(size), Handler: h})
}

func (p platform) MMIO(name string, base, size uint64, h Handler) error {
	w := bus.Window{Name: name, Base: base, Size: size, Handler: h}

	for _, r := range append(p.m.mem.Ranges(), moreMemory(p.m.cfg)) {
		// Of the last addresses, since the end of the highest window is 2^64. Claim
		// refuses one that is empty or goes round.
		if last := base + size - 1; base < r.End() && last >= base && last >= r.Base {
			return &OverlapError{New: w, Old: bus.Window{Name: "RAM", Base: r.Base, Size: r.Size}}
		}
	}

	return p.m.mmio.Claim(w)
}

func (p platform) IRQ(gsi uint32) (IRQ, error) {
	if gsi >= lines {
		return IRQ{}, fmt.Errorf("interrupt line %d: there are %d", gsi, lines)
	}

	if p.m.irqs[gsi] {
		return IRQ{}, fmt.Errorf("interrupt line %d is taken", gsi)
	}

	p.m.irqs[gsi] = true

	return device.NewIRQ(irqSlot, p.m, gsi, firstLine+gsi), nil
}

func (p platform) Place(name string, size uint64, h Handler) (uint64, error) {
	base, err := p.m.room.Window(size)
	if err != nil {
		return 0, err
	}

	return base, p.MMIO(name, base, size, h)
}

// FreeIRQ takes the last lines first: devices that name theirs tend to want low ones.
func (p platform) FreeIRQ() (IRQ, error) {
	for gsi := uint32(lines); gsi > 0; gsi-- {
		if !p.m.irqs[gsi-1] {
			return p.IRQ(gsi - 1)
		}
	}

	return IRQ{}, fmt.Errorf("%w: all interrupt lines are taken", device.ErrNoRoom)
}

func (p platform) Event(body ...aml.Term) (Event, error) { return p.m.ged.Event(body...) }
func (p platform) Reserve(size uint64) (uint64, error)   { return p.m.room.Memory(size) }
func (p platform) Unit(kind string) int                  { return p.m.room.Unit(kind) }
func (p platform) CPUs() int                             { return p.m.cfg.MaxCPUs }

func (p platform) Memory() Memory        { return p.m.mem }
func (p platform) Domain() *patch.Domain { return p.m.domain }
func (p platform) Log() *slog.Logger     { return p.m.cfg.Logger }

func (p platform) Stop(s patch.Section, r ExitReason) {
	endSlot.In(s)(p.m, s, Exit{Reason: r, VCPU: -1})
}

// Suspend is for devices of ours.
func (p platform) Suspend(s patch.Section) { suspendSlot.In(s)(p.m, s) }

func (p platform) Wake(s patch.Section) { wakeSlot.In(s)(p.m, s) }

// setLine drives a line into the in-kernel interrupt controllers of a machine.
func setLine(machine any, gsi uint32, level bool) error {
	return machine.(*Machine).vm.IRQLine(gsi, level)
}
