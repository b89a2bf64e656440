package dimms_test

import (
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
		require.True(t, d.Free())

		got, err := put(1<<40, 1<<27)
		require.NoError(t, err)
		require.Equal(t, n, got)
	}

	require.False(t, d.Free())

	_, err = put(1<<40, 1<<27)
	require.ErrorIs(t, err, dimms.ErrFull)

	c.Store(at(3, 0x14), 4, 1)
	c.Store(at(3, 0x18), 4, 1)

	a, _ = d.Status(3)
	require.Equal(t, dimms.Refused, a)
}
