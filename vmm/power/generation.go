package power

import (
	"crypto/rand"
	"errors"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

var announce = patch.NewSlot("vmm/power/generation.announce", (*VMGenID).announce)

// GUID is a globally unique identifier, in the order of its bytes in memory.
type GUID [16]byte

// VMGenID tells the guest that it isn't the only one to go on from here: that it was
// restored from a snapshot, or cloned. Its system then makes its random numbers anew
// (Microsoft, "Virtual Machine Generation ID"). A machine has one at most.
type VMGenID struct {
	link

	// Set by Attach, constant after.
	memory device.Memory
	gpa    uint64
	event  device.Event

	mu sync.Mutex // guards id, and that memory has the same
	id GUID
}

// NewVMGenID makes a generation that no other machine has.
func NewVMGenID() *VMGenID {
	g := &VMGenID{}
	_, _ = rand.Read(g.id[:]) // never fails

	return g
}

// ID is the present generation.
func (g *VMGenID) ID() GUID {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.id
}

// Renew begins a new generation and tells the guest. Do so while the machine is paused:
// what a guest makes of random numbers before it hears of it is the same in all copies. An
// error means that the memory is gone, as after Close.
func (g *VMGenID) Renew() error {
	if err := g.renew(); err != nil {
		return err
	}

	g.do("generation", func(s patch.Section) { announce.In(s)(g, s) })

	return nil
}

func (g *VMGenID) announce(s patch.Section) { g.raise(s, &g.event) }

func (g *VMGenID) renew() error {
	g.mu.Lock()
	defer g.mu.Unlock()

	_, _ = rand.Read(g.id[:])

	return g.store()
}

// store is called with mu held.
func (g *VMGenID) store() error {
	if g.memory == nil {
		return nil // no machine yet
	}

	_, err := g.memory.WriteAt(g.id[:], int64(g.gpa))

	return err
}

// Attach is for the machine.
func (g *VMGenID) Attach(p device.Platform) (err error) {
	if p.Unit("VMGENID") > 0 {
		return errors.New("power: a machine has one generation")
	}

	g.mu.Lock()
	defer g.mu.Unlock()

	if g.gpa, err = p.Reserve(uint64(len(g.id))); err != nil {
		return err
	}

	if g.event, err = notify(p, `\_SB.VGEN`, statusChanged); err != nil {
		return err
	}

	g.memory = p.Memory()
	g.connect(p)

	return g.store()
}

// ACPI is for the machine.
func (g *VMGenID) ACPI() ([]aml.Term, error) {
	const compatible = "VM_Gen_Counter"

	return []aml.Term{aml.Scope(`\_SB`, aml.Device("VGEN",
		aml.Name("_HID", aml.String("VGFT0001")),
		aml.Name("_CID", aml.String(compatible)),
		aml.Name("_DDN", aml.String(compatible)),
		aml.Name("ADDR", aml.Package(aml.Integer(uint32(g.gpa)), aml.Integer(g.gpa>>32)))))}, nil
}
