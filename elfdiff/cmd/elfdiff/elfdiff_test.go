package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
)

// call runs the tool as a shell would.
func call(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()

	var out, errs bytes.Buffer

	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)

	return code, out.String(), errs.String()
}

func TestRun_usage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"nothing"}, {"bundle"}, {"bundle", "x"}, {"bundle", "x", "y", "-o", "z"}, {"bundle", "x", "-o"}, {"bundle", "x", "-wrong"},
		{"sign", "x"}, {"sign", "x", "-key", "k"}, {"verify", "x"}, {"keygen"}, {"keygen", "x", "-o", "y"},
	} {
		code, stdout, stderr := call(t, "", args...)
		require.Equal(t, exitUsage, code, args)
		require.Empty(t, stdout)
		require.Contains(t, stderr, "see elfdiff help")
	}

	for _, args := range [][]string{{"help"}, {"-h"}, {"sign", "-h"}} {
		code, stdout, stderr := call(t, "", args...)
		require.Equal(t, exitOK, code)
		require.Empty(t, stderr)

		for name := range verbs() {
			require.Contains(t, stdout, "\n\t"+name+" ", "the help names every verb")
		}
	}
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }

	for _, name := range []string{"a", "b"} {
		code, stdout, stderr := call(t, "", "keygen", "-json", "-o", at(name))
		require.Equal(t, exitOK, code, stderr)

		var s signed
		require.NoError(t, json.Unmarshal([]byte(stdout), &s))
		require.Len(t, s.KeyID, 64)

		info, err := os.Stat(at(name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}

	code, _, stderr := call(t, "", "keygen", "-o", at("a"))
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "exists")

	require.NoError(t, os.WriteFile(at("payload"), []byte("payload"), 0o666))

	code, _, stderr = call(t, "", "sign", at("payload"), "-key", at("a"), "-o", at("signed"))
	require.Equal(t, exitOK, code, stderr)

	code, stdout, _ := call(t, "", "verify", "-keys", at("a.pub"), at("signed"))
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "trusted")

	content, err := os.ReadFile(at("signed"))
	require.NoError(t, err)

	code, stdout, _ = call(t, string(content), "verify", "-json", "-keys", at("a.pub"), "-")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, `"trusted":true`)

	for name, c := range map[string]struct {
		stdin, keys string
		code        int
	}{
		"another key":  {string(content), "b.pub", exitRefused},
		"changed":      {"P" + string(content[1:]), "a.pub", exitRefused},
		"unsigned":     {"payload", "a.pub", exitRefused},
		"private key":  {string(content), "a", exitFailed},
		"no such keys": {string(content), "c.pub", exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := call(t, c.stdin, "verify", "-keys", at(c.keys), "-")
			require.Equal(t, c.code, code)
			require.Empty(t, stdout)
			require.NotEmpty(t, stderr)
		})
	}

	code, _, _ = call(t, "", "sign", at("signed"), "-key", at("a"), "-o", at("twice"))
	require.Equal(t, exitFailed, code, "signed already")
	require.NoFileExists(t, at("twice"))
}

// build makes a program of one file and gives the directory and the name.
func build(t *testing.T) (dir, program string) {
	t.Helper()
	t.Setenv("GOFLAGS", "-buildvcs=false")
	t.Setenv("GOWORK", "off")

	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/p\n\ngo 1.26\n"), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() { println(1) }\n"), 0o666))

	program = filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = dir

	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)

	return dir, program
}

func TestBundle(t *testing.T) {
	dir, program := build(t)
	name := filepath.Join(t.TempDir(), "bundle")

	code, stdout, stderr := call(t, "", "bundle", program, "-dir", dir, "-o", name, "-json")
	require.Equal(t, exitOK, code, stderr)

	var s bundled
	require.NoError(t, json.Unmarshal([]byte(stdout), &s))
	require.Equal(t, "example.com/p", s.Info.Path)

	b, err := elfdiff.ReadBundle(name)
	require.NoError(t, err)
	require.Len(t, b.Objects, s.Objects)
	require.Equal(t, s.Info.BuildID, b.Info.BuildID)

	code, stdout, stderr = call(t, "", "bundle", program, "-dir", dir, "-o", name)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "example.com/p")

	code, _, stderr = call(t, "", "bundle", filepath.Join(dir, "main.go"), "-o", name+"2")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "not a Go program")
	require.NoFileExists(t, name+"2")
}

func TestClean(t *testing.T) {
	require.Equal(t, "a\uFFFD[31mb\n\t", clean("a\x1b[31mb\n\t"))
}
