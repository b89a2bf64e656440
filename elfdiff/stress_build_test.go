//go:build linux

package elfdiff_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newest is the other version of Go whose programs are patched.
const newest = "go1.27.4"

// emulator runs programs for arm64.
const emulator = "qemu-aarch64-static"

// libraryOfArm64 is where Debian has the dynamic linker that position-independent programs
// ask for.
const libraryOfArm64 = "/usr/aarch64-linux-gnu"

// form is a way of building a program.
type form struct {
	name  string
	flags []string // of go build
	env   []string
	cgo   bool

	profiled bool // built with a profile of itself
	stripped bool // what runs has no symbols, unlike what was compared
	arm64    bool
	go127    bool
}

var static = form{name: "static"}

// forms are those that are built and run.
var forms = []form{
	static,
	{name: "stripped", stripped: true},
	{name: "pie", flags: []string{"-buildmode=pie"}},
	{name: "trimpath", flags: []string{"-trimpath"}},
	{name: "pgo", profiled: true},
	{name: "plain", flags: []string{"-gcflags=all=-N -l"}},
	{name: "external", flags: []string{"-ldflags=-linkmode=external"}, cgo: true},
	{name: "external-pie", flags: []string{"-buildmode=pie", "-ldflags=-linkmode=external"}, cgo: true},
	{name: "race", flags: []string{"-race"}, cgo: true},
	{name: "go1.27", go127: true},
	{name: "go1.27-pie", flags: []string{"-buildmode=pie"}, go127: true},
	{name: "arm64", arm64: true},
	{name: "arm64-pie", flags: []string{"-buildmode=pie"}, arm64: true},
	{name: "arm64-go1.27", arm64: true, go127: true},
}

func (f form) environ() []string {
	env := slices.Concat(os.Environ(), []string{"GOFLAGS=", "GOWORK=off", "GOENV=off", "GOOS=linux", "GORACE=exitcode=0 log_path=/dev/null"}, f.env)

	set := func(name string, yes bool, a, b string) {
		if !yes {
			a = b
		}

		env = append(env, name+"="+a)
	}

	set("CGO_ENABLED", f.cgo, "1", "0")
	set("GOTOOLCHAIN", f.go127, newest, "local")
	set("GOARCH", f.arm64, "arm64", runtime.GOARCH)

	return env
}

// emulated says whether the form's programs are for another machine than this one.
func (f form) emulated() bool { return f.arm64 && runtime.GOARCH != "arm64" }

// missing is what the form needs and isn't there.
func (f form) missing(t testing.TB) string {
	t.Helper()

	has := func(tool string) bool { _, err := exec.LookPath(tool); return err == nil }

	switch {
	case f.cgo && (!has("gcc") || f.emulated()):
		return "no C compiler"
	case f.stripped && !has("strip"):
		return "no strip"
	case f.emulated() && !has(emulator):
		return "no " + emulator
	case f.emulated() && len(f.flags) > 0 && !has(libraryOfArm64+"/lib/ld-linux-aarch64.so.1"):
		return "no dynamic linker for arm64"
	}

	if out, err := f.goCommand(t.Context(), t.TempDir(), "version").CombinedOutput(); err != nil {
		return fmt.Sprintf("no toolchain: %s", out)
	}

	return ""
}

func (f form) goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(runtime.GOROOT(), "bin", "go"), args...)
	cmd.Dir, cmd.Env = dir, f.environ()

	return cmd
}

// run runs a program of the form.
func (f form) run(t testing.TB, limit time.Duration, program string, env []string, args ...string) (string, error) {
	t.Helper()

	if f.emulated() {
		args = append([]string{program}, args...)
		program = emulator
	}

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()

	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = slices.Concat(f.environ(), []string{"QEMU_LD_PREFIX=" + libraryOfArm64, "GOTRACEBACK=all"}, env)
	cmd.WaitDelay = time.Second

	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}

	return string(out), err
}

// source writes the module of a version, and gives its directory.
func source(t testing.TB, versions ...string) string {
	t.Helper()

	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)

	for _, v := range versions {
		from := filepath.Join("testdata", "stress", v)
		files, err := filepath.Glob(filepath.Join(from, "*.go"))
		require.NoError(t, err)

		more, err := filepath.Glob(filepath.Join(from, "*", "*.go"))
		require.NoError(t, err)

		for _, file := range append(files, more...) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)

			name, err := filepath.Rel(from, file)
			require.NoError(t, err)

			name = filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o777))
			require.NoError(t, os.WriteFile(name, text, 0o666))
		}
	}

	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(goMod(t, "example.com/stress")), 0o666))

	return dir
}

func (f form) build(t testing.TB, dir string, flags ...string) string {
	t.Helper()

	out := filepath.Join(t.TempDir(), "stress")
	args := slices.Concat([]string{"build", "-p", "2", "-o", out}, f.flags, flags, []string{"."})

	text, err := f.goCommand(t.Context(), dir, args...).CombinedOutput()
	require.NoError(t, err, "%s", text)

	return out
}
