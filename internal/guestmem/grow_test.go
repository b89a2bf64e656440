package guestmem_test

import (
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/testutil"
)

func TestGrow(t *testing.T) {
	testutil.Pure(t)
	testutil.NoLeaks(t)

	m := open(t, 4*page, hole)
	ready := func(guestmem.Region) error { return nil }
	grow := func(base, size uint64) error { return m.Grow(guestmem.Range{Base: base, Size: size}, ready) }

	old, err := m.Slice(0, 4*page)
	require.NoError(t, err)

	require.NoError(t, grow(16*page, page))
	require.NoError(t, grow(8*page, 2*page))
	require.Equal(t, []guestmem.Range{{Base: 0, Size: 4 * page}, {Base: 8 * page, Size: 2 * page}, {Base: 16 * page, Size: page}}, m.Ranges())

	var hole *guestmem.HoleError

	for _, r := range []guestmem.Range{{Base: page, Size: 0}, {Base: 32 * page, Size: 1}, {Base: 1, Size: page}, {Base: math.MaxUint64 - page + 1, Size: page}} {
		require.ErrorAs(t, m.Grow(r, ready), &hole, "%v", r)
	}

	for _, r := range []guestmem.Range{{Base: 0, Size: page}, {Base: 3 * page, Size: 2 * page}, {Base: 7 * page, Size: 16 * page}, {Base: 9 * page, Size: page}} {
		require.ErrorContains(t, m.Grow(r, ready), "overlaps", "%v", r)
	}

	no := errors.New("no")

	require.ErrorIs(t, m.Grow(guestmem.Range{Base: 64 * page, Size: page}, func(r guestmem.Region) error {
		require.Len(t, r.Bytes, page)
		_, err := m.Slice(r.Base, 1)
		require.ErrorIs(t, err, guestmem.ErrBounds, "not yet")

		return no
	}), no)
	require.Len(t, m.Ranges(), 3)

	// What was there is where it was.
	_, err = m.WriteAt([]byte("here"), page)
	require.NoError(t, err)
	require.Equal(t, "here", string(old[page:page+4]))

	require.NoError(t, m.Close())
	require.ErrorIs(t, grow(64*page, page), os.ErrClosed)
}

// Those who use the memory don't notice that there comes more.
func TestGrow_whileInUse(t *testing.T) {
	testutil.Pure(t)

	m := open(t, 4*page, hole)

	var (
		wg   sync.WaitGroup
		done atomic.Bool
	)

	for range 4 {
		wg.Go(func() {
			b := make([]byte, 8)

			for !done.Load() {
				if _, err := m.ReadAt(b, 2*page); err != nil {
					t.Error(err)
					return
				}

				for _, r := range m.Ranges() {
					if _, err := m.ReadAt(b, int64(r.Base)); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}

	for n := range uint64(100) {
		base := (1000 - 8*n) * page
		require.NoError(t, m.Grow(guestmem.Range{Base: base, Size: page}, func(guestmem.Region) error { return nil }))
	}

	done.Store(true)
	wg.Wait()
	require.Len(t, m.Ranges(), 101)
}

func TestShrink(t *testing.T) {
	testutil.Pure(t)
	testutil.NoLeaks(t)

	m := open(t, 4*page, hole)
	more := guestmem.Range{Base: 16 * page, Size: 2 * page}
	ready := func(guestmem.Region) error { return nil }
	done := func() error { return nil }

	var bounds *guestmem.BoundsError

	require.ErrorAs(t, m.Shrink(more, done), &bounds)
	require.NoError(t, m.Grow(more, ready))
	require.ErrorAs(t, m.Shrink(guestmem.Range{Base: 16 * page, Size: page}, done), &bounds, "a part")

	b, err := m.Slice(more.Base, page)
	require.NoError(t, err)
	copy(b, "here")

	no := errors.New("no")
	require.ErrorIs(t, m.Shrink(more, func() error {
		_, err := m.Slice(more.Base, 1)
		require.ErrorIs(t, err, guestmem.ErrBounds, "nobody reaches it")

		return no
	}), no)
	require.Equal(t, "here", string(b[:4]))
	require.Len(t, m.Ranges(), 2)

	require.NoError(t, m.Shrink(more, done))
	require.Equal(t, []guestmem.Range{{Base: 0, Size: 4 * page}}, m.Ranges())
	require.Equal(t, make([]byte, page), b, "the host has it back, and a slice stays good")
	copy(b, "late")

	// What comes has nothing in it, and doesn't add up.
	for range 1000 {
		require.NoError(t, m.Grow(more, func(r guestmem.Region) error {
			require.Equal(t, make([]byte, 2*page), r.Bytes)
			return nil
		}))
		require.NoError(t, m.Shrink(more, done))
	}

	require.ErrorIs(t, m.Grow(more, func(guestmem.Region) error { return no }), no)
	require.NoError(t, m.Grow(more, ready))
	require.NoError(t, m.Close())
	require.ErrorIs(t, m.Shrink(more, done), os.ErrClosed)

	// Nothing is left if it was closed meanwhile.
	for _, end := range []error{nil, no} {
		m := open(t, 4*page, hole)
		require.NoError(t, m.Grow(more, ready))
		require.ErrorIs(t, m.Shrink(more, func() error { return errors.Join(m.Close(), end) }), end)
	}
}
