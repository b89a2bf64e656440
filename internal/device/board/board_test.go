package board

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/layout"
)

func TestDevice(t *testing.T) {
	devicetest.TestDevice(t, func() device.Device { return New(nil) })
}

// guest is the guest's side of a board.
type guest struct {
	*devicetest.VCPU
	p   *devicetest.Platform
	now time.Duration // what the clock says
	log bytes.Buffer
}

// logged is a platform with a log that a test can read.
type logged struct {
	*devicetest.Platform
	log *slog.Logger
}

func (l logged) Log() *slog.Logger { return l.log }

func attach(t testing.TB) *guest {
	t.Helper()

	g := &guest{p: devicetest.NewPlatform(t)}
	log := slog.New(slog.NewTextHandler(&g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	require.NoError(t, New(func() time.Duration { return g.now }).Attach(logged{g.p, log}))

	g.VCPU = g.p.NewVCPU()
	t.Cleanup(g.VCPU.Close)

	return g
}

const (
	portControl = layout.PortSleep
	portStatus  = layout.PortSleep + 1
)

func TestSleep_powerOff(t *testing.T) {
	g := attach(t)

	g.Out(portControl, 1, SleepTypeS5<<sleepTypeShift)
	require.Equal(t, device.ExitNone, g.p.Stopped())
	require.EqualValues(t, SleepTypeS5<<sleepTypeShift, g.In(portControl, 1))

	g.Out(portStatus, 1, SleepTypeS5<<sleepTypeShift|sleepEnable)
	require.Equal(t, device.ExitNone, g.p.Stopped())
	require.Zero(t, g.In(portStatus, 1))

	g.Out(portControl, 1, SleepTypeS5<<sleepTypeShift|sleepEnable)
	require.Equal(t, device.ExitPowerOff, g.p.Stopped())
	require.EqualValues(t, SleepTypeS5<<sleepTypeShift, g.In(portControl, 2), "SLP_EN is write-only")
}

func TestSleep_suspend(t *testing.T) {
	const s3 = SleepTypeS3 << sleepTypeShift

	g := attach(t)

	g.Out(portControl, 1, s3)
	require.Zero(t, g.p.Sleeps())
	require.EqualValues(t, s3, g.In(portControl, 2), "it hasn't been woken")

	// As ACPICA does it, with each access of a byte; and with both at once.
	g.Out(portStatus, 1, wakeStatus)
	g.Out(portControl, 1, s3|sleepEnable)
	require.Equal(t, 1, g.p.Sleeps())
	require.EqualValues(t, wakeStatus, g.In(portStatus, 1))
	require.EqualValues(t, wakeStatus<<8|s3, g.In(portControl, 2))
	g.Out(portStatus, 1, 0xff&^wakeStatus)
	require.EqualValues(t, wakeStatus, g.In(portStatus, 1))
	g.Out(portStatus, 1, wakeStatus)
	require.Zero(t, g.In(portStatus, 1))

	g.Out(portControl, 2, wakeStatus<<8|s3|sleepEnable)
	require.Equal(t, 2, g.p.Sleeps())
	require.EqualValues(t, wakeStatus, g.In(portStatus, 1), "cleared before it sleeps")
	g.Out(portControl, 2, wakeStatus<<8)
	require.Zero(t, g.In(portControl, 2))

	require.Equal(t, device.ExitNone, g.p.Stopped())
	require.Empty(t, g.log.String())
}

func TestSleep_otherTypes(t *testing.T) {
	g := attach(t)

	for range 3 {
		for typ := range uint32(8) {
			if typ != SleepTypeS3 && typ != SleepTypeS5 {
				g.Out(portControl, 1, typ<<sleepTypeShift|sleepEnable)
				require.Zero(t, g.In(portStatus, 1))
			}
		}
	}

	require.Equal(t, device.ExitNone, g.p.Stopped())
	require.Zero(t, g.p.Sleeps())
	require.Equal(t, 6, strings.Count(g.log.String(), "level=DEBUG"), "each once")
}

// A platform that can't sleep says so, and nothing comes of it.
func TestSleep_never(t *testing.T) {
	p := devicetest.NewPlatform(t)
	b := New(nil)
	require.NoError(t, b.Attach(struct{ device.Platform }{p}))

	terms, err := b.ACPI()
	require.NoError(t, err)
	require.Len(t, terms, 1)

	c := p.NewVCPU()
	defer c.Close()

	c.Out(portControl, 1, SleepTypeS3<<sleepTypeShift|sleepEnable)
	require.Zero(t, p.Sleeps())
	require.Zero(t, c.In(portStatus, 1))
}

func TestPMTimer(t *testing.T) {
	g := attach(t)

	for _, tt := range []struct {
		at   time.Duration
		want uint64
	}{
		{0, 0},
		{-time.Second, 0},
		{time.Second, TimerFrequency},
		{time.Hour, 3600 * TimerFrequency},
		{24 * 365 * time.Hour, 24 * 365 * 3600 * TimerFrequency},
		{math.MaxInt64, 33_015_475_257_663_328},
	} {
		g.now = tt.at
		require.Equal(t, uint32(tt.want), g.In(layout.PortPMTimer, 4), "%v", tt.at)
		require.Equal(t, tt.want&0xff, uint64(g.In(layout.PortPMTimer, 1)))
		require.Equal(t, tt.want>>16&0xffff, uint64(g.In(layout.PortPMTimer+2, 2)))
	}

	g.Out(layout.PortPMTimer, 4, 0)
	require.NotZero(t, g.In(layout.PortPMTimer, 4), "read-only")
}

func BenchmarkPMTimer(b *testing.B) {
	g := attach(b)

	b.ReportAllocs()

	for b.Loop() {
		g.In(layout.PortPMTimer, 4)
	}
}

func TestReset(t *testing.T) {
	// As Linux does it by hand, and as the FADT's reset register does it.
	for _, writes := range [][]uint32{{0x02, 0x0e}, {0x02, 0x06}, {0x06}, {0x04}} {
		g := attach(t)

		for i, v := range writes {
			require.Equal(t, device.ExitNone, g.p.Stopped(), i)
			g.Out(layout.PortReset, 1, v)
			require.Equal(t, v, g.In(layout.PortReset, 1))
		}

		require.Equal(t, device.ExitReset, g.p.Stopped())
	}

	g := attach(t)
	g.Out(layout.PortReset, 1, 0xfb)
	require.Equal(t, device.ExitNone, g.p.Stopped(), "RST_CPU isn't set")
	require.EqualValues(t, rstSystem|rstFull, g.In(layout.PortReset, 1))
}

func TestKeyboard(t *testing.T) {
	g := attach(t)

	st := g.In(layout.PortI8042, 1)
	require.NotZero(t, st&1, "a probe that drains the output buffer must give up")
	require.Zero(t, st&2, "a reset mustn't wait for the input buffer")

	for v := range uint32(256) {
		if v < 0xf0 || v&1 != 0 {
			g.Out(layout.PortI8042, 1, v)
			require.Equal(t, device.ExitNone, g.p.Stopped(), "%#x", v)
		}
	}

	g.Out(layout.PortI8042, 1, 0xfe)
	require.Equal(t, device.ExitReset, g.p.Stopped())
}

func TestPost(t *testing.T) {
	g := attach(t)
	g.Out(layout.PortPost, 1, 0x12)
	require.EqualValues(t, 0xff, g.In(layout.PortPost, 1))
}

func FuzzBoard(f *testing.F) {
	f.Add([]byte{0x80, 0x2c, 0x00, 0x01, 0x80, 0x80, 0x81, 0x80})
	f.Add([]byte{0x85, 0x34, 0x82, 0x01, 0x90, 0x06, 0x91, 0xfe, 0x08, 0x00})

	f.Fuzz(func(t *testing.T, ops []byte) {
		g := attach(t)

		for ; len(ops) > 1; ops = ops[2:] {
			w := g.p.Windows()[int(ops[0]>>4&7)%5]
			off, v := uint64(ops[0]&15)%w.Size, ops[1]
			width := min(1<<(v&3), int(w.Size-off))

			if ops[0]&0x80 != 0 {
				g.Write(w, off, bytes.Repeat([]byte{v}, width))
			} else {
				g.Read(w, off, make([]byte, width))
			}

			require.Zero(t, g.In(portControl, 1)&^sleepTypeMask)
			require.Zero(t, g.In(portStatus, 1)&^wakeStatus)
		}
	})
}

// The code at the reset vector does what it says, and no more.
func TestResetVector(t *testing.T) {
	g := attach(t)

	var code [16]byte

	_, err := g.p.Memory().ReadAt(code[:], layout.ResetVector)
	require.NoError(t, err)
	require.Equal(t, []byte{
		0xb0, 0x06, // mov $6, %al
		0xba, 0xf9, 0x0c, // mov $0xcf9, %dx
		0xee,       // out %al, (%dx)
		0xf4,       // hlt
		0xeb, 0xfd, // jmp .-1
		0, 0, 0, 0, 0, 0, 0,
	}, code[:])
}
