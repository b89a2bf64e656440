package acpi

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tool finds a program of ACPICA. Its absence is a failure, so that a green run means
// that the tables were judged by somebody else's compiler and interpreter.
func tool(t *testing.T, name string) string {
	t.Helper()

	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}

	if testing.Short() {
		t.Skipf("-short, and no %s", name)
	}

	t.Fatalf("%s is missing: install the Debian package acpica-tools, or run with -short", name)

	return ""
}

func run(t *testing.T, path string, args ...string) string {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)

	return string(out)
}

// masked clears what the compiler replaces: the checksum and the creator.
func masked(b []byte) []byte {
	out := append([]byte(nil), b...)
	if len(out) > headerSize {
		clear(out[9:10])
		clear(out[28:36])
	}

	return out
}

// TestIASL_roundTrip disassembles every table and compiles it again: no error, no
// warning, and the same bytes.
func TestIASL_roundTrip(t *testing.T) {
	iasl := tool(t, "iasl")
	c := boardConfig(260)
	c.TimerGSI = 2

	for signature, b := range tablesOf(t, c) {
		t.Run(signature, func(t *testing.T) {
			// No dot may be in the prefix: iasl cuts there.
			dir, err := os.MkdirTemp("", "vgraft-acpi-")
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })

			in, prefix := filepath.Join(dir, "in"), filepath.Join(dir, "out")
			require.NoError(t, os.WriteFile(in, b, 0o600))

			run(t, iasl, "-p", prefix, "-d", in)
			source, err := os.ReadFile(prefix + ".dsl")
			require.NoError(t, err)

			out := run(t, iasl, "-p", prefix, prefix+".dsl")
			if signature == "DSDT" {
				require.Contains(t, out, "0 Errors, 0 Warnings, 0 Remarks", "%s", source)
			}

			require.NotContains(t, strings.ToLower(out), "invalid")

			again, err := os.ReadFile(prefix + ".aml")
			require.NoError(t, err)
			require.Equal(t, masked(b), masked(again), "%s", source)
		})
	}
}

// TestACPIExec loads the DSDT into ACPICA's interpreter, which is Linux's, and
// evaluates every predefined name.
func TestACPIExec(t *testing.T) {
	acpiexec := tool(t, "acpiexec")
	dsdt := filepath.Join(t.TempDir(), "dsdt.aml")
	require.NoError(t, os.WriteFile(dsdt, tablesOf(t, boardConfig(1))["DSDT"], 0o600))

	out := run(t, acpiexec, "-b", `execute predefined;evaluate \_S5;resources \_SB.COM1;resources \_SB.RTC`, dsdt)
	for _, bad := range []string{"ACPI Error", "ACPI Warning", "ACPI BIOS", "Exception"} {
		require.NotContains(t, out, bad)
	}

	require.Contains(t, out, "No outstanding allocations")
	require.Contains(t, out, fmt.Sprintf("[Integer] = %016X", SleepTypeS5))
	require.Contains(t, out, "03F8")
}
