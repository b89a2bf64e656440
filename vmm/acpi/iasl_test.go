package acpi_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil/debian"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// tool finds a program of ACPICA. Its absence is a failure, so that a green run means that
// the tables were judged by somebody else's compiler.
func tool(t *testing.T, name string) []string {
	t.Helper()

	path, err := exec.LookPath(name)
	if err != nil && testing.Short() {
		t.Skipf("-short, and no %s", name)
	}

	require.NoError(t, err, "install the Debian package acpica-tools, or run with -short")

	return []string{path}
}

// compilers are the versions of iasl: this machine's, and one of 2025.
func compilers(t *testing.T) map[string][]string {
	t.Helper()

	dir := debian.Packages(t, "trixie", "acpica-tools", "libc6")
	newer := debian.Command(t, dir, "usr/bin/iasl")
	require.Contains(t, run(t, newer, "-v"), "version 2025")

	return map[string][]string{"installed": tool(t, "iasl"), "2025": newer}
}

func run(t *testing.T, command []string, args ...string) string {
	t.Helper()

	out, err := output(t.Context(), command, args...)
	require.NoError(t, err)

	return out
}

func output(ctx context.Context, command []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()

	all := append(command[1:len(command):len(command)], args...)

	out, err := exec.CommandContext(ctx, command[0], all...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %q: %w: %s", command[0], all, err, out)
	}

	return string(out), err
}

// workDir is a directory whose path has no dot: iasl would cut its -p there.
func workDir(t *testing.T) string {
	t.Helper()

	dir, err := os.MkdirTemp("", "vgraft-acpi-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })

	return dir
}

// masked clears what the compiler replaces: the checksum and the creator.
func masked(b []byte) []byte {
	out := bytes.Clone(b)
	if len(out) > acpi.HeaderSize {
		clear(out[9:10])
		clear(out[28:36])
	}

	return out
}

func marshal(t *testing.T, table acpi.Table) []byte {
	t.Helper()

	b, err := table.MarshalBinary()
	require.NoError(t, err)

	return b
}

// knows says whether a compiler knows the form of a sample.
func (s sample) knows(version string) bool {
	return version == "2025" && s.newer || version != "2025" && s.older
}

// compile makes a table of a source.
func compile(t *testing.T, iasl []string, source string) []byte {
	t.Helper()

	prefix := filepath.Join(workDir(t), "out")
	require.Contains(t, run(t, iasl, "-p", prefix, source), "0 Errors, 0 Warnings, 0 Remarks")

	b, err := os.ReadFile(prefix + ".aml")
	require.NoError(t, err)

	return b
}

// TestIASL_reference compares every table, in every form, with what iasl makes of a source
// that names each field; and reads what iasl made.
func TestIASL_reference(t *testing.T) {
	for version, iasl := range compilers(t) {
		same := 0

		for _, s := range samples() {
			if !s.knows(version) {
				continue
			}

			t.Run(version+"/"+s.name, func(t *testing.T) {
				source := filepath.Join("testdata", "iasl", s.name+"."+version+".asl")
				if _, err := os.Stat(source); err != nil {
					source = filepath.Join("testdata", "iasl", s.name+".asl")
				}

				want := compile(t, iasl, source)
				require.Equal(t, masked(want), masked(marshal(t, s.table)))

				// The compiler sums right.
				read, err := acpi.Parse(want)
				require.NoError(t, err)
				require.IsType(t, s.table, read)
				require.Equal(t, want, marshal(t, read))
				same++
			})
		}

		t.Logf("iasl %s: %d tables are identical", version, same)
	}
}

// TestIASL_sources wants no source that isn't compiled, and one for every sample.
func TestIASL_sources(t *testing.T) {
	left := map[string]bool{}

	files, err := filepath.Glob("testdata/iasl/*.asl")
	require.NoError(t, err)

	for _, f := range files {
		left[strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f), ".asl"), ".2025")] = true
	}

	for _, s := range samples() {
		require.Contains(t, left, s.name)
		delete(left, s.name)

		require.True(t, s.newer || s.older, s.name)
		require.Equal(t, !s.newer || !s.older, unknown[s.name] != "", s.name)
	}

	require.Empty(t, left)
}

// odd are samples that a version of iasl disassembles wrong, so that its text doesn't make
// the same table again.
var odd = map[string][]string{
	"2025":      {"RSDP-0", "RSDP-2", "APIC-gic82", "DBG2", "IORT-3", "TPM2"}, // no root pointers; off by one; cut names; prints what it can't read
	"installed": {"RSDP-0", "RSDP-2", "TPM2"},
}

// TestIASL_roundTrip disassembles every table and compiles the text.
func TestIASL_roundTrip(t *testing.T) {
	for version, iasl := range compilers(t) {
		same := 0

		for _, s := range samples() {
			if !s.knows(version) || strings.Contains(strings.Join(odd[version], " ")+" ", s.name+" ") {
				continue
			}

			t.Run(version+"/"+s.name, func(t *testing.T) {
				dir := workDir(t)
				in, prefix := filepath.Join(dir, "in"), filepath.Join(dir, "out")
				b := marshal(t, s.table)
				require.NoError(t, os.WriteFile(in, b, 0o600))

				run(t, iasl, "-p", prefix, "-d", in)
				require.Equal(t, masked(b), masked(compile(t, iasl, prefix+".dsl")))
				same++
			})
		}

		t.Logf("iasl %s: %d tables come back", version, same)
	}
}

// TestAcpixtract gives a dump to ACPICA's reader of it.
func TestAcpixtract(t *testing.T) {
	extract := tool(t, "acpixtract")
	dir := t.TempDir()

	var text bytes.Buffer

	set := arm64Set(4)
	require.NoError(t, set.WriteDump(&text))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump"), text.Bytes(), 0o600))

	cmd := exec.CommandContext(t.Context(), extract[0], "-a", "dump")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	image, err := set.Image(acpi.Placement{Size: 1 << 20})
	require.NoError(t, err)

	for _, p := range image.Tables {
		got, err := os.ReadFile(filepath.Join(dir, strings.ToLower(p.Signature)+".dat"))
		require.NoError(t, err, "%s", out)
		require.Equal(t, p.Bytes, got, p.Signature)
	}
}
