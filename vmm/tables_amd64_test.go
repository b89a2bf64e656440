package vmm_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// The tables of machines on arm64 are made here, where ACPICA's programs are.

// acpica runs one of them. Its absence is a failure, but for -short.
func acpica(t *testing.T, name string, args ...string) string {
	t.Helper()

	if _, err := exec.LookPath(name); err != nil && testing.Short() {
		t.Skipf("-short, and no %s", name)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)

	return string(out)
}

func TestVirtTables_lint(t *testing.T) {
	testutil.Pure(t)

	for _, cpus := range []int{1, 2, 17, arm64.MaxCPUs} {
		for _, with := range []bool{false, true} {
			set, err := vmm.VirtSet(cpus, with, true)
			require.NoError(t, err)
			require.Empty(t, acpi.Lint(set, acpi.LintOptions{Arch: acpi.ArchARM64}))

			image, err := set.Image(acpi.Placement{Base: arm64.ACPI, Size: arm64.ACPISize})
			require.NoError(t, err)
			require.EqualValues(t, arm64.ACPI, image.RSDP)
		}
	}

	set, err := vmm.VirtSet(1, false, false)
	require.NoError(t, err)
	require.Empty(t, set.Signature("SPCR"))
}

// TestVirtTables_iasl disassembles every table and compiles it again.
func TestVirtTables_iasl(t *testing.T) {
	testutil.Pure(t)

	set, err := vmm.VirtSet(18, true, true)
	require.NoError(t, err)

	for _, table := range set.Tables {
		b, err := table.MarshalBinary()
		require.NoError(t, err)

		// No dot may be in the prefix: iasl cuts there.
		dir, err := os.MkdirTemp("", "vgraft-acpi-")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })

		in, prefix := filepath.Join(dir, "in"), filepath.Join(dir, "out")
		require.NoError(t, os.WriteFile(in, b, 0o600))
		acpica(t, "iasl", "-p", prefix, "-d", in)

		source, err := os.ReadFile(prefix + ".dsl")
		require.NoError(t, err)
		require.NotContains(t, string(source), "ERROR")

		if table.Signature() != "DSDT" {
			continue // package acpi compares the others
		}

		out := acpica(t, "iasl", "-on", "-of", "-p", prefix, prefix+".dsl") // names and numbers as they are
		require.Contains(t, out, "0 Errors, 0 Warnings", "%s", source)

		again, err := os.ReadFile(prefix + ".aml")
		require.NoError(t, err)
		require.True(t, bytes.Equal(b[acpi.HeaderSize:], again[acpi.HeaderSize:]), "%s", source)
	}
}

// TestVirtTables_acpiexec has ACPICA's interpreter, which is Linux's, run the DSDT.
func TestVirtTables_acpiexec(t *testing.T) {
	testutil.Pure(t)

	set, err := vmm.VirtSet(2, true, true)
	require.NoError(t, err)

	dsdt, ok := acpi.First[*acpi.DSDT](set)
	require.True(t, ok)

	b, err := dsdt.MarshalBinary()
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), "dsdt.aml")
	require.NoError(t, os.WriteFile(path, b, 0o600))

	out := acpica(t, "acpiexec", "-r", "-b", `execute predefined;evaluate \_SB.GED0._EVT 41;resources \_SB.COM0;resources \_SB.GED0`, path)
	for line := range strings.Lines(out) {
		// It has numbers for all arguments that it makes up itself.
		if !strings.Contains(line, `\_SB._OSC: Argument`) {
			require.NotRegexp(t, "ACPI (Error|Warning|BIOS)|Exception", line)
		}
	}

	require.Contains(t, out, "No outstanding allocations")
	require.Contains(t, out, "09000000")
}
