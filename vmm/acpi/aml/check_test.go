package aml

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func hid(id string) Object { return Name("_HID", String(id)) }

func TestEncode_refuses(t *testing.T) {
	var (
		noTerm Term
		noNode *Node
		deep   Term = Noop()
		value  TermArg
	)

	value = Arg(0)

	for range maxDepth + 1 {
		deep = If(One, deep)
		value = Not(value, nil)
	}

	for _, c := range []struct {
		name   string
		term   Term
		reason error
		path   string
	}{
		{"empty name", Name("", One), ErrName, `\`},
		{"digit first", Name("1AB", One), ErrName, `\`},
		{"small letters", Name("abc", One), ErrName, `\`},
		{"segment of five", Device("ABCDE", hid("X")), ErrName, `\`},
		{"segment of five below", Device(`\_SB.ABCDE`, hid("X")), ErrName, `\`},
		{"two dots", Name("AB..CD", One), ErrName, `\`},
		{"root inside", Name(`AB\CD`, One), ErrName, `\`},
		{"256 segments", Name(strings.Repeat("A.", 255)+"A", One), ErrName, `\`},
		{"above the root", Name("^A", One), ErrName, `\`},
		{"bad path in a package", Name("A", Package(Path("a"))), ErrName, `\A`},
		{"bad field", Field("R", FieldFlags{}, Bits("abc", 1)), ErrName, `\`},
		{"bad method in a call", Method("M", 0, Call("a")), ErrName, `\M`},
		{"twice", Scope(`\_SB`, Name("A", One), Name("A", One)), ErrDuplicate, `\_SB.A`},
		{"twice, two scopes", Scope(`\`, Name("_SB.A", One), Scope("_SB", Name("A", One))), ErrDuplicate, `\_SB.A`},
		{"twice, field", Scope(`\`, Name("A", One), OperationRegion("R", SystemIO, Zero, One), Field("R", FieldFlags{}, Bits("A", 1))), ErrDuplicate, `\A`},
		{"twice in a method", Method("M", 0, Name("A", One), Name("A", One)), ErrDuplicate, `\M.A`},
		{"device without identity", Device("DEV0"), ErrNoID, `\DEV0`},
		{"nested device", Device("DEV0", hid("X"), Device("DEV1", Name("_UID", One))), ErrNoID, `\DEV0.DEV1`},
		{"no _UID", Scope(`\`, Device("DEV0", hid("X"), Name("_UID", One)), Device("DEV1", hid("X"))), ErrUID, `\DEV1`},
		{"first without _UID", Scope(`\`, Device("DEV0", hid("X")), Device("DEV1", hid("X"), Name("_UID", One))), ErrUID, `\DEV0`},
		{"same _UID", Scope(`\`, Device("DEV0", Name("_HID", EISAID("PNP0C0A")), Name("_UID", One)),
			Device("DEV1", hid("PNP0C0A"), Name("_UID", String("1")))), ErrUID, `\DEV1`},
		{"Arg7", Method("M", 7, Return(Arg(7))), ErrIndex, `\M`},
		{"Local8", Method("M", 7, Return(Local(8))), ErrIndex, `\M`},
		{"Arg outside", If(Arg(0)), ErrContext, `\`},
		{"Return outside", If(One, Return(One)), ErrContext, `\`},
		{"Break outside", Method("M", 0, Break()), ErrContext, `\M`},
		{"large package", Name("A", Package(repeat(One, 256)...)), ErrTooMany, `\A`},
		{"eight arguments", Method("M", 8), ErrArgs, `\`},
		{"fewer than none", Method("M", -1), ErrArgs, `\`},
		{"call with eight", Method("M", 0, Call("X", One, One, One, One, One, One, One, One)), ErrArgs, `\M`},
		{"call with too few", Method("M", 1, Call("M")), ErrArgs, `\M`},
		{"call with too many", Method("M", 0, Call("M", One)), ErrArgs, `\M`},
		{"call of what is none", Scope(`\`, Name("A", One), Method("M", 0, Call("A", One))), ErrArgs, `\M`},
		{"method as a value", Method("M", 1, Return(Path("M"))), ErrArgs, `\M`},
		{"external with eight", External("M", KindMethod, 8), ErrArgs, `\M`},
		{"external device with one", External("M", KindDevice, 1), ErrArgs, `\M`},
		{"sync level", SerializedMethod("M", 0, 16), ErrValue, `\`},
		{"mutex level", Mutex("M", 16), ErrValue, `\M`},
		{"string, not ASCII", Name("A", String("é")), ErrString, `\A`},
		{"string, NUL", Name("A", String("\x00")), ErrString, `\A`},
		{"string, long", Name("A", String(strings.Repeat("a", 4097))), ErrString, `\A`},
		{"EISA, short", Name("A", EISAID("PNP")), ErrValue, `\A`},
		{"EISA, letters", Name("A", EISAID("pnp0C0C")), ErrValue, `\A`},
		{"EISA, digits", Name("A", EISAID("PNPXXXX")), ErrValue, `\A`},
		{"UUID", Name("A", ToUUID("x")), ErrValue, `\A`},
		{"UUID, dashes", Name("A", ToUUID("0811b06e-4a27-44f9-8d60-3cbbc22e7b4-")), ErrValue, `\A`},
		{"field outside", Scope(`\`, OperationRegion("R", SystemIO, Zero, Integer(2)), Field("R", FieldFlags{}, Offset(1), Bits("A", 9))), ErrField, `\R`},
		{"bank outside", Scope(`\`, OperationRegion("R", SystemIO, Zero, Integer(2)), BankField("R", "A", One, FieldFlags{}, Bits("B", 17))), ErrField, `\R`},
		{"fields of a name", Scope(`\`, Name("R", One), Field("R", FieldFlags{}, Bits("A", 9))), ErrContext, `\R`},
		{"offset behind", Field("R", FieldFlags{}, Bits("A", 9), Offset(1)), ErrField, `\`},
		{"field of no bits", Field("R", FieldFlags{}, Bits("A", 0)), ErrValue, `\`},
		{"field of many bits", Field("R", FieldFlags{}, Bits("A", 1<<28)), ErrValue, `\`},
		{"reserved", Field("R", FieldFlags{}, Reserved(1<<28)), ErrValue, `\`},
		{"field flags", Field("R", FieldFlags{Access: 6}, Bits("A", 1)), ErrValue, `\`},
		{"access", Field("R", FieldFlags{}, AccessAs(6, 0), AccessLength(ByteAcc, 0, 0)), ErrValue, `\`},
		{"access with length", Field("R", FieldFlags{}, AccessLength(6, 0, 0)), ErrValue, `\`},
		{"connection", Field("R", FieldFlags{}, Connection(GPIO{})), ErrResource, `\`},
		{"no field", Field("R", FieldFlags{}, nil), ErrNil, `\`},
		{"region of no length", OperationRegion("R", SystemIO, Zero, Zero), ErrValue, `\R`},
		{"Match", Method("M", 0, Match(One, 6, One, 0, One, One)), ErrValue, `\M`},
		{"nil term", noTerm, ErrNil, `\`},
		{"nil node", noNode, ErrNil, `\`},
		{"empty node", &Node{}, ErrNil, `\`},
		{"nil object", Scope(`\_SB`, nil), ErrNil, `\_SB`},
		{"nil data", Name("A", nil), ErrNil, `\`},
		{"nil element", Name("A", Package(nil)), ErrNil, `\A`},
		{"nil value", Method("M", 0, Add(nil, One, nil)), ErrNil, `\M`},
		{"nil destination", Method("M", 0, Store(One, nil)), ErrNil, `\M`},
		{"empty If", IfBlock{}, ErrNil, `\`},
		{"node in the wrong place", Method("M", 0, &Node{op: opRaw1}), ErrContext, `\M`},
		{"term as a value", Method("M", 0, Return(Break().(stmtTerm).n)), ErrContext, `\M`},
		{"constant as a target", Method("M", 0, Store(One, One.node())), ErrContext, `\M`},
		{"operation in a package", Name("A", Package(Add(One, One, nil).(exprTerm).n)), ErrContext, `\A`},
		{"deep terms", deep, ErrDepth, `\`},
		{"deep value", Method("M", 1, Return(value)), ErrDepth, `\M`},
		{"_PSD", PSD(0, 1, 1), ErrValue, `\`},
		{"GED without events", GED("GED0", 0), ErrArgs, `\`},
		{"GED, one interrupt twice", GED("GED0", 0, GEDEvent{Interrupt: Interrupt{GSIs: []uint32{1}}}, GEDEvent{Interrupt: Interrupt{GSIs: []uint32{1}}}), ErrValue, `\`},
		{"processor", CPU(0x1000), ErrValue, `\`},
		{"thermal zone", Thermal{}.Zone("TZ00"), ErrNil, `\`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Encode(c.term)
			require.ErrorIs(t, err, c.reason)
			require.Nil(t, b)

			var e *Error

			require.ErrorAs(t, err, &e)
			require.Equal(t, c.path, e.Path, "%v", err)
			require.Equal(t, -1, e.Offset)
			require.True(t, strings.HasPrefix(e.Error(), "aml: "+c.path+": "))
		})
	}
}

func TestEncode_tellsAll(t *testing.T) {
	_, err := Encode(
		Device("DEV0", Name("A", String("é")), Name("A", EISAID("x"))),
		Name("a", Package(repeat(One, 256)...)),
		Method("M", 9))

	for _, reason := range []error{ErrNoID, ErrString, ErrValue, ErrDuplicate, ErrName, ErrTooMany, ErrArgs} {
		require.ErrorIs(t, err, reason)
	}

	all, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)

	for _, e := range all.Unwrap() {
		var typed *Error

		require.True(t, errors.As(e, &typed))
	}
}

func TestEncode_accepts(t *testing.T) {
	for name, terms := range map[string][]Term{
		"nothing":                 nil,
		"_UIDs of different kind": {Device("DEV0", hid("X"), Name("_UID", One)), Device("DEV1", hid("X"), Name("_UID", String("a")))},
		"_UID is a method":        {Device("DEV0", hid("X"), Method("_UID", 0, Return(One))), Device("DEV1", hid("X"), Method("_UID", 0, Return(One)))},
		"_HID is a method":        {Device("DEV0", Method("_HID", 0, Return(One))), Device("DEV1", Method("_HID", 0, Return(One)))},
		"defined in two branches": {If(Path("X"), Name("A", One)).Else(Name("A", One))},
		"scope of another block":  {Scope(`\_SB.PCI0`, Device("DEV0", Name("_ADR", One)))},
		"call of another block":   {Method("M", 0, Call("X", One))},
		"of the specification":    {Method("M", 0, Return(Call("_OSI", String("Linux"))))},
		"method through an alias": {Method("M", 1), Alias("M", "N"), Method("O", 0, Call("N", One))},
		"used before definition":  {Method("O", 0, Call("N", One)), Method("N", 1)},
		"alias of itself":         {Alias("M", "M"), Method("O", 0, Call("M"))},
		"shared term":             shared(),
	} {
		b, err := Encode(terms...)
		require.NoError(t, err, name)
		reread(t, b)
	}
}

func shared() []Term {
	sta := Method("_STA", 0, Return(Integer(15)))

	return []Term{Device("DEV0", Name("_ADR", Zero), sta), Device("DEV1", Name("_ADR", One), sta)}
}

func TestPkgLength(t *testing.T) {
	for _, c := range []struct {
		n      int
		itself bool
		want   []byte
	}{
		{0, true, []byte{1}},
		{62, true, []byte{63}},
		{63, true, []byte{0x41, 4}},
		{63, false, []byte{63}},
		{64, false, []byte{0x40, 4}},
		{4095 - 2, true, []byte{0x4f, 0xff}},
		{4095 - 1, true, []byte{0x81, 0x00, 0x01}},
		{1<<20 - 1 - 3, true, []byte{0x8f, 0xff, 0xff}},
		{1<<20 - 3, true, []byte{0xc1, 0, 0, 1}},
		{1<<28 - 1 - 4, true, []byte{0xcf, 0xff, 0xff, 0xff}},
		{1<<28 - 1, false, []byte{0xcf, 0xff, 0xff, 0xff}},
	} {
		b, err := pkgLength(c.n, c.itself)
		require.NoError(t, err)
		require.Equal(t, c.want, b, "%d", c.n)
	}

	for _, n := range []int{1<<28 - 4, 1 << 28} {
		_, err := pkgLength(n, true)
		require.ErrorIs(t, err, ErrTooLong)
	}
}

func TestEncode_tooLong(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a GiB")
	}

	_, err := Encode(Name("A", Buffer(make([]byte, 1<<28)...)))
	require.ErrorIs(t, err, ErrTooLong)
}
