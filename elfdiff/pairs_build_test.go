package elfdiff_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
)

// module is the main module of all pairs; each is a directory of it, so that one run of the
// go command builds many.
const module = "example.com/pair"

func (p *pair) path() string { return module + "/" + p.name }

// own is a text of the pair, with its import paths as they are where it is built.
func (p *pair) own(s string) string { return strings.ReplaceAll(s, module, p.path()) }

// builds is where the programs and their objects are.
type builds struct {
	dir     string
	objects map[string]map[string][]object // by side and name of the pair

	cache sync.Map // of the files of objects, by path: most are in every program
}

type object struct{ pkg, file string }

func (b *builds) program(side string, p *pair) string {
	return filepath.Join(b.dir, "bin", side, p.name)
}

// buildPairs builds all programs: those with the same flags in one go.
func buildPairs(t *testing.T, pairs []*pair) *builds {
	t.Helper()

	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("patches are for linux on amd64 and arm64")
	}

	b := &builds{dir: t.TempDir(), objects: map[string]map[string][]object{}}
	start := time.Now()

	for _, side := range sides {
		b.objects[side] = map[string][]object{}
		groups := map[string][]*pair{}

		for _, p := range pairs {
			b.write(t, side, p)

			key := fmt.Sprint(p.flags[side], p.env[side])
			groups[key] = append(groups[key], p)
		}

		b.module(t, side)

		for _, key := range slices.Sorted(maps.Keys(groups)) {
			b.build(t, side, groups[key])
		}
	}

	t.Logf("%d pairs built in %v", len(pairs), time.Since(start).Round(time.Second/10))

	return b
}

// write writes the sources of one side of a pair.
func (b *builds) write(t *testing.T, side string, p *pair) {
	t.Helper()

	files := maps.Clone(p.files[side])
	files["harness.go"] = harness(t)

	for name, content := range files {
		file := filepath.Join(b.dir, side, p.name, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
		require.NoError(t, os.WriteFile(file, []byte(p.own(content)), 0o666))
	}
}

func (b *builds) module(t *testing.T, side string) {
	t.Helper()

	require.NoError(t, os.WriteFile(filepath.Join(b.dir, side, "go.mod"), []byte(goMod(t, module)), 0o666))
}

// build builds pairs of the same flags, and notes which objects each program consists of.
func (b *builds) build(t *testing.T, side string, pairs []*pair) {
	t.Helper()

	var packages []string
	for _, p := range pairs {
		packages = append(packages, "./"+p.name)
	}

	bin := filepath.Join(b.dir, "bin", side) + "/"
	require.NoError(t, os.MkdirAll(bin, 0o777))

	b.goCommand(t, side, pairs[0], []string{"build", "-p", "2", "-o", bin}, packages)
	out := b.goCommand(t, side, pairs[0], []string{"list", "-export", "-deps", "-json=ImportPath,Export,Deps"}, packages)

	type listed struct {
		ImportPath, Export string
		Deps               []string
	}

	all := map[string]listed{}

	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed

		err := d.Decode(&l)
		if errors.Is(err, io.EOF) {
			break
		}

		require.NoError(t, err)

		all[l.ImportPath] = l
	}

	for _, p := range pairs {
		deps := slices.Sorted(slices.Values(append(slices.Clone(all[p.path()].Deps), p.path())))

		for _, dep := range deps {
			if file := all[dep].Export; file != "" { // unsafe has none
				b.objects[side][p.name] = append(b.objects[side][p.name], object{dep, file})
			}
		}
	}
}

func (b *builds) goCommand(t *testing.T, side string, like *pair, args, packages []string) []byte {
	t.Helper()

	args = slices.Concat(args, []string{"-trimpath"}, like.flags[side], packages)

	return runGo(t, filepath.Join(b.dir, side), like.env[side], args...)
}

// runGo gives what the go command of the tests writes to its standard output.
func runGo(t *testing.T, dir string, env []string, args ...string) []byte {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), filepath.Join(runtime.GOROOT(), "bin", "go"), args...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), []string{"GOFLAGS=", "GOWORK=off"}, env)

	var problems bytes.Buffer
	cmd.Stderr = &problems

	out, err := cmd.Output()
	require.NoError(t, err, "%v\n%s", cmd, problems.String())

	return out
}

// goMod is the go.mod of a program that is patched: it has the module that these tests are in.
func goMod(t testing.TB, module string) string {
	t.Helper()

	root, err := filepath.Abs("..")
	require.NoError(t, err)

	return fmt.Sprintf("module %s\n\ngo 1.26.3\n\nrequire github.com/vgraft/vgraft v0.0.0\n\nreplace github.com/vgraft/vgraft => %q\n", module, root)
}

// harness is the part of a program that obeys a process.
func harness(t *testing.T) string {
	t.Helper()

	text, err := os.ReadFile("testdata/harness.go.txt")
	require.NoError(t, err)

	return string(text)
}

// open gives a program to elfdiff.
func (b *builds) open(t *testing.T, side string, p *pair) *elfdiff.Build {
	t.Helper()

	elf, err := os.ReadFile(b.program(side, p))
	require.NoError(t, err)

	var objects []elfdiff.Object

	for _, o := range b.objects[side][p.name] {
		content, ok := b.cache.Load(o.file)
		if !ok {
			data, err := os.ReadFile(o.file)
			require.NoError(t, err)

			content = data
			if !strings.HasPrefix(o.pkg, module) {
				b.cache.Store(o.file, data)
			}
		}

		objects = append(objects, elfdiff.Object{Package: o.pkg, Archive: content.([]byte)})
	}

	build, err := elfdiff.NewBuild(elf, objects)
	require.NoError(t, err)

	return build
}
