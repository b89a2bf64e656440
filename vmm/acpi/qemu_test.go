package acpi_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil/debian"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// TestQEMU reads every table that QEMU compares itself with, and writes it byte for byte:
// of 7.2 and of 10.0, for PCs, arm64 and RISC-V. They are QEMU's, under its license, and
// therefore not in this tree.
func TestQEMU(t *testing.T) {
	for _, release := range []struct {
		suite string
		least int // tables
	}{{"bookworm", 140}, {"trixie", 154}} {
		t.Run(release.suite, func(t *testing.T) {
			var total, exact, raw int

			dir := debian.Source(t, release.suite, "qemu", "tests/data/acpi")
			require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || filepath.Ext(path) == ".sh" {
					return err
				}

				b, err := os.ReadFile(path)
				require.NoError(t, err)

				total++
				table, err := acpi.Parse(b)

				if !errors.Is(err, acpi.ErrChecksum) { // the linker of QEMU's firmware makes it
					require.NoError(t, err, path)
				}

				if _, ok := table.(*acpi.Raw); ok {
					raw++
				}

				again := marshal(t, table)
				if err == nil {
					require.Equal(t, b, again, path)
					exact++
				} else {
					require.Equal(t, masked(b), masked(again), path)
				}

				for _, f := range (&acpi.Set{Tables: []acpi.Table{table}}).Check() {
					require.NotContains(t, []string{"odd-table"}, f.Rule, "%s: %v", path, f)
				}

				return nil
			}))

			t.Logf("%d tables, all the same: %d with a right checksum, %d of signatures that are not ours", total, exact, raw)
			require.GreaterOrEqual(t, total, release.least)
			require.Less(t, raw, 20)
		})
	}
}

// TestQEMU_sets lints the machines that QEMU's tables make: the rules must not call what
// everybody boots a fault.
func TestQEMU_sets(t *testing.T) {
	dir := debian.Source(t, "trixie", "qemu", "tests/data/acpi")

	for machine, allowed := range map[string][]string{
		"aarch64/virt": {"iort-its"}, // the IORT is of the variant with an ITS
		"x86/q35":      nil,
		"x86/pc":       nil,
		"x86/microvm":  nil,
	} {
		t.Run(machine, func(t *testing.T) {
			set := &acpi.Set{}

			files, err := filepath.Glob(filepath.Join(dir, "tests/data/acpi", machine, "????"))
			require.NoError(t, err)
			require.NotEmpty(t, files)

			for _, f := range files {
				b, err := os.ReadFile(f)
				require.NoError(t, err)

				table, _ := acpi.Parse(b)
				if s := table.Signature(); s == "HMAT" || s == "SRAT" || s == "SLIT" || s == "VIOT" || s == "PPTT" {
					continue // of other variants of the machine
				}

				set.Add(table)
			}

			for _, f := range acpi.Lint(set, acpi.LintOptions{}) {
				t.Log(f)

				if f.Severity == acpi.Fault {
					require.Contains(t, allowed, f.Rule, "%v", f)
				}
			}
		})
	}
}
