package nest

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeArchive is a packageSource in memory.
type fakeArchive struct {
	version        string
	unknown, down  atomic.Bool // not in the lists; not reachable
	fetched, asked atomic.Int32
	refreshed      atomic.Int32
	refreshHelps   bool
}

func (a *fakeArchive) newest(context.Context, string) (string, string, error) {
	a.asked.Add(1)
	if a.unknown.Load() {
		return "", "", errors.New("unknown package")
	}
	return "linux-image-" + a.version, a.version + "-1", nil
}

func (a *fakeArchive) fetch(_ context.Context, _, _, dir string) error {
	if a.down.Load() {
		return errors.New("archive is down")
	}
	a.fetched.Add(1)
	if err := os.MkdirAll(filepath.Join(dir, "lib/modules", a.version, "kernel"), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "boot"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "boot/vmlinuz-"+a.version), nil, 0o644)
}

func (a *fakeArchive) refresh(context.Context) error {
	a.refreshed.Add(1)
	if !a.refreshHelps {
		return errors.New("only root")
	}
	a.unknown.Store(false)
	return nil
}

func TestKernelCache(t *testing.T) {
	a := &fakeArchive{version: "6.1.0-1"}
	c := kernelCache{dir: filepath.Join(t.TempDir(), "kernels"), meta: "linux-image", source: a, open: openKernel}
	age := func() {
		old := time.Now().Add(-2 * recheckAfter)
		require.NoError(t, os.Chtimes(filepath.Join(c.dir, "current"), old, old))
	}
	get := func(release string) {
		t.Helper()
		k, err := c.get(t.Context())
		require.NoError(t, err)
		require.Equal(t, release, k.Release)
		require.FileExists(t, k.Vmlinuz)
		require.DirExists(t, k.Modules)
	}

	// Many at once: one downloads, all get it.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if k, err := c.get(t.Context()); err != nil || k.Release != "6.1.0-1" {
				t.Errorf("got %+v, %v", k, err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, a.fetched.Load())
	get("6.1.0-1")
	require.EqualValues(t, 1, a.asked.Load(), "a fresh cache must not ask")

	age() // nothing new: no download
	get("6.1.0-1")
	require.EqualValues(t, 2, a.asked.Load())
	require.EqualValues(t, 1, a.fetched.Load())

	a.version = "6.1.0-2" // something new, but not reachable: the old one serves
	a.down.Store(true)
	age()
	get("6.1.0-1")
	get("6.1.0-1")
	require.EqualValues(t, 3, a.asked.Load(), "an archive that is down must not be asked each time")

	a.down.Store(false)
	age()
	get("6.1.0-2")
	left, err := filepath.Glob(filepath.Join(c.dir, ".tmp-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestKernelCache_missingLists(t *testing.T) {
	a := &fakeArchive{version: "6.1.0-1"}
	a.unknown.Store(true)
	c := kernelCache{dir: t.TempDir(), meta: "linux-image-x", source: a, open: openKernel}
	_, err := c.get(t.Context())
	var pkg *PackageError
	require.ErrorAs(t, err, &pkg)
	require.ErrorContains(t, err, "nest: kernel package linux-image-x: unknown package\nonly root; try: apt-get update")

	a.refreshHelps = true
	_, err = c.get(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, a.refreshed.Load())
}

func TestKernelCache_cancelledWaiter(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockFile(t.Context(), filepath.Join(dir, ".lock"))
	require.NoError(t, err)
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = kernelCache{dir: dir, source: &fakeArchive{}}.get(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestKernel_flavour(t *testing.T) {
	_, err := Kernel(t.Context(), "tiny")
	require.ErrorContains(t, err, `no kernel flavour "tiny"`)
}

func TestDependency(t *testing.T) {
	require.Equal(t, "linux-image-6.1.0-1-amd64", dependency("linux-image-amd64\n  PreDepends: linux-image-no\n  Depends: linux-image-6.1.0-1-amd64 (= 6.1-1)\n"))
	require.Empty(t, dependency("linux-image-amd64\n  Depends: something\n"))
	require.Empty(t, dependency(""))
}

func TestMissingTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for want, do := range map[string]func() error{
		"nest: qemu-system-x86_64 not found; install it with: apt-get install -y qemu-system-x86": func() error {
			t.Setenv(NestedEnv, "")
			_, err := Run(t.Context(), Config{}, "/bin/true")
			return err
		},
		"nest: busybox not found; install it with: apt-get install -y busybox-static": func() error {
			_, err := GuestInitrd(t.Context(), "")
			return err
		},
		"nest: apt-cache not found; install it with: apt-get install -y apt": func() error {
			_, _, err := apt{}.newest(t.Context(), "x")
			return err
		},
		"nest: lz4 not found; install it with: apt-get install -y lz4": func() error {
			_, err := decompress(t.Context(), []byte("\x02\x21\x4c\x18 and so on"))
			return err
		},
		"nest: xz not found; install it with: apt-get install -y xz-utils": func() error {
			_, err := decompress(t.Context(), []byte("\xfd7zXZ\x00 and so on"))
			return err
		},
	} {
		err := do()
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, exec.ErrNotFound)
		require.ErrorAs(t, err, new(*MissingToolError))
	}
}

func TestStaticBusybox_refusesScript(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "busybox"), []byte("#!/bin/sh\n"), 0o755))
	t.Setenv("PATH", dir)
	_, err := staticBusybox()
	require.EqualError(t, err, "nest: busybox in PATH is no ELF program; install it with: apt-get install -y busybox-static")
}

func TestPayload(t *testing.T) {
	var kernel bytes.Buffer // the smallest thing debug/elf opens
	require.NoError(t, binary.Write(&kernel, binary.LittleEndian, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64, Shentsize: 64,
	}))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write(kernel.Bytes())
	require.NoError(t, err)
	require.NoError(t, w.Close())

	const sects, offset = 2, 0x30
	image := make([]byte, (sects+1)*512+offset)
	image[setupSectsOff] = sects
	copy(image[setupMagicOff:], "HdrS")
	binary.LittleEndian.PutUint16(image[setupVersionOff:], 0x20f)
	binary.LittleEndian.PutUint32(image[payloadOffsetOff:], offset)
	binary.LittleEndian.PutUint32(image[payloadLengthOff:], uint32(z.Len()))
	image = append(image, z.Bytes()...)
	p, err := payload(image)
	require.NoError(t, err)
	got, err := decompress(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, kernel.Bytes(), got)

	_, err = payload(image[:len(image)-1])
	require.ErrorContains(t, err, "not inside the image")
	_, err = payload(image[:100])
	require.ErrorContains(t, err, "not a bzImage")
	_, err = decompress(t.Context(), []byte("what is this?"))
	require.ErrorContains(t, err, "no way known here")
}

func TestModuleClosure(t *testing.T) {
	deps := map[string][]string{"kvm-amd": {"kvm", "ccp"}, "kvm": {"irqbypass"}, "a": {"b"}, "b": {"a"}, "orphan": {"gone"}, "virtio_net": {"virtio", "kvm_amd"}}
	s := &moduleSet{dir: "/m", paths: map[string]string{}, builtin: map[string]bool{"virtio": true}}
	for _, n := range []string{"kvm-amd", "kvm", "ccp", "irqbypass", "a", "b", "orphan", "virtio_net"} {
		s.paths[moduleName(n)] = "/m/" + n + ".ko"
	}
	s.depends = func(p string) ([]string, error) {
		return deps[filepath.Base(p[:len(p)-len(".ko")])], nil
	}
	got, err := s.closure([]string{"kvm_amd", "virtio_net", "virtio", "kvm-amd", "ccp"})
	require.NoError(t, err)
	require.Equal(t, []string{"/m/irqbypass.ko", "/m/kvm.ko", "/m/ccp.ko", "/m/kvm-amd.ko", "/m/virtio_net.ko"}, got)
	_, err = s.closure([]string{"a"})
	require.ErrorContains(t, err, "a and b need each other")
	_, err = s.closure([]string{"orphan"})
	require.EqualError(t, err, "nest: modules: /m has no module gone (needed by orphan)")
	_, err = s.closure([]string{"nothing"})
	require.EqualError(t, err, "nest: modules: /m has no module nothing")
}

func TestRigError(t *testing.T) {
	long := ""
	for i := range 100 {
		long += fmt.Sprintf("line %d\n", i)
	}
	err := error(&RigError{Phase: PhaseBoot, Err: context.DeadlineExceeded, Console: long})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Contains(t, err.Error(), "nest: rig failed in phase boot: context deadline exceeded\nconsole:\n\tline 40\n")
	require.NotContains(t, err.Error(), "line 39")
}

func TestTail(t *testing.T) {
	var tl tail
	for i := range 100000 {
		fmt.Fprintf(&tl, "line %d\r\n", i)
	}
	fmt.Fprintf(&tl, "qemu: warning: %s: X\n", tcgNoise)
	got := tl.String()
	require.NotContains(t, got, "warning")
	require.LessOrEqual(t, len(got), 2*tailBytes)
	require.Contains(t, got, "line 99998\nline 99999\n")
}

// In the rig nobody asks an archive that can't be reached.
func TestKernel_inTheRig(t *testing.T) {
	t.Setenv(NestedEnv, "1")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := Kernel(t.Context(), Cloud)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "fetched before")
}
