package aml

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var gpi = Source{Index: 1, Path: `\_SB.GPI0`}

// resources are all descriptors, and the ASL of each.
var resources = []struct {
	name, asl string
	list      []Resource
}{
	{"IRQNoFlags", "IRQNoFlags () {4}", []Resource{IRQ{Lines: []uint8{4}, NoFlags: true}}},
	{"IRQ", "IRQ (Level, ActiveLow, SharedAndWake) {3, 4} IRQ (Edge, ActiveHigh, Exclusive) {5}", []Resource{
		IRQ{Lines: []uint8{3, 4}, Level: true, ActiveLow: true, Shared: true, Wake: true}, IRQ{Lines: []uint8{5}},
	}},
	{"DMA", "DMA (TypeF, BusMaster, Transfer8_16) {2} DMA (Compatibility, NotBusMaster, Transfer16) {1, 3}", []Resource{
		DMA{Channels: []uint8{2}, Type: 3, Transfer: 1, BusMaster: true}, DMA{Channels: []uint8{1, 3}, Transfer: 2},
	}},
	{"Dependent", "StartDependentFn (1, 2) { IO (Decode16, 0x10, 0x20, 4, 8) } StartDependentFnNoPri () { FixedIO (0x60, 1) } EndDependentFn ()", []Resource{
		StartDependent{Compatibility: 1, Performance: 2}, IO{Min: 0x10, Max: 0x20, Align: 4, Length: 8},
		StartDependent{NoPriority: true}, FixedIO{0x60, 1}, EndDependent{},
	}},
	{"IO", "IO (Decode10, 0x70, 0x70, 1, 2)", []Resource{IO{Min: 0x70, Max: 0x70, Align: 1, Length: 2, Decode10: true}}},
	{"FixedDMA", "FixedDMA (0x12, 3, Width32bit)", []Resource{FixedDMA{0x12, 3, 2}}},
	{"Vendor", "VendorShort () {1, 2} VendorLong () {1, 2, 3}", []Resource{VendorResource{Data: []byte{1, 2}}, VendorResource{Data: []byte{1, 2, 3}, Long: true}}},
	{"Memory24", "Memory24 (ReadWrite, 0x10, 0x20, 4, 8)", []Resource{Memory24{0x10, 0x20, 4, 8, true}}},
	{"Memory32", "Memory32 (ReadOnly, 0x1000, 0x8000, 0x1000, 0x100)", []Resource{Memory32{0x1000, 0x8000, 0x1000, 0x100, false}}},
	{"Memory32Fixed", "Memory32Fixed (ReadWrite, 0x9000000, 0x1000)", []Resource{Memory32Fixed{0x9000000, 0x1000, true}}},
	{"WordBusNumber", `WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0xff, 0, 0x100)
		WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0xff, 0, 0x100, 1, "\\_SB.GPI0")`,
		[]Resource{BusNumbers(0, 255), func() Resource { b := BusNumbers(0, 255); b.Source = gpi; return b }()}},
	{"DWordMemory", "DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite, 0, 0x10000000, 0x1fffffff, 0, 0x10000000)",
		[]Resource{MMIOWindow(0x10000000, 0x10000000)}},
	{"QWordMemory", `QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite, 0, 0x8000000000, 0xffffffffff, 0, 0x8000000000)
		QWordMemory (ResourceConsumer, SubDecode, MinNotFixed, MaxNotFixed, Prefetchable, ReadOnly, 0xfff, 0x100000000, 0x1ffffffff, 0x5000, 0x10000, 1, "\\_SB.GPI0",, AddressRangeNVS)`,
		[]Resource{MMIOWindow(0x8000000000, 0x8000000000), AddressSpace{
			Bits: 64, Flags: MemoryFlags(false, Prefetchable, 3, false), Consumer: true, Subtractive: true,
			Granularity: 0xfff, Min: 0x100000000, Max: 0x1ffffffff, Translation: 0x5000, Length: 0x10000, Source: gpi,
		}}},
	{"WordIO", "WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0, 0xcf7, 0, 0xcf8)", []Resource{PortWindow(0, 0xcf8)}},
	{"DWordIO", `DWordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0, 0xffff, 0x3eff0000, 0x10000, , , , TypeTranslation, SparseTranslation)
		DWordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0, 0xffff, 0, 0x10000)`,
		[]Resource{AddressSpace{
			Bits: 32, Type: IORange, Flags: IOFlags(3, true, true), MinFixed: true, MaxFixed: true,
			Max: 0xffff, Translation: 0x3eff0000, Length: 0x10000,
		}, PortWindow(0, 0x10000)}},
	{"QWordIO", "QWordIO (ResourceConsumer, MinFixed, MaxFixed, PosDecode, NonISAOnlyRanges, 0, 0x1000, 0x1fff, 0, 0x1000)", []Resource{AddressSpace{
		Bits: 64, Type: IORange, Flags: 1, Consumer: true, MinFixed: true, MaxFixed: true, Min: 0x1000, Max: 0x1fff, Length: 0x1000,
	}}},
	{"Space", "WordSpace (0xC1, ResourceConsumer, PosDecode, MinFixed, MaxFixed, 5, 0, 0, 0xff, 0, 0x100)", []Resource{AddressSpace{
		Bits: 16, Type: 0xc1, Flags: 5, Consumer: true, MinFixed: true, MaxFixed: true, Max: 0xff, Length: 0x100,
	}}},
	{"Extended", "ExtendedMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite, 0, 0x10000000, 0x1fffffff, 0, 0x10000000, 8)", []Resource{AddressSpace{
		Bits: 64, Flags: MemoryFlags(true, Cacheable, 0, false), MinFixed: true, MaxFixed: true,
		Min: 0x10000000, Max: 0x1fffffff, Length: 0x10000000, Extended: true, Attributes: 8,
	}}},
	{"Interrupt", `Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) {33} Interrupt (ResourceProducer, Edge, ActiveLow, SharedAndWake, 1, "\\_SB.GPI0") {33, 34}`,
		[]Resource{Interrupt{GSIs: []uint32{33}}, Interrupt{GSIs: []uint32{33, 34}, Edge: true, ActiveLow: true, Shared: true, Wake: true, Producer: true, Source: gpi}}},
	{"Register", "Register (FFixedHW, 32, 0, 0xFFFFFFFF, 3)", []Resource{Register{FFixedHW, 32, 0, 3, 0xffffffff}}},
	{"Register, none", "Register (SystemMemory, 0, 0, 0)", []Resource{Register{}}},
	{"GpioInt", `GpioInt (Level, ActiveLow, ExclusiveAndWake, PullUp, 0x1234, "\\_SB.GPI0", 0, ResourceConsumer, , RawDataBuffer () {1, 2}) {3}
		GpioInt (Edge, ActiveBoth, Shared, PullNone, 0, "\\_SB.GPI0") {4}`, []Resource{
		GPIO{Controller: gpi.Path, Pins: []uint16{3}, Pull: PullUp, Debounce: 0x1234, Polarity: 1, Wake: true, Vendor: []byte{1, 2}},
		GPIO{Controller: gpi.Path, Pins: []uint16{4}, Pull: PullNone, Edge: true, Polarity: 2, Shared: true},
	}},
	{"GpioIo", `GpioIo (Shared, PullDown, 1, 0x102, IoRestrictionOutputOnly, "\\_SB.GPI0") {3, 4}`, []Resource{
		GPIO{IO: true, Controller: gpi.Path, Pins: []uint16{3, 4}, Pull: PullDown, Debounce: 1, Drive: 0x102, Shared: true, Restrict: 2},
	}},
	{"UART", `UARTSerialBusV2 (115200, DataBitsEight, StopBitsOne, 0xc0, LittleEndian, ParityTypeNone, FlowControlHardware, 32, 16, "\\_SB.GPI0", 0, ResourceConsumer)
		UARTSerialBusV2 (9600, DataBitsSeven, StopBitsTwo, 0, BigEndian, ParityTypeOdd, FlowControlXON, 1, 1, "\\_SB.GPI0", 0, ResourceConsumer, , Exclusive, RawDataBuffer () {7})`, []Resource{
		Serial{Controller: gpi.Path, Bus: UART{Baud: 115200, RX: 32, TX: 16, DataBits: 8, StopBits: 1, Flow: 1, Lines: 0xc0}},
		Serial{Controller: gpi.Path, Bus: UART{Baud: 9600, RX: 1, TX: 1, DataBits: 7, StopBits: 3, Parity: 2, Flow: 2, BigEndian: true}, Vendor: []byte{7}},
	}},
	{"I2C", `I2CSerialBusV2 (0x50, ControllerInitiated, 400000, AddressingMode7Bit, "\\_SB.GPI0", 0, ResourceConsumer)
		I2CSerialBusV2 (0x150, DeviceInitiated, 100000, AddressingMode10Bit, "\\_SB.GPI0", 0, ResourceProducer)
		I2CSerialBusV2 (0x51, ControllerInitiated, 400000, AddressingMode7Bit, "\\_SB.GPI0", 0, ResourceConsumer, , Shared)`, []Resource{
		Serial{Controller: gpi.Path, Bus: I2C{Speed: 400000, Address: 0x50}},
		Serial{Controller: gpi.Path, DeviceInitiated: true, Producer: true, Bus: I2C{Speed: 100000, Address: 0x150, Ten: true}},
		Serial{Controller: gpi.Path, Shared: true, Bus: I2C{Speed: 400000, Address: 0x51}},
	}},
	{"I2C, old", `I2CSerialBus (0x50, ControllerInitiated, 400000, AddressingMode7Bit, "\\_SB.GPI0", 0, ResourceConsumer)`, []Resource{
		Serial{Controller: gpi.Path, Bus: I2C{Speed: 400000, Address: 0x50}, Revision1: true},
	}},
	{"SPI", `SPISerialBusV2 (1, PolarityHigh, FourWireMode, 8, ControllerInitiated, 1000000, ClockPolarityHigh, ClockPhaseSecond, "\\_SB.GPI0", 0, ResourceConsumer)
		SPISerialBusV2 (2, PolarityLow, ThreeWireMode, 16, ControllerInitiated, 1000, ClockPolarityLow, ClockPhaseFirst, "\\_SB.GPI0", 0, ResourceConsumer)`, []Resource{
		Serial{Controller: gpi.Path, Bus: SPI{Speed: 1000000, Select: 1, Bits: 8, ClockHigh: true, SecondPhase: true, SelectIsHigh: true}},
		Serial{Controller: gpi.Path, Bus: SPI{Speed: 1000, Select: 2, Bits: 16, ThreeWires: true}},
	}},
}

// TestResources_areIASLs compares every descriptor with what iasl makes of it, and reads it
// back.
func TestResources_areIASLs(t *testing.T) {
	const controller = `Device (\_SB.GPI0) { Name (_HID, "X0000000") } `

	for _, c := range resources {
		t.Run(c.name, func(t *testing.T) {
			terms := []Term{Device(`\_SB.GPI0`, Name("_HID", String("X0000000"))), Name("RSRC", ResourceTemplate(c.list...))}
			same(t, asCompiled{loose: strings.Contains(c.name, "old"), asl: controller + "Name (RSRC, ResourceTemplate () {" + c.asl + "})", terms: terms})

			body, err := Encode(terms...)
			require.NoError(t, err)

			v, ok := reread(t, body).Root().Value("RSRC")
			require.True(t, ok)

			got, err := v.Resources()
			require.NoError(t, err)
			require.Equal(t, c.list, got)
		})
	}
}

func TestResources_refused(t *testing.T) {
	fixed := func(f func(*AddressSpace)) Resource {
		a := MMIOWindow(0x1000, 0x1000)
		f(&a)

		return a
	}

	for name, r := range map[string]Resource{
		"IRQ 16":                IRQ{Lines: []uint8{16}},
		"IRQ twice":             IRQ{Lines: []uint8{1, 1}},
		"IRQ flags":             IRQ{NoFlags: true, Level: true},
		"DMA 8":                 DMA{Channels: []uint8{8}},
		"DMA type":              DMA{Type: 4},
		"priority":              StartDependent{Performance: 3},
		"IO min > max":          IO{Min: 2, Max: 1, Length: 1},
		"IO without length":     IO{},
		"IO beyond":             IO{Min: 0xffff, Max: 0xffff, Length: 2},
		"IO align":              IO{Min: 3, Max: 8, Align: 4, Length: 1},
		"FixedIO beyond":        FixedIO{Base: 0x400, Length: 1},
		"FixedDMA":              FixedDMA{Width: 6},
		"vendor short":          VendorResource{Data: make([]byte, 8)},
		"vendor long":           VendorResource{Data: make([]byte, 1<<16), Long: true},
		"Memory24":              Memory24{Min: 2, Max: 1, Length: 1},
		"Memory32":              Memory32{Min: 2, Max: 1, Length: 1},
		"Memory32Fixed":         Memory32Fixed{Base: 0xfffff000, Length: 0x1001},
		"Memory32Fixed, none":   Memory32Fixed{Base: 0xfffff000},
		"bits":                  AddressSpace{Bits: 8},
		"too big":               AddressSpace{Bits: 16, Max: 0x10000},
		"type":                  AddressSpace{Bits: 16, Type: 3},
		"extended, source":      AddressSpace{Bits: 64, Extended: true, Source: gpi},
		"attributes":            AddressSpace{Bits: 64, Attributes: 1},
		"source":                AddressSpace{Bits: 64, Source: Source{Path: "1"}},
		"granularity":           fixed(func(a *AddressSpace) { a.Granularity = 2 }),
		"granularity, fixed":    fixed(func(a *AddressSpace) { a.Granularity = 0xfff }),
		"min > max":             fixed(func(a *AddressSpace) { a.Min = 0x2000 }),
		"length, short":         fixed(func(a *AddressSpace) { a.Length = 0xfff }),
		"length, long":          fixed(func(a *AddressSpace) { a.Length = 0x1001 }),
		"length, none":          fixed(func(a *AddressSpace) { a.Length = 0 }),
		"one end fixed":         fixed(func(a *AddressSpace) { a.MaxFixed = false }),
		"length of granularity": fixed(func(a *AddressSpace) { a.MinFixed, a.MaxFixed, a.Granularity, a.Length = false, false, 0xff, 0x80 }),
		"window, none":          MMIOWindow(0x1000, 0),
		"window, around":        MMIOWindow(^uint64(0), 2),
		"ports":                 PortWindow(0, 0),
		"buses":                 BusNumbers(2, 1),
		"interrupts, none":      Interrupt{},
		"interrupt source":      Interrupt{GSIs: []uint32{1}, Source: Source{Path: "toolong"}},
		"access size":           Register{AccessSize: 5},
		"pins, none":            GPIO{Controller: gpi.Path},
		"GpioInt, two":          GPIO{Controller: gpi.Path, Pins: []uint16{1, 2}},
		"pin twice":             GPIO{IO: true, Controller: gpi.Path, Pins: []uint16{1, 1}},
		"GPIO name":             GPIO{Pins: []uint16{1}, Controller: `\_SB.gpio`},
		"GPIO, no name":         GPIO{Pins: []uint16{1}},
		"GPIO pull":             GPIO{Pins: []uint16{1}, Controller: gpi.Path, Pull: 4},
		"GPIO kind":             GPIO{Pins: []uint16{1}, Controller: gpi.Path, Restrict: 1},
		"GPIO vendor":           GPIO{Pins: []uint16{1}, Controller: gpi.Path, Vendor: make([]byte, 5000)},
		"I2C":                   Serial{Controller: gpi.Path, Bus: I2C{Address: 0x80}},
		"SPI":                   Serial{Controller: gpi.Path, Bus: SPI{}},
		"UART":                  Serial{Controller: gpi.Path, Bus: UART{DataBits: 4}},
		"no bus":                Serial{Controller: gpi.Path},
		"shared, old":           Serial{Controller: gpi.Path, Bus: I2C{}, Shared: true, Revision1: true},
		"serial name":           Serial{Controller: "", Bus: I2C{}},
		"raw":                   RawResource{0x47, 1},
		"raw, none":             RawResource{},
		"raw end":               RawResource{0x79, 0},
		"nil":                   nil,
	} {
		_, err := Encode(Device("DEV0", Name("_HID", String("X0000000")), Name("_CRS", ResourceTemplate(EndDependent{}, r))))
		require.Error(t, err, name)

		var e *Error

		require.ErrorAs(t, err, &e, name)
		require.Equal(t, `\DEV0._CRS`, e.Path, name)
		require.Contains(t, e.Detail, "resource 1", name)
		require.True(t, errors.Is(err, ErrResource) || errors.Is(err, ErrName) || errors.Is(err, ErrNil), name)
	}
}

func TestParseResources_hostile(t *testing.T) {
	for _, b := range [][]byte{nil, {0x47}, {0x8c}, {0x8c, 0xff, 0xff}, {0x30}} {
		_, err := ParseResources(b)
		require.ErrorIs(t, err, ErrTruncated)
	}

	// What isn't known stays as it is.
	list, err := ParseResources([]byte{0x92, 2, 0, 1, 2, 0x79, 0})
	require.NoError(t, err)
	require.Equal(t, []Resource{RawResource{0x92, 2, 0, 1, 2}}, list)
	require.NoError(t, list[0].check())
}
