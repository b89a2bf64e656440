package aml

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

var battery = BatteryInfo{
	Design: 50000, LastFull: 48000, Rechargeable: true, DesignVoltage: 12000, Warning: 4000, Low: 2000, Granularity1: 10, Granularity2: 10,
	Model: "VG", Serial: "1", Type: "LION", OEM: "V", Cycles: 7, Accuracy: 95000,
}

// machine is a DSDT with all of power management: what the tests, the benchmark and the golden
// file are about.
func machine(cpus int) []Term {
	ffh := func(address uint64) Register { return Register{FFixedHW, 32, 0, 3, address} }
	mmio := func(address uint64) Register { return Register{SystemMemory, 32, 0, 3, address} }

	sb := []Object{OSC(PlatformOSC, 1, 0xffffffff)}

	for i := range cpus {
		base := 0x0a000000 + uint64(i)*0x100
		sb = append(sb, CPU(uint32(i),
			Method("_STA", 0, Return(Integer(0xf))),
			LPI(0,
				LPIState{MinResidency: 1, WakeLatency: 1, Enabled: true, Entry: ffh(0xffffffff), Name: "WFI"},
				LPIState{MinResidency: 500, WakeLatency: 100, Enabled: true, EnabledParent: 1, Entry: ffh(1), Name: "RET"}),
			CPC(CPCTable{
				HighestPerf: Perf(400), NominalPerf: Perf(300), LowestNonlinearPerf: Perf(100), LowestPerf: Perf(50),
				DesiredPerf: mmio(base), ReferenceCounter: mmio(base + 8), DeliveredCounter: mmio(base + 16),
				ReferencePerf: Perf(100), LowestFreq: Perf(500), NominalFreq: Perf(3000),
			}),
			PSD(uint32(i), SoftwareAll, 1)))
	}

	sb = append(sb,
		Device("PMC", Name("_HID", EISAID("PNP0C02")), Name("_UID", Zero),
			OperationRegion("REGS", SystemMemory, Integer(0x0b000000), Integer(0x20)),
			Field("REGS", FieldFlags{Access: DWordAcc}, Bits("EVTS", 32), Bits("BSTA", 32), Bits("RATE", 32), Bits("CAPA", 32), Bits("VOLT", 32), Bits("TEMP", 32))),
		Device("PWRB", Name("_HID", EISAID("PNP0C0C"))),
		Device("SLPB", Name("_HID", EISAID("PNP0C0E"))),
		Device("BAT0", Name("_HID", EISAID("PNP0C0A")), Name("_UID", One), Name("_PCL", Package(Path(`\_SB`))),
			Method("_STA", 0, Return(Integer(0x1f))),
			BIF(battery),
			BST(One, Integer(1500), Integer(30000), Integer(11900))),
		GED("GED0", 0,
			GEDEvent{Interrupt{GSIs: []uint32{41}, Edge: true}, []Term{Notify(Path("PWRB"), Integer(0x80))}},
			GEDEvent{Interrupt{GSIs: []uint32{42}, Edge: true}, []Term{Notify(Path("BAT0"), Integer(0x80)), Notify(Path(`\_TZ.TZ00`), Integer(0x80))}},
			GEDEvent{Interrupt{GSIs: []uint32{43}, Edge: true}, []Term{Notify(Path("SLPB"), Integer(0x80))}}))

	return []Term{
		Scope(`\_SB`, sb...),
		Scope(`\_TZ`, Thermal{
			Temperature: Celsius(25000), Critical: Celsius(100000), Hot: Celsius(95000), Passive: Celsius(80000),
			Processors: []Path{`\_SB.C000`}, TC1: 4, TC2: 3, SamplingPeriod: 150,
		}.Zone("TZ00")),
	}
}

// TestMachine_runs loads it all into ACPICA's interpreter, which is Linux's.
func TestMachine_runs(t *testing.T) {
	body, err := Encode(machine(3)...)
	require.NoError(t, err)
	roundTrip(t, body, true)
	require.Equal(t, body, compile(t, dumped(t, reread(t, body))))

	cases := []struct{ command, want string }{
		{`evaluate \_SB.C000._STA`, "[Integer] = 000000000000000F"},
		{`evaluate \_SB.C002._UID`, "[Integer] = 0000000000000002"},
		{`evaluate \_SB.C001._LPI`, "[Integer] = 00000000000001F4"},
		{`evaluate \_SB.C001._CPC`, "[Integer] = 0000000000000BB8"},
		{`evaluate \_SB.C001._PSD`, "[Integer] = 00000000000000FC"},
		{`evaluate \_SB.BAT0._STA`, "[Integer] = 000000000000001F"},
		{`evaluate \_SB.BAT0._BIF`, `"LION"`},
		{`evaluate \_SB.BAT0._BST`, "[Integer] = 0000000000007530"},
		{`evaluate \_TZ.TZ00._TMP`, "[Integer] = 0000000000000BA6"},
		{`evaluate \_TZ.TZ00._CRT`, "[Integer] = 0000000000000E94"},
		{`evaluate \_SB.GED0._EVT 41`, `PWRB`},
		{`evaluate \_SB.GED0._EVT 42`, `TZ00`},
	}

	require.Contains(t, interpret(t, body, `execute predefined;resources \_SB.GED0`), "Extended IRQ")

	var commands []string

	for _, c := range cases {
		commands = append(commands, c.command)
	}

	for i, out := range evaluate(t, body, commands) {
		require.Contains(t, out, cases[i].want, cases[i].command)
	}
}

// TestBIX_runs is apart, since iasl doesn't compile what it disassembles a _BIX into: it wants
// the revision as a number, and not as One.
func TestBIX_runs(t *testing.T) {
	body, err := Encode(Device("BAT0", Name("_HID", EISAID("PNP0C0A")), BIX(battery)))
	require.NoError(t, err)
	require.Equal(t, body, compile(t, dumped(t, reread(t, body))))
	require.Contains(t, interpret(t, body, `execute predefined;evaluate \BAT0._BIX`), "[Integer] = 0000000000017318")
}

// osc is a call of _OSC with the UUID and two capability words.
func osc(uuid string, revision Integer, cap1, cap2 uint32) Object {
	return Method("TEST", 0,
		Name("CAPS", Buffer(append(le32(le32(nil, cap1), cap2), 0)[:8]...)),
		Return(Call(`\_SB._OSC`, ToUUID(uuid), revision, Integer(2), Path("CAPS"))))
}

func TestOSC_answers(t *testing.T) {
	const other = "33db4d5b-1ff7-401c-9657-7441c03dd766"

	for _, c := range []struct {
		name     string
		allowed  uint32
		uuid     string
		revision Integer
		want     string
	}{
		{"all", 0xffffffff, PlatformOSC, 1, "00 00 00 00 78 56 34 12"},
		{"masked", 0xffff, PlatformOSC, 1, "10 00 00 00 78 56 00 00"},
		{"nothing to mask", 0x12345678, PlatformOSC, 1, "00 00 00 00 78 56 34 12"},
		{"revision", 0xffffffff, PlatformOSC, 2, "08 00 00 00 78 56 34 12"},
		{"UUID", 0xffffffff, other, 1, "04 00 00 00 78 56 34 12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, err := Encode(Scope(`\_SB`, OSC(PlatformOSC, 1, c.allowed)), osc(c.uuid, c.revision, 0, 0x12345678))
			require.NoError(t, err)
			require.Contains(t, interpret(t, body, `evaluate \TEST`), c.want)
		})
	}
}

// TestMethods_compute runs what has a value.
func TestMethods_compute(t *testing.T) {
	l := Local(0)

	cases := map[string]struct {
		want uint64
		body []Term
	}{
		"Add":        {7, []Term{Return(Add(Integer(3), Integer(4), nil))}},
		"Subtract":   {^uint64(0), []Term{Return(Subtract(Integer(3), Integer(4), nil))}},
		"Divide":     {3, []Term{Divide(Integer(17), Integer(5), Local(1), l), Return(l)}},
		"remainder":  {2, []Term{Divide(Integer(17), Integer(5), l, Local(1)), Return(l)}},
		"Shift":      {0x50, []Term{Return(ShiftLeft(Integer(5), Integer(4), nil))}},
		"Nand":       {^uint64(0) - 1, []Term{Return(Nand(Integer(5), Integer(3), nil))}},
		"left bit":   {8, []Term{Return(FindSetLeftBit(Integer(0x81), nil))}},
		"right bit":  {1, []Term{Return(FindSetRightBit(Integer(0x81), nil))}},
		"BCD":        {0x42, []Term{Return(ToBCD(Integer(42), nil))}},
		"Match":      {2, []Term{Return(Match(Package(One, Integer(5), Integer(9)), MatchGreater, Integer(5), MatchTrue, Zero, Zero))}},
		"Index":      {5, []Term{Return(DerefOf(Index(Package(One, Integer(5)), One, nil)))}},
		"SizeOf":     {3, []Term{Store(Buffer(1, 2, 3), l), Return(SizeOf(l))}},
		"ObjectType": {uint64(KindBuffer), []Term{Store(Buffer(1), l), Return(ObjectType(l))}},
		"ElseIf": {9, []Term{Store(Integer(2), l), If(LEqual(l, One), Return(Integer(8))).ElseIf(LEqual(l, Integer(2)), Return(Integer(9))).
			Else(Return(Integer(10)))}},
		"While": {45, []Term{Store(Zero, l), Store(Zero, Local(1)), While(One, Increment(l),
			If(LGreaterEqual(l, Integer(10)), Break()), Add(Local(1), l, Local(1))), Return(Local(1))}},
		"Call":    {12, []Term{Return(Call("TWO", Integer(5), Call("TWO", Integer(3), Integer(4))))}},
		"Mutex":   {0, []Term{Store(Acquire(Path("MUTX"), 10), l), Release(Path("MUTX")), Return(l)}},
		"Event":   {0, []Term{Signal(Path("EVNT")), Return(Wait(Path("EVNT"), Integer(10)))}},
		"Mid":     {3, []Term{Mid(String("abcdef"), One, Integer(3), l), Return(SizeOf(l))}},
		"compare": {^uint64(0), []Term{Return(LAnd(LLessEqual(One, One), LNotEqual(One, Zero)))}},
		"field":   {0x3412, []Term{Store(Buffer(0, 0x12, 0x34), l), CreateWordField(l, One, "WORD"), Return(Path("WORD"))}},
	}

	var commands, names []string

	terms := []Term{Mutex("MUTX", 0), Event("EVNT"), Method("TWO", 2, Return(Add(Arg(0), Arg(1), nil)))}

	for name, c := range cases {
		method := fmt.Sprintf("T%03d", len(names))
		names = append(names, name)
		terms = append(terms, SerializedMethod(method, 0, 0, c.body...))
		commands = append(commands, `evaluate \`+method)
	}

	b, err := Encode(terms...)
	require.NoError(t, err)

	for i, out := range evaluate(t, b, commands) {
		require.Contains(t, out, fmt.Sprintf("[Integer] = %016X", cases[names[i]].want), names[i])
	}
}

func TestCelsius(t *testing.T) {
	require.Equal(t, Integer(2732), Celsius(0))
	require.Equal(t, Integer(2982), Celsius(25000))
	require.Equal(t, Integer(0), Celsius(-300000))
}

func BenchmarkEncode_64CPUs(b *testing.B) {
	terms := machine(64)

	b.ReportAllocs()

	for b.Loop() {
		body, err := Encode(terms...)
		if err != nil {
			b.Fatal(err)
		}

		b.SetBytes(int64(len(body)))
	}
}

func BenchmarkParse_64CPUs(b *testing.B) {
	body, err := Encode(machine(64)...)
	require.NoError(b, err)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()

	for b.Loop() {
		if _, err := Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}
