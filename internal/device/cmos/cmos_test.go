package cmos

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/layout"
)

const gib = 1 << 30

func TestDevice(t *testing.T) {
	devicetest.TestDevice(t, func() device.Device { return New(gib, nil) })
}

// guest is the guest's side, and a clock that the test sets.
type guest struct {
	*CMOS
	cpu  *devicetest.VCPU
	line *devicetest.Line
	now  time.Time
}

// noon is a Sunday.
var noon = time.Date(2026, time.November, 22, 12, 34, 56, 0, time.UTC)

func attach(t testing.TB, memory uint64) *guest {
	t.Helper()

	g := &guest{now: noon}
	g.CMOS = New(memory, func() time.Time { return g.now })

	p := devicetest.NewPlatform(t)
	require.NoError(t, g.Attach(p))

	g.line = p.Line(layout.IRQRTC)
	g.cpu = p.NewVCPU()
	t.Cleanup(g.cpu.Close)

	return g
}

func (g *guest) in(i byte) byte {
	g.cpu.Out(layout.PortCMOS, 1, uint32(i))
	return byte(g.cpu.In(layout.PortCMOS+1, 1))
}

// out writes index and byte as one word: the bus splits it.
func (g *guest) out(i, v byte) { g.cpu.Out(layout.PortCMOS, 2, uint32(v)<<8|uint32(i)) }

// time reads the clock in BCD and 24-hour mode.
func (g *guest) time() string {
	return fmt.Sprintf("%02x%02x-%02x-%02x %02x:%02x:%02x", g.in(century), g.in(year), g.in(month), g.in(day),
		g.in(hours), g.in(minutes), g.in(seconds))
}

func TestCMOS_time(t *testing.T) {
	g := attach(t, gib)

	require.Equal(t, "2026-11-22 12:34:56", g.time())
	require.EqualValues(t, 1, g.in(weekday))
	require.EqualValues(t, 0x12, g.in(0x80|hours), "the NMI bit is no part of the index")

	// The host's zone doesn't matter.
	g.now = noon.In(time.FixedZone("", 5*3600))
	require.Equal(t, "2026-11-22 12:34:56", g.time())

	require.EqualValues(t, 0xff, g.cpu.In(layout.PortCMOS, 1))
	require.EqualValues(t, aDefault, g.in(regA))
	require.EqualValues(t, bDefault, g.in(regB))
	require.EqualValues(t, 0, g.in(regC))
	require.EqualValues(t, dValid, g.in(regD))
}

// Every hour in the four formats of register B.
func TestCMOS_hours(t *testing.T) {
	tests := []struct {
		hour                     int
		bcd24, bin24, bcd12, b12 byte
	}{
		{0, 0x00, 0, 0x12, 12},
		{1, 0x01, 1, 0x01, 1},
		{9, 0x09, 9, 0x09, 9},
		{10, 0x10, 10, 0x10, 10},
		{11, 0x11, 11, 0x11, 11},
		{12, 0x12, 12, 0x92, 0x80 | 12},
		{13, 0x13, 13, 0x81, 0x80 | 1},
		{20, 0x20, 20, 0x88, 0x80 | 8},
		{23, 0x23, 23, 0x91, 0x80 | 11},
	}

	for _, tt := range tests {
		g := attach(t, gib)
		g.now = time.Date(2099, 12, 31, tt.hour, 59, 58, 0, time.UTC)

		for _, f := range []struct{ mode, want byte }{
			{b24, tt.bcd24}, {b24 | bBinary, tt.bin24}, {0, tt.bcd12}, {bBinary, tt.b12},
		} {
			g.out(regB, f.mode)
			require.Equal(t, f.want, g.in(hours), "hour %d, mode %#x", tt.hour, f.mode)

			if f.mode&bBinary != 0 {
				require.EqualValues(t, []byte{58, 59, 31, 12, 99, 20},
					[]byte{g.in(seconds), g.in(minutes), g.in(day), g.in(month), g.in(year), g.in(century)})
			}
		}
	}
}

func TestBCD(t *testing.T) {
	var bcd, bin clock
	bin.b = bBinary

	for n := range 100 {
		require.Equal(t, fmt.Sprintf("%02d", n), fmt.Sprintf("%02x", bcd.number(n)))
		require.Equal(t, n, bcd.value(bcd.number(n)))
		require.Equal(t, n, bin.value(bin.number(n)))
	}
}

// Setting the time as the driver in Linux does it, in every format, at a run of times
// that reach over every boundary.
func TestCMOS_set(t *testing.T) {
	want := time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC)

	for step := range 200 {
		want = want.Add(time.Duration(step) * 1234567 * time.Second)

		for _, mode := range []byte{b24, b24 | bBinary, 0, bBinary} {
			g := attach(t, gib)
			g.now = noon.Add(300 * time.Millisecond)
			g.out(regB, mode)
			g.out(regB, mode|bSet)
			g.out(regA, 0x70)

			f := clock{b: mode}
			for _, i := range []byte{year, month, day, hours, minutes, seconds, century} {
				g.out(i, f.encode(want, i))
				require.Equal(t, f.encode(want, i), g.in(i), "while it is set")
			}

			g.now = g.now.Add(50 * time.Millisecond)
			g.out(regB, mode)
			g.out(regA, aDefault)

			// The divider was let go: the next second is half a second away.
			require.Equal(t, want.Add(500*time.Millisecond), g.clock.guest())
			g.now = g.now.Add(500 * time.Millisecond)
			require.Equal(t, f.encode(want.Add(time.Second), seconds), g.in(seconds))
			require.Equal(t, f.encode(want.Add(time.Second), weekday), g.in(weekday))
		}
	}
}

func TestCMOS_setIsAnOffset(t *testing.T) {
	g := attach(t, gib)

	g.out(minutes, 0x00) // at once, without SET
	require.Equal(t, "2026-11-22 12:00:56", g.time())
	g.now = g.now.Add(4 * time.Second)
	require.Equal(t, "2026-11-22 12:01:00", g.time())

	// Years far from the host's: no Duration could hold the difference.
	for _, c := range []byte{0x00, 0x99} {
		g.out(century, c)
		require.Equal(t, fmt.Sprintf("%02x26-11-22 12:01:00", c), g.time())
	}
}

// Stopped and let go without a change, the clock hasn't lost time.
func TestCMOS_setUnchanged(t *testing.T) {
	g := attach(t, gib)
	g.out(regB, bDefault|bSet)
	g.now = g.now.Add(3 * time.Second)
	require.Equal(t, "2026-11-22 12:34:56", g.time())
	g.out(regB, bDefault)
	require.Equal(t, "2026-11-22 12:34:59", g.time())
}

func TestCMOS_updateInProgress(t *testing.T) {
	g := attach(t, gib)
	uip := func(d time.Duration) byte {
		g.now = noon.Add(d)
		return g.in(regA) & aUpdate
	}

	require.Zero(t, uip(0))
	require.Zero(t, uip(time.Second-245*time.Microsecond))
	require.NotZero(t, uip(time.Second-244*time.Microsecond))
	require.NotZero(t, uip(time.Second-time.Nanosecond))
	require.Zero(t, uip(time.Second-time.Nanosecond), "a clock that stands still holds nobody")
	require.Zero(t, uip(time.Second))

	g.out(regB, bDefault|bSet)
	require.Zero(t, uip(time.Second-time.Nanosecond), "none while the time is set")

	g.out(regA, 0xff)
	require.EqualValues(t, 0x7f, g.in(regA), "and it is read-only")
}

func TestCMOS_memorySizes(t *testing.T) {
	tests := []struct {
		memory                    uint64
		base, ext, above16, above uint32
	}{
		{512 << 10, 512, 0, 0, 0},
		{1 << 20, 640, 0, 0, 0},
		{16 << 20, 640, 15 << 10, 0, 0},
		{512 << 20, 640, 0xffff, 496 << 4, 0},
		{3 * gib, 640, 0xffff, (3<<10 - 16) << 4, 0},
		{5 * gib, 640, 0xffff, (3<<10 - 16) << 4, 2 << 14},
		{1 << 62, 640, 0xffff, (3<<10 - 16) << 4, 0xffffff},
	}

	for _, tt := range tests {
		g := attach(t, tt.memory)
		get := func(at byte, n int) (v uint32) {
			for i := n; i > 0; i-- {
				v = v<<8 | uint32(g.in(at+byte(i)-1))
			}

			return v
		}

		require.Equal(t, tt.base, get(0x15, 2))
		require.Equal(t, tt.ext, get(0x17, 2))
		require.Equal(t, tt.ext, get(0x30, 2))
		require.Equal(t, tt.above16, get(0x34, 2))
		require.Equal(t, tt.above, get(0x5b, 3))

		var sum uint16
		for i := byte(0x10); i <= 0x2d; i++ {
			sum += uint16(g.in(i))
		}

		require.Equal(t, sum, uint16(g.in(0x2e))<<8|uint16(g.in(0x2f)))
	}
}

func TestCMOS_ram(t *testing.T) {
	g := attach(t, gib)

	readOnly := 0

	for i := byte(registers); i < size; i++ {
		if i == century {
			continue
		}

		before := g.in(i)
		g.out(i, ^before)

		if g.in(i) == before {
			readOnly++
			require.True(t, isMemorySize(i), "%#x", i)
		} else {
			require.Equal(t, ^before, g.in(i))
		}
	}

	require.Equal(t, 2+2+2+2+3, readOnly)

	for _, i := range []byte{secondsAlarm, minutesAlarm, hoursAlarm} {
		g.out(i, 0xc0|i)
	}

	for _, i := range []byte{secondsAlarm, minutesAlarm, hoursAlarm} {
		require.Equal(t, 0xc0|i, g.in(i))
	}
}

// FuzzCMOS lets time pass and writes registers as the input says. What it must find in
// register C afterwards is worked out second by second.
func FuzzCMOS(f *testing.F) {
	f.Add([]byte{0x0b, 0x82, 0x04, 0xff, 0x08, 0x00, 0x07, 0x00, 0x32, 0x00, 0x09, 0x00, 0x0b, 0x02, 0x8a, 0})
	f.Add([]byte{0x0b, 0x72, 0x05, 0xff, 0x03, 0xff, 0x01, 0x59, 0x80, 200, 0x8c, 1, 0x0a, 0x2f, 0x80, 2, 0x8c, 9})
	f.Add([]byte{0x0b, 0x36, 0x05, 12, 0x03, 0xc0, 0x01, 0xc0, 0x04, 11, 0x02, 59, 0x00, 58, 0x80, 60, 0x8c, 1})

	f.Fuzz(func(t *testing.T, ops []byte) {
		g := attach(t, gib)

		var want byte // the flags

		for ; len(ops) > 1; ops = ops[2:] {
			i, v := ops[0]&indexMask, ops[1]
			if ops[0] != i {
				want |= g.passed(time.Duration(v) * time.Millisecond * 37)

				if got := g.in(i); i == regC {
					require.Equal(t, want, got&^cInterrupt)
					want = 0
				}
			} else {
				g.out(i, v)
			}

			require.EqualValues(t, dValid, g.in(regD))
			require.Equal(t, want&g.clock.b&bInterrupts != 0, g.line.Level())

			// Reckoned with or not, what comes next isn't now.
			require.NotZero(t, g.clock.next())
			require.LessOrEqual(t, g.clock.next(), longest)

			if !g.clock.stopped() && g.in(regB)&bBinary == 0 {
				for _, i := range []byte{seconds, minutes, hours, day, month, year, century, weekday} {
					v := g.in(i)
					if i == hours && g.in(regB)&b24 == 0 {
						v &^= pm
					}

					require.True(t, v>>4 < 10 && v&0xf < 10, "%#x holds %#x", i, v)
				}
			}
		}

		require.Equal(t, want, g.flags(t))
	})
}

// passed lets time pass, and says what flags it must have set.
func (g *guest) passed(d time.Duration) (flags byte) {
	was := g.clock.guest()
	g.now = g.now.Add(d)
	now := g.clock.guest()

	for s := was.Unix() + 1; s <= now.Unix() && !g.clock.stopped(); s++ {
		flags |= cUpdate

		if matches(&g.clock, s) {
			flags |= cAlarm
		}
	}

	rate := int64(hertz[g.clock.a&aRate])
	count := func(t time.Time) int64 { return t.Unix()*rate + int64(t.Nanosecond())*rate/int64(time.Second) }

	if !g.clock.inReset() && count(now) > count(was) {
		flags |= cPeriodic
	}

	return flags
}
