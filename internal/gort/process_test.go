package gort

import (
	"bytes"
	"encoding/binary"
	"os"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func anchor() {}

func self(t testing.TB) *Process {
	t.Helper()

	p, err := Self()
	if runtime.GOOS != "linux" || !supportedArch() {
		require.ErrorIs(t, err, ErrNotSupported)
		t.Skip("not supported")
	}

	require.NoError(t, err)

	return p
}

func TestSelf(t *testing.T) {
	p := self(t)

	fn := runtime.FuncForPC(reflect.ValueOf(anchor).Pointer())
	at := uint64(fn.Entry()) - p.bias

	require.True(t, p.Anchored(fn.Name(), at))
	require.False(t, p.Anchored(fn.Name(), at+1))
	require.False(t, p.Anchored("x", at))
	require.False(t, p.Anchored(fn.Name(), 0))
	require.False(t, p.Anchored(fn.Name(), 1<<63))
	require.True(t, p.Holds(at, 1))
	require.False(t, p.Holds(at, 1<<63))
	require.False(t, p.Holds(1<<64-1, 8))
}

func TestLocate_refuses(t *testing.T) {
	p := self(t)
	require.Error(t, (&Process{}).locate(bytes.NewReader([]byte("text")), nil))

	if !p.PIE() {
		// What the kernel says of another program doesn't fit this one.
		auxv := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 3), 0x1234)

		f, err := os.Open("/proc/self/exe")
		require.NoError(t, err)
		defer f.Close()

		require.Error(t, (&Process{}).locate(f, auxv))
		require.Error(t, (&Process{}).locate(f, auxv[:8]))
	}
}

func TestParseRegions(t *testing.T) {
	got, err := parseRegions("00400000-00401000 r-xp 00000000 08:01 1 /bin/x y\n7f0000000000-7f0000002000 rw-p 00000000 00:00 0\n")
	require.NoError(t, err)
	require.Equal(t, []region{{span{0x400000, 0x401000}, false, true}, {span{0x7f0000000000, 0x7f0000002000}, true, false}}, got)

	for _, bad := range []string{"x", "1-2", "1-z r-xp", "\n", "1-2 r"} {
		_, err := parseRegions(bad)
		require.ErrorIs(t, err, ErrNotSupported, bad)
	}
}

func TestHoles(t *testing.T) {
	const low = 0x400000

	r, g := reach(runtime.GOARCH), gap(runtime.GOARCH)
	p := &Process{parts: []part{{span: span{low, low + 0x1000}}, {span: span{low + 0x1000, low + 0x2800}}}}
	after := roundUp(low+0x2800+g, granule)
	used := func(spans ...span) (out []region) {
		for _, s := range spans {
			out = append(out, region{span: s})
		}

		return out
	}

	require.Equal(t, []uint64{after}, p.holes(nil, 1, 0))
	require.Equal(t, []uint64{after}, p.holes(used(span{low, low + 0x2800}, span{1 << 46, 1 << 47}), 1, 0))
	require.Equal(t, []uint64{after + granule}, p.holes(used(span{after - 8192, after + 4096}), 1, 0))
	require.Equal(t, []uint64{after, after + 2*granule}, p.holes(used(span{after + granule, after + 2*granule}), granule, 0))
	require.Equal(t, []uint64{after + 2*granule}, p.holes(used(span{after + granule, after + 2*granule}), granule+1, 0))
	require.Empty(t, p.holes(used(span{after, low + r}), 1, 0))
	require.Empty(t, p.holes(used(span{after, 1 << 47}), 1, 0))
	require.Empty(t, p.holes(nil, r, 0))
	require.Len(t, p.holes(nil, low+r-after, 0), 1)
	require.Empty(t, p.holes(nil, low+r-after+1, 0))
}

// TestHoles_above has images be above those that they are linked against, whatever is free
// below.
func TestHoles_above(t *testing.T) {
	const low = 0x400000

	p := &Process{parts: []part{{span: span{low, low + 0x2800}}}}
	after := roundUp(low+0x2800+gap(runtime.GOARCH), granule)
	last := low + reach(runtime.GOARCH)

	// There is a hole, then an image below, another image, a hole, and what isn't ours.
	below := &Image{base: after + granule, size: 4096}
	used := []region{{span: span{below.base, below.base + below.size}}, {span: span{after + 2*granule, after + 3*granule}}, {span: span{after + 4*granule, after + 5*granule}}}

	im := &Image{}
	require.Equal(t, []uint64{after, after + 3*granule, after + 5*granule}, p.holes(used, granule, im.floor()))

	im.below = []*Image{below}
	require.Equal(t, []uint64{after + 3*granule, after + 5*granule}, p.holes(used, granule, im.floor()))

	im.below = []*Image{{base: after + 2*granule, size: granule}, below}
	require.Equal(t, []uint64{after + 3*granule, after + 5*granule}, p.holes(used, granule, im.floor()))

	im.below = []*Image{{base: after + 4*granule, size: granule}}
	require.Equal(t, []uint64{after + 5*granule}, p.holes(used, granule, im.floor()))

	require.Equal(t, []uint64{after + 3*granule + 0x10000}, p.holes(nil, granule, after+3*granule+1))
	require.Empty(t, p.holes(nil, granule, last-granule/2))
	require.Empty(t, p.holes(nil, granule, 1<<40))
	require.Empty(t, p.holes(used, last-after-5*granule+1, im.floor()))
}

func TestReserve_noRoom(t *testing.T) {
	self(t)

	p := &Process{parts: []part{{span: span{0x400000, 0x400000 + reach(runtime.GOARCH)}}}}
	_, err := p.reserve(nil, 4096, 0)
	require.ErrorIs(t, err, ErrNoRoom)
}

func TestWritable(t *testing.T) {
	used := []region{{span{0x1000, 0x2000}, true, false}, {span{0x2000, 0x3000}, true, false}, {span{0x3000, 0x4000}, false, true}, {span{0x5000, 0x6000}, true, false}}

	for _, s := range []span{{0x1000, 0x1008}, {0x1000, 0x3000}, {0x1ff8, 0x2008}, {0x5ff8, 0x6000}} {
		require.True(t, writable(used, s), "%x", s)
	}

	for _, s := range []span{{0, 8}, {0xff8, 0x1008}, {0x2ff8, 0x3008}, {0x3000, 0x3008}, {0x5ff8, 0x6008}, {0x6000, 0x6008}, {1<<64 - 8, 8}} {
		require.False(t, writable(used, s), "%x", s)
	}
}

// An emulator's list of what is mapped may have the data behind the code as one with it.
func TestProcess_isData(t *testing.T) {
	p := &Process{parts: []part{{span{0x1_0000, 0x1_8f00}, true}, {span{0x1_9000, 0x2_0100}, false}}}

	for page, data := range map[uint64]bool{0x1_0000: false, 0x1_8000: false, 0x1_9000: true, 0x2_0000: true, 0x2_1000: false} {
		require.Equal(t, data, p.isData(page, 0x1000), "%#x", page)
	}

	ws, used := []word{{at: 0x1_9008, size: 8}}, []region{{span{0x1_0000, 0x2_1000}, false, true}}
	found, err := p.pages(ws, used)
	require.NoError(t, err)
	require.Equal(t, map[uint64]bool{0x1_9000: false}, found)

	ws[0].at = 0x1_8ff8
	_, err = p.pages(ws, used)
	require.ErrorIs(t, err, ErrAddress)
}
