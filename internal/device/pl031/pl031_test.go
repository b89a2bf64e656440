package pl031

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/layout/arm64"
)

func TestDevice(t *testing.T) {
	devicetest.TestDevice(t, func() device.Device { return New(nil) })
}

func TestClock(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := New(func() time.Time { return now })
	p := devicetest.NewPlatform(t)
	require.NoError(t, c.Attach(p))

	v := p.NewVCPU()
	defer v.Close()

	line := p.Line(arm64.IRQRTC)
	get := func(reg uint64) uint64 { return v.Load(arm64.RTC+reg, 4) }
	set := func(reg, x uint64) { v.Store(arm64.RTC+reg, 4, x) }

	require.EqualValues(t, 1_700_000_000, get(regData))
	now = now.Add(90 * time.Second)
	require.EqualValues(t, 1_700_000_090, get(regData))
	require.EqualValues(t, 1, get(regCtl))

	set(regLoad, 1000)
	require.EqualValues(t, 1000, get(regData))
	now = now.Add(time.Second)
	require.EqualValues(t, 1001, get(regData))
	require.EqualValues(t, 1000, get(regLoad))

	set(regMask, 1)
	set(regMatch, 1005)
	require.False(t, line.Level())
	now = now.Add(5 * time.Second)
	require.EqualValues(t, 1, get(regState))
	require.True(t, line.Level())
	set(regMask, 0)
	require.False(t, line.Level())
	require.EqualValues(t, 1, get(regRaw))
	require.Zero(t, get(regState))
	set(regMask, 1)
	set(regClear, 1)
	require.False(t, line.Level())

	now = now.Add(time.Hour)
	require.Zero(t, get(regRaw), "once")

	set(regMatch, 3)
	require.Zero(t, get(regRaw), "that was long ago")

	for i, want := range identity {
		require.EqualValues(t, want, get(regID+4*uint64(i)))
	}

	v.Store(arm64.RTC+regLoad, 1, 7)
	require.EqualValues(t, 1000, get(regLoad), "not a whole register")
}
