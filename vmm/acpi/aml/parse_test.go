package aml

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse_walk(t *testing.T) {
	body, err := Encode(append(machine(2), Scope(`\_SB.BAT0`, Name("_CRS", ResourceTemplate(Interrupt{GSIs: []uint32{9}}))))...)
	require.NoError(t, err)

	tree := reread(t, body)
	require.NoError(t, tree.Check())

	var devices []string
	for d := range tree.Devices() {
		devices = append(devices, d.Path())
	}

	require.Equal(t, []string{`\_SB.C000`, `\_SB.C001`, `\_SB.PMC`, `\_SB.PWRB`, `\_SB.SLPB`, `\_SB.BAT0`, `\_SB.GED0`}, devices)

	bat := tree.Lookup(`\_SB.BAT0`)
	require.NotNil(t, bat)
	require.Equal(t, "BAT0", bat.Name())
	require.Equal(t, `\_SB`, bat.Parent().Path())
	require.Equal(t, "Device", bat.Node().Op())

	id, ok := bat.Value("_HID")
	require.True(t, ok)

	text, ok := id.EISAID()
	require.True(t, ok)
	require.Equal(t, "PNP0C0A", text)

	_, ok = bat.Value("_STA") // a method
	require.False(t, ok)
	require.Equal(t, "Method", bat.Child("_STA").Node().Op())

	crs, ok := bat.Value("_CRS") // from another scope
	require.True(t, ok)

	list, err := crs.Resources()
	require.NoError(t, err)
	require.Equal(t, []Resource{Interrupt{GSIs: []uint32{9}}}, list)

	bif, ok := bat.Value("_BIF")
	require.True(t, ok)

	elements, ok := bif.Elements()
	require.True(t, ok)
	require.Len(t, elements, 13)

	n, ok := elements[1].Integer()
	require.True(t, ok)
	require.Equal(t, uint64(50000), n)

	s, ok := elements[9].Text()
	require.True(t, ok)
	require.Equal(t, "VG", s)

	require.Nil(t, tree.Lookup(`\_SB.NONE`))
	require.Nil(t, tree.Lookup("not a path"))
	require.Nil(t, bat.Child("toolong"))
	require.Equal(t, `\`, tree.Root().Path())
	require.Empty(t, tree.Root().Name())
	require.Equal(t, []string{"OperationRegion", "Field"}, opNames(slices.Collect(tree.Lookup(`\_SB.PMC`).Node().List())[2:4]))
	require.Equal(t, "FieldUnit", tree.Lookup(`\_SB.PMC.BSTA`).Node().Op())
	require.Equal(t, `\_SB`, slices.Collect(tree.Terms())[0].Name())
	require.Equal(t, "GED0", tree.Lookup(`\_SB.GED0`).Node().Name())
	require.Equal(t, 1, len(slices.Collect(tree.Lookup(`\_SB.GED0`).Node().Args())))

	// A part of a table is a term like any other.
	part, err := Encode(Scope(`\_SB`, bat.Node()))
	require.NoError(t, err)
	require.NotNil(t, reread(t, part).Lookup(`\_SB.BAT0._BIF`))
}

func opNames(list []*Node) (names []string) {
	for _, n := range list {
		names = append(names, n.Op())
	}

	return names
}

// TestParse_calls finds the arguments of methods that are defined later, declared elsewhere, or
// not known at all.
func TestParse_calls(t *testing.T) {
	later := []Term{
		Method("M", 0, Return(Call("LATE", Call("LATE", One, Local(0)), Integer(5)))),
		If(Call("LATE", One, One), Name("A", One)),
		Scope(`\_SB`, Method("LATE", 2, Return(Arg(0))), Method("N", 0, Return(Call("LATE", One, One)))),
		Method("LATE", 2),
	}

	b, err := Encode(later...)
	require.NoError(t, err)
	require.Equal(t, dumpOf(t, later...), dumped(t, reread(t, b)))

	declared := []Term{External(`\EXTM`, KindMethod, 2), Method("M", 0, Return(Add(Call(`\EXTM`, One, Local(0)), One, nil)))}
	b, err = Encode(declared...)
	require.NoError(t, err)
	require.Equal(t, dumpOf(t, declared...), dumped(t, reread(t, b)))

	// It is a term of its own: what can't be one is its argument.
	unknown := []Term{Method("M", 0, Call("EXTM", One, Local(0), String("x")), Notify(Path("X"), One))}
	b, err = Encode(unknown...)
	require.NoError(t, err)
	require.Equal(t, dumpOf(t, unknown...), dumped(t, reread(t, b)))

	// Inside of something else nobody can know, unless told.
	told := []Term{Method("M", 0, Return(Add(Call("EXTM", One, Local(0)), One, nil)))}
	b, err = Encode(told...)
	require.NoError(t, err)

	tree, err := ParseWith(b, map[string]int{`\EXTM`: 2})
	require.NoError(t, err)
	require.Equal(t, dumpOf(t, told...), dumped(t, tree))

	_, err = ParseWith(b, map[string]int{"EXTM": 8})
	require.ErrorIs(t, err, ErrArgs)

	_, err = ParseWith(b, map[string]int{"": 1})
	require.ErrorIs(t, err, ErrArgs)
}

// TestParse_others reads what this package doesn't write: longer encodings than need be, and
// operators of old.
func TestParse_others(t *testing.T) {
	for name, c := range map[string]struct{ in, out []byte }{
		"long zero":        {[]byte("\x08AAAA\x0e\x00\x00\x00\x00\x00\x00\x00\x00"), nil},
		"long length":      {[]byte("\x10\xc8\x00\x00\x00_SB_"), []byte("\x10\x05_SB_")},
		"multi of one":     {[]byte("\x10\x07\x2f\x01_SB_"), []byte("\x10\x05_SB_")},
		"Processor":        {[]byte("\x5b\x83\x0bCPU0\x01\x10\x00\x00\x00\x06"), nil},
		"Latin-1":          {[]byte("\x08AAAA\x0d\xe9\x00"), nil},
		"buffer in part":   {[]byte("\x08AAAA\x11\x04\x0a\x10\x01"), nil},
		"unload":           {[]byte("\x14\x09AAAA\x00\x5b\x2a\x60"), nil},
		"defined twice":    {[]byte("\x08AAAA\x01\x08AAAA\x00"), nil},
		"If at the top":    {[]byte("\xa0\x02\x01\xa1\x01"), nil},
		"nothing":          {nil, nil},
		"package too long": {[]byte("\x08AAAA\x12\x03\x05\x01"), nil},
	} {
		want := c.out
		if want == nil {
			want = c.in
		}

		tree, err := Parse(c.in)
		require.NoError(t, err, name)

		got, err := tree.Encode()
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(want, got), "%s: %x", name, got)
		dumped(t, tree)
	}

	tree, err := Parse([]byte("\x08AAAA\x11\x04\x0a\x10\x01"))
	require.NoError(t, err)

	v, ok := tree.Root().Value("AAAA")
	require.True(t, ok)

	b, ok := v.Bytes()
	require.True(t, ok)
	require.Equal(t, append([]byte{1}, make([]byte, 15)...), b)
}

func TestParse_hostile(t *testing.T) {
	for name, c := range map[string]struct {
		in     string
		reason error
	}{
		"unknown":              {"\x02", ErrOpcode},
		"unknown, extended":    {"\x5b\xff", ErrOpcode},
		"prefix alone":         {"\x5b", ErrTruncated},
		"one byte as extended": {"\x5b\x08AAAA\x01", ErrOpcode},
		"extended as one byte": {"\x82\x05AAAA", ErrOpcode},
		"constant as a term":   {"\x01", ErrOpcode},
		"string without end":   {"\x08AAAA\x0dabc", ErrTruncated},
		"short integer":        {"\x08AAAA\x0c\x01", ErrTruncated},
		"short name":           {"\x08AA", ErrTruncated},
		"bad name":             {"\x08A\x80AA\x01", ErrName},
		"null name":            {"\x08\x00\x01", ErrName},
		"root as a name":       {"\x08\\\x00\x01", ErrName},
		"no segments":          {"\x08\x2f\x00\x01", ErrName},
		"too few segments":     {"\x08\x2f\x02AAAA\x01", ErrTruncated},
		"length beyond":        {"\x10\x3fAAAA", ErrLength},
		"length too short":     {"\x10\x41\x00AAAA", ErrLength},
		"length cut off":       {"\x10\xc1\x00", ErrTruncated},
		"length in a length":   {"\x10\x0b_SB_\x10\x3fAAAA", ErrLength},
		"above the root":       {"\x10\x06^_SB_", ErrName},
		"call of the root":     {"\\\x00", ErrName},
		"field, bad name":      {"\x5b\x81\x09AAAA\x00\x80AAA", ErrName},
		"field, connection":    {"\x5b\x81\x08AAAA\x00\x02\x01", ErrOpcode},
		"field, cut off":       {"\x5b\x81\x07AAAA\x00\x01", ErrTruncated},
		"package, operation":   {"\x08AAAA\x12\x05\x01\x72\x01\x01\x00", ErrOpcode},
		"CopyObject to Debug":  {"\x9d\x01\x5b\x31", ErrOpcode},
		"deep":                 {strings.Repeat("\x92", 2000) + "\x01", ErrDepth},
	} {
		_, err := Parse([]byte(c.in))
		require.ErrorIs(t, err, c.reason, name)

		var e *Error

		require.True(t, errors.As(err, &e), name)
		require.GreaterOrEqual(t, e.Offset, 0, name)
	}
}

func TestParse_deepSpace(t *testing.T) {
	b, err := (&Tree{terms: nodes([]Term{Scope(strings.Repeat("A.", 254)+"A", Scope("BBBB"))})}).Encode()
	require.NoError(t, err)

	_, err = Parse(b)
	require.ErrorIs(t, err, ErrName)
}

// TestParse_isBounded reads blocks that are made to take time and memory.
func TestParse_isBounded(t *testing.T) {
	segs := "\x2f\xff" + strings.Repeat("AAAA", 255)

	for name, in := range map[string]string{
		"nested terms":   strings.Repeat("\xa1\x01", 200000),
		"noops":          strings.Repeat("\xa3", 400000),
		"deep names":     strings.Repeat("\x5b\x02"+segs, 400),
		"looked up":      "\x14\xcf\xff\xff\x00AAAA\x00" + strings.Repeat("BBBB", 100000),
		"huge buffers":   strings.Repeat("\x08AAAA\x11\x06\x0c\xff\xff\xff\x7f", 30000),
		"looped aliases": "\x06AAAABBBB\x06BBBBAAAA" + strings.Repeat("AAAA", 100000),
	} {
		start := time.Now()
		tree, err := Parse([]byte(in))

		if err == nil {
			var b bytes.Buffer

			require.NoError(t, tree.Dump(&b), name)
			require.Less(t, b.Len(), 200*len(in), name)
		}

		require.Less(t, time.Since(start), 10*time.Second, name)
	}
}

// TestDump_golden shows what a disassembly looks like; UPDATE_GOLDEN=1 writes it anew.
func TestDump_golden(t *testing.T) {
	got := dumpOf(t, machine(1)...)
	path := filepath.Join("testdata", "machine.dsl")

	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}

	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestDump_givesTheWritersError(t *testing.T) {
	require.ErrorIs(t, Dump(failing{}, machine(1)...), os.ErrClosed)
}
