package power

import (
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

var (
	acRead   = patch.NewSlot("vmm/power/ac.read", (*ACAdapter).read)
	acWrite  = patch.NewSlot("vmm/power/ac.write", (*ACAdapter).write)
	acUpdate = patch.NewSlot("vmm/power/ac.update", (*ACAdapter).update)
)

// ACAdapter is a power supply from the mains.
type ACAdapter struct {
	link

	// Set by Attach, constant after.
	unit  int
	name  string
	base  uint64
	event device.Event

	mu     sync.Mutex // guards what follows; leaf
	online uint32
}

// NewACAdapter makes a power supply, which is or isn't plugged in.
func NewACAdapter(online bool) *ACAdapter {
	a := &ACAdapter{}
	a.set(online)

	return a
}

// Online says whether it is plugged in.
func (a *ACAdapter) Online() bool {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.online != 0
}

// Update plugs it in or out, and tells the guest.
func (a *ACAdapter) Update(online bool) {
	a.do("ac adapter", func(s patch.Section) { acUpdate.In(s)(a, s, online) })
}

func (a *ACAdapter) update(s patch.Section, online bool) {
	a.set(online)
	a.raise(s, &a.event)
}

func (a *ACAdapter) set(online bool) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.online = 0
	if online {
		a.online = 1
	}
}

// Attach is for the machine.
func (a *ACAdapter) Attach(p device.Platform) (err error) {
	a.unit = p.Unit("ADP")
	if a.name, err = name("ADP", a.unit); err != nil {
		return err
	}

	if a.base, err = p.Place("ac", word, device.Slots(a, acRead, acWrite)); err != nil {
		return err
	}

	if a.event, err = notify(p, `\_SB.`+aml.Path(a.name), statusChanged); err != nil {
		return err
	}

	a.connect(p)

	return nil
}

// ACPI is for the machine.
func (a *ACAdapter) ACPI() ([]aml.Term, error) {
	return []aml.Term{aml.Scope(`\_SB`, aml.Device(a.name, append([]aml.Object{
		aml.Name("_HID", aml.String("ACPI0003")),
		aml.Name("_UID", aml.Integer(a.unit)),
		aml.Name("_PCL", aml.Package(aml.Path(`\_SB`)))},
		append(region(a.base, "ONLN"),
			aml.Method("_PSR", 0, aml.Return(aml.Path("ONLN"))))...)...))}, nil
}

func (a *ACAdapter) read(_ patch.Section, off uint64, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()

	registers := [...]uint32{a.online}
	load(registers[:], off, data)
}

func (a *ACAdapter) write(patch.Section, uint64, []byte) {}
