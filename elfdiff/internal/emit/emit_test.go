package emit

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/payload"
)

// emulator runs programs for arm64.
const emulator = "qemu-aarch64-static"

// library is where Debian has the dynamic linker that position-independent ones ask for.
const library = "/usr/aarch64-linux-gnu"

func run(t *testing.T, c config, env []string, args ...string) string {
	t.Helper()

	if c.arch == "arm64" && runtime.GOARCH != "arm64" {
		if _, err := exec.LookPath(emulator); err != nil {
			lacking(t, err.Error())
		}

		args = append([]string{emulator}, args...)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "QEMU_LD_PREFIX="+library) // of no matter to programs that aren't emulated
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "Could not open '/lib/ld-linux") {
		lacking(t, "no C library for arm64 in "+library)
	}

	require.NoError(t, err, "%.4000s", out)

	return string(out)
}

func TestEmit_runsInTheBase(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	for _, x := range []struct {
		name   string
		config config
		env    []string
	}{
		{"as it is", config{}, nil},
		{"clobbered", config{flags: []string{"-trimpath"}}, []string{"GOGC=1", "GODEBUG=gccheckmark=1,clobberfree=1"}},
		{"anywhere", config{flags: []string{"-buildmode=pie"}}, nil},
		{"not optimised", config{flags: []string{"-gcflags=all=-N -l"}}, nil},
		{"linked by the C linker", config{flags: []string{"-ldflags=-linkmode=external"}, cgo: true}, nil},
		{"linked by the C linker, anywhere", config{flags: []string{"-buildmode=pie", "-ldflags=-linkmode=external"}, cgo: true}, nil},
		{"races are found", config{flags: []string{"-race"}, cgo: true}, nil},
		{"arm64", config{arch: "arm64"}, nil},
		{"arm64 anywhere", config{arch: "arm64", flags: []string{"-buildmode=pie"}}, nil},
		{"go1.27", config{toolchain: "go1.27.4"}, []string{"GOGC=1", "GODEBUG=clobberfree=1"}},
		{"go1.27 arm64", config{toolchain: "go1.27.4", arch: "arm64"}, nil},
		{"go1.27 anywhere", config{toolchain: "go1.27.4", flags: []string{"-buildmode=pie"}}, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			version := x.config.version(t)
			base, fixed, exe, fixedExe := x.config.pair(t, text(t, "base"), text(t, "fixed"))

			f, err := Emit(newClosure(base).plan(t, fixed, version, "leaf", "all"))
			require.NoError(t, err)

			file, size := write(t, f)
			t.Logf("%d bytes of code, %d symbols, %d relocations, %d bytes", f.Text.Size, len(f.Symbols), len(f.Relocs), size)

			require.Equal(t, run(t, x.config, nil, fixedExe), run(t, x.config, x.env, exe, file))
		})
	}
}

// TestEmit_masksMatter shows that the test above would see wrong pointer masks.
func TestEmit_masksMatter(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	c := config{}
	base, fixed, exe, _ := c.pair(t, text(t, "base"), text(t, "fixed"))

	f, err := Emit(newClosure(base).plan(t, fixed, c.version(t), "all"))
	require.NoError(t, err)

	v := reader(f, c)
	for _, m := range []uint64{v.mod.gcdatamask, v.mod.gcbssmask} {
		clear(v.bytes(v.word(m+maskBytes), uint64(le.Uint32(v.bytes(v.md+m, 4)))/8))
	}

	file, _ := write(t, f)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	cmd := exec.CommandContext(ctx, exe, file)
	cmd.Env = append(os.Environ(), "GOGC=1", "GODEBUG=clobberfree=1")
	require.Error(t, cmd.Run())
}

func TestEmit_linksAgainstAPayload(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			c := config{arch: arch}
			base, first, exe, _ := c.pair(t, text(t, "base"), text(t, "fixed"))
			second, secondExe := c.build(t, c.files(t, strings.Replace(text(t, "fixed"), `return s + "new"`, `return s + "newer" + boxName + *origin.name`, 1)))

			f, err := Emit(newClosure(base).plan(t, first, c.version(t), "leaf", "all"))
			require.NoError(t, err)

			n := newClosure(base)
			id := n.stack(t, f, "main.leaf", "main.all")

			p := n.plan(t, second, c.version(t), "leaf", "all")
			p.Meta.Depends = []string{id}
			require.Less(t, len(p.Include), len(f.Symbols)/2)

			g, err := Emit(p)
			require.NoError(t, err)
			require.Contains(t, kinds(g), payload.RefPatch)

			below, _ := write(t, f)
			above, _ := write(t, g)

			require.Equal(t, lines(run(t, c, nil, secondExe), "all"), lines(run(t, c, nil, exe, below, above), "all"))
		})
	}
}

// lines are those that begin with a word.
func lines(s, first string) (out []string) {
	for _, l := range strings.Split(s, "\n") {
		if strings.HasPrefix(l, first+" ") {
			out = append(out, l)
		}
	}

	return out
}

func kinds(f *payload.File) (out []payload.RefKind) {
	for _, r := range f.Relocs {
		out = append(out, r.Ref.Kind)
	}

	return out
}
