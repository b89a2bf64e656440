package pl031

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
)

// of is the register's value at a date.
func of(year, month, day, hour, minute, second uint64) uint64 {
	return year | month<<16 | day<<24 | hour<<32 | minute<<40 | second<<48
}

func TestTime(t *testing.T) {
	testutil.Pure(t)

	now := time.Date(2026, 11, 23, 4, 5, 6, 7, time.FixedZone("", 3600))
	c := New(func() time.Time { return now })
	p := devicetest.NewPlatform(t)
	require.NoError(t, c.Attach(p))

	v := p.NewVCPU()
	defer v.Close()

	get := func() uint64 { return v.Load(arm64.Time, 8) }
	set := func(x uint64) uint64 {
		v.Store(arm64.Time, 8, x)
		return v.Load(arm64.Time+8, 8)
	}

	require.Equal(t, of(2026, 11, 23, 3, 5, 6), get(), "UTC")
	require.EqualValues(t, 2026, v.Load(arm64.Time, 2))
	require.EqualValues(t, 11, v.Load(arm64.Time+2, 1))
	require.Zero(t, v.Load(arm64.Time+8, 8))
	require.Zero(t, v.Load(arm64.Time+16, 8))

	// Both windows are of one clock.
	require.Zero(t, set(of(2000, 2, 29, 23, 59, 59)))
	require.EqualValues(t, 951_868_799, v.Load(arm64.RTC, 4))
	now = now.Add(time.Second)
	require.Equal(t, of(2000, 3, 1, 0, 0, 0), get())
	v.Store(arm64.RTC+regLoad, 4, 0)
	require.Equal(t, of(1970, 1, 1, 0, 0, 0), get())

	line := p.Line(arm64.IRQRTC)
	v.Store(arm64.RTC+regMask, 4, 1)
	v.Store(arm64.RTC+regMatch, 4, 60)
	require.False(t, line.Level())
	require.Zero(t, set(of(1970, 1, 1, 0, 1, 0)|0xff<<56), "what is no part of the time doesn't count")
	require.True(t, line.Level(), "the match")

	require.Zero(t, set(of(2106, 2, 7, 6, 28, 15)))
	require.EqualValues(t, 1<<32-1, v.Load(arm64.RTC, 4))

	for _, wrong := range []uint64{
		0, 1<<64 - 1,
		of(2106, 2, 7, 6, 28, 16), of(1969, 12, 31, 23, 59, 59), of(0, 1, 1, 0, 0, 0), of(65535, 1, 1, 0, 0, 0),
		of(2026, 0, 1, 0, 0, 0), of(2026, 13, 1, 0, 0, 0), of(2026, 2, 29, 0, 0, 0), of(2026, 1, 0, 0, 0, 0),
		of(2026, 1, 1, 24, 0, 0), of(2026, 1, 1, 0, 60, 0), of(2026, 1, 1, 0, 0, 60), of(2026, 1, 1, 255, 255, 255),
	} {
		require.EqualValues(t, uint64(efiInvalidParameter), set(wrong), "%#x", wrong)
		require.EqualValues(t, 1<<32-1, v.Load(arm64.RTC, 4), "%#x", wrong)
	}

	require.Zero(t, set(of(2026, 12, 31, 23, 59, 59)))
	v.Store(arm64.Time, 4, 0)
	v.Store(arm64.Time+8, 8, of(2000, 1, 1, 0, 0, 0))
	require.Equal(t, of(2026, 12, 31, 23, 59, 59), get(), "not a whole register")
}

// Every time that the clock can have comes back as it was.
func FuzzTime(f *testing.F) {
	f.Add(uint64(0))
	f.Add(of(2106, 2, 7, 6, 28, 15))
	f.Add(of(2100, 2, 29, 0, 0, 0))

	f.Fuzz(func(t *testing.T, x uint64) {
		n, ok := seconds(x)
		if ok {
			require.Equal(t, x&(1<<56-1), efiTime(time.Unix(int64(n), 0).UTC()))
		}

		again, ok := seconds(efiTime(time.Unix(int64(uint32(x)), 0).UTC()))
		require.True(t, ok)
		require.Equal(t, uint32(x), again)
	})
}
