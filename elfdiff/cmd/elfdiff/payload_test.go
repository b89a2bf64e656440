package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuild_refused(t *testing.T) {
	dir, program := build(t)
	name := filepath.Join(t.TempDir(), "payload")

	code, stdout, stderr := call(t, one, "build", program, "-base-dir", dir, "-dir", dir, "-patch", "-", "-o", name, "-json")
	require.Equal(t, exitRefused, code, stderr)

	var b built
	require.NoError(t, json.Unmarshal([]byte(stdout), &b))
	require.NotEmpty(t, b.Report.Refusals)
	require.Empty(t, b.File)
	require.NoFileExists(t, name)

	code, _, stderr = call(t, "", "build", program, "-base-dir", dir, "-dir", dir, "-o", name)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "nothing that the program runs has changed")
	require.NoFileExists(t, name)
}

func TestCoverage(t *testing.T) {
	dir, program := build(t)

	code, stdout, stderr := call(t, "", "coverage", program, "-dir", dir, "-json")
	require.Equal(t, exitOK, code, stderr)
	require.True(t, json.Valid([]byte(stdout)))
}
