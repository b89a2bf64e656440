package acpi_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil/debian"
	"github.com/vgraft/vgraft/vmm/acpi"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// TestQEMU_code reads the code of every DSDT and SSDT of QEMU's, and writes it byte for byte.
// That it was understood, ACPICA says: what it defines is what ACPICA's interpreter has in its
// namespace once it has loaded it; and so does what iasl makes of our disassembly.
func TestQEMU_code(t *testing.T) {
	iasl, exec := tool(t, "iasl"), tool(t, "acpiexec")

	for _, release := range []struct {
		suite string
		least int // tables
	}{{"bookworm", 49}, {"trixie", 56}} {
		t.Run(release.suite, func(t *testing.T) {
			dir := debian.Source(t, release.suite, "qemu", "tests/data/acpi")

			var files []string

			for _, pattern := range []string{"*/[DS]SDT*", "*/*/[DS]SDT*"} { // those of 7.2 are in fewer directories
				found, err := filepath.Glob(filepath.Join(dir, "tests/data/acpi", pattern))
				require.NoError(t, err)

				files = append(files, found...)
			}

			require.GreaterOrEqual(t, len(files), release.least)

			names := 0

			for i, listing := range namespaces(t, exec, files) {
				b, err := os.ReadFile(files[i])
				require.NoError(t, err)

				tree, err := aml.Parse(b[acpi.HeaderSize:])
				require.NoError(t, err, files[i])

				body, err := tree.Encode()
				require.NoError(t, err, files[i])
				require.Equal(t, b[acpi.HeaderSize:], body, files[i])

				got := defined(tree)
				require.Equal(t, loaded(t, listing), got, files[i])

				compiled, err := aml.Parse(recompiled(t, iasl, b, tree)[acpi.HeaderSize:])
				require.NoError(t, err, files[i])
				require.Equal(t, got, defined(compiled), files[i])

				names += len(got)
			}

			t.Logf("%d tables, all the same bytes again, define %d names as ACPICA has them", len(files), names)
		})
	}
}

// recompiled is what iasl makes of our disassembly of a table. It is forced to,
// for it dislikes the types of some names (a _STR that isn't Unicode), a _UID given twice, and what is in
// another table.
func recompiled(t *testing.T, iasl []string, b []byte, tree *aml.Tree) []byte {
	t.Helper()

	var text bytes.Buffer

	fmt.Fprintf(&text, "DefinitionBlock (\"\", %q, %d, \"VGRAFT\", \"QEMU\", 1)\n{\n", b[:4], b[8])
	require.NoError(t, tree.Dump(&text))
	text.WriteString("}\n")

	dir := workDir(t)
	source, prefix := filepath.Join(dir, "in.asl"), filepath.Join(dir, "out")
	require.NoError(t, os.WriteFile(source, text.Bytes(), 0o600))

	said, _ := output(t.Context(), iasl, "-on", "-of", "-f", "-p", prefix, source)
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "Error") {
			require.Regexp(t, "Invalid object type for reserved name|Object does not exist|Name already exists in scope", line, said)
		}
	}

	out, err := os.ReadFile(prefix + ".aml")
	require.NoError(t, err, said)

	return out
}

// namespaces is what the interpreter shows of each table once it has loaded it. It takes a
// second to start, most of which it sleeps.
func namespaces(t *testing.T, exec, files []string) []string {
	t.Helper()

	const atOnce = 8

	dir := workDir(t)
	outs := make([]string, len(files))
	errs := make([]error, len(files))
	turns := make(chan struct{}, atOnce)

	var all sync.WaitGroup

	for i, f := range files {
		turns <- struct{}{}

		all.Go(func() {
			defer func() { <-turns }()

			path := filepath.Join(dir, strconv.Itoa(i)) // without a dot

			b, err := os.ReadFile(f)
			if err == nil {
				err = os.WriteFile(path, b, 0o600)
			}

			if err == nil {
				outs[i], err = output(t.Context(), exec, "-b", "namespace", path)
			}

			errs[i] = err
		})
	}

	all.Wait()
	require.NoError(t, errors.Join(errs...))

	return outs
}

// defined is what our reader finds in a table: the padded path of each name that there is
// from the start, with what it is if that is a device, or a method, whose arguments count.
func defined(tree *aml.Tree) []string {
	out := map[string]bool{}

	for e := range tree.Root().All() {
		if e.Node() == nil || e.Node().Op() == "External" {
			continue
		}

		path, kind, made := "", "", false

		for at := e; at.Parent() != nil; at = at.Parent() {
			path = fmt.Sprintf(".%s", (at.Name() + "___")[:4]) + path
			made = made || at != e && at.Node() != nil && at.Node().Op() == "Method" // when that runs
		}

		if made {
			continue
		}

		switch n := e.Node(); n.Op() {
		case "Device":
			kind = " Device"
		case "Method":
			args := slices.Collect(n.Args())
			flags, _ := args[1].Integer()
			kind = fmt.Sprintf(" Method %d", flags&7)
		}

		out[`\`+path[1:]+kind] = true
	}

	return slices.Sorted(maps.Keys(out))
}

var namespaceLine = regexp.MustCompile(`^ *([0-9A-F]+) +(\S{4}) (\w+) +0x[0-9a-f]+ ([0-9A-Fa-f]{3})(?: Args (\d))?`)

// loaded is the same of the interpreter's namespace. It says which table a name came from,
// and 0 is none.
func loaded(t *testing.T, listing string) []string {
	t.Helper()

	out := map[string]bool{}
	segs := make([]string, 0, 16)

	for line := range strings.Lines(listing) {
		m := namespaceLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}

		depth, err := strconv.ParseUint(m[1], 16, 8)
		require.NoError(t, err)
		require.LessOrEqual(t, int(depth), len(segs), line)

		segs = append(segs[:depth], m[2])

		if m[4] == "000" {
			continue
		}

		kind := ""

		switch m[3] {
		case "Device":
			kind = " Device"
		case "Method":
			kind = " Method " + m[5]
		}

		out[`\`+strings.Join(segs, ".")+kind] = true
	}

	return slices.Sorted(maps.Keys(out))
}
