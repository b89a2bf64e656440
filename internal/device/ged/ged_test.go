package ged_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/device/ged"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

func TestDevice(t *testing.T) {
	devicetest.TestDevice(t, func() device.Device { return ged.New() })
}

func TestRaise(t *testing.T) {
	g := ged.New()
	p := devicetest.NewPlatform(t)
	require.NoError(t, g.Attach(p))

	var events []device.Event

	for range ged.MaxEvents {
		e, err := g.Event(aml.Notify(aml.Path("C000"), aml.Integer(0x80)))
		require.NoError(t, err)

		events = append(events, e)
	}

	_, err := g.Event(aml.Noop())
	require.ErrorIs(t, err, device.ErrNoRoom)

	c := p.NewVCPU()
	defer c.Close()

	const base = layout.Place

	line := p.Line(layout.GSIMax - 1)
	require.False(t, line.Level())

	raise := func(n int) { p.Domain().Do("test", func(s patch.Section) { events[n].Raise(s) }) }
	raise(0)
	raise(9)
	raise(9)
	require.True(t, line.Level())
	c.Store(base, 4, 0)

	require.EqualValues(t, 1, c.Load(base, 1))
	require.True(t, line.Level(), "the other half is still to be read")
	require.Zero(t, c.Load(base+2, 2))
	require.EqualValues(t, 2, c.Load(base+1, 1))
	require.False(t, line.Level())
	require.Zero(t, c.Load(base, 4))

	raise(31)
	require.EqualValues(t, 1<<31, c.Load(base, 4))
	require.Equal(t, 4, line.Sets(), "only changes")

	var none device.Event

	none.Raise(patch.Section{})
}
