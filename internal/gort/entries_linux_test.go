package gort

import (
	"os"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/payload"
)

func TestJump(t *testing.T) {
	for _, c := range []struct {
		arch     string
		n        int
		from, to uint64
		want     []byte
		err      error
	}{
		{"amd64", 5, 0x1000, 0x2000, []byte{0xe9, 0xfb, 0x0f, 0, 0}, nil},
		{"amd64", 5, 0x2000, 0x1000, []byte{0xe9, 0xfb, 0xef, 0xff, 0xff}, nil},
		{"amd64", 5, 0x1000, 0x1005 + 1<<31 - 1, []byte{0xe9, 0xff, 0xff, 0xff, 0x7f}, nil},
		{"amd64", 5, 0x1000, 0x1005 + 1<<31, nil, ErrNoRoom},
		{"amd64", 5, 1 << 40, 0x1000, nil, ErrNoRoom},
		{"arm64", 4, 0x1000, 0x2000, []byte{0, 4, 0, 0x14}, nil},
		{"arm64", 4, 0x2000, 0x1000, []byte{0, 0xfc, 0xff, 0x17}, nil},
		{"arm64", 4, 0x1000, 0x1000 + 1<<27 - 4, []byte{0xff, 0xff, 0xff, 0x15}, nil},
		{"arm64", 4, 0x1000, 0x1000 + 1<<27, nil, ErrNoRoom},
		{"arm64", 4, 0x1000, 0x1002, nil, ErrNoRoom},
		{"amd64", 4, 0x1000, 0x2000, nil, ErrNotSupported},
		{"riscv64", 4, 0x1000, 0x2000, nil, ErrNotSupported},
	} {
		b := make([]byte, c.n)
		err := jump(c.arch, b, c.from, c.to)

		if c.err != nil {
			require.ErrorIs(t, err, c.err)
			continue
		}

		require.NoError(t, err)
		require.Equal(t, c.want, b)
	}
}

func TestKnownStop(t *testing.T) {
	for v, want := range map[string]bool{
		"go1.26": true, "go1.26.8": true, "go1.27.4": true, "go1.27rc1": true, "go1.25.9": false, "go1.28": false, "go1.260": false, "devel go1.27": false,
	} {
		require.Equal(t, want, knownStop(v), v)
	}
}

// named finds a function of this program.
func named(t *testing.T, p *Process, name string) uint64 {
	t.Helper()

	used, err := regions()
	require.NoError(t, err)

	for _, r := range used {
		if !r.exec || !p.Holds(r.start-p.bias, 1) {
			continue
		}

		for at := r.start; at < r.end; at += 16 {
			if funcAt(at) == name {
				return at
			}
		}
	}

	t.Fatalf("no %s", name)

	return 0
}

//go:noinline
func victim(s string) string { return strings.ToUpper(s) }

//go:noinline
func instead(s string) string { return strings.ToLower(s) }

func entryOf(t *testing.T, from, to any) entry {
	t.Helper()

	e := entry{name: "victim", at: uint64(reflect.ValueOf(from).Pointer()), size: payload.EntrySize(runtime.GOARCH)}
	copy(e.old[:], bytesAt(e.at, uint64(e.size)))
	require.NoError(t, jump(runtime.GOARCH, e.new[:e.size], e.at, uint64(reflect.ValueOf(to).Pointer())))

	return e
}

func stopper(t *testing.T) *Image {
	t.Helper()

	p := self(t)
	im := &Image{proc: p, file: &payload.File{Arch: runtime.GOARCH}}
	im.file.Meta.Runtime.StopTheWorld = named(t, p, "runtime.stopTheWorld") - p.bias
	im.file.Meta.Runtime.StartTheWorld = named(t, p, "runtime.startTheWorld") - p.bias

	return im
}

// TestRedirect: all entries are written or none, and none that isn't as it should be.
func TestRedirect(t *testing.T) {
	im := stopper(t)
	e := entryOf(t, victim, instead)
	require.NoError(t, im.proc.tryText([]entry{e}))

	for range 3 {
		require.Equal(t, "AB", victim("Ab"))
		require.NoError(t, im.redirect([]entry{e}))
		require.Equal(t, "ab", victim("Ab"))
		require.ErrorIs(t, im.redirect([]entry{e}), ErrContent, "it isn't as it should be")
		require.NoError(t, im.redirect([]entry{e.back()}))
	}

	// The kernel doesn't write to what is shared and read-only: the second one fails.
	name := t.TempDir() + "/shared"
	require.NoError(t, os.WriteFile(name, make([]byte, 4096), 0o600))

	f, err := os.Open(name)
	require.NoError(t, err)

	defer f.Close()

	shared, err := syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ, syscall.MAP_SHARED)
	require.NoError(t, err)

	bad := entry{name: "shared", at: uint64(reflect.ValueOf(shared).Pointer()), size: e.size, new: e.new}
	require.ErrorIs(t, im.redirect([]entry{e, bad}), ErrText)
	require.Equal(t, "AB", victim("Ab"), "the first was put back")
	require.ErrorIs(t, im.proc.tryText([]entry{bad}), ErrText, "it is known beforehand")

	// Of what the world stops for, all is looked at before anything is written.
	wrong := e
	wrong.old[0] ^= 1
	r := stopAndWrite(im.file.Meta.Runtime.StopTheWorld+im.proc.bias, im.file.Meta.Runtime.StartTheWorld+im.proc.bias, -1, 4096, false, []entry{e, wrong})
	require.Equal(t, 1, r.differs)
	require.Equal(t, -1, r.failed)
	require.Equal(t, "AB", victim("Ab"))
	require.NoError(t, syscall.Munmap(shared))
}

// TestWorldStop holds that the runtime takes and gives what this package takes it to.
func TestWorldStop(t *testing.T) {
	im := stopper(t)

	for range 1000 {
		r := stopAndWrite(im.file.Meta.Runtime.StopTheWorld+im.proc.bias, im.file.Meta.Runtime.StartTheWorld+im.proc.bias, -1, 4096, false, nil)
		require.Equal(t, written{-1, -1, -1, 0}, r)
	}

	runtime.GC()
}
