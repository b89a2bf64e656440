package guestmem_test

import (
	"bytes"
	"math"
	"math/bits"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/testutil"
)

const (
	page = guestmem.PageSize
	gib  = 1 << 30
)

var hole = guestmem.Range{Base: 3 * gib, Size: gib}

// open makes memory that ends with the test.
func open(t testing.TB, size uint64, hole guestmem.Range) *guestmem.Memory {
	t.Helper()

	m, err := guestmem.New(size, hole)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })

	return m
}

func TestNew_refusesSizes(t *testing.T) {
	testutil.Pure(t)
	testutil.NoLeaks(t)

	for _, size := range []uint64{0, 1, page - 1, page + 1, 3*gib + 1, math.MaxUint64, 1 << 63, math.MaxUint64 - page + 1} {
		m, err := guestmem.New(size, hole)
		require.ErrorContains(t, err, "guest memory", "%#x", size)
		require.Nil(t, m)
	}
}

func TestNew_checksTheHole(t *testing.T) {
	testutil.Pure(t)
	testutil.NoLeaks(t)

	const top = math.MaxUint64 - page + 1 // the last page of all

	for name, tt := range map[string]struct {
		hole guestmem.Range
		size uint64
		ok   bool
	}{
		"at 0":                     {guestmem.Range{Base: 0, Size: gib}, page, false},
		"none":                     {guestmem.Range{}, page, false},
		"odd base":                 {guestmem.Range{Base: page + 1, Size: page}, page, false},
		"odd size":                 {guestmem.Range{Base: page, Size: page - 1}, page, false},
		"round the end":            {guestmem.Range{Base: 2 * page, Size: top}, page, false},
		"to the end":               {guestmem.Range{Base: page, Size: top}, page, false},
		"one page from the end":    {guestmem.Range{Base: page, Size: top - page}, page, true},
		"no room above for a page": {guestmem.Range{Base: page, Size: top - page}, 2 * page, false},
		"two from the end":         {guestmem.Range{Base: page, Size: top - 2*page}, 2 * page, true},
		"empty":                    {guestmem.Range{Base: page}, 2 * page, true},
		"above all RAM":            {guestmem.Range{Base: gib, Size: page}, page, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := guestmem.New(tt.size, tt.hole)

			if tt.ok {
				require.NoError(t, err)
				require.NoError(t, m.Close())

				return
			}

			var e *guestmem.HoleError

			require.ErrorAs(t, err, &e)
			require.Equal(t, guestmem.HoleError{Hole: tt.hole, Size: tt.size}, *e)
			require.Nil(t, m)
		})
	}
}

func TestNew_leavesTheHole(t *testing.T) {
	testutil.Pure(t)

	for size, want := range map[uint64][]guestmem.Range{
		page:             {{Base: 0, Size: page}},
		3*gib - page:     {{Base: 0, Size: 3*gib - page}},
		3 * gib:          {{Base: 0, Size: 3 * gib}},
		3*gib + page:     {{Base: 0, Size: 3 * gib}, {Base: 4 * gib, Size: page}},
		8*gib + 3*page:   {{Base: 0, Size: 3 * gib}, {Base: 4 * gib, Size: 5*gib + 3*page}},
		hole.End() + gib: {{Base: 0, Size: 3 * gib}, {Base: 4 * gib, Size: 2 * gib}},
	} {
		m := open(t, size, hole)
		require.Equal(t, want, m.Ranges(), "%#x", size)

		for i, r := range m.Regions() {
			require.Equal(t, want[i], r.Range)
			require.Len(t, r.Bytes, int(r.Size))
		}
	}
}

func TestMemory_bounds(t *testing.T) {
	testutil.Pure(t)

	// RAM is [0, 4 pages) and [6 pages, 8 pages).
	m := open(t, 6*page, guestmem.Range{Base: 4 * page, Size: 2 * page})

	for name, c := range map[string]struct {
		gpa, n uint64
		ok     bool
	}{
		"first":                     {0, 1, true},
		"all of the low":            {0, 4 * page, true},
		"all of the high":           {6 * page, 2 * page, true},
		"last of the low":           {4*page - 1, 1, true},
		"last of the high":          {8*page - 1, 1, true},
		"nothing at 0":              {0, 0, true},
		"nothing inside":            {page, 0, true},
		"nothing in the hole":       {5 * page, 0, false},
		"nothing past the end":      {8*page + 1, 0, false},
		"low and one more":          {0, 4*page + 1, false},
		"past the low":              {4*page - 1, 2, false},
		"hole":                      {4 * page, 1, false},
		"into the high":             {6*page - 1, 2, false},
		"from one to the other":     {4*page - 1, 2*page + 2, false},
		"everything":                {0, 8 * page, false},
		"past the end":              {8 * page, 1, false},
		"length past the end":       {7 * page, page + 1, false},
		"near 2^64":                 {math.MaxUint64, 1, false},
		"sum wraps to 0":            {math.MaxUint64, 2, false},
		"sum wraps into RAM":        {math.MaxUint64 - page + 1, 2 * page, false},
		"negative":                  {1 << 63, 1, false},
		"greatest positive":         {1<<63 - 1, 1, false},
		"page before 0 (negative)":  {math.MaxUint64 - page + 1, page, false},
		"nothing, at the last byte": {math.MaxUint64, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := make([]byte, c.n)
			for i := range p {
				p[i] = 0xaa
			}

			n, err := m.WriteAt(p, int64(c.gpa))
			check(t, c.gpa, c.n, c.ok, n, err)

			clear(p)
			n, err = m.ReadAt(p, int64(c.gpa))
			check(t, c.gpa, c.n, c.ok, n, err)

			want := byte(0)
			if c.ok {
				want = 0xaa
			}

			require.Equal(t, bytes.Repeat([]byte{want}, int(c.n)), p)

			b, err := m.Slice(c.gpa, c.n)
			check(t, c.gpa, c.n, c.ok, len(b), err)

			if c.ok {
				require.Equal(t, len(b), cap(b), "append must not write to RAM")
			}
		})
	}

	for _, n := range []uint64{math.MaxUint64, math.MaxUint64 - page + 1, 1 << 63, 1 << 40} {
		for _, gpa := range []uint64{0, page, 6 * page, 8 * page, math.MaxUint64} {
			b, err := m.Slice(gpa, n)
			check(t, gpa, n, false, len(b), err)
			require.Nil(t, b)
		}
	}
}

// check holds the result of an access to gpa of want bytes, allowed or not.
func check(t *testing.T, gpa, want uint64, ok bool, n int, err error) {
	t.Helper()

	if ok {
		require.NoError(t, err)
		require.Equal(t, int(want), n)

		return
	}

	var b *guestmem.BoundsError

	require.Zero(t, n)
	require.ErrorIs(t, err, guestmem.ErrBounds)
	require.ErrorAs(t, err, &b)
	require.Equal(t, guestmem.BoundsError{GPA: gpa, Len: want}, *b)
}

func TestMemory_refusedWriteChangesNothing(t *testing.T) {
	testutil.Pure(t)

	m := open(t, page, hole)
	_, err := m.WriteAt([]byte{1, 2}, page-1)
	require.ErrorIs(t, err, guestmem.ErrBounds)

	b, err := m.Slice(0, page)
	require.NoError(t, err)
	require.Equal(t, make([]byte, page), b)
}

func TestMemory_sliceIsTheMemory(t *testing.T) {
	testutil.Pure(t)

	m := open(t, 4*gib, hole)
	b, err := m.Slice(hole.End()+page, 4)
	require.NoError(t, err)
	copy(b, "abcd")

	p := make([]byte, 4)
	_, err = m.ReadAt(p, int64(hole.End()+page))
	require.NoError(t, err)
	require.Equal(t, "abcd", string(p))
	require.Equal(t, "abcd", string(m.Regions()[1].Bytes[page:page+4]))
}

func TestMemory_close(t *testing.T) {
	testutil.Pure(t)
	testutil.NoLeaks(t)

	m, err := guestmem.New(4*gib, hole)
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())

	p := []byte{1}
	n, err := m.ReadAt(p, 0)
	require.ErrorIs(t, err, os.ErrClosed)
	require.Zero(t, n)
	n, err = m.WriteAt(p, 0)
	require.ErrorIs(t, err, os.ErrClosed)
	require.Zero(t, n)
	b, err := m.Slice(0, 1)
	require.ErrorIs(t, err, os.ErrClosed)
	require.Nil(t, b)
	_, err = m.Slice(math.MaxUint64, 1)
	require.ErrorIs(t, err, os.ErrClosed)
	require.Empty(t, m.Regions())
	require.Empty(t, m.Ranges())
}

func TestMemory_closeWhileCopying(t *testing.T) {
	testutil.Pure(t)

	const part = 64 << 10

	for range 20 {
		m, err := guestmem.New(4*part, hole)
		require.NoError(t, err)

		var (
			wg     sync.WaitGroup
			errs   [4]error
			copied [4]int
		)

		for i := range errs {
			wg.Go(func() {
				p := make([]byte, part)
				for errs[i] == nil {
					copied[i]++

					if _, errs[i] = m.WriteAt(p, int64(i*part)); errs[i] == nil {
						_, errs[i] = m.ReadAt(p, int64(i*part))
					}
				}
			})
		}

		time.Sleep(time.Millisecond)
		require.NoError(t, m.Close())
		wg.Wait()

		for i, err := range errs {
			require.ErrorIs(t, err, os.ErrClosed)
			require.NotZero(t, copied[i])
		}
	}
}

// resident is how much memory this process occupies.
func resident(t *testing.T) uint64 {
	t.Helper()

	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)

	m := regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`).FindSubmatch(status)
	require.NotNil(t, m)

	kb, err := strconv.ParseUint(string(m[1]), 10, 64)
	require.NoError(t, err)

	return kb << 10
}

func TestNew_occupiesNothing(t *testing.T) {
	testutil.Pure(t)

	const little, touched = 16 << 20, 64 << 20

	before := resident(t)
	m := open(t, 4*gib, hole)
	after := resident(t)
	require.Less(t, after, before+little)

	// The measure does see memory that is used.
	b, err := m.Slice(gib, touched)
	require.NoError(t, err)

	for i := 0; i < len(b); i += page {
		b[i] = 1
	}

	require.Greater(t, resident(t), after+touched-little)
}

// FuzzMemory compares with a map of bytes. Sizes are in pages; ops are quintuples: read,
// write or slice, two bytes of address, of which one bit is far from RAM, length, value.
func FuzzMemory(f *testing.F) {
	f.Add(byte(6), byte(4), byte(2), []byte{1, 0x3f, 0xff, 1, 7, 0, 0x3f, 0xff, 2, 0, 1, 0x60, 0, 9, 3})
	f.Add(byte(1), byte(4), byte(2), []byte{1, 0x0f, 0xff, 2, 7, 2, 0x10, 0, 0, 0, 0, 0xff, 0xff, 9, 3})
	f.Fuzz(func(t *testing.T, pages, low, gap byte, ops []byte) {
		size := 1 + uint64(pages%8)
		h := guestmem.Range{Base: (1 + uint64(low%8)) * page, Size: uint64(gap%4) * page}
		size *= page

		m, err := guestmem.New(size, h)
		require.NoError(t, err)

		defer func() { require.NoError(t, m.Close()) }()

		ranges := []guestmem.Range{{Base: 0, Size: min(size, h.Base)}}
		if size > h.Base {
			ranges = append(ranges, guestmem.Range{Base: h.Base + h.Size, Size: size - h.Base})
		}

		require.Equal(t, ranges, m.Ranges())

		model := map[uint64]byte{}

		for ; len(ops) >= 5; ops = ops[5:] {
			gpa := uint64(ops[1])<<8 | uint64(ops[2])
			if ops[0]&0x80 != 0 {
				gpa -= 0x8000 // about 0, from both sides
			}

			n := uint64(ops[3])
			if ops[0]&0x40 != 0 {
				n *= 97 // more than a page
			}

			ok := false

			for _, r := range ranges {
				end, carry := bits.Add64(gpa, n, 0)
				ok = ok || gpa >= r.Base && carry == 0 && end <= r.Base+r.Size
			}

			p := bytes.Repeat(ops[4:5], int(n))

			switch ops[0] % 3 {
			case 0:
				got, err := m.ReadAt(p, int64(gpa))
				check(t, gpa, n, ok, got, err)
			case 1:
				got, err := m.WriteAt(p, int64(gpa))
				check(t, gpa, n, ok, got, err)

				for i := range n {
					if ok {
						model[gpa+i] = p[i]
					}
				}
			case 2:
				b, err := m.Slice(gpa, n)
				check(t, gpa, n, ok, len(b), err)
				p = b
			}

			for i := range uint64(len(p)) {
				if ok && p[i] != model[gpa+i] {
					require.Equal(t, model[gpa+i], p[i], "at %#x", gpa+i)
				}
			}
		}
	})
}

func TestNewAt(t *testing.T) {
	m, err := guestmem.NewAt(1<<30, 4*guestmem.PageSize)
	require.NoError(t, err)
	require.Equal(t, []guestmem.Range{{Base: 1 << 30, Size: 4 * guestmem.PageSize}}, m.Ranges())

	_, err = m.WriteAt([]byte{1}, 1<<30)
	require.NoError(t, err)

	_, err = m.WriteAt([]byte{1}, 0)
	require.ErrorIs(t, err, guestmem.ErrBounds)
	require.NoError(t, m.Close())

	for _, c := range [][2]uint64{
		{1 << 30, 0}, {1 << 30, 1}, {1, guestmem.PageSize}, {-guestmem.PageSize & (1<<64 - 1), guestmem.PageSize},
		{1 << 30, -guestmem.PageSize & (1<<64 - 1)},
	} {
		_, err := guestmem.NewAt(c[0], c[1])
		require.Error(t, err, "%#x", c)
	}
}
