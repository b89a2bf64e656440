package aml

import (
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParse(f *testing.F) {
	for _, c := range objects() {
		if b, err := Encode(c.terms...); err == nil {
			f.Add(b)
		}
	}

	for _, c := range expressions() {
		if b, err := Encode(withFixtures(in(c.terms...))...); err == nil {
			f.Add(b)
		}
	}

	for _, r := range resources {
		if b, err := Encode(Name("A", ResourceTemplate(r.list...))); err == nil {
			f.Add(b)
		}
	}

	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := Parse(b)
		if err != nil {
			var e *Error

			require.ErrorAs(t, err, &e)
			require.LessOrEqual(t, e.Offset, len(b))

			return
		}

		once, err := tree.Encode()
		require.NoError(t, err)
		require.LessOrEqual(t, len(once), len(b)) // lengths only get shorter

		again, err := Parse(once)
		require.NoError(t, err)

		twice, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, once, twice)

		require.NoError(t, tree.Dump(io.Discard))

		_ = tree.Check()

		for e := range tree.Root().All() {
			e.Path()

			if v, ok := e.Value(e.Name()); ok {
				_, _ = v.Resources()
			}

			if n := e.Node(); n != nil {
				n.Name()
				n.Bytes()
			}
		}
	})
}

func FuzzParseResources(f *testing.F) {
	for _, r := range resources {
		if b, ok := ResourceTemplate(r.list...).node().Bytes(); ok {
			f.Add(b)
		}
	}

	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ParseResources(b)

		var again []byte

		for _, r := range list {
			again = r.put(again)
			_ = r.check()
		}

		require.Equal(t, b[:len(again)], append([]byte{}, again...))

		if err != nil {
			require.ErrorIs(t, err, ErrTruncated)
		}
	})
}

// maker makes random terms that are valid.
type maker struct {
	*rand.Rand
	names int
}

func (m *maker) name() string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"

	n := m.names
	m.names++

	return string([]byte{'N', digits[n/1369%37], digits[n/37%37], digits[n%37]})
}

func (m *maker) data(deep int) Data {
	switch m.IntN(9) {
	case 0:
		return Integer(m.Uint64() >> m.IntN(64))
	case 1:
		return String([]string{"", "text", `a"\`, "\x01\x7f"}[m.IntN(4)])
	case 2:
		return Buffer(ones(m.IntN(100))...)
	case 3:
		return EISAID("PNP0C0A")
	case 4:
		return ToUUID(PlatformOSC)
	case 5:
		r := resources[m.IntN(len(resources))]

		return ResourceTemplate(r.list...)
	case 6, 7:
		if deep > 0 {
			list := make([]Data, m.IntN(4))
			for i := range list {
				list[i] = m.data(deep - 1)
			}

			if m.IntN(4) == 0 {
				return VarPackage(list...)
			}

			return Package(list...)
		}
	}

	return []Data{Zero, One, Ones, Revision()}[m.IntN(4)]
}

func (m *maker) super() SuperName {
	switch m.IntN(6) {
	case 0:
		return Path([]string{`\_SB`, "^^FOO", `\_SB.PCI0.ISA`, "BAR", `\`, `\A.B`}[m.IntN(5)])
	case 1:
		return Index(Local(1), m.value(0), nil)
	case 2:
		return Debug
	case 3:
		return Arg(m.IntN(7))
	case 4:
		return DerefOf(Local(3))
	default:
		return Local(m.IntN(8))
	}
}

func (m *maker) target() SuperName {
	if m.IntN(3) == 0 {
		return nil
	}

	return m.super()
}

func (m *maker) value(deep int) TermArg {
	if deep <= 0 {
		if m.IntN(2) == 0 {
			return m.data(1)
		}

		return Local(m.IntN(8))
	}

	a, b := m.value(deep-1), m.value(deep-1)

	switch m.IntN(12) {
	case 0:
		return Add(a, b, m.target())
	case 1:
		return Divide(a, b, m.target(), m.target())
	case 2:
		return LNotEqual(a, b)
	case 3:
		return Mid(a, b, m.value(0), m.target())
	case 4:
		return Match(a, MatchOp(m.IntN(6)), b, MatchOp(m.IntN(6)), b, a)
	case 5:
		return BufferOf(a, ones(m.IntN(80))...)
	case 6:
		return Acquire(m.super(), uint16(m.Uint32()))
	case 7:
		return Call("METH", a, b)
	case 8:
		return Timer()
	case 9:
		return CondRefOf(Local(0), m.target())
	case 10:
		return SizeOf(m.super())
	default:
		return Index(a, b, m.target())
	}
}

func (m *maker) terms(deep int, loop bool) []Term {
	out := make([]Term, m.IntN(5))
	for i := range out {
		out[i] = m.term(deep, loop)
	}

	return out
}

func (m *maker) term(deep int, loop bool) Term {
	if deep <= 0 {
		return Store(m.value(1), m.super())
	}

	switch m.IntN(10) {
	case 0:
		b := If(m.value(1), m.terms(deep-1, loop)...)
		for range m.IntN(3) {
			b = b.ElseIf(m.value(1), m.terms(deep-1, loop)...)
		}

		return b.Else(m.terms(deep-1, loop)...)
	case 1:
		return While(m.value(1), m.terms(deep-1, true)...)
	case 2:
		return Notify(m.super(), m.value(0))
	case 3:
		if loop {
			return Break()
		}

		return Fatal(1, m.Uint32(), m.value(0))
	case 4:
		return CreateDWordField(Arg(0), m.value(0), m.name())
	case 5:
		return Name(m.name(), m.data(2))
	case 6:
		return Return(m.value(2))
	case 7:
		return Call("METH", m.value(2), m.value(2))
	default:
		return Store(m.value(3), m.super())
	}
}

func (m *maker) object(deep int) Object {
	if deep <= 0 {
		return Name(m.name(), m.data(3))
	}

	body := make([]Object, m.IntN(5))
	for i := range body {
		body[i] = m.object(deep - 1)
	}

	switch m.IntN(9) {
	case 0:
		return Scope([]string{`\`, `\_SB`, `\_SB.PCI0`, "^" + m.name()}[m.IntN(3)], body...)
	case 1:
		return Device(m.name(), append(body, Name("_ADR", Integer(m.Uint32())))...)
	case 2:
		return ThermalZone(m.name(), body...)
	case 3:
		return PowerResource(m.name(), uint8(m.IntN(5)), uint16(m.Uint32()), body...)
	case 4:
		return OperationRegion(m.name(), Space(m.IntN(256)), Integer(m.Uint64()), Integer(m.Uint64()|1))
	case 5:
		return Field("REGN", FieldFlags{Access(m.IntN(6)), m.IntN(2) == 0, Update(m.IntN(3))},
			Bits(m.name(), uint64(m.IntN(1<<20))+1), Reserved(uint64(m.IntN(70))), AccessAs(ByteAcc, 7), Bits(m.name(), 3), ConnectionAt(`\_SB.X`))
	default:
		return SerializedMethod(m.name(), m.IntN(8), m.IntN(16), m.terms(3, false)...)
	}
}

// block is a random block, with a method that it calls after the calls.
func (m *maker) block() []Term {
	var terms []Term

	for range m.IntN(8) {
		terms = append(terms, m.object(3))
	}

	return append(terms, Method("METH", 2, Return(Arg(1))))
}

// TestEncode_random makes blocks of random terms: what is read back makes the same bytes, and
// is what was built.
func TestEncode_random(t *testing.T) {
	for seed := range uint64(3000) {
		checkRandom(t, seed)
	}
}

func checkRandom(t *testing.T, seed uint64) {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 1))}
	terms := m.block()

	b, err := Encode(terms...)
	require.NoError(t, err, "seed %d", seed)

	tree := reread(t, b)
	require.NoError(t, tree.Check())
	require.Equal(t, dumpOf(t, terms...), dumped(t, tree), "seed %d", seed)
}

func FuzzBuild(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkRandom(t, seed) })
}
