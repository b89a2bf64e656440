// The tests of a patch of a device, as its author would write them before it goes to any
// machine: no KVM is needed, and no guest.
package patchtest

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/patchtest"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// Thermometer is a device of one register: the temperature in tenths of a degree.
type Thermometer struct{ kelvin uint32 }

// What its handler does is in two slots, and the bug is in both: they work in whole
// degrees, so that the guest never sees a tenth.
var (
	measure = patch.NewSlot("example.com/thermometer.measure", (*Thermometer).measure)
	scale   = patch.NewSlot("example.com/thermometer.scale", func(degrees uint32) uint32 { return degrees * 10 })
)

const address = 0xd000_0000

func (d *Thermometer) Attach(p vmm.Platform) error {
	return p.MMIO("thermometer", address, 4, vmm.Direct(d))
}

// Read is called by vmm, with the section of the exit.
func (d *Thermometer) Read(s patch.Section, offset uint64, data []byte) {
	var reg [8]byte

	binary.LittleEndian.PutUint32(reg[:], scale.In(s)(measure.In(s)(d)))
	clear(data)
	copy(data, reg[offset:])
}

func (d *Thermometer) Write(patch.Section, uint64, []byte) {}

func (d *Thermometer) measure() uint32 { return d.kelvin / 10 }

// Tenths is the repair. Half of it would be ten times too much, or too little.
func Tenths(t *testing.T) *patch.Patch {
	p, err := patch.New("tenths",
		patch.Func(measure, func(d *Thermometer) uint32 { return d.kelvin }),
		patch.Func(scale, func(tenths uint32) uint32 { return tenths }))
	require.NoError(t, err)

	return p
}

// read is what a guest would see, by the handler that vmm calls.
func read(s patch.Section) uint32 {
	var data [4]byte

	(&Thermometer{kelvin: 2937}).Read(s, 0, data[:])

	return binary.LittleEndian.Uint32(data[:])
}

// The device is a good one, with or without the patch.
func TestDevice(t *testing.T) {
	vmmtest.TestDevice(t, func() vmm.Device { return &Thermometer{kelvin: 2937} })
}

// What the patch changes, and that it goes without a trace.
func TestTenths(t *testing.T) {
	wrong, right := patchtest.Compare(t, Tenths(t), patchtest.Options{}, read)

	require.EqualValues(t, 2930, wrong)
	require.EqualValues(t, 2937, right)
}

// No guest ever sees half of it, in either mode, however often it comes and goes.
func TestTenths_whileGuestsRead(t *testing.T) {
	patchtest.Hammer(t, Tenths(t), patchtest.Options{Workers: 16, Flips: 100}, read)
}

// Wherever its application or its revert fails, nothing has happened.
func TestTenths_whenItFails(t *testing.T) {
	patchtest.Fail(t, Tenths(t), patchtest.Options{}, read)
}
