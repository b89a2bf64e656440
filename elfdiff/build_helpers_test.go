package elfdiff

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lib is a package that the test programs use: what it answers is what gets repaired.
const lib = `package lib

//go:noinline
func Answer(n int) int { return n + 1 }
`

// sources is a module with a main package and lib.
func sources() map[string]string {
	return map[string]string{
		"go.mod":     "module example.com/program\n\ngo 1.26\n",
		"main.go":    "package main\n\nimport \"example.com/program/lib\"\n\nvar version string\n\nfunc main() { println(lib.Answer(1), version, extra) }\n",
		"extra.go":   "//go:build !more\n\npackage main\n\nconst extra = 0\n",
		"more.go":    "//go:build more\n\npackage main\n\nconst extra = 1\n",
		"lib/lib.go": lib,
	}
}

// write makes a tree of files and gives its directory.
func write(t testing.TB, files map[string]string) string {
	t.Helper()

	// Names with symbolic links in them are tested where it matters.
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)

	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o777))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o666))
	}

	return dir
}

// plain is an environment that asks for nothing and reaches no network.
func plain(env ...string) []string {
	base := append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOPROXY=off", "GOENV=off", "CGO_ENABLED=0")
	return append(base, env...)
}

// goBuild builds the program in a directory and gives the path of its file.
func goBuild(t testing.TB, dir string, env []string, flags ...string) string {
	t.Helper()

	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", out}, flags...)...)
	cmd.Dir, cmd.Env = dir, env

	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)

	return out
}

// open builds and opens a program.
func open(t testing.TB, files map[string]string, flags ...string) (*Build, string) {
	t.Helper()

	dir := write(t, files)

	b, err := Open(t.Context(), goBuild(t, dir, plain(), flags...), OpenOptions{Dir: dir, Env: plain()})
	require.NoError(t, err)

	return b, dir
}

// object gives the content of a package's object.
func (b *Build) object(t testing.TB, path string) string {
	t.Helper()

	for _, o := range b.Objects {
		if o.Package == path {
			return string(o.Archive)
		}
	}

	require.Fail(t, "no object of "+path)

	return ""
}

// answers starts a program and gives what it prints.
func answers(t testing.TB, b *Build) string {
	t.Helper()

	name := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(name, b.ELF, 0o700))

	out, err := exec.CommandContext(t.Context(), name).CombinedOutput()
	require.NoError(t, err)

	return strings.TrimSpace(string(out))
}
