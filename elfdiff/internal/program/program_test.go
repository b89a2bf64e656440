package program

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const mainSource = `package main

type shape interface{ area() int }

type square struct{ side int }

func (s square) area() int { return s.side * s.side }

type pair struct {
	a, b int
	next *pair
}

var table = map[string]func(int) int{"double": func(n int) int { return 2 * n }}

var shapes = []shape{square{2}}

//go:noinline
func sum(p *pair, n int, s string) (total int, ok bool) {
	for ; p != nil; p = p.next {
		total += p.a + p.b*n
	}

	return total, len(s) > n
}

var all int

//go:noinline
func add(n int) int {
	all += n

	return all
}

//go:noinline
//go:nosplit
func twice(n int) int { return add(n) + add(n) }

func main() {
	n, ok := sum(&pair{1, 2, nil}, len(shapes), "x")
	println(n, ok, table["double"](3), shapes[0].area(), twice(n))
}
`

// linked builds a program, and gives its file and packages.
func linked(t testing.TB, env []string, flags ...string) ([]byte, []Package) {
	t.Helper()

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(mainSource), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/m\n\ngo 1.26\n"), 0o666))

	run := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0"), env...)

		out, err := cmd.Output()
		require.NoError(t, err, "go %v", args)

		return string(out)
	}

	run(append(append([]string{"build", "-o", "prog"}, flags...), ".")...)

	var pkgs []Package

	list := run(append(append([]string{"list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}} {{.Export}}{{end}}"}, flags...), ".")...)
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		path, file, _ := strings.Cut(line, " ")

		a, err := os.ReadFile(file)
		require.NoError(t, err)

		pkgs = append(pkgs, Package{path, a})
	}

	file, err := os.ReadFile(filepath.Join(dir, "prog"))
	require.NoError(t, err)

	return file, pkgs
}

func open(t testing.TB, file []byte, pkgs []Package) *Program {
	t.Helper()

	m, err := OpenImage(file)
	require.NoError(t, err)

	p, err := New(m, "example.com/m", pkgs)
	require.NoError(t, err)

	return p
}

// TestLink joins programs that were linked in several ways with their objects.
func TestLink(t *testing.T) {
	for _, c := range []struct {
		name  string
		env   []string
		flags []string
	}{
		{name: "plain"},
		{name: "trimpath", flags: []string{"-trimpath"}},
		{name: "PIE", flags: []string{"-buildmode=pie"}},
		{name: "no optimisation", flags: []string{"-gcflags=all=-N -l"}},
		{name: "arm64", env: []string{"GOARCH=arm64"}},
		{name: "arm64 PIE", env: []string{"GOARCH=arm64"}, flags: []string{"-buildmode=pie"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, pkgs := linked(t, c.env, c.flags...)
			p := open(t, file, pkgs)

			proof, err := p.Link()
			require.NoError(t, err)
			require.Greater(t, proof.Symbols, proof.FromTable)
			require.Greater(t, proof.Relocs, 5000)

			sum := p.Func("main.sum")
			require.True(t, sum.Linked)

			e, ok := p.ELF.Lookup("main.sum")
			require.True(t, ok)
			require.Equal(t, e.Addr, sum.Addr)

			sig, ok := sum.Signature()
			require.True(t, ok)
			require.Equal(t, []string{"in *main.pair", "in int", "in string", "out int", "out bool"}, sig)

			pair := p.Named(Key{Name: "type:main.pair"})
			require.Contains(t, pair.Shape().Layout, "24 bytes, 24 with pointers")

			square := p.Named(Key{Name: "type:main.square"})
			require.Len(t, square.Methods(), 1)
			require.Equal(t, "main.area", square.Methods()[0].Name)
			require.Equal(t, []string{"area"}, p.Named(Key{Name: "type:main.shape"}).InterfaceMethods())
		})
	}
}

// TestLink_others refuses objects that aren't the program's: one byte of one function is
// another one.
func TestLink_others(t *testing.T) {
	file, pkgs := linked(t, nil)
	last := &pkgs[len(pkgs)-1]

	p := open(t, file, pkgs)
	code := p.Func("main.sum").Data

	at := strings.Index(string(last.Archive), string(code))
	require.Positive(t, at)

	last.Archive = append([]byte(nil), last.Archive...)
	last.Archive[at+len(code)-1] ^= 1

	proof, err := open(t, file, pkgs).Link()
	require.ErrorIs(t, err, ErrProof)
	require.Equal(t, []string{"main.sum"}, proof.Mismatches)

	_, pkgs = linked(t, nil, "-gcflags=all=-N -l")
	_, err = open(t, file, pkgs).Link()
	require.ErrorIs(t, err, ErrProof)
}

// TestLink_missing refuses a program of which a package is missing.
func TestLink_missing(t *testing.T) {
	file, pkgs := linked(t, nil)

	m, err := OpenImage(file)
	require.NoError(t, err)

	_, err = New(m, "example.com/m", pkgs[1:])
	require.ErrorContains(t, err, "which isn't there")

	_, err = New(m, "example.com/other", pkgs)
	require.ErrorContains(t, err, "the program's own")
}

func TestOpenImage_refused(t *testing.T) {
	file, _ := linked(t, nil)

	stripped, _ := linked(t, nil, "-ldflags=-s")
	_, err := OpenImage(stripped)
	require.ErrorIs(t, err, ErrImage)

	for n := 0; n < len(file); n += 1 + n/7 {
		_, err := OpenImage(file[:n])
		require.ErrorIs(t, err, ErrImage, "%d bytes", n)
	}
}
