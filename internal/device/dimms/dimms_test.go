package dimms_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/device/dimms"
	"github.com/vgraft/vgraft/patch"
)

func TestDevice(t *testing.T) {
	devicetest.TestDevice(t, func() device.Device { return dimms.New() })
}

func TestPlug(t *testing.T) {
	d, p := dimms.New(), devicetest.NewPlatform(t)
	require.NoError(t, d.Attach(p))

	c := p.NewVCPU()
	defer c.Close()

	base := p.Windows()[0].Base
	at := func(slot int, reg uint64) uint64 { return base + uint64(slot)*0x20 + reg }
	put := func(base, size uint64) (n int, err error) {
		p.Domain().Do("test", func(s patch.Section) { n, err = d.Plug(s, base, size) })
		return n, err
	}

	require.Zero(t, c.Load(at(0, 0), 4))
	c.Store(at(0, 0x14), 4, 1)
	c.Store(at(0, 0x18), 4, 0)

	a, _ := d.Status(0)
	require.Equal(t, dimms.NoAnswer, a, "nothing is there")

	n, err := put(0x12_3456_7000, 0x1_2345_6000)
	require.NoError(t, err)
	require.Zero(t, n)
	require.EqualValues(t, 3, c.Load(at(0, 0), 4))
	require.EqualValues(t, 0x3456_7000, c.Load(at(0, 4), 4))
	require.EqualValues(t, 0x12, c.Load(at(0, 8), 4))
	require.EqualValues(t, 0x2345_6000, c.Load(at(0, 0xc), 4))
	require.EqualValues(t, 1, c.Load(at(0, 0x10), 4))
	require.Zero(t, c.Load(at(0, 0), 8), "no access of AML's")
	require.Zero(t, c.Load(at(1, 0), 4))
	c.Store(at(0, 0), 4, 2)
	require.EqualValues(t, 1, c.Load(at(0, 0), 4))

	_, news := d.Status(0)

	c.Store(at(0, 0x14), 4, 1)
	c.Store(at(0, 0x18), 4, 0)
	<-news

	a, _ = d.Status(0)
	require.Equal(t, dimms.Done, a)

	for n := 1; n < dimms.Count; n++ {
		next, ok := d.Next()
		require.True(t, ok)
		require.Equal(t, n, next)

		got, err := put(1<<40, 1<<27)
		require.NoError(t, err)
		require.Equal(t, n, got)
	}

	_, ok := d.Next()
	require.False(t, ok)

	_, _, err = d.Room(0, 1<<50, 1)
	require.ErrorIs(t, err, dimms.ErrFull)

	_, err = put(1<<40, 1<<27)
	require.ErrorIs(t, err, dimms.ErrFull)

	c.Store(at(3, 0x14), 4, 1)
	c.Store(at(3, 0x18), 4, 1)

	a, _ = d.Status(3)
	require.Equal(t, dimms.Refused, a)
}

// A module goes when the guest gives it back, and its slot and its addresses are free when it
// was taken out.
func TestEject(t *testing.T) {
	d, p := dimms.New(), devicetest.NewPlatform(t)
	require.NoError(t, d.Attach(p))

	c := p.NewVCPU()
	defer c.Close()

	base := p.Windows()[0].Base
	at := func(slot int, reg uint64) uint64 { return base + uint64(slot)*0x20 + reg }
	ost := func(slot int, event, status uint64) {
		c.Store(at(slot, 0x14), 4, event)
		c.Store(at(slot, 0x18), 4, status)
	}
	in := func(f func(s patch.Section) error) (err error) {
		p.Domain().Do("test", func(s patch.Section) { err = f(s) })
		return err
	}
	put := func(base, size uint64) error {
		return in(func(s patch.Section) error { _, err := d.Plug(s, base, size); return err })
	}
	ask := func(slot int) error { return in(func(s patch.Section) error { return d.Ask(s, slot) }) }
	answer := func(slot int) dimms.Answer { a, _ := d.Status(slot); return a }
	room := func(size uint64) (uint64, bool) {
		at, fits, err := d.Room(0x1000, 0x9000, size)
		require.NoError(t, err)

		return at, fits
	}

	for _, n := range []int{-1, 0, dimms.Count} {
		require.ErrorIs(t, ask(n), dimms.ErrEmpty)
	}

	c.Store(at(0, 0), 4, 8)
	require.Equal(t, dimms.NoAnswer, answer(0), "nothing is there")

	for n := range uint64(3) {
		require.NoError(t, put(0x1000+n*0x2000, 0x2000))
		ost(int(n), 1, 0)
	}

	where, fits := room(0x2000)
	require.EqualValues(t, 0x7000, where)
	require.True(t, fits)

	_, fits = room(0x2001)
	require.False(t, fits)

	// It won't.
	require.NoError(t, ask(1))
	require.EqualValues(t, 5, c.Load(at(1, 0), 4)&^2)
	c.Store(at(1, 0), 4, 4)
	require.EqualValues(t, 1, c.Load(at(1, 0), 4)&^2)
	ost(1, 0x103, 0x84)
	ost(1, 1, 0) // of another request
	require.Equal(t, dimms.NoAnswer, answer(1))
	ost(1, 3, 0x80)
	require.Equal(t, dimms.Refused, answer(1))

	// It will.
	require.NoError(t, ask(1))
	require.Equal(t, dimms.NoAnswer, answer(1))

	_, news := d.Status(1)
	c.Store(at(1, 0), 4, 8)
	<-news
	require.Equal(t, dimms.Ejected, answer(1))
	require.Zero(t, c.Load(at(1, 0), 4), "gone, as the guest sees it")
	c.Store(at(1, 0), 4, 8)
	ost(1, 3, 0)
	require.Equal(t, dimms.Ejected, answer(1))
	require.ErrorIs(t, ask(1), dimms.ErrEmpty)

	_, fits = room(0x2001)
	require.False(t, fits, "not yet taken")

	no := errors.New("no")
	require.ErrorIs(t, d.Take(func(int, uint64, uint64) error { return no }), no)

	var out []uint64

	require.NoError(t, d.Take(func(slot int, base, size uint64) error {
		out = append(out, uint64(slot), base, size)
		return nil
	}))
	require.Equal(t, []uint64{1, 0x3000, 0x2000}, out)
	require.NoError(t, d.Take(func(int, uint64, uint64) error { return no }))

	where, _ = room(0x2000)
	require.EqualValues(t, 0x3000, where)

	// The slots have their turn, so that the guest has time to be done with one.
	for n := 3; n < dimms.Count; n++ {
		next, ok := d.Next()
		require.True(t, ok)
		require.Equal(t, n, next)
		require.NoError(t, put(0x1_0000+uint64(n), 1))
	}

	next, _ := d.Next()
	require.Equal(t, 1, next)
	require.NoError(t, put(0x3000, 0x1000))
	ost(1, 3, 0) // late
	require.Equal(t, dimms.NoAnswer, answer(1))
	ost(1, 1, 0)
	require.Equal(t, dimms.Done, answer(1))

	_, _, err := d.Room(0x1000, 0x9000, 0x1000)
	require.ErrorIs(t, err, dimms.ErrFull)
	require.NoError(t, ask(3))
	c.Store(at(3, 0), 4, 8)
	require.NoError(t, d.Take(func(int, uint64, uint64) error { return nil }))

	where, _ = room(0x1000)
	require.EqualValues(t, 0x4000, where, "between two")
}
