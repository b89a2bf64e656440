package cmos

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/patch"
)

// flags reads register C, which must say IRQF if and only if the line was up.
func (g *guest) flags(t *testing.T) byte {
	t.Helper()

	g.in(regD) // brings the line up to date
	up := g.line.Level()
	v := g.in(regC)
	require.Equal(t, up, v&cInterrupt != 0, "%#x", v)
	require.False(t, g.line.Level(), "reading C lets the line go")

	return v &^ cInterrupt
}

func (g *guest) pass(d time.Duration) { g.now = g.now.Add(d) }

// alarmAt sets the alarm's bytes, in the mode that register B has.
func (g *guest) alarmAt(h, m, s byte) {
	g.out(hoursAlarm, h)
	g.out(minutesAlarm, m)
	g.out(secondsAlarm, s)
}

func TestInterrupt_flags(t *testing.T) {
	g := attach(t, gib)
	g.alarmAt(0x12, 0x34, 0x58) // in 2 s
	g.out(regA, 0x2f)           // 2 Hz

	require.Zero(t, g.flags(t))
	g.pass(499 * time.Millisecond)
	require.Zero(t, g.flags(t))
	g.pass(time.Millisecond)
	require.EqualValues(t, cPeriodic, g.flags(t))
	require.Zero(t, g.flags(t), "it was cleared")
	g.pass(500 * time.Millisecond)
	require.EqualValues(t, cPeriodic|cUpdate, g.flags(t))
	g.pass(time.Second)
	require.EqualValues(t, cPeriodic|cUpdate|cAlarm, g.flags(t))
	require.Zero(t, g.line.Sets(), "nothing is enabled")

	// A flag that is up when it is enabled raises the line at once; taking the enable bit
	// away lets it go, and the flag stays.
	g.pass(time.Second)
	g.out(regB, bDefault|bAlarm)
	require.False(t, g.line.Level())
	g.out(regB, bDefault|bUpdate)
	require.True(t, g.line.Level())
	g.out(regB, bDefault)
	require.False(t, g.line.Level())
	g.out(regB, bDefault|bPeriodic)
	require.True(t, g.line.Level())
	require.EqualValues(t, cPeriodic|cUpdate, g.flags(t))
	require.Equal(t, 2, g.line.Rises())
}

func TestInterrupt_setClearsUIE(t *testing.T) {
	g := attach(t, gib)
	g.out(regB, bDefault|bSet|bInterrupts)
	require.EqualValues(t, bDefault|bSet|bPeriodic|bAlarm, g.in(regB))

	// No updates, so no flag of theirs; the divider runs on.
	g.alarmAt(0xff, 0xff, 0xff)
	g.pass(10 * time.Second)
	require.EqualValues(t, cPeriodic, g.flags(t))

	g.out(regA, 0x76)
	g.flags(t)
	g.pass(10 * time.Second)
	require.Zero(t, g.flags(t), "the divider is held in reset")
}

// Time that the guest sets, or that the host's clock goes back, doesn't pass.
func TestInterrupt_jumps(t *testing.T) {
	g := attach(t, gib)
	g.alarmAt(0x13, 0xc0, 0xc0)
	g.out(hours, 0x14)
	g.out(hours, 0x12)
	require.Zero(t, g.flags(t))

	g.pass(-time.Hour)
	require.Zero(t, g.flags(t))
	g.pass(25*time.Minute + 4*time.Second) // to 12:00
	require.Zero(t, g.flags(t)&cAlarm)
	g.pass(59*time.Minute + 59*time.Second)
	require.Zero(t, g.flags(t)&cAlarm)
	g.pass(time.Second)
	require.NotZero(t, g.flags(t)&cAlarm)
}

// The alarm is found as the chip does it: by comparing bytes, second after second.
func TestClock_nextAlarm(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	found := 0

	for range 300 {
		c := clock{b: byte(rnd.UintN(256)) & (b24 | bBinary)}
		from := time.Unix(rnd.Int64N(4e9)-2e9, 0).UTC()
		at := from.Add(time.Duration(rnd.Int64N(100_000)) * time.Second)

		for i, part := range []byte{seconds, minutes, hours} {
			switch c.alarm[i] = c.encode(at, part); rnd.IntN(8) {
			case 0, 1, 2:
				c.alarm[i] = dontCare | byte(rnd.UintN(64))
			case 3:
				c.alarm[i] = byte(rnd.UintN(256))
			}
		}

		got, ok := c.nextAlarm(from.Unix())
		want, there := int64(0), false

		for n := range int64(86400) {
			if matches(&c, from.Unix()+1+n) {
				want, there = from.Unix()+1+n, true
				break
			}
		}

		require.Equal(t, there, ok, "%x, mode %#x, after %v", c.alarm, c.b, from)
		require.Equal(t, want, got, "%x, mode %#x, after %v", c.alarm, c.b, from)

		if ok {
			found++
		}
	}

	require.Greater(t, found, 100)
}

// matches compares the bytes of the alarm with those of the time.
func matches(c *clock, sec int64) bool {
	at := time.Unix(sec, 0).UTC()

	for i, part := range []byte{seconds, minutes, hours} {
		if c.alarm[i]&dontCare != dontCare && c.alarm[i] != c.encode(at, part) {
			return false
		}
	}

	return true
}

// hertz are the rates that RS chooses among [DS, table 5].
var hertz = [...]int{0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2}

// The rates of register A, by what register C says to a guest that looks all the time.
func TestInterrupt_rates(t *testing.T) {
	for rate, want := range hertz {
		g := attach(t, gib)
		g.out(regA, 0x20|byte(rate))

		n := 0

		for range 1 << 14 {
			g.pass(time.Second >> 14)

			if g.flags(t)&cPeriodic != 0 {
				n++
			}
		}

		// 2^14 does not divide the second in whole nanoseconds.
		require.InDelta(t, want, n, 1, "rate %d", rate)
	}
}

// running is a guest of a clock that runs by itself, in time that is the test's own.
func running(t *testing.T, now func() time.Time) *guest {
	t.Helper()

	g := &guest{CMOS: New(gib, now)}
	p := devicetest.NewPlatform(t)
	require.NoError(t, g.Attach(p))
	require.NoError(t, g.Start())
	t.Cleanup(g.Stop)

	g.line = p.Line(layout.IRQRTC)
	g.cpu = p.NewVCPU()
	t.Cleanup(g.cpu.Close)

	return g
}

func (g *guest) untilInterrupt(t *testing.T) time.Duration {
	t.Helper()

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 48*time.Hour)

	defer cancel()

	require.NoError(t, g.line.Wait(ctx))

	return time.Since(began)
}

// Nobody touches the clock, and the line rises when it is time. The bubble begins at
// midnight, on the 1st of January 2000.
func TestInterrupt_comesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := running(t, nil)

		g.alarmAt(0x23, 0xff, 0x30)
		g.out(regB, bDefault|bAlarm)
		require.Equal(t, 23*time.Hour+30*time.Second, g.untilInterrupt(t))
		require.EqualValues(t, 0x23, g.in(hours))

		// Without an acknowledgement there is no other.
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, g.line.Rises())
		require.EqualValues(t, cAlarm, g.flags(t)&cAlarm)
		require.Equal(t, time.Minute, g.untilInterrupt(t))

		// The clock is asleep, for a long time, when another interrupt is enabled.
		g.alarmAt(0x22, 0x00, 0x00)
		g.flags(t)
		time.Sleep(300 * time.Millisecond)
		g.out(regB, bDefault|bUpdate)
		require.Equal(t, 700*time.Millisecond, g.untilInterrupt(t))
		g.flags(t)
		require.Equal(t, time.Second, g.untilInterrupt(t))

		g.out(regB, bDefault)
		g.flags(t)

		rises := g.line.Rises()
		time.Sleep(25 * time.Hour)
		require.Equal(t, rises, g.line.Rises())
	})
}

// However fast the guest would have its periods, and however soon it acknowledges, the
// host wakes up for it 1024 times a second at most.
func TestInterrupt_isBounded(t *testing.T) {
	for rate, want := range map[byte]int{3: 1024, 5: 1024, 6: 1024, 7: 512, 15: 2, 0: 0} {
		synctest.Test(t, func(t *testing.T) {
			g := running(t, nil)
			g.out(regA, 0x20|rate)
			g.out(regB, bDefault|bPeriodic)

			// Between two interrupts nothing takes time, so that one a moment from now
			// would be counted.
			for end := time.Now().Add(time.Second); ; {
				ctx, cancel := context.WithDeadline(t.Context(), end.Add(time.Nanosecond))
				err := g.line.Wait(ctx)

				cancel()

				if err != nil {
					break
				}

				require.EqualValues(t, cPeriodic, g.flags(t)&cPeriodic)
			}

			require.Equal(t, want, g.line.Rises(), "rate %d", rate)
		})
	}
}

// The host's clock is set while the goroutine sleeps, forward and back.
func TestInterrupt_hostSetsItsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jump time.Duration

		g := running(t, func() time.Time { return time.Now().Add(jump) })
		set := func(d time.Duration) {
			g.mu.Lock()
			defer g.mu.Unlock()

			jump = d
		}

		g.alarmAt(0x12, 0x00, 0x00)
		g.out(regB, bDefault|bAlarm)
		time.Sleep(time.Second)
		set(12 * time.Hour)
		require.LessOrEqual(t, g.untilInterrupt(t), longest)
		require.NotZero(t, g.flags(t)&cAlarm)

		set(0)
		require.InDelta(t, 12*time.Hour, g.untilInterrupt(t), float64(2*longest))
	})
}

// Time goes on while the clock is looked at: what falls due between two looks isn't missed.
func TestInterrupt_dueWhileItLooks(t *testing.T) {
	now, step := noon, time.Duration(0)
	g := &guest{CMOS: New(gib, func() time.Time {
		now = now.Add(step)

		return now
	})}
	p := devicetest.NewPlatform(t)
	require.NoError(t, g.Attach(p))

	g.cpu = p.NewVCPU()
	t.Cleanup(g.cpu.Close)

	g.alarmAt(0x12, 0x35, 0x00)
	g.out(regB, bDefault|bAlarm)

	now, step = time.Date(2026, time.November, 22, 12, 35, 0, 0, time.UTC).Add(-2*time.Microsecond), time.Microsecond
	require.Equal(t, shortest, g.tick(patch.Section{}))
	require.False(t, p.Line(layout.IRQRTC).Level())
	require.Equal(t, rousing, g.tick(patch.Section{}))
	require.True(t, p.Line(layout.IRQRTC).Level())
}

// An alarm whose interrupt is enabled wakes a guest that sleeps, again and again until it has
// looked: it may fall asleep in between. Other interrupts don't.
func TestInterrupt_wakes(t *testing.T) {
	g := attach(t, gib)
	p := devicetest.NewPlatform(t)
	g.rouse = p.Wake

	second := func() time.Duration {
		g.pass(time.Second)

		return g.tick(patch.Section{})
	}

	g.alarmAt(0x12, 0x34, 0x58) // in 2 s
	g.out(regB, bDefault|bUpdate)
	second()
	require.EqualValues(t, never, second())
	require.True(t, g.line.Level())
	require.Zero(t, p.Wakes())
	require.EqualValues(t, cUpdate|cAlarm, g.flags(t)&^cPeriodic)

	g.alarmAt(0x12, 0x35, 0x00) // in 2 s
	g.out(regB, bDefault|bAlarm)
	second()
	require.Zero(t, p.Wakes())
	require.Equal(t, rousing, second())
	require.Equal(t, 1, p.Wakes())
	require.Equal(t, rousing, second())
	require.Equal(t, 2, p.Wakes())

	g.out(regB, bDefault)
	require.EqualValues(t, never, second())
	require.Equal(t, 2, p.Wakes())

	g.out(regB, bDefault|bAlarm)
	second()
	require.Equal(t, 3, p.Wakes())

	g.flags(t)
	second()
	require.Equal(t, 3, p.Wakes())
}

func TestInterrupt_wakesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := running(t, nil)

		var wakes atomic.Int32

		g.rouse = func(patch.Section) { wakes.Add(1) } // before the goroutine is told of the alarm

		g.alarmAt(0xff, 0xff, 0x02)
		g.out(regB, bDefault|bAlarm)
		time.Sleep(1500 * time.Millisecond)
		require.Zero(t, wakes.Load())
		time.Sleep(3 * time.Second)

		first := wakes.Load()
		require.GreaterOrEqual(t, first, int32(3))
		require.LessOrEqual(t, first, int32(5))

		g.flags(t)
		time.Sleep(10 * time.Second)
		require.Equal(t, first, wakes.Load())

		// It comes due while the guest looks at something else.
		now := time.Now()
		time.Sleep(now.Truncate(time.Minute).Add(62*time.Second - 200*time.Microsecond).Sub(now))

		for range 100 {
			g.in(regA)
			time.Sleep(10 * time.Microsecond)
		}

		require.True(t, g.line.Level())
		time.Sleep(2 * time.Second)
		require.GreaterOrEqual(t, wakes.Load(), first+2)
	})
}

// A repair of what time makes run reaches the goroutine too.
func TestInterrupt_isPatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := running(t, nil)
		g.out(regB, bDefault|bUpdate)
		g.untilInterrupt(t)

		fix, err := patch.New("silence", patch.Func(tick, func(*CMOS, patch.Section) time.Duration { return never }))
		require.NoError(t, err)

		engine := patch.NewEngine(patch.Options{})
		_, err = engine.Apply(t.Context(), fix, patch.On(g.domain))
		require.NoError(t, err)

		g.flags(t)
		time.Sleep(time.Hour)
		require.Equal(t, 1, g.line.Rises())
	})
}

// broken is a platform whose interrupt lines can't be taken.
type broken struct {
	device.Platform
	err error
}

func (b broken) IRQ(uint32) (device.IRQ, error) { return device.IRQ{}, b.err }

func TestInterrupt_brokenLine(t *testing.T) {
	mine := errors.New("no such line")
	c := New(gib, nil)
	require.ErrorIs(t, c.Attach(broken{Platform: devicetest.NewPlatform(t), err: mine}), mine)
	c.Stop() // never started

	synctest.Test(t, func(t *testing.T) {
		g := &guest{CMOS: New(gib, nil)}
		p := devicetest.NewPlatform(t)
		require.NoError(t, g.Attach(p))
		p.Line(layout.IRQRTC).Break(mine)
		require.NoError(t, g.Start())

		g.cpu = p.NewVCPU()
		defer g.cpu.Close()

		g.out(regB, bDefault|bUpdate)
		time.Sleep(10 * time.Second)
		require.EqualValues(t, cInterrupt|cUpdate, g.in(regC)&(cInterrupt|cUpdate), "a guest that polls goes on")
		g.Stop()
		require.ErrorIs(t, g.fault, mine)
	})
}
