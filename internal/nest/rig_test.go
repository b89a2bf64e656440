package nest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
)

// helperEnv makes this test binary the command that TestRun runs in the rig.
const helperEnv = "VGRAFT_NEST_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		os.Exit(helper())
	}
	os.Exit(m.Run())
}

// blob is more than a pipe, a socket and a virtqueue hold, has all byte values,
// and no period that a lost buffer could hide in.
func blob() []byte {
	b := make([]byte, 1<<20+3)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// helper reports on stderr what it sees, and writes the blob to stdout.
func helper() int {
	wd, err := os.Getwd()
	fmt.Fprintf(os.Stderr, "wd %s %v\nargs %q\nhelper %q nested %q inside %v\n",
		wd, err, os.Args[1:], os.Getenv(helperEnv), os.Getenv(nest.NestedEnv), nest.Inside())
	_, err = nest.Run(context.Background(), nest.Config{}, "true")
	fmt.Fprintf(os.Stderr, "again %v\n", err != nil)
	fd, err := unix.Open("/dev/kvm", unix.O_RDWR|unix.O_CLOEXEC, 0)
	fmt.Fprintf(os.Stderr, "kvm %v\n", err)
	vm, err := unix.IoctlRetInt(fd, 0xAE01) // KVM_CREATE_VM
	fmt.Fprintf(os.Stderr, "vm %v %v\n", vm > 0, err)
	fmt.Fprintf(os.Stderr, "file %v\n", os.WriteFile("from-inside", []byte("hello"), 0o600))
	// A child that outlives us and keeps our streams open must not keep the rig.
	_, err = os.StartProcess("/run/nest/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
	fmt.Fprintf(os.Stderr, "child %v\n", err)
	os.Stdout.Write(blob())
	return 42
}

// needRig tells where rig tests can't run.
func needRig(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: boots the rig")
	}
	if nest.Inside() {
		t.Skip("this is the rig; it does not nest")
	}
}

func TestRun(t *testing.T) {
	needRig(t)
	testutil.NoLeaks(t)
	exe, err := os.Executable()
	require.NoError(t, err)
	runHelper(t, nest.Config{}, exe)
}

// TestRun_arm64 has a program for another machine, on both kinds of its processors.
func TestRun_arm64(t *testing.T) {
	needRig(t)
	exe := filepath.Join(t.TempDir(), "nest.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", exe, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	testutil.NoLeaks(t)
	for _, cpu := range []string{"", "cortex-a72"} {
		runHelper(t, nest.Config{CPU: cpu}, exe)
	}
}

// runHelper runs a test binary of this package as the helper in the rig.
func runHelper(t *testing.T, cfg nest.Config, exe string) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "it's here")
	require.NoError(t, err)
	var stdout, stderr bytes.Buffer
	start := time.Now()
	cfg.Dir, cfg.Env, cfg.Stdout, cfg.Stderr = dir, []string{helperEnv + "=$a 'b'"}, &stdout, &stderr
	code, err := nest.Run(t.Context(), cfg, exe, "one", "", "two words")
	t.Logf("took %v", time.Since(start))
	require.NoError(t, err)
	require.Equal(t, 42, code)
	require.Equal(t, "wd "+dir+" <nil>\n"+
		"args [\"one\" \"\" \"two words\"]\n"+
		"helper \"$a 'b'\" nested \"1\" inside true\n"+
		"again true\nkvm <nil>\nvm true <nil>\nfile <nil>\nchild <nil>\n", stderr.String())
	require.True(t, bytes.Equal(blob(), stdout.Bytes()), "stdout differs: %d bytes", stdout.Len())
	got, err := os.ReadFile(filepath.Join(dir, "from-inside"))
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

// notify is a writer that closes a channel when it has got a text.
type notify struct {
	strings.Builder
	text string
	seen chan struct{}
	done bool
}

func (n *notify) Write(p []byte) (int, error) {
	n.Builder.Write(p)
	if !n.done && strings.Contains(n.String(), n.text) {
		n.done = true
		close(n.seen)
	}
	return len(p), nil
}

func TestRun_cancel(t *testing.T) {
	needRig(t)
	testutil.NoLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &notify{text: "three\n", seen: make(chan struct{})}
	go func() {
		<-out.seen
		cancel()
	}()
	code, err := nest.Run(ctx, nest.Config{Stdout: out, Stderr: out}, "sh", "-c", "echo one; echo two >&2; echo three; sleep 1000")
	require.ErrorIs(t, err, context.Canceled)
	var rig *nest.RigError
	require.ErrorAs(t, err, &rig)
	require.Equal(t, nest.PhaseRun, rig.Phase)
	require.Equal(t, -1, code)
	require.Equal(t, "one\ntwo\nthree\n", out.String(), "one writer for both streams keeps their order")
	require.Empty(t, children(t), "QEMU must be gone")
}

func TestRun_panic(t *testing.T) {
	needRig(t)
	testutil.NoLeaks(t)
	code, err := nest.Run(t.Context(), nest.Config{}, "sh", "-c", "echo c >/proc/sysrq-trigger; sleep 1000")
	var rig *nest.RigError
	require.ErrorAs(t, err, &rig)
	require.Equal(t, -1, code)
	require.Equal(t, nest.PhaseRun, rig.Phase)
	require.ErrorContains(t, err, "the machine stopped before the command ended")
	require.Contains(t, rig.Console, "sysrq triggered crash")
	require.Empty(t, children(t))
}

// TestRun_bootTimeout needs no boot that succeeds.
func TestRun_bootTimeout(t *testing.T) {
	needRig(t)
	testutil.NoLeaks(t)
	_, err := nest.Run(t.Context(), nest.Config{BootTimeout: 300 * time.Millisecond}, "true")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "rig failed in phase boot: the command has not started after 300ms")
	require.Empty(t, children(t))
}

func TestRun_mistakes(t *testing.T) {
	t.Setenv(nest.NestedEnv, "")
	for want, do := range map[string]func() (int, error){
		"no command given":          func() (int, error) { return nest.Run(t.Context(), nest.Config{}) },
		"Config.CPUs is -1":         func() (int, error) { return nest.Run(t.Context(), nest.Config{CPUs: -1}, "true") },
		"Config.MemoryMiB is 1":     func() (int, error) { return nest.Run(t.Context(), nest.Config{CPUs: -1, MemoryMiB: 1}, "true") },
		"Config.Dir":                func() (int, error) { return nest.Run(t.Context(), nest.Config{Dir: "/no/such"}, "true") },
		"executable file not found": func() (int, error) { return nest.Run(t.Context(), nest.Config{}, "no-such-program") },
		"is not NAME=value":         func() (int, error) { return nest.Run(t.Context(), nest.Config{Env: []string{"x"}}, "true") },
	} {
		code, err := do()
		require.ErrorContains(t, err, want)
		require.Equal(t, -1, code)
	}
}

// children lists the processes this one started and that are still there.
func children(t *testing.T) []string {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	require.NotEmpty(t, lists)
	var all []string
	for _, l := range lists {
		if data, err := os.ReadFile(l); err == nil {
			all = append(all, strings.Fields(string(data))...)
		}
	}
	return all
}

// TestVmlinux finds both kernels, with what the monitor's tests take from them.
func TestVmlinux(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: may download kernels")
	}
	for _, f := range []nest.Flavour{nest.Generic, nest.Cloud} {
		path, err := nest.Vmlinux(t.Context(), f)
		require.NoError(t, err)
		t.Log(path)
		k, err := nest.Kernel(t.Context(), f)
		require.NoError(t, err)
		require.FileExists(t, k.Config)
		modules, err := k.ModuleFiles("virtio_mmio", "virtio_blk", "virtio_net")
		require.NoError(t, err)
		var names []string
		for _, m := range modules {
			names = append(names, m.Name)
		}
		t.Log(k.Release, names)
		require.Regexp(t, `^modules/000-virtio(_ring)?\.ko$`, names[0])
		for _, want := range []string{"virtio_ring.ko", "virtio_mmio.ko", "virtio_blk.ko", "net_failover.ko", "virtio_net.ko"} {
			require.Contains(t, strings.Join(names, " "), want)
		}
	}
}

// TestEmulator runs in the rig of another architecture.
func TestEmulator(t *testing.T) {
	needRig(t)
	e, err := nest.Emulator(t.Context(), "arm64")
	require.NoError(t, err)
	require.FileExists(t, e.UEFI)

	busybox, err := nest.GuestInitrdFor(t.Context(), "arm64", "")
	require.NoError(t, err)
	require.NotEmpty(t, busybox)

	var out bytes.Buffer
	// The loader is a program for arm64, so that is what the rig is.
	code, err := nest.Run(t.Context(), nest.Config{Stdout: &out, Stderr: &out}, append(e.Argv, "--version")...)
	require.NoError(t, err)
	require.Zero(t, code, out.String())
	require.Contains(t, out.String(), "QEMU emulator version")

	_, err = nest.Emulator(t.Context(), "pdp11")
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
