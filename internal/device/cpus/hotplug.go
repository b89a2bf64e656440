package cpus

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// The registers of one processor: 32 bits each, at stride times its number.
const (
	regFlags  = 0x0
	regEvent  = 0x4 // written by _OST: the request that it is about
	regStatus = 0x8 // written by _OST, last
	stride    = 0x10
)

// Flags. A read gives the first three. Writing flagAdded or flagRemove takes that request
// as heard, and flagEject has the processor go.
const (
	flagEnabled = 1 << 0
	flagAdded   = 1 << 1
	flagRemove  = 1 << 2
	flagEject   = 1 << 3
)

// What Notify says of a processor, and what _OST is about (ACPI 6.5 §5.6.6, §6.3.5).
const (
	notifyCheck = 1
	notifyEject = 3

	ostDone       = 0
	ostEjecting   = 0x84 // of notifyEject: it is under way
	sourceEject   = 0x103
	staEverything = 0xf // present, enabled, shown, works (§6.3.7)
)

// Errors of Add and Remove.
var (
	ErrAllThere     = errors.New("every processor is there already")
	ErrNotRemovable = errors.New("no processor that can be removed")
)

// Add has a processor come: the one with the lowest number that isn't there.
func (c *CPUs) Add(s patch.Section) (int, error) { return add.In(s)(c, s) }

// Remove asks the guest to give a processor back.
func (c *CPUs) Remove(s patch.Section, id int) error { return remove.In(s)(c, s, id) }

func (c *CPUs) add(s patch.Section) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for id := c.first; id < len(c.list); id++ {
		if p := &c.list[id]; !p.enabled {
			p.enabled, p.request, p.answer = true, flagAdded, NoAnswer
			c.changed()
			c.event.Raise(s)

			return id, nil
		}
	}

	return 0, ErrAllThere
}

func (c *CPUs) remove(s patch.Section, id int) error {
	c.mu.Lock()
	defer c.mu.Unlock()

	if id < c.first || id >= len(c.list) || !c.list[id].enabled {
		return fmt.Errorf("%w: number %d", ErrNotRemovable, id)
	}

	p := &c.list[id]
	p.request, p.answer = flagRemove, NoAnswer
	c.changed()
	c.event.Raise(s)

	return nil
}

func (c *CPUs) read(_ patch.Section, off uint64, data []byte) {
	clear(data)

	c.mu.Lock()
	defer c.mu.Unlock()

	// Every access is of a whole register, as AML has it. Others read 0.
	if id := off / stride; id < uint64(len(c.list)) && off%stride == regFlags && len(data) == 4 {
		p := &c.list[id]
		v := p.request

		if p.enabled {
			v |= flagEnabled
		}

		binary.LittleEndian.PutUint32(data, v)
	}
}

func (c *CPUs) write(_ patch.Section, off uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()

	id := off / stride
	if id < uint64(c.first) || id >= uint64(len(c.list)) || len(data) != 4 {
		return
	}

	p, v := &c.list[id], binary.LittleEndian.Uint32(data)

	switch off % stride {
	case regFlags:
		p.request &^= v & (flagAdded | flagRemove)

		// One that runs can't go: on arm64, where that is known, its thread would still
		// be in the guest.
		if v&flagEject != 0 && p.enabled && !p.on {
			p.enabled, p.request = false, 0
			c.changed()
		}
	case regEvent:
		p.said = v
	case regStatus:
		c.answered(p, v)
	}
}

// answered is what the guest's system says of a request. Called with mu held.
func (c *CPUs) answered(p *processor, status uint32) {
	ejecting := p.said == notifyEject || p.said == sourceEject

	switch {
	case p.said != notifyCheck && !ejecting, ejecting && status == ostEjecting:
		return
	case status == ostDone:
		p.answer = Done
	default:
		p.answer = Refused
	}

	c.changed()
}

// path is an object below a processor's device.
func path(id int, name string) string { return string(device.CPUPath(id)) + "." + name }

// scan is what the guest's system does when some processor is to come or to go.
func (c *CPUs) scan() []aml.Term {
	var list []aml.Term
	for id := c.first; id < len(c.list); id++ {
		list = append(list, aml.Call(path(id, "HSCN")))
	}

	return list
}

// ACPI gives the devices. The _STA of each is a method, for it may have to look.
func (c *CPUs) ACPI() ([]aml.Term, error) {
	// All that a system offers is granted. Without the method Linux uses neither idle
	// states nor performance controls.
	list := []aml.Object{aml.OSC(aml.PlatformOSC, 1, 1<<32-1)}

	for id := range c.list {
		if id < c.first {
			list = append(list, aml.CPU(uint32(id), aml.Method("_STA", 0, aml.Return(aml.Integer(staEverything)))))
		} else {
			list = append(list, aml.CPU(uint32(id), c.comesAndGoes(id)...))
		}
	}

	return []aml.Term{aml.Scope(`\_SB`, list...)}, nil
}

// comesAndGoes is what there is in the device of a processor that does.
func (c *CPUs) comesAndGoes(id int) []aml.Object {
	flags := aml.Path("HFLG")
	heard := func(flag, what uint64) aml.Term {
		return aml.If(aml.And(aml.Local(0), aml.Integer(flag), nil),
			aml.Store(aml.Integer(flag), flags),
			aml.Notify(device.CPUPath(id), aml.Integer(what)))
	}

	list := []aml.Object{
		aml.OperationRegion("HREG", aml.SystemMemory, aml.Integer(c.base+uint64(id)*stride), aml.Integer(stride)),
		aml.Field("HREG", aml.FieldFlags{Access: aml.DWordAcc, Update: aml.WriteAsZeros},
			aml.Bits("HFLG", 32), aml.Bits("HEVT", 32), aml.Bits("HSTA", 32)),
		aml.Method("_STA", 0,
			aml.If(aml.And(flags, aml.Integer(flagEnabled), nil), aml.Return(aml.Integer(staEverything))),
			aml.Return(aml.Integer(c.hot.Absent))),
		aml.Method("_EJ0", 1, aml.Store(aml.Integer(flagEject), flags)),
		aml.Method("_OST", 3, aml.Store(aml.Arg(0), aml.Path("HEVT")), aml.Store(aml.Arg(1), aml.Path("HSTA"))),
		aml.Method("HSCN", 0,
			aml.Store(flags, aml.Local(0)),
			heard(flagAdded, notifyCheck),
			heard(flagRemove, notifyEject)),
	}

	if c.hot.MAT != nil {
		list = append(list, aml.Name("_MAT", aml.Buffer(c.hot.MAT(id)...)))
	}

	return list
}
