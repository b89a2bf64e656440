package aml

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const headerSize = 36

// tool finds a program of ACPICA. Its absence is a failure, so that a green run means that the
// bytes were judged by somebody else's compiler and interpreter.
func tool(t testing.TB, name string) string {
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

func run(t testing.TB, path string, args ...string) string {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)

	return string(out)
}

// scratch is a directory whose path has no dot: iasl cuts its prefix there.
func scratch(t testing.TB) string {
	t.Helper()

	dir, err := os.MkdirTemp("", "vgraft-aml-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })

	return dir
}

// withHeader puts a header before a body.
func withHeader(body []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(body))
	copy(b, "DSDT")
	b[8] = 2
	copy(b[10:], "VGRAFTTEST    ")
	b[24] = 1
	copy(b[28:], "VGFT")
	b = append(b, body...)
	b[4], b[5], b[6], b[7] = byte(len(b)), byte(len(b)>>8), byte(len(b)>>16), byte(len(b)>>24)

	var sum byte
	for _, c := range b {
		sum -= c
	}

	b[9] = sum

	return b
}

// compile gives the body that iasl makes of ASL.
func compile(t testing.TB, asl string) []byte {
	t.Helper()

	dir := scratch(t)
	in, out := filepath.Join(dir, "in.asl"), filepath.Join(dir, "out")
	text := "DefinitionBlock (\"\", \"DSDT\", 2, \"VGRAFT\", \"TEST\", 1)\n{\n" + asl + "\n}\n"
	require.NoError(t, os.WriteFile(in, []byte(text), 0o600))

	log := run(t, tool(t, "iasl"), "-on", "-of", "-p", out, in)
	require.Contains(t, log, "0 Errors", "%s\n%s", text, log)

	b, err := os.ReadFile(out + ".aml")
	require.NoError(t, err)

	return b[headerSize:]
}

var clean = regexp.MustCompile(`0 Errors, 0 Warnings`)

// roundTrip disassembles a body with iasl and compiles it again.
func roundTrip(t testing.TB, body []byte, strict bool) {
	t.Helper()

	dir := scratch(t)
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	require.NoError(t, os.WriteFile(in, withHeader(body), 0o600))

	iasl := tool(t, "iasl")
	run(t, iasl, "-p", out, "-d", in)

	text, err := os.ReadFile(out + ".dsl")
	require.NoError(t, err)

	log := run(t, iasl, "-on", "-of", "-p", out, out+".dsl")
	if strict {
		require.Regexp(t, clean, log, "%s", text)
	}

	b, err := os.ReadFile(out + ".aml")
	require.NoError(t, err)
	require.Equal(t, body, b[headerSize:], "%s", text)
}

// interpret runs commands in ACPICA's interpreter.
func interpret(t testing.TB, body []byte, commands string) string {
	t.Helper()

	path := filepath.Join(scratch(t), "dsdt.aml")
	require.NoError(t, os.WriteFile(path, withHeader(body), 0o600))

	out := run(t, tool(t, "acpiexec"), "-r", "-b", commands, path)

	// It has its own idea of the arguments of this one.
	for _, n := range []string{"1", "4"} {
		out = strings.ReplaceAll(out, `ACPI Warning: \_SB._OSC: Argument #`+n+" type mismatch - Found [Integer]", "")
	}

	for _, bad := range []string{"ACPI Error", "ACPI Warning", "ACPI BIOS", "Exception"} {
		require.NotContains(t, out, bad)
	}

	require.Contains(t, out, "No outstanding allocations")

	return out
}

// reread reads what was encoded, and has it encoded again.
func reread(t testing.TB, body []byte) *Tree {
	t.Helper()

	tree, err := Parse(body)
	require.NoError(t, err)

	again, err := tree.Encode()
	require.NoError(t, err)
	require.Equal(t, body, again)

	return tree
}

func dumped(t testing.TB, tree *Tree) string {
	t.Helper()

	var b bytes.Buffer

	require.NoError(t, tree.Dump(&b))

	return b.String()
}

func dumpOf(t testing.TB, terms ...Term) string {
	t.Helper()

	var b bytes.Buffer

	require.NoError(t, Dump(&b, terms...))

	return b.String()
}

// evaluate runs commands, and gives what each printed. The interpreter takes a line of 512
// characters, and a second to start.
func evaluate(t testing.TB, body []byte, commands []string) []string {
	t.Helper()

	var outs []string

	for part := range slices.Chunk(commands, 10) {
		out := interpret(t, body, strings.Join(part, ";"))

		for i, c := range part {
			_, after, found := strings.Cut(out, "Evaluating "+strings.Fields(c)[1]+"\n")
			require.True(t, found, "%s: %s", c, out)

			out = after
			if i+1 < len(part) {
				after, _, _ = strings.Cut(out, "Evaluating "+strings.Fields(part[i+1])[1]+"\n")
			}

			outs = append(outs, after)
		}
	}

	return outs
}
