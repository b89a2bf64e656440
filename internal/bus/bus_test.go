package bus_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/bus"
	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
)

// access is a call of a handler.
type access struct {
	window byte
	write  bool
	off    uint64
	data   string // of a write
	width  int
}

// trace is what handlers were called with, in order.
type trace []access

// recorder is a window's handler. Each byte of it reads as its own value.
type recorder struct {
	window byte
	trace  *trace
}

// value is what the byte at an offset of a window reads as: never all ones.
func value(window byte, off uint64) byte { return window<<4&0x70 | byte(off&0xf) }

func (r recorder) Read(_ patch.Section, off uint64, data []byte) {
	*r.trace = append(*r.trace, access{window: r.window, off: off, width: len(data)})

	for i := range data {
		data[i] = value(r.window, off+uint64(i))
	}
}

func (r recorder) Write(_ patch.Section, off uint64, data []byte) {
	*r.trace = append(*r.trace, access{window: r.window, write: true, off: off, data: string(data), width: len(data)})
}

func TestBus_claim(t *testing.T) {
	testutil.Pure(t)

	const (
		ok = iota
		overlap
		refused
	)

	type claim struct {
		base, size uint64
	}

	for name, c := range map[string]struct {
		limit uint64
		old   []claim
		claim claim
		want  int
	}{
		"first":                       {0, nil, claim{0, 1}, ok},
		"touches below":               {0, []claim{{0x10, 0x10}}, claim{0x8, 8}, ok},
		"touches above":               {0, []claim{{0x10, 0x10}}, claim{0x20, 8}, ok},
		"fills the gap":               {0, []claim{{0x10, 0x10}, {0x30, 0x10}}, claim{0x20, 0x10}, ok},
		"overlaps the end of the old": {0, []claim{{0x10, 0x10}}, claim{0x1f, 1}, overlap},
		"overlaps the old's start":    {0, []claim{{0x10, 0x10}}, claim{0x8, 9}, overlap},
		"same":                        {0, []claim{{0x10, 0x10}}, claim{0x10, 0x10}, overlap},
		"same base, smaller":          {0, []claim{{0x10, 0x10}}, claim{0x10, 1}, overlap},
		"inside":                      {0, []claim{{0x10, 0x10}}, claim{0x14, 4}, overlap},
		"around":                      {0, []claim{{0x10, 0x10}}, claim{0, 0x100}, overlap},
		"around two":                  {0, []claim{{0x10, 1}, {0x20, 1}}, claim{0, 0x100}, overlap},
		"too long for the gap":        {0, []claim{{0x10, 0x10}, {0x30, 0x10}}, claim{0x20, 0x11}, overlap},
		"empty":                       {0, nil, claim{0x10, 0}, refused},
		"empty at 0":                  {0, nil, claim{0, 0}, refused},
		"empty at the top":            {0, nil, claim{math.MaxUint64, 0}, refused},
		"ends at 2^64":                {0, nil, claim{math.MaxUint64 - 0xf, 0x10}, ok},
		"last byte of all":            {0, nil, claim{math.MaxUint64, 1}, ok},
		"wraps around":                {0, nil, claim{math.MaxUint64 - 0xf, 0x11}, refused},
		"wraps around to itself":      {0, nil, claim{2, math.MaxUint64}, refused},
		"nearly all":                  {0, nil, claim{1, math.MaxUint64}, ok},
		"overlaps at 2^64":            {0, []claim{{math.MaxUint64 - 0xf, 0x10}}, claim{math.MaxUint64, 1}, overlap},
		"below what ends at 2^64":     {0, []claim{{math.MaxUint64 - 0xf, 0x10}}, claim{math.MaxUint64 - 0x1f, 0x10}, ok},
		"ends at the limit":           {0x10000, nil, claim{0xfff8, 8}, ok},
		"past the limit":              {0x10000, nil, claim{0xfff8, 9}, refused},
		"at the limit":                {0x10000, nil, claim{0x10000, 1}, refused},
		"beyond the limit":            {0x10000, nil, claim{0x20000, 1}, refused},
		"wraps around below a limit":  {0x10000, nil, claim{0x10, math.MaxUint64}, refused},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bus.Bus{Limit: c.limit}
			for _, o := range c.old {
				require.NoError(t, b.Claim(bus.Window{Name: "old", Base: o.base, Size: o.size, Handler: device.Direct(recorder{})}))
			}

			before := b.Windows()
			w := bus.Window{Name: "new", Base: c.claim.base, Size: c.claim.size, Handler: device.Direct(recorder{})}
			err := b.Claim(w)

			if c.want == ok {
				require.NoError(t, err)

				after := b.Windows()
				require.Len(t, after, len(before)+1)
				require.Contains(t, after, w)

				for i := range after[1:] {
					require.Less(t, after[i].Base, after[i+1].Base)
				}

				return
			}

			require.Error(t, err)
			require.ErrorContains(t, err, "new")
			require.Equal(t, before, b.Windows(), "a refused claim leaves nothing")

			var o *bus.OverlapError
			if c.want == overlap {
				require.ErrorAs(t, err, &o)
				require.Equal(t, w, o.New)
				require.Contains(t, before, o.Old)
				require.ErrorContains(t, err, "old")
			} else {
				require.NotErrorAs(t, err, &o)
			}
		})
	}
}

func TestBus_claimWithoutHandler(t *testing.T) {
	testutil.Pure(t)

	b := &bus.Bus{}
	require.ErrorContains(t, b.Claim(bus.Window{Name: "mute", Size: 1}), "mute")
	require.Empty(t, b.Windows())
}

func TestBus_windowsIsACopy(t *testing.T) {
	testutil.Pure(t)

	b := &bus.Bus{}
	require.NoError(t, b.Claim(bus.Window{Name: "w", Size: 1, Handler: device.Direct(recorder{})}))
	b.Windows()[0].Name = "changed"
	require.Equal(t, "w", b.Windows()[0].Name)
}

// TestBus_access does each access as a read and as a write, on a bus with windows
// 1 [0x10, 0x20), 2 [0x20, 0x24), 3 [0x30, 0x31) and 4, the last 16 bytes of all.
func TestBus_access(t *testing.T) {
	testutil.Pure(t)

	const top = math.MaxUint64 - 0xf

	type call struct {
		window byte
		off    uint64
		width  int
	}

	bytewise := func(window byte, off uint64, n int) (out []call) {
		for i := range n {
			out = append(out, call{window, off + uint64(i), 1})
		}

		return out
	}

	for name, c := range map[string]struct {
		addr  uint64
		width int
		want  []call
	}{
		"nothing":                  {0x10, 0, nil},
		"nothing, and nobody":      {0x0, 0, nil},
		"nobody, 1":                {0x0, 1, nil},
		"nobody, 3":                {0x1, 3, nil},
		"nobody, 8":                {0x8, 8, nil},
		"nobody, between":          {0x28, 8, nil},
		"inside, 1":                {0x10, 1, []call{{1, 0, 1}}},
		"inside, 2":                {0x11, 2, []call{{1, 1, 2}}},
		"inside, 3":                {0x11, 3, bytewise(1, 1, 3)},
		"inside, 4":                {0x11, 4, []call{{1, 1, 4}}},
		"inside, 5":                {0x11, 5, bytewise(1, 1, 5)},
		"inside, 6":                {0x11, 6, bytewise(1, 1, 6)},
		"inside, 7":                {0x11, 7, bytewise(1, 1, 7)},
		"inside, 8":                {0x18, 8, []call{{1, 8, 8}}},
		"inside, 16":               {0x10, 16, bytewise(1, 0, 16)},
		"into the start":           {0xe, 4, bytewise(1, 0, 2)},
		"past the end":             {0x22, 4, bytewise(2, 2, 2)},
		"past the end by one":      {0x21, 4, bytewise(2, 1, 3)},
		"from one to the next":     {0x1e, 4, append(bytewise(1, 14, 2), bytewise(2, 0, 2)...)},
		"over a window":            {0x2e, 4, bytewise(3, 0, 1)},
		"wider than the window":    {0x30, 2, bytewise(3, 0, 1)},
		"last":                     {math.MaxUint64, 1, []call{{4, 15, 1}}},
		"last 8":                   {math.MaxUint64 - 7, 8, []call{{4, 8, 8}}},
		"past the end of all":      {math.MaxUint64 - 1, 4, bytewise(4, 14, 2)},
		"into the window at 2^64":  {top - 1, 2, bytewise(4, 0, 1)},
		"just below that at 2^64":  {top - 1, 1, nil},
		"last of the first window": {0x1f, 1, []call{{1, 15, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got trace

			b := &bus.Bus{}
			for i, w := range []bus.Window{{Base: 0x20, Size: 4}, {Base: top, Size: 16}, {Base: 0x10, Size: 16}, {Base: 0x30, Size: 1}} {
				w.Handler = device.Direct(recorder{[]byte{2, 4, 1, 3}[i], &got})
				require.NoError(t, b.Claim(w))
			}

			read, written := bytes.Repeat([]byte{0xff}, c.width), make([]byte, c.width)
			for i := range written {
				written[i] = byte(0xa0 + i)
			}

			var reads, writes trace

			for _, w := range c.want {
				at := wanted(w.window, w.off, top) - c.addr
				for i := range w.width {
					read[at+uint64(i)] = value(w.window, w.off+uint64(i))
				}

				reads = append(reads, access{window: w.window, off: w.off, width: w.width})
				writes = append(writes, access{w.window, true, w.off, string(written[at : at+uint64(w.width)]), w.width})
			}

			data := make([]byte, c.width)
			b.Load(patch.Section{}, c.addr, data)
			require.Equal(t, read, data)
			require.Equal(t, reads, got)

			got = nil
			b.Store(patch.Section{}, c.addr, written)
			require.Equal(t, writes, got)
		})
	}
}

// wanted is the address of an offset in one of TestBus_access's windows.
func wanted(window byte, off, top uint64) uint64 {
	return []uint64{0, 0x10, 0x20, 0x30, top}[window] + off
}

// FuzzBus compares with a map of bytes. data is a space, and then triples: what to do,
// where, and how long.
func FuzzBus(f *testing.F) {
	f.Add([]byte{0, 0, 8, 8, 0, 16, 4, 1, 6, 4, 2, 14, 8})
	f.Add([]byte{1, 0, 24, 8, 0, 32, 8, 1, 28, 8, 2, 30, 3, 0, 30, 4})
	f.Add([]byte{2, 0, 24, 8, 0, 24, 9, 1, 28, 8, 2, 30, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}

		space := []struct{ start, limit uint64 }{{0, 0}, {math.MaxUint64 - 31, 0}, {0x10000 - 32, 0x10000}}[data[0]%3]

		var got trace

		b := &bus.Bus{Limit: space.limit}
		m := &model{limit: space.limit, owners: map[uint64]owner{}}

		for data = data[1:]; len(data) >= 3; data = data[3:] {
			addr, n := space.start+uint64(data[1]%64), int(data[2]%17)

			if data[0]%3 == 0 {
				id := byte(m.n + 1)
				err := b.Claim(bus.Window{Base: addr, Size: uint64(n), Handler: device.Direct(recorder{id, &got})})
				require.Equal(t, m.claim(id, addr, n), err == nil, "claim [%#x, +%#x): %v", addr, n, err)

				continue
			}

			p := make([]byte, n)
			for i := range p {
				p[i] = byte(i) ^ data[2]
			}

			read, want := m.access(addr, bytes.Clone(p), data[0]%3 == 2)
			got = nil

			if data[0]%3 == 2 {
				b.Store(patch.Section{}, addr, p)
			} else {
				b.Load(patch.Section{}, addr, p)
				require.Equal(t, read, p)
			}

			require.Equal(t, want, got, "[%#x, +%#x)", addr, n)
		}
	})
}

// owner is whose a byte is, and which of its bytes.
type owner struct {
	window byte
	off    uint64
}

// model is a bus that asks for each byte.
type model struct {
	limit  uint64
	owners map[uint64]owner
	n      int
}

func (m *model) claim(id byte, base uint64, size int) bool {
	for i := range size {
		addr := base + uint64(i)
		_, taken := m.owners[addr]

		if taken || addr < base || m.limit != 0 && addr >= m.limit {
			return false
		}
	}

	for i := range size {
		m.owners[base+uint64(i)] = owner{id, uint64(i)}
	}

	if size > 0 {
		m.n++
	}

	return size > 0
}

func (m *model) access(addr uint64, p []byte, write bool) ([]byte, trace) {
	var (
		calls trace
		whole = len(p) == 1 || len(p) == 2 || len(p) == 4 || len(p) == 8
		read  = bytes.Repeat([]byte{0xff}, len(p))
	)

	for i := range p {
		o, ok := m.owners[addr+uint64(i)]
		if !ok || o.window != m.owners[addr].window {
			whole = false
		}

		if ok {
			read[i] = value(o.window, o.off)

			a := access{window: o.window, write: write, off: o.off, width: 1}
			if write {
				a.data = string(p[i : i+1])
			}

			calls = append(calls, a)
		}
	}

	if whole {
		calls[0].width = len(p)
		if write {
			calls[0].data = string(p)
		}

		calls = calls[:1]
	}

	return read, calls
}
