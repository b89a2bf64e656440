// Package dimms is the slots into which a machine's memory is put while the guest runs, and
// from which it is taken: their devices in ACPI, and the registers by which the guest learns
// what has come or is to go.
package dimms

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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
	ask   = patch.NewSlot("vmm/dimms.ask", (*Slots).ask)
)

// Count is how many slots there are.
const Count = 16

// Errors of what can't be done.
var (
	ErrFull  = errors.New("every slot for memory is taken")
	ErrEmpty = errors.New("no memory in the slot")
)

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

// Flags. A read gives the first three. Writing flagAdded or flagRemove takes that request
// as heard, and flagEject has the module go.
const (
	flagEnabled = 1 << 0
	flagAdded   = 1 << 1
	flagRemove  = 1 << 2
	flagEject   = 1 << 3
)

// What Notify says of a module, and what _OST is about (ACPI 6.5 §5.6.6, §6.3.5).
const (
	notifyCheck = 1
	notifyEject = 3

	ostDone     = 0
	ostEjecting = 0x84 // of notifyEject: it is under way
	sourceEject = 0x103
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

	plugged int // the slot after the one that was filled last
}

// Answer is what the guest's system has said of a module.
type Answer int

// Answers.
const (
	NoAnswer Answer = iota
	Done
	Refused
	Ejected // the guest has given it back, and it is to be taken: see Take
)

type module struct {
	base, size uint64 // a size of 0 is an empty slot
	asked      uint32 // flagAdded or flagRemove: the last request
	request    uint32 // that, or 0 when the guest has looked at it
	said       uint32 // by _OST: of which request
	answer     Answer
}

// there says whether the guest has a module.
func (m *module) there() bool { return m.size != 0 && m.answer != Ejected }

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

// Room finds a place for a module of that size within a range of addresses, beside those
// that are there. The error is ErrFull if there is no slot for it, and fits is false if no
// place is large enough. It holds until the next Plug.
func (d *Slots) Room(start, end, size uint64) (base uint64, fits bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()

	var taken []module

	for _, m := range d.list {
		if m.size != 0 {
			taken = append(taken, m)
		}
	}

	if len(taken) == Count {
		return 0, false, ErrFull
	}

	slices.SortFunc(taken, func(a, b module) int { return cmp.Compare(a.base, b.base) })

	for _, m := range append(taken, module{base: end}) {
		if m.base >= start && m.base-start >= size {
			return start, true, nil
		}

		start = m.base + m.size
	}

	return 0, false, nil
}

// Next is the slot that the next module goes into.
func (d *Slots) Next() (slot int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.next()
}

// next takes the slots in turn: a guest has more to say of one that it has just emptied, and
// Linux complains if there is something in it again by then. Called with mu held.
func (d *Slots) next() (slot int, ok bool) {
	for i := range Count {
		if slot := (d.plugged + i) % Count; d.list[slot].size == 0 {
			return slot, true
		}
	}

	return 0, false
}

// Ask asks the guest to give a module back.
func (d *Slots) Ask(s patch.Section, slot int) error { return ask.In(s)(d, s, slot) }

func (d *Slots) ask(s patch.Section, slot int) error {
	d.mu.Lock()
	defer d.mu.Unlock()

	if slot < 0 || slot >= Count || !d.list[slot].there() {
		return fmt.Errorf("%w: number %d", ErrEmpty, slot)
	}

	m := &d.list[slot]
	m.asked, m.request, m.answer = flagRemove, flagRemove, NoAnswer
	d.event.Raise(s)

	return nil
}

// Take takes the modules out that the guest has given back: it calls out for each, which
// says what has become of the memory, and empties its slot unless that fails.
func (d *Slots) Take(out func(slot int, base, size uint64) error) error {
	d.mu.Lock()
	list := d.list
	d.mu.Unlock()

	var errs []error

	for n, m := range list {
		if m.answer != Ejected {
			continue
		}

		if err := out(n, m.base, m.size); err != nil {
			errs = append(errs, err)
			continue
		}

		d.mu.Lock()
		d.list[n] = module{}
		d.mu.Unlock()
	}

	return errors.Join(errs...)
}

// Plug puts memory, that is there already, into the next slot, and tells the guest.
func (d *Slots) Plug(s patch.Section, base, size uint64) (int, error) {
	return plug.In(s)(d, s, base, size)
}

func (d *Slots) plug(s patch.Section, base, size uint64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()

	n, ok := d.next()
	if !ok {
		return 0, ErrFull
	}

	d.list[n] = module{base: base, size: size, asked: flagAdded, request: flagAdded}
	d.plugged = n + 1
	d.event.Raise(s)

	return n, nil
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
		if v = m.request; m.there() {
			v |= flagEnabled
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
		m.request &^= v & (flagAdded | flagRemove)

		if v&flagEject != 0 && m.there() {
			m.answer, m.request = Ejected, 0
			d.changed()
		}
	case regEvent:
		m.said = v
	case regStatus:
		d.answered(m, v)
	}
}

// answered is what the guest's system says of a request. Called with mu held.
func (d *Slots) answered(m *module, status uint32) {
	about := uint32(0)

	switch m.said {
	case notifyCheck:
		about = flagAdded
	case notifyEject, sourceEject:
		about = flagRemove
	}

	switch {
	case !m.there(), about != m.asked: // such as a late word of what was in the slot before
		return
	case about == flagRemove && status == ostEjecting:
		return
	case status == ostDone:
		m.answer = Done
	default:
		m.answer = Refused
	}

	d.changed()
}

// changed tells those who wait. Called with mu held.
func (d *Slots) changed() {
	close(d.news)
	d.news = make(chan struct{})
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
	heard := func(flag, what uint64) aml.Term {
		return aml.If(aml.And(aml.Local(0), aml.Integer(flag), nil),
			aml.Store(aml.Integer(flag), flags),
			aml.Notify(aml.Path(`\_SB.`+name(n)), aml.Integer(what)))
	}

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
		aml.Method("_EJ0", 1, aml.Store(aml.Integer(flagEject), flags)),
		aml.Method("_OST", 3, aml.Store(aml.Arg(0), aml.Path("HEVT")), aml.Store(aml.Arg(1), aml.Path("HSTA"))),
		aml.Method("HSCN", 0,
			aml.Store(flags, aml.Local(0)),
			heard(flagAdded, notifyCheck),
			heard(flagRemove, notifyEject)))
}
