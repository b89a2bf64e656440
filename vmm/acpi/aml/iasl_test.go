package aml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type asCompiled struct {
	name  string
	asl   string
	terms []Term
	loose bool // Dump isn't ASL that iasl compiles to the same
}

// in puts an expression into a method, where it can use all variables.
func in(terms ...Term) []Term { return []Term{Method("TEST", 7, terms...)} }

func inASL(s string) string { return "Method (TEST, 7, NotSerialized) { " + s + " }" }

const fixtures = `Name (INTA, 5) Name (PKGA, Package () {1, 2}) Mutex (MTXA, 1) Event (EVTA) Method (MTH2, 2) { Return (Arg0) }
`

func withFixtures(terms []Term) []Term {
	return append([]Term{
		Name("INTA", Integer(5)), Name("PKGA", Package(One, Integer(2))), Mutex("MTXA", 1), Event("EVTA"),
		Method("MTH2", 2, Return(Arg(0))),
	}, terms...)
}

func expressions() []asCompiled {
	a, b, to := Arg(0), Arg(1), Local(2)
	x := func(name, asl string, terms ...Term) asCompiled {
		return asCompiled{name: name, asl: asl, terms: terms}
	}

	return []asCompiled{
		x("Add", "Add (Arg0, Arg1, Local2) Return (Add (Arg0, 1))", Add(a, b, to), Return(Add(a, One, nil))),
		x("Subtract", "Subtract (Arg0, Arg1, Local2)", Subtract(a, b, to)),
		x("Multiply", "Multiply (Arg0, Arg1, Local2)", Multiply(a, b, to)),
		x("Divide", "Divide (Arg0, Arg1, Local2, Local3) Divide (Arg0, Arg1, , Local3)", Divide(a, b, to, Local(3)), Divide(a, b, nil, Local(3))),
		x("Mod", "Mod (Arg0, Arg1, Local2)", Mod(a, b, to)),
		x("ShiftLeft", "ShiftLeft (Arg0, Arg1, Local2)", ShiftLeft(a, b, to)),
		x("ShiftRight", "ShiftRight (Arg0, Arg1, Local2)", ShiftRight(a, b, to)),
		x("And", "And (Arg0, Arg1, Local2)", And(a, b, to)),
		x("Nand", "NAnd (Arg0, Arg1, Local2)", Nand(a, b, to)),
		x("Or", "Or (Arg0, Arg1, Local2)", Or(a, b, to)),
		x("Nor", "NOr (Arg0, Arg1, Local2)", Nor(a, b, to)),
		x("Xor", "XOr (Arg0, Arg1, Local2)", Xor(a, b, to)),
		x("Not", "Not (Arg0, Local2)", Not(a, to)),
		x("FindSetLeftBit", "FindSetLeftBit (Arg0, Local2)", FindSetLeftBit(a, to)),
		x("FindSetRightBit", "FindSetRightBit (Arg0, Local2)", FindSetRightBit(a, to)),
		x("Concatenate", "Concatenate (Arg0, Arg1, Local2)", Concatenate(a, b, to)),
		x("ConcatenateResTemplate", "ConcatenateResTemplate (Arg0, Arg1, Local2)", ConcatenateResTemplate(a, b, to)),
		x("Mid", "Mid (Arg0, 1, 2, Local2)", Mid(a, One, Integer(2), to)),
		x("ToBuffer", "ToBuffer (Arg0, Local2)", ToBuffer(a, to)),
		x("ToDecimalString", "ToDecimalString (Arg0, Local2)", ToDecimalString(a, to)),
		x("ToHexString", "ToHexString (Arg0, Local2)", ToHexString(a, to)),
		x("ToInteger", "ToInteger (Arg0, Local2)", ToInteger(a, to)),
		x("ToString", "ToString (Arg0, Ones, Local2)", ToString(a, Ones, to)),
		x("FromBCD", "FromBCD (Arg0, Local2)", FromBCD(a, to)),
		x("ToBCD", "ToBCD (Arg0, Local2)", ToBCD(a, to)),
		x("Store", "Store (Arg0, Local2) Store (Arg0, INTA) Store (1, Debug) Store (1, Index (PKGA, 0))",
			Store(a, to), Store(a, Path("INTA")), Store(One, Debug), Store(One, Index(Path("PKGA"), Zero, nil))),
		x("CopyObject", "CopyObject (Arg0, Local2)", CopyObject(a, to)),
		x("Increment", "Increment (Arg1) Decrement (INTA)", Increment(b), Decrement(Path("INTA"))),
		x("logic", "Store (LAnd (Arg0, Arg1), Local2) Store (LOr (Arg0, Arg1), Local2) Store (LNot (Arg0), Local2)",
			Store(LAnd(a, b), to), Store(LOr(a, b), to), Store(LNot(a), to)),
		x("compare", `Local2 = (Arg0 == Arg1) Local2 = (Arg0 != Arg1) Local2 = (Arg0 < Arg1) Local2 = (Arg0 <= Arg1)
			Local2 = (Arg0 > Arg1) Local2 = (Arg0 >= Arg1)`,
			Store(LEqual(a, b), to), Store(LNotEqual(a, b), to), Store(LLess(a, b), to), Store(LLessEqual(a, b), to),
			Store(LGreater(a, b), to), Store(LGreaterEqual(a, b), to)),
		x("references", "Store (RefOf (INTA), Local2) Store (DerefOf (Local2), Local3) Store (DerefOf (Index (PKGA, 1)), Local3) Store (CondRefOf (INTA, Local2), Local3) Return (CondRefOf (INTA))",
			Store(RefOf(Path("INTA")), to), Store(DerefOf(to), Local(3)), Store(DerefOf(Index(Path("PKGA"), One, nil)), Local(3)),
			Store(CondRefOf(Path("INTA"), to), Local(3)), Return(CondRefOf(Path("INTA"), nil))),
		x("Index", "Index (PKGA, 1, Local2)", Index(Path("PKGA"), One, to)),
		x("SizeOf", "Store (SizeOf (PKGA), Local2) Store (ObjectType (PKGA), Local2)", Store(SizeOf(Path("PKGA")), to), Store(ObjectType(Path("PKGA")), to)),
		x("Match", "Store (Match (PKGA, MEQ, Arg0, MTR, 0, 0), Local2) Store (Match (PKGA, MGE, Arg0, MLT, Arg1, 1), Local2)",
			Store(Match(Path("PKGA"), MatchEqual, a, MatchTrue, Zero, Zero), to), Store(Match(Path("PKGA"), MatchGreaterEqual, a, MatchLess, b, One), to)),
		x("Timer", "Store (Timer (), Local2)", Store(Timer(), to)),
		x("Acquire", "Acquire (MTXA, 0xFFFF) Release (MTXA) Store (Acquire (MTXA, 16), Local2)", Acquire(Path("MTXA"), Forever), Release(Path("MTXA")), Store(Acquire(Path("MTXA"), 16), to)),
		x("Event", "Signal (EVTA) Reset (EVTA) Wait (EVTA, 0x10)", Signal(Path("EVTA")), Reset(Path("EVTA")), Wait(Path("EVTA"), Integer(16))),
		x("LoadTable", `LoadTable ("OEM1", "MYOEM", "TABLE1", "\\_SB", "MYD", Package () {0})`,
			LoadTable(String("OEM1"), String("MYOEM"), String("TABLE1"), String(`\_SB`), String("MYD"), Package(Zero))),
		x("Notify", `Notify (\_SB, 0x80)`, Notify(Path(`\_SB`), Integer(0x80))),
		x("Sleep", "Sleep (100) Stall (50)", Sleep(Integer(100)), Stall(Integer(50))),
		x("Fatal", "Fatal (1, 0x12345678, Arg0)", Fatal(1, 0x12345678, a)),
		x("Return", "Return (Arg0)", Return(a)),
		x("Return nothing", "Return ()", Return(nil)),
		x("Call", "MTH2 (1, Arg0) Store (MTH2 (MTH2 (1, 2), INTA), Local2)",
			Call("MTH2", One, a), Store(Call("MTH2", Call("MTH2", One, Integer(2)), Path("INTA")), to)),
		x("If", "If (Arg0) { Noop } If (Arg1) { BreakPoint } Else { Noop } If (Arg0) { Noop } ElseIf (Arg1) { Noop } ElseIf (Arg2) { Noop } Else { BreakPoint }",
			If(a, Noop()), If(Arg(1), BreakPoint()).Else(Noop()), If(a, Noop()).ElseIf(Arg(1), Noop()).ElseIf(Arg(2), Noop()).Else(BreakPoint())),
		x("While", "While (Arg0) { Decrement (Arg0) If (Arg1) { Break } Continue }", While(a, Decrement(a), If(Arg(1), Break()), Continue())),
		x("Buffer", "Store (Buffer (Arg0) {1, 2}, Local2) Store (Package (Arg0) {1, 2}, Local2) Store (Buffer () {1, 2}, Local2)",
			Store(BufferOf(a, 1, 2), to), Store(VarPackageOf(a, One, Integer(2)), to), Store(Buffer(1, 2), to)),
		x("CreateField", `CreateField (Arg0, 1, 2, FA00) CreateBitField (Arg0, 1, FA01) CreateByteField (Arg0, 1, FA02)
			CreateWordField (Arg0, 1, FA03) CreateDWordField (Arg0, 4, FA04) CreateQWordField (Arg0, 8, FA05)`,
			CreateField(a, One, Integer(2), "FA00"), CreateBitField(a, One, "FA01"), CreateByteField(a, One, "FA02"),
			CreateWordField(a, One, "FA03"), CreateDWordField(a, Integer(4), "FA04"), CreateQWordField(a, Integer(8), "FA05")),
		x("all variables", "Local0 = Arg0 Local3 = Arg1 Local4 = Arg2 Local5 = Arg3 Local6 = Arg4 Local7 = Arg5 Local7 = Arg6",
			Store(Arg(0), Local(0)), Store(Arg(1), Local(3)), Store(Arg(2), Local(4)), Store(Arg(3), Local(5)), Store(Arg(4), Local(6)),
			Store(Arg(5), Local(7)), Store(Arg(6), Local(7))),
	}
}

func objects() []asCompiled {
	return []asCompiled{
		{name: "integers", asl: `Name (A000, 0) Name (A001, 1) Name (A002, Ones) Name (A003, 0xff) Name (A004, 0x100) Name (A005, 0xffff)
			Name (A006, 0x10000) Name (A007, 0xffffffff) Name (A008, 0x100000000) Name (A009, 0xfffffffffffffffe) Name (A010, 2) Name (A011, Revision)`,
			terms: []Term{Name("A000", Zero), Name("A001", One), Name("A002", Ones), Name("A003", Integer(0xff)), Name("A004", Integer(0x100)),
				Name("A005", Integer(0xffff)), Name("A006", Integer(0x10000)), Name("A007", Integer(0xffffffff)), Name("A008", Integer(0x100000000)),
				Name("A009", Ones-1), Name("A010", Integer(2)), Name("A011", Revision())}},
		{name: "strings", asl: `Name (A000, "") Name (A001, "a\"\\b") Name (A002, Unicode ("ab"))`,
			terms: []Term{Name("A000", String("")), Name("A001", String(`a"\b`)), Name("A002", Unicode("ab"))}},
		{name: "ids", asl: `Name (A000, EISAID ("PNP0C0C")) Name (A001, EISAID ("PNP0000")) Name (A002, ToUUID ("0811b06e-4a27-44f9-8d60-3cbbc22e7b48"))`,
			terms: []Term{Name("A000", EISAID("PNP0C0C")), Name("A001", EISAID("PNP0000")), Name("A002", ToUUID(PlatformOSC))}},
		{name: "buffers", asl: `Name (A000, Buffer () {}) Name (A001, Buffer () {1}) Name (A002, Buffer () {1, 2, 3}) Name (A003, Buffer (10) {1})
			Name (A004, Buffer (0x200) {})`,
			terms: []Term{Name("A000", Buffer()), Name("A001", Buffer(1)), Name("A002", Buffer(1, 2, 3)),
				Name("A003", sized(10, 1)), Name("A004", sized(0x200))}},
		{name: "packages", asl: `Name (A000, Package () {}) Name (A001, Package () {1, "x", Buffer () {1}, Package () {2}, \_SB, A000, \A000})`,
			terms: []Term{Name("A000", Package()), Name("A001", Package(One, String("x"), Buffer(1), Package(Integer(2)), Path(`\_SB`), Path("A000"), Path(`\A000`)))}},
		{name: "large package", asl: "Name (A000, Package () {" + repeated("0x1234, ", 299) + "0x1234})", loose: true,
			terms: []Term{Name("A000", VarPackage(repeat(Integer(0x1234), 300)...))}},
		{name: "names", asl: `Device (\_SB.DEV0) { Name (_ADR, 1) Device (DEV1) { Name (_ADR, 1) Device (\_SB.DEV0.DEV1.D) { Name (_ADR, 1) } } }
			Scope (\) { Name (A, 1) } Scope (\_SB.DEV0.DEV1) { Name (^A, 2) Name (^^B, 3) }`,
			terms: []Term{Device(`\_SB.DEV0`, Name("_ADR", One), Device("DEV1", Name("_ADR", One), Device(`\_SB.DEV0.DEV1.D`, Name("_ADR", One)))),
				Scope(`\`, Name("A", One)), Scope(`\_SB.DEV0.DEV1`, Name("^A", Integer(2)), Name("^^B", Integer(3)))}},
		{name: "objects", asl: `Alias (\_SB, ALIA) Mutex (MTX0, 15) Event (EVT0) Method (MTHA) {} Method (MTHB, 3, Serialized, 2) {}
			PowerResource (PWR0, 3, 0x102) { Method (_STA) { Return (1) } Method (_ON) {} Method (_OFF) {} }
			ThermalZone (TZ00) { Method (_TMP) { Return (3000) } }`,
			terms: []Term{Alias(`\_SB`, "ALIA"), Mutex("MTX0", 15), Event("EVT0"), Method("MTHA", 0), SerializedMethod("MTHB", 3, 2),
				PowerResource("PWR0", 3, 0x102, Method("_STA", 0, Return(One)), Method("_ON", 0), Method("_OFF", 0)),
				ThermalZone("TZ00", Method("_TMP", 0, Return(Integer(3000))))}},
		{name: "External", asl: `External (\_SB.EXTD, DeviceObj) External (EXT2, MethodObj, , {IntObj, IntObj}) Method (TEST) { Store (\EXT2 (1, 2), Local0) Notify (\_SB.EXTD, 1) Return (Local0)}`,
			terms: []Term{External(`\_SB.EXTD`, KindDevice, 0), External(`\EXT2`, KindMethod, 2),
				Method("TEST", 0, Store(Call(`\EXT2`, One, Integer(2)), Local(0)), Notify(Path(`\_SB.EXTD`), One), Return(Local(0)))}},
		{name: "If outside", asl: `Name (A000, 1) If (A000) { Name (A001, 2) } Else { Name (A002, 2) }`,
			terms: []Term{Name("A000", One), If(Path("A000"), Name("A001", Integer(2))).Else(Name("A002", Integer(2)))}},
		{name: "regions", asl: `OperationRegion (REGA, SystemMemory, 0x1000, 0x100) OperationRegion (REGB, SystemIO, 0x70, 2)
			OperationRegion (REGC, 0x80, 0, 8) OperationRegion (REGD, PCC, 1, 8) OperationRegion (REGE, FFixedHW, 0, 8) DataTableRegion (REGF, "DBG2", "", "")
			Field (REGA, DWordAcc, Lock, WriteAsOnes) { FA00, 8, Offset (1), FA01, 1, , 7, Offset (4), AccessAs (ByteAcc, 0), FA02, 64,
				AccessAs (BufferAcc, AttribBytes (4)), FA03, 8, Offset (0x80), FA04, 300 }
			Field (REGB, ByteAcc, NoLock, Preserve) { IDX0, 8, DAT0, 8 }
			IndexField (IDX0, DAT0, ByteAcc, NoLock, WriteAsZeros) { FB00, 8, Offset (4), FB01, 4 }
			BankField (REGA, FA00, 3, AnyAcc, NoLock, Preserve) { Offset (0x10), FC00, 16 }`,
			terms: []Term{
				OperationRegion("REGA", SystemMemory, Integer(0x1000), Integer(0x100)), OperationRegion("REGB", SystemIO, Integer(0x70), Integer(2)),
				OperationRegion("REGC", 0x80, Zero, Integer(8)), OperationRegion("REGD", PCC, One, Integer(8)), OperationRegion("REGE", FFixedHW, Zero, Integer(8)),
				DataTableRegion("REGF", String("DBG2"), String(""), String("")),
				Field("REGA", FieldFlags{DWordAcc, true, WriteAsOnes}, Bits("FA00", 8), Offset(1), Bits("FA01", 1), Reserved(7), Offset(4),
					AccessAs(ByteAcc, 0), Bits("FA02", 64), AccessLength(BufferAcc, 0x0b, 4), Bits("FA03", 8), Offset(0x80), Bits("FA04", 300)),
				Field("REGB", FieldFlags{Access: ByteAcc}, Bits("IDX0", 8), Bits("DAT0", 8)),
				IndexField("IDX0", "DAT0", FieldFlags{ByteAcc, false, WriteAsZeros}, Bits("FB00", 8), Offset(4), Bits("FB01", 4)),
				BankField("REGA", "FA00", Integer(3), FieldFlags{}, Offset(0x10), Bits("FC00", 16)),
			}},
		{name: "connections", loose: true, asl: `Device (\_SB.GPI0) { Name (_HID, "X0000000") } OperationRegion (GPO, GeneralPurposeIO, 0, 4)
			Name (PINS, ResourceTemplate () { GpioIo (Exclusive, PullUp, , , IoRestrictionNone, "\\_SB.GPI0") {9} })
			Field (GPO, ByteAcc, NoLock, Preserve) { Connection (GpioIo (Shared, PullDown, 1, 0x102, IoRestrictionOutputOnly, "\\_SB.GPI0") {3}), PIN0, 1,
				Connection (PINS), PIN1, 1 }`,
			terms: []Term{Device(`\_SB.GPI0`, Name("_HID", String("X0000000"))), OperationRegion("GPO", GeneralPurposeIO, Zero, Integer(4)),
				Name("PINS", ResourceTemplate(GPIO{IO: true, Controller: `\_SB.GPI0`, Pins: []uint16{9}, Pull: PullUp})),
				Field("GPO", FieldFlags{Access: ByteAcc},
					Connection(GPIO{IO: true, Shared: true, Pull: PullDown, Debounce: 1, Drive: 0x102, Restrict: 2, Controller: `\_SB.GPI0`, Pins: []uint16{3}}),
					Bits("PIN0", 1), ConnectionAt("PINS"), Bits("PIN1", 1))}},
		{name: "long", asl: "Scope (\\_SB) { Name (A000, Buffer () {" + repeated("1, ", 5000) + "1}) Name (A001, Buffer () {" + repeated("1, ", 57) + "1}) }",
			terms: []Term{Scope(`\_SB`, Name("A000", Buffer(ones(5001)...)), Name("A001", Buffer(ones(58)...)))}},
	}
}

func sized(n int, b ...byte) Data { return BufferOf(Integer(n), b...).node() }

func repeated(s string, n int) string {
	out := ""
	for range n {
		out += s
	}

	return out
}

func repeat(d Data, n int) []Data {
	out := make([]Data, n)
	for i := range out {
		out[i] = d
	}

	return out
}

func ones(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 1
	}

	return b
}

func same(t *testing.T, c asCompiled) {
	want := compile(t, c.asl)

	got, err := Encode(c.terms...)
	require.NoError(t, err)
	require.Equal(t, want, got, "%s", c.asl)

	tree := reread(t, got)
	text := dumped(t, tree)

	if !c.loose {
		require.Equal(t, want, compile(t, text), "%s", text)
		roundTrip(t, got, false)
	}
}

// TestEncode_isIASLs compares every term with what iasl makes of it, has iasl disassemble
// ours and compile it again, and has it compile our disassembly: all are the same bytes.
func TestEncode_isIASLs(t *testing.T) {
	for _, c := range objects() {
		t.Run(c.name, func(t *testing.T) { same(t, c) })
	}

	for _, c := range expressions() {
		c.asl, c.terms = fixtures+inASL(c.asl), withFixtures(in(c.terms...))
		t.Run(c.name, func(t *testing.T) { same(t, c) })
	}
}
