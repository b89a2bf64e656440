package device

import (
	"errors"
	"fmt"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// Described is a device of which the machine's ACPI tables say something.
//
// ACPI gives what stands in the DSDT, at its root: a Scope of \_SB with a Device in it, as
// a rule. New calls it once, after the last Attach. An error fails New.
type Described interface {
	Device
	ACPI() ([]aml.Term, error)
}

// Event is something of which a device tells the guest's operating system: one bit of the
// machine's generic event device. Like IRQ it is a slot and what to call it with. The zero
// Event is connected to nothing: raising it does nothing.
type Event struct {
	raise *patch.Slot[RaiseEvent]
	owner any
	n     int
}

// RaiseEvent tells of the event with that number of its owner.
type RaiseEvent = func(owner any, s patch.Section, n int)

// NewEvent makes an event of a slot. It is for those who implement Platform.
func NewEvent(raise *patch.Slot[RaiseEvent], owner any, n int) Event { return Event{raise, owner, n} }

// Raise has the guest's operating system run what was given to Platform.Event. It may be
// called from any goroutine and doesn't block; the section is the caller's, as of IRQ.Set.
// Several that the guest hasn't come to yet are one.
func (e Event) Raise(s patch.Section) {
	if e.raise != nil {
		e.raise.In(s)(e.owner, s, e.n)
	}
}

// CPUPath is the ACPI device of a processor.
func CPUPath(id int) aml.Path { return aml.Path(fmt.Sprintf(`\_SB.C%03X`, id)) }

// pageSize is that of the guest, or less: windows and memory begin there.
const pageSize = 0x1000

// ErrNoRoom is wrapped by errors of Platform's methods that hand out what is left.
var ErrNoRoom = errors.New("no room")

// Room is what a machine has left for devices that don't care where they are. It is for
// those who implement Platform, and for one goroutine at a time.
type Room struct {
	// The guest-physical addresses of windows: what is free of them.
	WindowStart, WindowEnd uint64

	// The RAM that is kept from the guest's operating system. It is handed out from the
	// end; what is left is for tables.
	MemoryStart, MemoryEnd uint64

	units map[string]int
}

// Window takes size bytes, in whole pages.
func (r *Room) Window(size uint64) (uint64, error) {
	n := (size + pageSize - 1) &^ (pageSize - 1)
	if size == 0 || n < size || n > r.WindowEnd-r.WindowStart {
		return 0, fmt.Errorf("%w for a window of %d bytes", ErrNoRoom, size)
	}

	base := r.WindowStart
	r.WindowStart += n

	return base, nil
}

// Memory takes size bytes of RAM, in whole pages.
func (r *Room) Memory(size uint64) (uint64, error) {
	n := (size + pageSize - 1) &^ (pageSize - 1)
	if size == 0 || n < size || n > r.MemoryEnd-r.MemoryStart {
		return 0, fmt.Errorf("%w for %d bytes of reserved memory", ErrNoRoom, size)
	}

	r.MemoryEnd -= n

	return r.MemoryEnd, nil
}

// Unit counts devices of a kind, from 0.
func (r *Room) Unit(kind string) int {
	if r.units == nil {
		r.units = map[string]int{}
	}

	n := r.units[kind]
	r.units[kind]++

	return n
}
