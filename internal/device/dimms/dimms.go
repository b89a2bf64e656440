// Package dimms is the slots into which a machine's memory is put while the guest runs:
// their devices in ACPI, and the registers by which the guest learns what has come.
package dimms

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// What the guest can make run, and its owner.
var (
	read  = patch.NewSlot("vmm/dimms.read", (*Slots).read)
	write = patch.NewSlot("vmm/dimms.write", (*Slots).write)
	plug  = patch.NewSlot("vmm/dimms.plug", (*Slots).plug)
)

// Count is how many slots there are.
const Count = 16

// ErrFull is the error of a module too many.
var ErrFull = errors.New("every slot for memory is taken")

// The registers of a slot, of 32 bits each, at stride times its number. The address and
// the size have two.
const (
	regFlags  = 0x00
	regBase   = 0x04
	regSize   = 0x0c
	regEvent  = 0x14 // written by _OST: the request that it is about
	regStatus = 0x18 // written by _OST, last
	stride    = 0x20
)

// Flags. Writing flagAdded takes the request as heard.
const (
	flagEnabled = 1 << 0
	flagAdded   = 1 << 1
)

const (
	notifyCheck = 1   // of Notify and _OST (ACPI 6.5 §5.6.6)
	present     = 0xf // _STA (§6.3.7)
)

// Slots is the slots of a machine. Make it with New. Its slots for patches are called in a
// section, any number at a time; Attach by the machine, once; the other methods by any
// goroutine afterwards.
type Slots struct {
	// Set by Attach, constant after.
	base  uint64
	event device.Event

	mu   sync.Mutex // guards what follows; leaf but for event.Raise
	list [Count]module
	news chan struct{} // closed at the next change
}

// Answer is what the guest's system has said of a module.
type Answer int

// Answers.
const (
	NoAnswer Answer = iota
	Done
	Refused
)

type module struct {
	base, size uint64 // a size of 0 is an empty slot
	added      bool   // which the guest hasn't looked at
	said       uint32
	answer     Answer
}

// New makes empty slots.
func New() *Slots { return &Slots{news: make(chan struct{})} }

// Attach claims the registers.
func (d *Slots) Attach(p device.Platform) (err error) {
	if d.base, err = p.Place("dimms", Count*stride, device.Slots(d, read, write)); err != nil {
		return err
	}

	var scan []aml.Term
	for n := range Count {
		scan = append(scan, aml.Call(`\_SB.`+name(n)+".HSCN"))
	}

	d.event, err = p.Event(scan...)

	return err
}

// Free says whether there is a slot left.
func (d *Slots) Free() bool {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.list[Count-1].size == 0
}

// Plug puts memory, that is there already, into the next slot, and tells the guest.
func (d *Slots) Plug(s patch.Section, base, size uint64) (int, error) {
	return plug.In(s)(d, s, base, size)
}

func (d *Slots) plug(s patch.Section, base, size uint64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()

	for n := range d.list {
		if m := &d.list[n]; m.size == 0 {
			*m = module{base: base, size: size, added: true}
			d.event.Raise(s)

			return n, nil
		}
	}

	return 0, ErrFull
}

// Status is what the guest has said of a slot's memory, and a channel that is closed when
// it says more.
func (d *Slots) Status(slot int) (Answer, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.list[slot].answer, d.news
}

func (d *Slots) read(_ patch.Section, off uint64, data []byte) {
	clear(data)

	if off >= Count*stride || len(data) != 4 {
		return // AML has accesses of whole registers
	}

	d.mu.Lock()
	defer d.mu.Unlock()

	var (
		m = &d.list[off/stride]
		v uint32
	)

	switch off % stride {
	case regFlags:
		if m.size != 0 {
			v |= flagEnabled
		}

		if m.added {
			v |= flagAdded
		}
	case regBase:
		v = uint32(m.base)
	case regBase + 4:
		v = uint32(m.base >> 32)
	case regSize:
		v = uint32(m.size)
	case regSize + 4:
		v = uint32(m.size >> 32)
	}

	binary.LittleEndian.PutUint32(data, v)
}

func (d *Slots) write(_ patch.Section, off uint64, data []byte) {
	if off >= Count*stride || len(data) != 4 {
		return
	}

	d.mu.Lock()
	defer d.mu.Unlock()

	m, v := &d.list[off/stride], binary.LittleEndian.Uint32(data)

	switch off % stride {
	case regFlags:
		if v&flagAdded != 0 {
			m.added = false
		}
	case regEvent:
		m.said = v
	case regStatus:
		if m.size == 0 || m.said != notifyCheck {
			return
		}

		if m.answer = Done; v != 0 {
			m.answer = Refused
		}

		close(d.news)
		d.news = make(chan struct{})
	}
}

func name(n int) string { return fmt.Sprintf("MEM%X", n) }

// ACPI gives the devices.
func (d *Slots) ACPI() ([]aml.Term, error) {
	list := make([]aml.Object, 0, Count)
	for n := range Count {
		list = append(list, d.slot(n))
	}

	return []aml.Term{aml.Scope(`\_SB`, list...)}, nil
}

// Offsets in the only resource of a _CRS, which has 64 bits (§6.4.3.5.1).
const (
	crsMin  = 14
	crsMax  = 22
	crsSize = 38
)

func (d *Slots) slot(n int) aml.Object {
	flags := aml.Path("HFLG")

	// The numbers are filled in by the method.
	window := aml.AddressSpace{
		Bits: 64, Type: aml.MemoryRange, Flags: aml.MemoryFlags(true, aml.Cacheable, 0, false),
		MinFixed: true, MaxFixed: true, Max: stride - 1, Length: stride,
	}

	return aml.Device(name(n),
		aml.Name("_HID", aml.EISAID("PNP0C80")),
		aml.Name("_UID", aml.Integer(n)),
		aml.Name("_PXM", aml.Zero),
		aml.OperationRegion("HREG", aml.SystemMemory, aml.Integer(d.base+uint64(n)*stride), aml.Integer(stride)),
		aml.Field("HREG", aml.FieldFlags{Access: aml.DWordAcc, Update: aml.WriteAsZeros},
			aml.Bits("HFLG", 32), aml.Bits("HBAS", 64), aml.Bits("HSIZ", 64), aml.Bits("HEVT", 32), aml.Bits("HSTA", 32)),
		aml.Method("_STA", 0,
			aml.If(aml.And(flags, aml.Integer(flagEnabled), nil), aml.Return(aml.Integer(present))),
			aml.Return(aml.Zero)),
		aml.SerializedMethod("_CRS", 0, 0,
			// A window of no size can't be at a fixed place (§6.4.3.5).
			aml.If(aml.LEqual(aml.Path("HSIZ"), aml.Zero), aml.Return(aml.ResourceTemplate())),
			aml.Name("RBUF", aml.ResourceTemplate(window)),
			aml.CreateQWordField(aml.Path("RBUF"), aml.Integer(crsMin), "RMIN"),
			aml.CreateQWordField(aml.Path("RBUF"), aml.Integer(crsMax), "RMAX"),
			aml.CreateQWordField(aml.Path("RBUF"), aml.Integer(crsSize), "RLEN"),
			aml.Store(aml.Path("HBAS"), aml.Path("RMIN")),
			aml.Store(aml.Path("HSIZ"), aml.Path("RLEN")),
			aml.Subtract(aml.Add(aml.Path("RMIN"), aml.Path("RLEN"), nil), aml.One, aml.Path("RMAX")),
			aml.Return(aml.Path("RBUF"))),
		aml.Method("_OST", 3, aml.Store(aml.Arg(0), aml.Path("HEVT")), aml.Store(aml.Arg(1), aml.Path("HSTA"))),
		aml.Method("HSCN", 0,
			aml.If(aml.And(flags, aml.Integer(flagAdded), nil),
				aml.Store(aml.Integer(flagAdded), flags),
				aml.Notify(aml.Path(`\_SB.`+name(n)), aml.Integer(notifyCheck)))))
}
