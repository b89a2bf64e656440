package aml

import "strconv"

// register is a register as a buffer. The zero Register, in SystemMemory and of no width,
// is one that isn't there.
func register(r Register) Data { return ResourceTemplate(r) }

// LPIState is an idle state of a _LPI (ACPI 6.5 §8.4.3.3).
type LPIState struct {
	MinResidency  uint32 // µs for which it must last to be worth it
	WakeLatency   uint32 // µs, at worst
	Enabled       bool
	ArchFlags     uint32 // arm64: which context is lost (§8.4.3.3.3 and ARM's FFH specification)
	CounterHz     uint32 // of Residency
	EnabledParent uint32 // deepest state of the parent that this one allows, from 1; 0 is none

	// How the state is entered: Entry, or, where the parent's state is combined with this
	// one, Composite, which is added to what the child's says. On arm64 the Address of an
	// FFixedHW Entry is a PSCI power state, or 0xffffffff for WFI.
	Entry     Register
	Composite *uint64

	Residency, Usage Register // counters; zero is none
	Name             string
}

// LPI is the _LPI of a processor or of a container: its idle states, with the one that saves least
// first. The level is 0 where the system coordinates nothing.
func LPI(level uint64, states ...LPIState) Object {
	list := []Data{Zero, Integer(level), Integer(len(states))}

	for _, s := range states {
		entry := register(s.Entry)
		if s.Composite != nil {
			entry = Integer(*s.Composite)
		}

		var flags Integer
		if s.Enabled {
			flags = 1
		}

		list = append(list, Package(
			Integer(s.MinResidency), Integer(s.WakeLatency), flags, Integer(s.ArchFlags), Integer(s.CounterHz),
			Integer(s.EnabledParent), entry, register(s.Residency), register(s.Usage), String(s.Name)))
	}

	return Name("_LPI", Package(list...))
}

// CPCValue is an entry of a _CPC: a constant, or the register that has it. The zero CPCValue is
// an entry that isn't supported, as is that of a register without a width.
type CPCValue struct {
	Register Register
	Value    uint32
	Constant bool // Value counts, and not Register
}

// Perf is a CPCValue that is constant.
func Perf(v uint32) CPCValue { return CPCValue{Value: v, Constant: true} }

// PerfRegister is a CPCValue in a register.
func PerfRegister(r Register) CPCValue { return CPCValue{Register: r} }

func (v CPCValue) data() Data {
	if v.Constant {
		return Integer(v.Value)
	}

	return register(v.Register)
}

// CPCTable are the entries of revision 3 of _CPC (§8.4.6.1), in the order of the
// specification. Performance is in units of the platform's own, which are linear; frequencies are
// in MHz, times in ms but where it is said. HighestPerf to LowestPerf must be there.
type CPCTable struct {
	HighestPerf, NominalPerf, LowestNonlinearPerf, LowestPerf CPCValue

	GuaranteedPerf                              Register
	DesiredPerf, MinPerf, MaxPerf               Register
	PerfReductionTolerance, TimeWindow          Register
	CounterWraparound                           CPCValue // s
	ReferenceCounter, DeliveredCounter, Limited Register
	Enable                                      Register
	AutonomousSelection                         CPCValue
	AutonomousWindow, EnergyPreference          Register
	ReferencePerf                               CPCValue
	LowestFreq, NominalFreq                     CPCValue
}

// CPC is the _CPC of a processor.
func CPC(t CPCTable) Object {
	list := []Data{Integer(23), Integer(3)}

	for _, v := range []CPCValue{
		t.HighestPerf, t.NominalPerf, t.LowestNonlinearPerf, t.LowestPerf,
		PerfRegister(t.GuaranteedPerf), PerfRegister(t.DesiredPerf), PerfRegister(t.MinPerf), PerfRegister(t.MaxPerf),
		PerfRegister(t.PerfReductionTolerance), PerfRegister(t.TimeWindow), t.CounterWraparound,
		PerfRegister(t.ReferenceCounter), PerfRegister(t.DeliveredCounter), PerfRegister(t.Limited),
		PerfRegister(t.Enable), t.AutonomousSelection, PerfRegister(t.AutonomousWindow),
		PerfRegister(t.EnergyPreference), t.ReferencePerf, t.LowestFreq, t.NominalFreq,
	} {
		list = append(list, v.data())
	}

	return Name("_CPC", Package(list...))
}

// Coordination is how processors of a domain agree on their state (§8.3).
type Coordination uint32

// Who coordinates.
const (
	SoftwareAll Coordination = 0xfc // the system, on all processors
	SoftwareAny Coordination = 0xfd // the system, on any of them
	HardwareAll Coordination = 0xfe
)

// PSD is the _PSD of a processor (§8.4.5.5): the domain of performance that it is in, and how
// many processors are.
func PSD(domain uint32, c Coordination, processors uint32) Object {
	d := Name("_PSD", Package(Package(Integer(5), Zero, Integer(domain), Integer(c), Integer(processors))))
	if c < SoftwareAll || c > HardwareAll || processors == 0 {
		return object(bad(wrong(ErrValue, "_PSD with coordination %#x of %d processors", uint32(c), processors)))
	}

	return d
}

// PlatformOSC is the UUID of the _OSC in \_SB (§6.2.11.2).
const PlatformOSC = "0811b06e-4a27-44f9-8d60-3cbbc22e7b48"

// OSC is a method _OSC (§6.2.11) that answers one UUID of a revision: it grants those of the
// capabilities in the second DWord that are allowed, and says so where it took some away. Where
// all bits are allowed it gives the caller's buffer back. Linux has no cpuidle and no CPPC on
// arm64 unless \_SB has such a method for PlatformOSC.
func OSC(uuid string, revision uint64, allowed uint32) Object {
	grant := []Term{
		CreateDWordField(Arg(3), Integer(4), "CDW2"),
		Store(And(Path("CDW2"), Integer(allowed), nil), Local(0)),
		If(LNotEqual(Local(0), Path("CDW2")),
			Or(Path("CDW1"), Integer(0x10), Path("CDW1")), // capabilities masked
			Store(Local(0), Path("CDW2"))),
	}

	if allowed == 0xffffffff {
		grant = nil
	}

	return SerializedMethod("_OSC", 4, 0,
		CreateDWordField(Arg(3), Zero, "CDW1"),
		If(LEqual(Arg(0), ToUUID(uuid)),
			append([]Term{If(LNotEqual(Arg(1), Integer(revision)),
				Or(Path("CDW1"), Integer(0x08), Path("CDW1")))}, grant...)...,
		).Else(
			Or(Path("CDW1"), Integer(0x04), Path("CDW1"))), // unrecognized UUID
		Return(Arg(3)))
}

// GEDEvent is an interrupt of a generic event device, and what _EVT does for it.
type GEDEvent struct {
	Interrupt Interrupt // of one GSI
	Body      []Term
}

// GED is a generic event device (§5.6.9). All of its _EVT must be quick: it is run for
// each interrupt.
func GED(name string, uid uint64, events ...GEDEvent) Object {
	if len(events) == 0 {
		return object(bad(wrong(ErrArgs, "generic event device %s without events", name)))
	}

	var (
		crs  []Resource
		body []Term
		seen = map[uint32]bool{}
	)

	for _, e := range events {
		if len(e.Interrupt.GSIs) != 1 || seen[e.Interrupt.GSIs[0]] {
			return object(bad(wrong(ErrValue, "event of %s: want one interrupt, and another for each", name)))
		}

		gsi := e.Interrupt.GSIs[0]
		seen[gsi] = true

		crs = append(crs, e.Interrupt)
		body = append(body, If(LEqual(Arg(0), Integer(gsi)), e.Body...))
	}

	return Device(name,
		Name("_HID", String("ACPI0013")),
		Name("_UID", Integer(uid)),
		Name("_CRS", ResourceTemplate(crs...)),
		SerializedMethod("_EVT", 1, 0, body...))
}

// Unknown is a number of a battery that isn't known.
const Unknown = 0xffffffff

// BatteryInfo is what doesn't change of a battery, for BIF and BIX.
type BatteryInfo struct {
	Current       bool   // numbers are in mA and mAh, and not in mW and mWh
	Design        uint32 // capacity; may be Unknown
	LastFull      uint32
	Rechargeable  bool
	DesignVoltage uint32 // mV
	Warning, Low  uint32 // capacities
	Granularity1  uint32 // between Low and Warning
	Granularity2  uint32 // between Warning and full
	Model, Serial string
	Type, OEM     string

	// For BIX alone.
	Cycles                   uint32
	Accuracy                 uint32 // thousandths of a percent
	MaxSampling, MinSampling uint32 // ms
	MaxAverage, MinAverage   uint32 // ms
	Swap                     uint32 // 0 can't be swapped, 1 cold, 0x10 hot
}

func flag(set bool) Integer { return Integer(bit(set, 0)) }

// BIF is the _BIF of a battery, PNP0C0A (§10.2.2.1).
func BIF(b BatteryInfo) Object {
	return Name("_BIF", Package(flag(b.Current), Integer(b.Design), Integer(b.LastFull), flag(b.Rechargeable),
		Integer(b.DesignVoltage), Integer(b.Warning), Integer(b.Low), Integer(b.Granularity1), Integer(b.Granularity2),
		String(b.Model), String(b.Serial), String(b.Type), String(b.OEM)))
}

// BIX is the _BIX of a battery, revision 1 (§10.2.2.2).
func BIX(b BatteryInfo) Object {
	return Name("_BIX", Package(One, flag(b.Current), Integer(b.Design), Integer(b.LastFull), flag(b.Rechargeable),
		Integer(b.DesignVoltage), Integer(b.Warning), Integer(b.Low), Integer(b.Cycles), Integer(b.Accuracy),
		Integer(b.MaxSampling), Integer(b.MinSampling), Integer(b.MaxAverage), Integer(b.MinAverage),
		Integer(b.Granularity1), Integer(b.Granularity2),
		String(b.Model), String(b.Serial), String(b.Type), String(b.OEM), Integer(b.Swap)))
}

// BST is the _BST of a battery (§10.2.2.11): a method that collects four values each time. State
// has bit 0 for discharging, 1 charging, 2 critical. The rate and what remains are in
// the units of the BatteryInfo, the voltage is in mV.
func BST(state, rate, remaining, voltage TermArg) Object {
	at := func(i int) SuperName { return Index(Local(0), Integer(i), nil) }

	return Method("_BST", 0,
		Store(Package(Zero, Zero, Zero, Zero), Local(0)),
		Store(state, at(0)),
		Store(rate, at(1)),
		Store(remaining, at(2)),
		Store(voltage, at(3)),
		Return(Local(0)))
}

// Celsius is a temperature as thermal zones have them, in tenths of a Kelvin (§11.4), from
// thousandths of a degree.
func Celsius(milli int) Integer { return Integer(max(0, (milli+273150+50)/100)) }

// Thermal is a thermal zone (§11.4). Temperatures are in tenths of a Kelvin; those that are zero
// aren't there.
type Thermal struct {
	Temperature    TermArg // what _TMP gives; worked out at each call
	Critical       Integer // _CRT: shut down
	Hot            Integer // _HOT: hibernate
	Passive        Integer // _PSV: slow down the processors
	Processors     []Path  // _PSL: which
	TC1, TC2       uint8   // of the formula for passive cooling (§11.1.5.1)
	SamplingPeriod uint32  // _TSP: tenths of a second, while cooling passively
	Polling        uint32  // _TZP: tenths of a second; 0 is never, since there is Notify
}

// Zone is the thermal zone of that name. More objects may follow.
func (t Thermal) Zone(name string, more ...Object) Object {
	if t.Temperature == nil {
		return object(bad(wrong(ErrNil, "temperature of %s", name)))
	}

	body := []Object{Method("_TMP", 0, Return(t.Temperature))}

	for _, trip := range []struct {
		name string
		at   Integer
	}{{"_CRT", t.Critical}, {"_HOT", t.Hot}, {"_PSV", t.Passive}} {
		if trip.at != 0 {
			body = append(body, Name(trip.name, trip.at))
		}
	}

	if t.Passive != 0 {
		list := make([]Data, len(t.Processors))
		for i, p := range t.Processors {
			list[i] = p
		}

		body = append(body, Name("_PSL", Package(list...)), Name("_TC1", Integer(t.TC1)),
			Name("_TC2", Integer(t.TC2)), Name("_TSP", Integer(t.SamplingPeriod)))
	}

	body = append(body, Name("_TZP", Integer(t.Polling)))

	return ThermalZone(name, append(body, more...)...)
}

// CPU is a processor device, ACPI0007 (§8.4), in \_SB. Its uid is that of the MADT and the PPTT.
func CPU(uid uint32, body ...Object) Object {
	name := "C" + leftPad(strconv.FormatUint(uint64(uid), 16))
	if uid > 0xfff {
		return object(bad(wrong(ErrValue, "processor %d: its name has three digits", uid)))
	}

	return Device(name, append([]Object{Name("_HID", String("ACPI0007")), Name("_UID", Integer(uid))}, body...)...)
}

// leftPad makes three capital digits.
func leftPad(s string) string {
	b := []byte("000" + s)
	for i, c := range b {
		if c >= 'a' {
			b[i] = c - 'a' + 'A'
		}
	}

	return string(b[len(s):])
}
