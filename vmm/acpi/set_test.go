package acpi_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/vmm/acpi"
)

const base = 0x40000000

// memory is guest memory that holds an image at its place.
type memory struct{ image *acpi.Image }

func (m memory) ReadAt(b []byte, at int64) (int, error) {
	if uint64(at) < m.image.Base {
		return 0, fs.ErrInvalid
	}

	return bytes.NewReader(m.image.Bytes).ReadAt(b, at-int64(m.image.Base))
}

// TestImage is found again by following the pointers, and complete.
func TestImage(t *testing.T) {
	for name, set := range map[string]*acpi.Set{"arm64": arm64Set(3), "amd64": amd64Set(300)} {
		image, err := set.Image(acpi.Placement{Base: base, Size: 1 << 20, RSDT: true, EFI: true})
		require.NoError(t, err)
		require.Equal(t, uint64(base), image.RSDP)

		same, err := set.Image(acpi.Placement{Base: base, Size: 1 << 20, RSDT: true, EFI: true})
		require.NoError(t, err)
		require.Equal(t, image, same)

		read, err := acpi.ParseMemory(memory{image}, image.RSDP)
		require.NoError(t, err)
		require.Empty(t, read.Problems)
		require.Len(t, read.Tables, len(set.Tables)+2) // RSDP and XSDT; the RSDT is not followed

		for _, table := range set.Tables {
			if table.Signature() == "FACP" {
				continue
			}

			found := false
			for _, other := range read.Signature(table.Signature()) {
				found = found || bytes.Equal(marshal(t, table), marshal(t, other))
			}

			require.True(t, found, "%s: %s", name, table.Signature())
		}

		for _, p := range image.Tables {
			require.Zero(t, p.Address%64)
			require.Equal(t, image.Bytes[p.Address-base:][:len(p.Bytes)], p.Bytes)
		}

		before, _ := acpi.First[*acpi.FADT](set)
		fadt, ok := acpi.First[*acpi.FADT](read)
		require.True(t, ok)
		require.NotZero(t, fadt.XDSDT)
		require.Zero(t, fadt.XFirmwareCtrl)
		require.Equal(t, name == "amd64", fadt.DSDT != 0)
		require.Equal(t, name == "amd64", fadt.FirmwareCtrl != 0)
		require.Zero(t, before.XDSDT, "the set stays as it is")

		// As an older system finds it.
		binary.LittleEndian.PutUint64(image.Bytes[24:], 0)
		old, err := acpi.ParseMemory(memory{image}, image.RSDP)
		require.NoError(t, err)
		require.Len(t, old.Problems, 1, "the root pointer's checksum")
		require.Len(t, old.Tables, len(read.Tables))
	}
}

// TestImage_high is above 4 GiB, where only fields of 64 bits lead.
func TestImage_high(t *testing.T) {
	set := amd64Set(1)
	image, err := set.Image(acpi.Placement{Base: 1 << 40, Size: 1 << 20})
	require.NoError(t, err)

	read, err := acpi.ParseMemory(memory{image}, image.RSDP)
	require.NoError(t, err)

	fadt, _ := acpi.First[*acpi.FADT](read)
	require.Zero(t, fadt.DSDT)
	require.Zero(t, fadt.FirmwareCtrl)
	require.NotZero(t, fadt.XDSDT)
	require.NotZero(t, fadt.XFirmwareCtrl)

	_, err = set.Image(acpi.Placement{Base: 1 << 40, Size: 1 << 20, RSDT: true})
	require.ErrorIs(t, err, acpi.ErrValue)

	old, _ := acpi.First[*acpi.FADT](set)
	old.Revision = 1
	_, err = set.Image(acpi.Placement{Base: 1 << 40, Size: 1 << 20})
	require.ErrorIs(t, err, acpi.ErrValue)

	image, err = set.Image(acpi.Placement{Base: 1 << 20, Size: 1 << 20})
	require.NoError(t, err)
	read, err = acpi.ParseMemory(memory{image}, image.RSDP)
	require.NoError(t, err)
	require.Len(t, acpi.All[*acpi.DSDT](read), 1)
}

func TestImage_refuses(t *testing.T) {
	set := arm64Set(2)
	image, err := set.Image(acpi.Placement{Base: base, Size: 1 << 20})
	require.NoError(t, err)

	size := uint64(len(image.Bytes))
	_, err = set.Image(acpi.Placement{Base: base, Size: size})
	require.NoError(t, err)

	for n := range size {
		_, err = set.Image(acpi.Placement{Base: base, Size: n})
		require.ErrorIs(t, err, acpi.ErrRoom, n)
	}

	_, err = set.Image(acpi.Placement{Base: base, Size: size, EFI: true})
	require.ErrorIs(t, err, acpi.ErrRoom)
	_, err = set.Image(acpi.Placement{Base: base, Size: size, RSDT: true})
	require.ErrorIs(t, err, acpi.ErrRoom)

	for _, p := range []acpi.Placement{{Base: 16, Size: 1 << 20}, {Base: 1<<64 - 64, Size: 1 << 20}} {
		_, err = set.Image(p)
		require.ErrorIs(t, err, acpi.ErrValue)
	}

	for _, twice := range []acpi.Table{&acpi.FADT{}, &acpi.DSDT{}} {
		set := arm64Set(1)
		set.Add(twice)
		_, err = set.Image(acpi.Placement{Size: 1 << 20})
		require.ErrorIs(t, err, acpi.ErrValue)
	}

	_, err = (&acpi.Set{Tables: []acpi.Table{&acpi.SLIT{Localities: 1}}}).Image(acpi.Placement{Size: 1 << 20})
	require.ErrorIs(t, err, acpi.ErrValue)
}

func TestConfigurationTable(t *testing.T) {
	image, err := arm64Set(1).Image(acpi.Placement{Base: base, Size: 1 << 20})
	require.NoError(t, err)
	require.Equal(t, []acpi.ConfigurationEntry{{acpi.ACPI20TableGUID(), base}}, image.ConfigurationTable())

	image, err = arm64Set(1).Image(acpi.Placement{Base: base, Size: 1 << 20, EFI: true})
	require.NoError(t, err)

	entries := image.ConfigurationTable()
	require.Len(t, entries, 3)
	require.Equal(t, acpi.ConfigurationEntry{GUID: acpi.ACPI20TableGUID(), Address: base}, entries[0])
	require.Equal(t, acpi.RTPropertiesTableGUID(), entries[1].GUID)
	require.Equal(t, []byte{1, 0, 8, 0, 0, 0, 0, 0}, image.Bytes[entries[1].Address-base:][:8])
	require.Equal(t, acpi.LinuxMemoryReserveTableGUID(), entries[2].GUID)
	require.Equal(t, make([]byte, 16), image.Bytes[entries[2].Address-base:][:16])

	for i, want := range []string{ // in the form in which they are written
		"8868e871-e4f1-11d3-bc22-0080c73c8881", "eb66918a-7eef-402a-842e-931d21c38ae9", "888eb0c6-8ede-4ff5-a8f0-9aee5cb977c2",
	} {
		g := entries[i].GUID
		require.Equal(t, want, fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g[:]), binary.LittleEndian.Uint16(g[4:]),
			binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:]))
		require.Zero(t, entries[i].Address%8)
	}

	b, err := entries[0].AppendBinary(nil)
	require.NoError(t, err)
	require.Equal(t, "71e86888f1e4d311bc220080c73c88810000004000000000", hex.EncodeToString(b))
}

// TestDump comes back.
func TestDump(t *testing.T) {
	for _, set := range []*acpi.Set{arm64Set(5), amd64Set(5)} {
		var text bytes.Buffer

		require.NoError(t, set.WriteDump(&text))
		require.True(t, acpi.IsDump(text.Bytes()))

		read, err := acpi.ParseDump(text.Bytes())
		require.NoError(t, err)
		require.Empty(t, read.Problems)
		require.Len(t, read.Tables, len(set.Tables)+2)

		var again bytes.Buffer

		require.NoError(t, read.WriteDump(&again))
		require.Equal(t, len(text.String()), len(again.String()))

		// As Windows tools write it.
		read, err = acpi.ParseDump(bytes.ReplaceAll(text.Bytes(), []byte("\n"), []byte("\r\n")))
		require.NoError(t, err)
		require.Empty(t, read.Problems)
		require.Len(t, read.Tables, len(set.Tables)+2)
	}
}

func TestParseDump_errors(t *testing.T) {
	for text, line := range map[string]int{
		"":                                    0,
		"hello":                               0,
		"APIC @ 0x0\n    0000: ZZ":            1,
		"APIC @ 0x0\n    0010: 00":            1,
		"APIC @ 0x0\n    nope: 00":            1,
		"APIC @ 0x0\n    0000\n":              1,
		"APIC @ 0x0\n    0000: 00\n    0000:": 2,
		"\n\n    0000: 00":                    2,
	} {
		_, err := acpi.ParseDump([]byte(text))
		require.ErrorIs(t, err, acpi.ErrDump, text)

		var e *acpi.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, line, e.Offset, text)
	}

	// One bad table doesn't hide the others.
	var text bytes.Buffer

	require.NoError(t, arm64Set(1).WriteDump(&text))
	read, err := acpi.ParseDump(append([]byte("APIC @ 0x0\n    0000: 41 50 49 43  APIC\n\n"), text.Bytes()...))
	require.NoError(t, err)
	require.Len(t, read.Problems, 1)
	require.Len(t, read.Tables, len(arm64Set(1).Tables)+2)

	require.False(t, acpi.IsDump(marshal(t, &acpi.WAET{})))
}

func TestParseDir(t *testing.T) {
	dir := fstest.MapFS{
		"APIC":          {Data: marshal(t, &acpi.MADT{Header: head(5)})},
		"SSDT1":         {Data: marshal(t, &acpi.SSDT{Header: head(2)})},
		"broken":        {Data: []byte{1, 2, 3}},
		"data/BERT":     {Data: []byte("not a table")},
		"dynamic/SSDT2": {Data: marshal(t, &acpi.SSDT{Header: head(2), Body: []byte{0xa3}})},
	}

	set, err := acpi.ParseDir(dir)
	require.NoError(t, err)
	require.Len(t, set.Tables, 3)
	require.Len(t, set.Problems, 1)
	require.ErrorContains(t, set.Problems[0], `"broken"`)
	require.Len(t, acpi.All[*acpi.SSDT](set), 2)
	require.Len(t, acpi.All[*acpi.SSDT](set)[1].Body, 1)

	dir["large"] = &fstest.MapFile{Data: make([]byte, 16<<20+1)}
	_, err = acpi.ParseDir(dir)
	require.ErrorIs(t, err, acpi.ErrLength)

	_, err = acpi.ParseDir(os.DirFS(t.TempDir() + "/none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestReadHost reads the tables of a host that has some and lets us.
func TestReadHost(t *testing.T) {
	set, err := acpi.ReadHost()
	if err != nil {
		require.True(t, errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission), "%v", err)
		t.Skipf("no tables here: %v", err)
	}

	require.Empty(t, set.Problems)
	require.NotEmpty(t, set.Tables)
}

func TestFindRSDP(t *testing.T) {
	b := make([]byte, 0x3000)
	rsdp := marshal(t, &acpi.RSDP{Revision: 2, XSDTAddress: 1})

	copy(b[0x108:], rsdp)                  // not at a multiple of 16
	copy(b[0x200:], "RSD PTR not summing") // not one
	copy(b[0x1ff0:], rsdp)

	at, err := acpi.FindRSDP(bytes.NewReader(b), 1, uint64(len(b)))
	require.NoError(t, err)
	require.Equal(t, uint64(0x1ff0), at)

	_, err = acpi.FindRSDP(bytes.NewReader(b), 0, 0x1ff0)
	require.ErrorIs(t, err, acpi.ErrNotFound)
	_, err = acpi.FindRSDP(bytes.NewReader(b), 0x8000, 0x9000)
	require.Error(t, err)
	_, err = acpi.FindRSDP(bytes.NewReader(b), 1<<63, 1<<63+64)
	require.ErrorIs(t, err, acpi.ErrNotFound)
}

// TestParseMemory_hostile: lists that lead nowhere, in circles, or to tables that are said
// to be huge.
func TestParseMemory_hostile(t *testing.T) {
	image := func(entries ...uint64) []byte {
		b := make([]byte, 0x1000)
		copy(b, marshal(t, &acpi.RSDP{Revision: 2, XSDTAddress: 0x40}))
		copy(b[0x40:], marshal(t, &acpi.XSDT{Header: head(1), Entries: entries}))
		copy(b[0x200:], "HUGE\xff\xff\xff\x7f")
		copy(b[0x240:], "HUGE\xff\xff\xff\x00")
		copy(b[0x280:], "TINY\x07\x00\x00\x00")

		return b
	}

	set, err := acpi.ParseMemory(bytes.NewReader(image(0x40, 0, 0x200, 0x240, 0x280, 0x200, 1<<63, 0x5000)), 0)
	require.NoError(t, err)
	require.Len(t, set.Tables, 2)
	require.Len(t, set.Problems, 5)

	bad := image()
	copy(bad[0x40:], "APIC")
	_, err = acpi.ParseMemory(bytes.NewReader(bad), 0)
	require.Error(t, err)
	_, err = acpi.ParseMemory(bytes.NewReader(bad[:10]), 0)
	require.Error(t, err)
	_, err = acpi.ParseMemory(bytes.NewReader(bad), 0x40)
	require.ErrorIs(t, err, acpi.ErrSignature)

	old := make([]byte, 0x100)
	copy(old, marshal(t, &acpi.RSDP{}))
	_, err = acpi.ParseMemory(bytes.NewReader(old), 0)
	require.ErrorIs(t, err, acpi.ErrNotFound)
}
