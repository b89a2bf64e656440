package power

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// What Notify says (ACPI 6.5, table 5.161 and those of the devices).
const (
	statusChanged = 0x80 // of a battery, a supply, a thermal zone; a button was pressed
	infoChanged   = 0x81 // what seldom changes of a battery, or trip points
)

// link is what a feature has of its machine. The zero link is that of none.
type link struct {
	gate   sync.Mutex
	domain *patch.Domain
}

// connect says that the feature is attached: its events are there.
func (l *link) connect(p device.Platform) {
	l.gate.Lock()
	defer l.gate.Unlock()

	l.domain = p.Domain()
}

// raise raises an event of a feature that is attached.
func (l *link) raise(s patch.Section, e *device.Event) {
	l.gate.Lock()
	attached := l.domain != nil
	l.gate.Unlock()

	if attached {
		e.Raise(s)
	}
}

// do runs f in a section, of the machine's domain if there is one.
func (l *link) do(name string, f func(patch.Section)) {
	l.gate.Lock()
	domain := l.domain
	l.gate.Unlock()

	if domain == nil {
		f(patch.Section{}) // nothing to be repaired yet
		return
	}

	domain.Do(name, f)
}

// name is the ACPI name of a unit, with as many digits as it needs: a name has four
// characters.
func name(prefix string, unit int) (string, error) {
	switch {
	case unit < 0x10:
		return fmt.Sprintf("%.3s%X", prefix, unit), nil
	case unit < 0x100:
		return fmt.Sprintf("%.2s%X", prefix, unit), nil
	default:
		return "", fmt.Errorf("%w: %s number %d", device.ErrNoRoom, prefix, unit)
	}
}

// notify has an event tell a device.
func notify(p device.Platform, path aml.Path, what uint64) (device.Event, error) {
	return p.Event(aml.Notify(path, aml.Integer(what)))
}

// word is the size of a register.
const word = 4

// load reads registers of 32 bits, that the guest can't write. Beyond them there is 0.
func load(registers []uint32, off uint64, data []byte) {
	for i := range data {
		at := off + uint64(i)
		data[i] = 0

		if at/word < uint64(len(registers)) {
			data[i] = byte(registers[at/word] >> (at % word * 8))
		}
	}
}

// region declares registers of 32 bits at an address, by name.
func region(base uint64, names ...string) []aml.Object {
	list := make([]aml.FieldElement, len(names))
	for i, n := range names {
		list[i] = aml.Bits(n, word*8)
	}

	return []aml.Object{
		aml.OperationRegion("REGS", aml.SystemMemory, aml.Integer(base), aml.Integer(len(names)*word)),
		aml.Field("REGS", aml.FieldFlags{Access: aml.DWordAcc}, list...),
	}
}

// put stores the bytes of a number of width bytes that an access touches.
func put(data []byte, off, at uint64, width int, v uint64) {
	var b [8]byte

	binary.LittleEndian.PutUint64(b[:], v)

	for i := range data {
		if n := off + uint64(i); n >= at && n < at+uint64(width) {
			data[i] = b[n-at]
		}
	}
}
