package nest

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func archive(t *testing.T, files ...File) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Initramfs(&b, files...))
	return b.Bytes()
}

func TestInitramfs_bytes(t *testing.T) {
	got := archive(t, File{Name: "/a/f", Data: []byte("hello")})
	const zero = "00000000"
	want := "070701" + "00000001" + "000041ed" + zero + zero + "00000002" + zero + zero + zero + zero + zero + zero + "00000002" + zero + "a\x00" +
		"070701" + "00000002" + "000081a4" + zero + zero + "00000001" + zero + "00000005" + zero + zero + zero + zero + "00000004" + zero + "a/f\x00" + "\x00\x00" +
		"hello\x00\x00\x00" +
		"070701" + zero + zero + zero + zero + "00000001" + zero + zero + zero + zero + zero + zero + "0000000b" + zero + "TRAILER!!!\x00" + "\x00\x00\x00"
	require.Equal(t, want, string(got))
	require.Equal(t, got, archive(t, File{Name: "a/f", Data: []byte("hello")}), "equal arguments must give equal bytes")
}

// TestInitramfs_extract gives an archive to cpio, an implementation not ours.
func TestInitramfs_extract(t *testing.T) {
	busybox, err := staticBusybox()
	require.NoError(t, err)
	ramdisk := archive(t,
		File{Name: "bin/tool", Mode: 0o755, Data: bytes.Repeat([]byte("x"), 4097)},
		File{Name: "bin/link", Mode: fs.ModeSymlink, Data: []byte("tool")},
		File{Name: "empty"},
		File{Name: "dir", Mode: fs.ModeDir | 0o700},
		File{Name: "dir/pipe", Mode: fs.ModeNamedPipe | 0o600},
	)
	dir := t.TempDir()
	cmd := exec.Command(busybox, "cpio", "-i", "-d")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(ramdisk)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for name, mode := range map[string]fs.FileMode{
		"bin":      fs.ModeDir | 0o755,
		"bin/tool": 0o755,
		"bin/link": fs.ModeSymlink | 0o777,
		"empty":    0o644,
		"dir":      fs.ModeDir | 0o700,
		"dir/pipe": fs.ModeNamedPipe | 0o600,
	} {
		info, err := os.Lstat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), name)
	}
	data, err := os.ReadFile(filepath.Join(dir, "bin/link"))
	require.NoError(t, err)
	require.Len(t, data, 4097)
}

func TestInitramfs_device(t *testing.T) {
	got := string(archive(t, File{Name: "console", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600, Major: 5, Minor: 1}))
	require.Equal(t, "00002180", got[14:22], "mode")
	require.Equal(t, "00000005"+"00000001", got[6+9*8:6+11*8], "device number")
}

func TestInitramfs_refuses(t *testing.T) {
	for name, files := range map[string][]File{
		"empty name":      {{Name: "/"}},
		"parent":          {{Name: "../x"}},
		"unclean":         {{Name: "a//b"}},
		"NUL":             {{Name: "a\x00b"}},
		"twice":           {{Name: "a"}, {Name: "/a"}},
		"directory late":  {{Name: "a/b"}, {Name: "a", Mode: fs.ModeDir}},
		"below a file":    {{Name: "a"}, {Name: "a/b"}},
		"socket":          {{Name: "a", Mode: fs.ModeSocket}},
		"parent directly": {{Name: ".."}},
	} {
		require.Error(t, Initramfs(io.Discard, files...), name)
	}
}

func TestInitramfs_writeError(t *testing.T) {
	require.ErrorIs(t, Initramfs(failingWriter{}, File{Name: "a", Data: make([]byte, 1<<20)}), io.ErrClosedPipe)
	require.ErrorIs(t, Initramfs(failingWriter{}, File{Name: "a"}), io.ErrClosedPipe)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestGzip(t *testing.T) {
	ramdisk := bytes.Repeat([]byte("ramdisk "), 10000)
	z := Gzip(ramdisk)
	require.Less(t, len(z), len(ramdisk)/10)
	require.Equal(t, z, Gzip(ramdisk))
	r, err := gzip.NewReader(bytes.NewReader(z))
	require.NoError(t, err)
	back, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, ramdisk, back)
}

func TestGuestInitrd(t *testing.T) {
	ramdisk, err := GuestInitrd(t.Context(), "echo hello", File{Name: "/bin/ls", Mode: 0o755, Data: []byte("not busybox")}, File{Name: "etc/motd"})
	require.NoError(t, err)
	for _, part := range []string{"#!/bin/busybox sh\necho hello", "bin/ls\x00", "not busybox", "etc/motd\x00", "dev/console\x00", "bin/mount\x00"} {
		require.True(t, bytes.Contains(ramdisk, []byte(part)), part)
	}
	require.Equal(t, 1, bytes.Count(ramdisk, []byte("bin/ls\x00")))
}

func TestGuestInitrdFor(t *testing.T) {
	const script = "/bin/busybox --install -s /bin"
	here, err := GuestInitrd(t.Context(), script)
	require.NoError(t, err)
	there, err := GuestInitrdFor(t.Context(), "arm64", script)
	require.NoError(t, err)
	for _, part := range []string{"#!/bin/busybox sh\n" + script, "bin/busybox\x00", "dev/console\x00"} {
		require.True(t, bytes.Contains(there, []byte(part)), part)
	}
	machine := func(ramdisk []byte) elf.Machine {
		return elf.Machine(ramdisk[bytes.Index(ramdisk, []byte("\x7fELF"))+18])
	}
	require.Equal(t, elf.EM_X86_64, machine(here))
	require.Equal(t, elf.EM_AARCH64, machine(there))
	require.False(t, bytes.Contains(there, []byte("bin/mount\x00")), "which applets it has isn't known here")
	_, err = GuestInitrdFor(t.Context(), "pdp11", script)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
