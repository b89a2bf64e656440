package acpi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/vmm/acpi"
)

// everything is a table of each kind and form, and some that iasl doesn't make.
func everything() map[string]acpi.Table {
	all := map[string]acpi.Table{}
	for _, s := range samples() {
		all[s.name] = s.table
	}

	for name, table := range laid() {
		all[name] = table
	}

	extra := head(2)
	extra.Extra = []byte{1, 2, 3}

	all["DSDT"] = &acpi.DSDT{Header: head(2), Body: []byte{0xa3}}
	all["SSDT"] = &acpi.SSDT{Header: head(2), Body: []byte{0xa3, 0xa3}}
	all["raw"] = &acpi.Raw{Sig: "OEM1", Header: head(1), Body: []byte("anything")}
	all["extra"] = &acpi.WAET{Header: extra}
	all["unknown"] = &acpi.MADT{Header: head(5), Structures: []acpi.MADTStructure{&acpi.RawStructure{Type: 0x80, Data: []byte{1, 2}}, &acpi.LocalAPIC{}}}
	all["TPM2-parameters"] = &acpi.TPM2{Header: head(4), Parameters: []byte{1, 2, 3}}
	all["IORT-mixed"] = &acpi.IORT{Header: head(0), Nodes: []acpi.IORTNode{
		&acpi.RootComplex{}, &acpi.SMMUv3{}, &acpi.PMCG{}, &acpi.ReservedMemory{Ranges: []acpi.ReservedRange{{Base: 1, Length: 2}}},
	}}
	all["HEST-unknown"] = &acpi.HEST{Header: head(1), Sources: []acpi.HESTSource{&acpi.NMIError{}, &acpi.RawStructure{Type: 3, Data: []byte{1, 2, 3}}}}
	all["HMAT-unknown"] = &acpi.HMAT{Header: head(1), Structures: []acpi.HMATStructure{&acpi.RawStructure{Type: 0x1234, Data: []byte{1}}}}

	return all
}

// sizes are those that the specifications give.
func TestSizes(t *testing.T) {
	all := everything()

	for name, want := range map[string]int{
		"RSDP-0": 20, "RSDP-2": 36, "FACS": 64, "FACP-1": 116, "FACP-2": 132, "FACP-3": 244, "FACP-4": 244, "FACP-5.1": 268, "FACP-6.0": 276,
		"FACP-6.6": 276, "SPCR-2": 80, "SPCR-3": 80, "SPCR-4": 88 + 10, "GTDT-2": 96 + 100 + 28, "GTDT-3": 104 + 100 + 28,
		"TPM2": 76, "TPM2-3": 52, "TPM2-4": 64, "APIC-gic76": 44 + 76 + 2*24, "BGRT": 56, "HPET": 56, "WAET": 40, "MCFG": 44 + 32, "PPTT-1": 36 + 2*24 + 30 + 24 + 24,
		"PPTT-3": 36 + 2*28 + 30 + 24 + 24, "SLIT": 44 + 9, "VIOT": 48 + 2*16 + 2*24,
	} {
		require.Len(t, marshal(t, all[name]), want, name)
	}
}

// TestTables_comeBack writes, reads and writes; and looks at the header.
func TestTables_comeBack(t *testing.T) {
	for name, table := range everything() {
		b := marshal(t, table)

		read, err := acpi.Parse(b)
		require.NoError(t, err, name)
		require.IsType(t, table, read, name)
		require.Equal(t, table.Signature(), read.Signature())
		require.Equal(t, b, marshal(t, read), name)

		h := acpi.HeaderOf(table)
		if h == nil {
			require.Contains(t, []string{"FACS", "RSD PTR "}, table.Signature())
			continue
		}

		require.Equal(t, table.Signature(), string(b[:4]))
		require.Equal(t, len(b), int(binary.LittleEndian.Uint32(b[4:])), name)
		require.Equal(t, *h, *acpi.HeaderOf(read), name)
		require.Zero(t, sum(b), name)
	}
}

func sum(b []byte) (s byte) {
	for _, v := range b {
		s += v
	}

	return s
}

// TestStructures_keepFields: what was given is what is read, not just the same bytes.
func TestStructures_keepFields(t *testing.T) {
	for name, table := range everything() {
		read, err := acpi.Parse(marshal(t, table))
		require.NoError(t, err)

		switch want := table.(type) {
		case *acpi.GTDT:
			require.Equal(t, want.PlatformTimers, read.(*acpi.GTDT).PlatformTimers, name)
		case *acpi.HEST:
			require.Equal(t, want.Sources, read.(*acpi.HEST).Sources, name)
		case *acpi.SRAT:
			require.Equal(t, want, read, name)
		case *acpi.HMAT, *acpi.SLIT, *acpi.MCFG, *acpi.SPCR, *acpi.VIOT, *acpi.DBG2, *acpi.BGRT, *acpi.HPET, *acpi.WAET, *acpi.TPM2, *acpi.Raw:
			require.Equal(t, want, read, name)
		}
	}
}

// TestGICC_length goes by the table's revision, unless it is given.
func TestGICC_length(t *testing.T) {
	for _, c := range []struct {
		revision, length uint8
		want             int
	}{{1, 0, 76}, {3, 0, 76}, {4, 0, 80}, {5, 0, 80}, {6, 0, 82}, {7, 0, 82}, {7, 76, 76}, {3, 82, 82}, {6, 80, 80}} {
		b := marshal(t, &acpi.MADT{Header: head(c.revision), Structures: []acpi.MADTStructure{&acpi.GICC{Length: c.length, MPIDR: 7, TRBEInterrupt: 21}}})
		require.Len(t, b, 44+c.want)
		require.Equal(t, byte(c.want), b[45])
	}

	_, err := (&acpi.MADT{Structures: []acpi.MADTStructure{&acpi.GICC{Length: 77}}}).MarshalBinary()
	require.ErrorIs(t, err, acpi.ErrValue)
}

// TestMarshal_refuses what no table can say.
func TestMarshal_refuses(t *testing.T) {
	long := head(1)
	long.OEMID = "TOOLONG"

	for name, table := range map[string]acpi.Table{
		"OEM id":         &acpi.WAET{Header: long},
		"signature":      &acpi.Raw{Sig: "TOOLONG"},
		"root's XSDT":    &acpi.RSDP{XSDTAddress: 1},
		"root's OEM":     &acpi.RSDP{OEMID: "TOOLONG"},
		"FADT length":    &acpi.FADT{Length: 300},
		"FADT short":     &acpi.FADT{Length: 3},
		"nil structure":  &acpi.MADT{Structures: []acpi.MADTStructure{nil}},
		"nil source":     &acpi.HEST{Sources: []acpi.HESTSource{nil}},
		"type":           &acpi.MADT{Structures: []acpi.MADTStructure{&acpi.RawStructure{Type: 256}}},
		"length":         &acpi.PPTT{Structures: []acpi.PPTTStructure{&acpi.ProcessorNode{PrivateResources: make([]uint32, 60)}}},
		"SLIT":           &acpi.SLIT{Localities: 2, Entries: make([]byte, 3)},
		"SLIT's size":    &acpi.SLIT{Localities: 1 << 32},
		"HMAT":           &acpi.HMAT{Structures: []acpi.HMATStructure{&acpi.LocalityInformation{Initiators: []uint32{1}, Targets: []uint32{1}}}},
		"registers":      &acpi.DBG2{Devices: []acpi.DBG2Device{&acpi.DBG2Port{Registers: make([]acpi.GAS, 1)}}},
		"TPM parameters": &acpi.TPM2{Parameters: make([]byte, 13)},
		"TPM log":        &acpi.TPM2{Parameters: make([]byte, 3), Log: &acpi.TPM2Log{}},
		"banks":          &acpi.HEST{Sources: []acpi.HESTSource{&acpi.MachineCheck{Banks: make([]acpi.ErrorBank, 256)}}},
	} {
		b, err := table.MarshalBinary()
		require.Error(t, err, name)
		require.Nil(t, b, name)

		var e *acpi.Error
		require.ErrorAs(t, err, &e, name)
	}
}

// TestParse_errors is one of each kind, with its place.
func TestParse_errors(t *testing.T) {
	waet := marshal(t, &acpi.WAET{Header: head(1)})
	madt := marshal(t, &acpi.MADT{Header: head(1), Structures: []acpi.MADTStructure{&acpi.LocalAPIC{}}})
	dbg2 := marshal(t, everything()["DBG2"])
	facs := marshal(t, &acpi.FACS{})
	rsdp := marshal(t, &acpi.RSDP{Revision: 2})

	with := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] = v

		return b
	}

	for name, c := range map[string]struct {
		b      []byte
		want   error
		offset int
	}{
		"empty":              {nil, acpi.ErrTruncated, 0},
		"no header":          {waet[:20], acpi.ErrTruncated, 0},
		"header only":        {with(waet[:36], 4, 36), acpi.ErrTruncated, 36},
		"longer":             {append(bytes.Clone(waet), 0), acpi.ErrLength, 4},
		"checksum":           {with(waet, 36, 1), acpi.ErrChecksum, 9},
		"structure too long": {with(madt, 45, 9), acpi.ErrLength, 44},
		"structure too short": {
			with(madt, 45, 1), acpi.ErrLength, 44,
		},
		"structure's head": {with(madt[:45], 4, 45), acpi.ErrTruncated, 45},
		"offset":           {with(dbg2, 37, 0xff), acpi.ErrTruncated, 44},
		"FACS short":       {facs[:63], acpi.ErrTruncated, 0},
		"FACS long":        {append(bytes.Clone(facs), 0), acpi.ErrLength, 4},
		"root short":       {rsdp[:19], acpi.ErrTruncated, 16},
		"root long":        {append(bytes.Clone(rsdp), 0), acpi.ErrLength, 36},
		"root's checksum":  {with(rsdp, 33, 1), acpi.ErrChecksum, 8},
		"root's first sum": {with(rsdp, 9, 1), acpi.ErrChecksum, 8},
		"gap":              {gapped(t), acpi.ErrLayout, 4},
	} {
		table, err := acpi.Parse(c.b)
		require.ErrorIs(t, err, c.want, name)

		var e *acpi.Error
		require.ErrorAs(t, err, &e, name)

		require.Equal(t, c.offset, e.Offset, "%s: %v", name, err)

		require.Equal(t, errors.Is(err, acpi.ErrChecksum) || errors.Is(err, acpi.ErrLayout), table != nil, name)
	}

	require.ErrorIs(t, (&acpi.WAET{}).UnmarshalBinary(madt), acpi.ErrSignature)
	require.ErrorIs(t, (&acpi.FACS{}).UnmarshalBinary(make([]byte, 64)), acpi.ErrSignature)
	require.ErrorIs(t, (&acpi.RSDP{}).UnmarshalBinary(make([]byte, 20)), acpi.ErrSignature)
}

// TestParse_odd keeps what it doesn't know, and does not take it for something it knows.
func TestParse_odd(t *testing.T) {
	// A GICC of 79 bytes, and an unknown structure.
	body := append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0xb, 79}, make([]byte, 77)...)
	body = append(body, 0x7f, 3, 0xaa)
	b := marshal(t, &acpi.Raw{Sig: "APIC", Header: head(6), Body: body})

	table, err := acpi.Parse(b)
	require.NoError(t, err)

	madt := table.(*acpi.MADT)
	require.Equal(t, &acpi.RawStructure{Type: 0xb, Data: make([]byte, 77)}, madt.Structures[0])
	require.Equal(t, &acpi.RawStructure{Type: 0x7f, Data: []byte{0xaa}}, madt.Structures[1])
	require.Equal(t, b, marshal(t, table))

	findings := (&acpi.Set{Tables: []acpi.Table{table}}).Check()
	require.Len(t, findings, 1)
	require.Equal(t, "odd-structure", findings[0].Rule)

	table, err = acpi.Parse(gapped(t))
	require.ErrorIs(t, err, acpi.ErrLayout)
	require.IsType(t, &acpi.Raw{}, table)
	require.Equal(t, gapped(t), marshal(t, table))

	findings = (&acpi.Set{Tables: []acpi.Table{table}}).Check()
	require.Len(t, findings, 1)
	require.Equal(t, "odd-table", findings[0].Rule)
}

// gapped is a GTDT with bytes before its only timer that nothing accounts for.
func gapped(t *testing.T) []byte {
	t.Helper()

	b := marshal(t, &acpi.GTDT{Header: head(2), PlatformTimers: []acpi.GTDTStructure{&acpi.GTWatchdog{}}})
	body := append(append(bytes.Clone(b[36:96]), 1, 2, 3, 4), b[96:]...)
	body[92-36] += 4 // the offset of the timers

	return marshal(t, &acpi.Raw{Sig: "GTDT", Header: head(2), Body: body})
}

// TestUnmarshal_keepsOnError leaves the value as it was.
func TestUnmarshal_keepsOnError(t *testing.T) {
	table := &acpi.WAET{EmulatedDeviceFlags: 7}
	require.Error(t, table.UnmarshalBinary(make([]byte, 40)))
	require.Equal(t, uint32(7), table.EmulatedDeviceFlags)
}

// TestParse_damaged cuts every table at every byte and turns every byte over: nothing
// panics, and what is taken is written again as it was.
func TestParse_damaged(t *testing.T) {
	for name, table := range everything() {
		b := marshal(t, table)

		for n := range b {
			short := bytes.Clone(b[:n])
			stable(t, name, short)

			if n >= 8 && table.Signature() != "RSD PTR " {
				binary.LittleEndian.PutUint32(short[4:], uint32(n))
				stable(t, name, short)
			}
		}

		for i := range b {
			for _, v := range []byte{0, 0xff, b[i] ^ 1, b[i] ^ 0x80} {
				bad := bytes.Clone(b)
				bad[i] = v
				stable(t, name, bad)
			}
		}
	}
}

// stable reads bytes, and writes what was read.
func stable(t testing.TB, name string, b []byte) {
	t.Helper()

	table, err := acpi.Parse(b)
	if table == nil {
		var e *acpi.Error
		if !errors.As(err, &e) {
			t.Fatalf("%s: %v is no *acpi.Error", name, err)
		}

		return
	}

	again, werr := table.MarshalBinary()
	if werr != nil {
		t.Fatalf("%s: %v", name, werr)
	}

	if err == nil && !bytes.Equal(b, again) {
		t.Fatalf("%s: written differently\n%x\n%x", name, b, again)
	}

	second, err := acpi.Parse(again)
	if err != nil && !errors.Is(err, acpi.ErrLayout) {
		t.Fatalf("%s: %v", name, err)
	}

	if third, err := second.MarshalBinary(); err != nil || !bytes.Equal(again, third) {
		t.Fatalf("%s: not stable: %v", name, err)
	}
}
