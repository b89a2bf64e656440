package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
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

	var all elfdiff.CoverageReport
	require.NoError(t, json.Unmarshal([]byte(stdout), &all))
	require.Greater(t, all.Functions, 100)

	code, stdout, stderr = call(t, "", "coverage", program, "-dir", dir, "-json", "-only", "example.com/p", "-from", "main.main", "-inside")
	require.Equal(t, exitOK, code, stderr)

	var own elfdiff.CoverageReport
	require.NoError(t, json.Unmarshal([]byte(stdout), &own))
	require.Equal(t, elfdiff.Share{Functions: 1}, own.Share)
	require.Len(t, own.Roots, 1)
	require.Equal(t, elfdiff.RefuseCaller, own.Roots[0].Kind)

	code, stdout, stderr = call(t, "", "coverage", program, "-dir", dir)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "A fix could reach")

	code, _, stderr = call(t, "", "coverage", program, "-dir", dir, "-from", "main.nobody")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "main.nobody")
}
