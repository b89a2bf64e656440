package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/vmm/acpi"
)

// machine is a set with one fault: it has no DSDT.
func machine() *acpi.Set {
	head := acpi.Header{Revision: 6, OEMID: "VGRAFT"}

	return &acpi.Set{Tables: []acpi.Table{
		&acpi.FADT{Header: head, MinorVersion: 5, Flags: acpi.FADTHWReduced, ARMBootArch: acpi.ARMBootPSCI},
		&acpi.MADT{Header: head, Structures: []acpi.MADTStructure{
			&acpi.GICD{PhysicalBaseAddress: 0x8000000, GICVersion: 3},
			&acpi.GICR{DiscoveryRangeBaseAddress: 0x80a0000, DiscoveryRangeLength: acpi.GICRStride},
			&acpi.GICC{Flags: acpi.GICCEnabled, MPIDR: 0},
		}},
		&acpi.GTDT{Header: head, NonSecureEL1TimerGSIV: 30, VirtualEL1TimerGSIV: 27},
		&acpi.SSDT{Header: head},
		&acpi.DBG2{Header: head, Devices: []acpi.DBG2Device{&acpi.DBG2Port{NamespaceString: "."}}},
		&acpi.TPM2{Header: head, Parameters: make([]byte, 12), Log: &acpi.TPM2Log{MinimumLength: 64}},
	}}
}

// TestRun_forms reads the same machine as text and as a directory.
func TestRun_forms(t *testing.T) {
	dir := t.TempDir()
	dump, tables := filepath.Join(dir, "dump"), filepath.Join(dir, "tables")

	var text bytes.Buffer

	require.NoError(t, machine().WriteDump(&text))
	require.NoError(t, os.WriteFile(dump, text.Bytes(), 0o600))
	require.NoError(t, os.Mkdir(tables, 0o700))

	for _, table := range machine().Tables {
		b, err := table.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(tables, table.Signature()), b, 0o600))
	}

	for _, path := range []string{dump, tables} {
		var out bytes.Buffer

		require.ErrorIs(t, run([]string{path}, &out), errFaults)
		require.Contains(t, out.String(), "APIC revision 6, \"VGRAFT\"")
		require.Contains(t, out.String(), "    GICD\n        PhysicalBaseAddress: 0x8000000\n        GICVersion: 0x3\n")
		require.Contains(t, out.String(), "\nfault: DSDT: the table is missing [arm64-required]\n")
		require.NotContains(t, out.String(), "reserved")
	}
}

func TestRun_json(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dump")

	var text, out bytes.Buffer

	require.NoError(t, machine().WriteDump(&text))
	require.NoError(t, os.WriteFile(path, text.Bytes(), 0o600))
	require.ErrorIs(t, run([]string{"-json", "-arch", "arm64", path}, &out), errFaults)

	var got struct {
		Tables []struct {
			Signature string
			Fields    map[string]any
		}
		Problems []string
		Findings []struct{ Rule, Severity, Table, Message string }
	}

	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Empty(t, got.Problems)
	require.Equal(t, "RSD PTR ", got.Tables[0].Signature)
	require.Equal(t, "fault", got.Findings[0].Severity)
	require.Contains(t, out.String(), `"Type": "GICC"`)
}

// TestRun_blob is one table, by itself right.
func TestRun_blob(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blob")
	b, err := machine().Tables[1].MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))

	var out bytes.Buffer

	require.NoError(t, run([]string{path}, &out))
	require.Contains(t, out.String(), "GICC")

	out.Reset()
	b[9]++
	require.NoError(t, os.WriteFile(path, b, 0o600))
	require.NoError(t, run([]string{"-quiet", path}, &out))
	require.Contains(t, out.String(), "acpi: \"APIC\": at 0x9: bytes don't sum up to zero")

	require.NoError(t, os.WriteFile(path, b[:20], 0o600))
	require.ErrorIs(t, run([]string{path}, &out), acpi.ErrTruncated)
}

func TestRun_usage(t *testing.T) {
	for _, args := range [][]string{{"-arch", "vax"}, {"a", "b"}, {"-nope"}, {filepath.Join(t.TempDir(), "none")}} {
		require.Error(t, run(args, &bytes.Buffer{}))
	}
}
