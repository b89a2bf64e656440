package ged

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/layout/arm64"
)

func TestDevice(t *testing.T) {
	devicetest.TestDevice(t, func() device.Device { return New() })
}

func TestRaise(t *testing.T) {
	g := New()
	p := devicetest.NewPlatform(t)
	require.NoError(t, g.Attach(p))

	c := p.NewVCPU()
	defer c.Close()

	s := p.Domain().NewWorker("test").Enter()

	line := p.Line(arm64.IRQGED)
	require.False(t, line.Level())

	g.Raise(s, PowerButton)
	g.Raise(s, 9)
	g.Raise(s, 9)
	require.True(t, line.Level())
	require.Zero(t, c.Load(arm64.GED+4, 4))
	c.Store(arm64.GED, 4, 0)

	require.EqualValues(t, 1, c.Load(arm64.GED, 1))
	require.True(t, line.Level(), "the other half is still to be read")
	require.EqualValues(t, 0x200, c.Load(arm64.GED, 4))
	require.False(t, line.Level())
	require.Zero(t, c.Load(arm64.GED, 4))

	g.Raise(s, 31)
	require.EqualValues(t, 1<<31, c.Load(arm64.GED, 8))
	require.Equal(t, 4, line.Sets(), "only changes")
}
