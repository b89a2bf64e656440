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

// guest is the guest's side of a board, and a clock that the test sets.
type guest struct {
	*Board
	*devicetest.VCPU
	p    *devicetest.Platform
	line *devicetest.Line
	now  time.Duration
	log  bytes.Buffer
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
	g.Board = New(func() time.Duration { return g.now })
	log := slog.New(slog.NewTextHandler(&g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	require.NoError(t, g.Attach(logged{g.p, log}))

	g.VCPU = g.p.NewVCPU()
	t.Cleanup(g.VCPU.Close)
	g.line = g.p.Line(layout.IRQSCI)

	return g
}

const (
	portStatus  = layout.PortPM + layout.PM1Event
	portEnable  = portStatus + 2
	portControl = layout.PortPM + layout.PM1Control
	portTimer   = layout.PortPM + layout.PMTimer
)

func TestPM_powerOff(t *testing.T) {
	// As Linux does: SLP_TYP first, then with SLP_EN; as a word, and as bytes.
	for _, width := range []int{2, 1} {
		g := attach(t)

		out := func(v uint16) {
			if width == 2 {
				g.Out(portControl, 2, uint32(v))
				return
			}

			g.Out(portControl, 1, uint32(v&0xff))
			g.Out(portControl+1, 1, uint32(v>>8))
		}

		out(cntSCI | SleepTypeS5<<cntTypeShift)
		require.Equal(t, device.ExitNone, g.p.Stopped())
		out(cntSCI | SleepTypeS5<<cntTypeShift | cntSleep)
		require.Equal(t, device.ExitPowerOff, g.p.Stopped())
		require.EqualValues(t, cntSCI|SleepTypeS5<<cntTypeShift, g.In(portControl, 2), "SLP_EN is write-only")
	}
}

func TestPM_otherSleepTypes(t *testing.T) {
	g := attach(t)

	for range 3 {
		for typ := range uint32(8) {
			if typ != SleepTypeS5 {
				g.Out(portControl, 2, typ<<cntTypeShift|cntSleep)
			}
		}
	}

	require.Equal(t, device.ExitNone, g.p.Stopped())
	require.Equal(t, 7, strings.Count(g.log.String(), "level=DEBUG"), "each once")
}

func TestPM_control(t *testing.T) {
	g := attach(t)
	require.EqualValues(t, cntSCI, g.In(portControl, 2), "ACPI mode from the start")
	g.Out(portControl, 2, cntBusMaster)
	require.EqualValues(t, cntSCI|cntBusMaster, g.In(portControl, 2))
	require.EqualValues(t, cntSCI|cntBusMaster, g.In(portControl, 4), "reserved bytes are 0")
}

func TestPM_powerButton(t *testing.T) {
	g := attach(t)

	g.PowerButton()
	require.EqualValues(t, evtPower, g.In(portStatus, 2))
	require.False(t, g.line.Level(), "not enabled")

	g.Out(portEnable, 2, evtPower)
	require.EqualValues(t, evtPower, g.In(portEnable, 2))
	require.True(t, g.line.Level())

	g.Out(portStatus, 2, evtTimer)
	require.True(t, g.line.Level(), "a write of 0 clears nothing")
	g.Out(portStatus, 1, 0xff)
	require.True(t, g.line.Level(), "nor does a write to the other byte")
	g.Out(portStatus+1, 1, evtPower>>8)
	require.Zero(t, g.In(portStatus, 2))
	require.False(t, g.line.Level())

	g.PowerButton()
	require.True(t, g.line.Level())
	require.EqualValues(t, evtPower<<16|evtPower, g.In(portStatus, 4))
	g.Out(portEnable+1, 1, 0)
	require.False(t, g.line.Level())
	require.Equal(t, 4, g.line.Sets(), "only changes")
}

func TestPM_enableMask(t *testing.T) {
	g := attach(t)
	g.Out(portEnable, 2, 0xffff)
	require.EqualValues(t, enableMask, g.In(portEnable, 2))
}

func TestPM_timer(t *testing.T) {
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
		require.Equal(t, uint32(tt.want), g.In(portTimer, 4), "%v", tt.at)
		require.Equal(t, tt.want&0xff, uint64(g.In(portTimer, 1)))
	}

	g.Out(portTimer, 4, 0)
	require.NotZero(t, g.In(portTimer, 4), "read-only")
}

// TMR_STS tells of each change of the top bit, about every ten minutes.
func TestPM_timerCarry(t *testing.T) {
	g := attach(t)
	g.Out(portEnable, 2, evtTimer)

	for range 3 {
		g.now += 601 * time.Second
		require.EqualValues(t, evtTimer, g.In(portStatus, 2))
		require.True(t, g.line.Level())
		g.Out(portStatus, 2, evtTimer)
		require.Zero(t, g.In(portStatus, 2))
		require.False(t, g.line.Level())
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
	f.Add([]byte{0x85, 0x34, 0x82, 0x01, 0x90, 0x06, 0x91, 0xfe, 0x08, 0x00})

	f.Fuzz(func(t *testing.T, ops []byte) {
		g := attach(t)

		for ; len(ops) > 1; ops = ops[2:] {
			w := g.p.Windows()[int(ops[0]>>4&3)]
			off, v := uint64(ops[0]&15)%w.Size, ops[1]
			width := min(1<<(v&3), int(w.Size-off))
			g.now += time.Duration(v) * time.Second

			if ops[0]&0x80 != 0 {
				g.Write(w, off, bytes.Repeat([]byte{v}, width))
			} else {
				g.Read(w, off, make([]byte, width))
			}

			if ops[0]&0x40 != 0 {
				g.PowerButton()
			}

			status, enable := g.In(portStatus, 2), g.In(portEnable, 2)
			require.Equal(t, status&enable&enableMask != 0, g.line.Level())
			require.NotZero(t, g.In(portControl, 2)&cntSCI)
			require.Zero(t, g.In(portControl, 2)&cntSleep)
		}
	})
}

func BenchmarkTimer(b *testing.B) {
	g := attach(b)
	w := g.p.Windows()[0]

	var data [4]byte

	b.ReportAllocs()

	for b.Loop() {
		g.Read(w, layout.PMTimer, data[:])
	}
}
