package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
)

// one is a patch of the program that build makes.
const one = "--- a/main.go\n+++ b/main.go\n@@ -3 +3 @@\n-func main() { println(1) }\n+func main() { println(2) }\n"

func TestDiff(t *testing.T) {
	dir, program := build(t)
	at := func(name string) string { return filepath.Join(t.TempDir(), name) }

	name := at("bundle")
	code, _, stderr := call(t, "", "bundle", program, "-dir", dir, "-o", name)
	require.Equal(t, exitOK, code, stderr)

	for _, base := range []string{name, program} {
		code, stdout, stderr := call(t, "", "diff", base, "-base-dir", dir, "-dir", dir)
		require.Equal(t, exitOK, code, stderr)
		require.Contains(t, stdout, "nothing")

		code, stdout, stderr = call(t, one, "diff", base, "-base-dir", dir, "-dir", dir, "-patch", "-")
		require.Equal(t, exitRefused, code, stderr)
		require.Contains(t, stdout, "main.main")
		require.Contains(t, stderr, "refused")
	}

	code, stdout, stderr := call(t, one, "diff", "-json", name, "-dir", dir, "-patch", dir+"=-")
	require.Equal(t, exitRefused, code, stderr)

	var r elfdiff.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.Equal(t, []string{"main.main"}, r.Changed)
	require.NotEmpty(t, r.Refusals)

	code, stdout, stderr = call(t, "", "diff", name, "-fixed", program, "-dir", dir)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "nothing")

	code, _, _ = call(t, "", "diff", name, "-fixed", program, "-dir", dir, "-module", "a@v1.0.0")
	require.Equal(t, exitUsage, code)

	for _, bad := range []string{"main.x", "main.x=", "=00", "main.x=0", "main.x=zz"} {
		code, _, stderr = call(t, "", "diff", name, "-fixed", program, "-dir", dir, "-expect", bad)
		require.Equal(t, exitUsage, code, stderr)
	}

	code, _, stderr = call(t, "", "diff", name, "-fixed", program, "-dir", dir, "-expect", "main.x=00", "-expect", "main.x=01")
	require.Equal(t, exitUsage, code, stderr)

	code, _, stderr = call(t, "", "diff", name, "-fixed", program, "-dir", dir, "-expect", "main.x=00")
	require.Equal(t, exitFailed, code, stderr)
	require.Contains(t, stderr, "main.x: what runs has nothing of this name")

	short := at("short")
	require.NoError(t, os.WriteFile(short, []byte("x"), 0o666))

	for _, args := range [][]string{
		{"diff", short, "-dir", dir},
		{"diff", short + "x"},
		{"diff", name, "-dir", dir, "-patch", short},
		{"diff", name, "-dir", dir, "-patch", short + "x"},
		{"diff", name, "-dir", dir, "-module", "no version"},
	} {
		code, stdout, stderr := call(t, "", args...)
		require.Equal(t, exitFailed, code, args)
		require.Empty(t, stdout)
		require.NotEmpty(t, stderr)
	}
}
