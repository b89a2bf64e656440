package power_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm/power"
)

var (
	info = power.BatteryInfo{
		Design: 50_000, LastFull: 40_000, DesignVoltage: 12_000, Warning: 4000, Low: 2000, Cycles: 7,
		Model: "VG-1", Serial: "42", Type: "LION", OEM: "vgraft",
	}
	full   = power.BatteryStatus{Remaining: 40_000, Voltage: 12_500}
	trips  = power.Trips{Critical: 105_000, Hot: 100_000, Passive: 80_000}
	levels = power.PerformanceLevels{Lowest: 50, LowestNonlinear: 100, Nominal: 300, Highest: 400, LowestMHz: 500, NominalMHz: 3000}
)

// Each feature is a device as any other.
func TestDevice(t *testing.T) {
	for name, fresh := range map[string]func() device.Device{
		"button":      func() device.Device { return power.NewButton() },
		"sleep":       func() device.Device { return power.NewSleepButton() },
		"ac":          func() device.Device { return power.NewACAdapter(true) },
		"battery":     func() device.Device { return power.NewBattery(info, full) },
		"thermal":     func() device.Device { return power.NewThermalZone(40_000, trips) },
		"idle":        func() device.Device { return power.NewCPUIdle() },
		"performance": func() device.Device { return power.NewPerformance(levels, func(power.PerformanceRequest) {}) },
		"generation":  func() device.Device { return power.NewVMGenID() },
	} {
		t.Run(name, func(t *testing.T) { devicetest.TestDevice(t, fresh) })
	}
}

// rig is a platform with a device and the guest's side of it.
type rig struct {
	*devicetest.VCPU
	t *testing.T
	p *devicetest.Platform
}

func attach(t *testing.T, devices ...device.Device) *rig {
	t.Helper()

	p := devicetest.NewPlatform(t)
	for _, d := range devices {
		require.NoError(t, d.Attach(p))
	}

	r := &rig{p.NewVCPU(), t, p}
	t.Cleanup(r.Close)

	return r
}

// events are the bits that the register of events had.
func (r *rig) events() uint64 {
	for _, w := range r.p.Windows() {
		if w.Name == "ged" {
			return r.Load(w.Base, 4)
		}
	}

	require.Fail(r.t, "no event device")

	return 0
}

func TestButtons(t *testing.T) {
	testutil.Pure(t)

	b, s := power.NewButton(), power.NewSleepButton()
	b.Press() // of no machine

	r := attach(t, b, s)
	require.Zero(t, r.events())
	b.Press()
	require.EqualValues(t, 1, r.events())
	s.Press()
	s.Press()
	require.EqualValues(t, 2, r.events())
	require.Zero(t, r.events())
}

func TestACAdapter(t *testing.T) {
	testutil.Pure(t)

	a := power.NewACAdapter(false)
	a.Update(true)
	a.Update(false)

	r := attach(t, a)
	require.Zero(t, r.Load(a.Base(), 4))
	require.Zero(t, r.events())
	a.Update(true)
	require.True(t, a.Online())
	require.EqualValues(t, 1, r.Load(a.Base(), 4))
	require.EqualValues(t, 1, r.events())
	r.Store(a.Base(), 4, 0)
	require.EqualValues(t, 1, r.Load(a.Base(), 4))
}

func TestBattery(t *testing.T) {
	testutil.Pure(t)

	b := power.NewBattery(info, full)
	r := attach(t, b)

	registers := func() (v [11]uint64) {
		for i := range v {
			v[i] = r.Load(b.Base()+uint64(i)*4, 4)
		}

		return v
	}

	require.Equal(t, [11]uint64{1, 0, 0, 40_000, 12_500, 50_000, 40_000, 12_000, 4000, 2000, 7}, registers())

	const infoChanged, statusChanged = 1, 2

	next := power.BatteryStatus{State: power.Discharging | power.Critical, Rate: 10, Remaining: 20, Voltage: 11_000}
	b.Update(next)
	require.Equal(t, next, b.Status())
	require.EqualValues(t, statusChanged, r.events())
	require.Equal(t, [11]uint64{1, 5, 10, 20, 11_000, 50_000, 40_000, 12_000, 4000, 2000, 7}, registers())

	changed := info
	changed.LastFull, changed.Model, changed.InAmperes = 30_000, "another", true
	b.UpdateInfo(changed)
	require.EqualValues(t, infoChanged, r.events())
	require.EqualValues(t, 30_000, registers()[6])

	b.Update(power.BatteryStatus{Absent: true})
	require.EqualValues(t, statusChanged|infoChanged, r.events())
	require.Zero(t, registers()[0])
}

func TestThermalZone(t *testing.T) {
	testutil.Pure(t)

	z := power.NewThermalZone(40_000, power.Trips{Critical: 100_000})
	r := attach(t, z)
	require.EqualValues(t, 3132, r.Load(z.Base(), 4))
	require.EqualValues(t, 3732, r.Load(z.Base()+4, 4))

	z.Update(-400_000)
	require.EqualValues(t, -400_000, z.Temperature())
	require.EqualValues(t, 1, r.events())
	require.Zero(t, r.Load(z.Base(), 4), "nothing is colder")

	z.Update(1 << 62)
	require.Less(t, r.Load(z.Base(), 4), uint64(1)<<31)
	r.events()

	require.ErrorIs(t, z.SetTrips(trips), power.ErrTrip)
	require.ErrorIs(t, z.SetTrips(power.Trips{}), power.ErrTrip)
	require.Zero(t, r.events())
	require.NoError(t, z.SetTrips(power.Trips{Critical: 90_000}))
	require.EqualValues(t, 2, r.events())
	require.EqualValues(t, 3632, r.Load(z.Base()+4, 4))
}

func TestVMGenID(t *testing.T) {
	testutil.Pure(t)

	g, other := power.NewVMGenID(), power.NewVMGenID()
	require.NotEqual(t, g.ID(), other.ID())
	before := g.ID()
	require.NoError(t, g.Renew())
	require.NotEqual(t, before, g.ID())

	r := attach(t, g)
	require.Error(t, other.Attach(r.p), "a second one")

	stored := func() (id power.GUID) {
		_, err := r.p.Memory().ReadAt(id[:], 0xfe000) // the last page of the tables
		require.NoError(t, err)

		return id
	}

	require.Equal(t, g.ID(), stored())
	before = g.ID()
	require.NoError(t, g.Renew())
	require.NotEqual(t, before, g.ID())
	require.Equal(t, g.ID(), stored())
	require.EqualValues(t, 1, r.events())
}

func TestCPUIdle_mistakes(t *testing.T) {
	testutil.Pure(t)

	for name, c := range map[string]*power.CPUIdle{
		"power-down": power.NewCPUIdle(power.IdleState{Name: "x", PSCI: 1 << 16}),
		"time":       power.NewCPUIdle(power.IdleState{Name: "x", WakeLatency: -time.Second}),
		"long":       power.NewCPUIdle(power.IdleState{Name: "x", MinResidency: 100 * time.Hour}),
		"many":       power.NewCPUIdle(make([]power.IdleState, 8)...),
	} {
		require.ErrorIs(t, c.Attach(devicetest.NewPlatform(t)), power.ErrIdleState, name)
	}

	p := devicetest.NewPlatform(t)
	require.NoError(t, power.NewCPUIdle().Attach(p))
	require.ErrorIs(t, power.NewCPUIdle().Attach(p), power.ErrIdleState)
}

func TestPerformance_mistakes(t *testing.T) {
	testutil.Pure(t)

	for i, change := range []func(*power.PerformanceLevels){
		func(l *power.PerformanceLevels) { l.Lowest = 0 },
		func(l *power.PerformanceLevels) { l.LowestNonlinear = 1 },
		func(l *power.PerformanceLevels) { l.Nominal = 99 },
		func(l *power.PerformanceLevels) { l.Highest = 299 },
		func(l *power.PerformanceLevels) { l.Highest = 1 << 16 },
		func(l *power.PerformanceLevels) { l.LowestMHz = 0 },
		func(l *power.PerformanceLevels) { l.NominalMHz = 499 },
	} {
		l := levels
		change(&l)
		require.ErrorIs(t, power.NewPerformance(l, nil).Attach(devicetest.NewPlatform(t)), power.ErrLevels, i)
	}

	p := devicetest.NewPlatform(t)
	require.NoError(t, power.NewPerformance(levels, nil).Attach(p))
	require.ErrorIs(t, power.NewPerformance(levels, nil).Attach(p), power.ErrLevels)
}

const (
	reference = 0x08
	delivered = 0x10
	nextCPU   = 0x20
)

// As Linux works out a frequency: both counters twice, in either order, with the guest
// being slow between any two reads.
func TestPerformance_counters(t *testing.T) {
	testutil.Pure(t)

	for _, order := range [][2]uint64{{delivered, reference}, {reference, delivered}} {
		var now time.Duration

		p := power.NewPerformance(levels, nil)
		p.SetClock(func() time.Duration { return now })
		r := attach(t, p)
		base := p.Base() + nextCPU
		slow := rand.New(rand.NewPCG(1, 2))

		measure := func() uint64 {
			pair := func() (v [2]uint64) {
				for i, reg := range order {
					v[i] = r.Load(base+reg, 8)
					now += time.Duration(slow.Int64N(int64(2 * time.Millisecond)))
				}

				if order[0] == reference {
					v[0], v[1] = v[1], v[0]
				}

				return v
			}

			a := pair()
			now += 2 * time.Microsecond
			b := pair()

			return uint64(levels.Nominal) * (b[0] - a[0]) / (b[1] - a[1])
		}

		require.EqualValues(t, 300, measure())

		for _, c := range []struct{ ask, get uint32 }{{400, 400}, {0, 50}, {1, 50}, {120, 120}, {1<<32 - 1, 400}} {
			r.Store(base, 4, uint64(c.ask))
			require.EqualValues(t, c.ask, r.Load(base, 4))
			require.EqualValues(t, c.get, measure())
		}

		p.Deliver(1, 200)
		require.EqualValues(t, 200, measure())
		r.Store(base, 4, 50)
		require.EqualValues(t, 200, measure(), "what it really has")
		p.Deliver(1, 0)
		require.EqualValues(t, 50, measure())
		p.Deliver(1, 1<<32-1)
		require.EqualValues(t, 400, measure())
		p.Deliver(-1, 1)
		p.Deliver(2, 1)

		// One counter alone, and then both.
		for range 3 {
			r.Load(base+delivered, 8)
			now += time.Hour
		}

		require.EqualValues(t, 400, measure())
		now = 0 // a clock that goes back
		require.NotPanics(t, func() { r.Load(base+delivered, 8) })
	}
}

// The embedder hears the latest wish of each processor, one after the other, and late
// rather than often.
func TestPerformance_requests(t *testing.T) {
	testutil.Pure(t)

	var (
		mu   sync.Mutex
		last = map[int]uint32{}
		n    int
	)

	p := power.NewPerformance(levels, func(q power.PerformanceRequest) {
		mu.Lock()
		defer mu.Unlock()

		last[q.CPU] = q.Desired
		n++
	})
	r := attach(t, p)
	require.NoError(t, p.Start())

	start := time.Now()
	for i := range 200_000 {
		r.Store(p.Base()+nextCPU*uint64(i%2), 4, uint64(i%350+50))
	}

	r.Store(p.Base(), 4, 111)
	r.Store(p.Base()+nextCPU+1, 1, 0xff)
	r.Store(p.Base()+nextCPU, 8, 1<<32|222)

	rounds := time.Since(start)/(10*time.Millisecond) + 2

	p.Stop()
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, map[int]uint32{0: 111, 1: 222}, last)
	require.LessOrEqual(t, n, int(rounds)*2)
}

// An embedder's function that never returns holds up neither the guest nor its end.
func TestPerformance_stuck(t *testing.T) {
	testutil.Pure(t)

	release, stuck := make(chan struct{}), make(chan struct{})

	p := power.NewPerformance(levels, func(power.PerformanceRequest) {
		close(stuck)
		<-release
	})
	r := attach(t, p)
	require.NoError(t, p.Start())
	r.Store(p.Base(), 4, 400)
	<-stuck
	r.Store(p.Base(), 4, 300)
	require.EqualValues(t, 300, r.Load(p.Base(), 4))

	start := time.Now()
	p.Stop()
	require.Less(t, time.Since(start), 10*time.Second)

	// Another call would panic.
	r.Store(p.Base(), 4, 200)
	close(release)
	time.Sleep(50 * time.Millisecond)
}

// Accesses of a hostile guest, and an owner beside it.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{0, 4, 0x11, 5, 9, 0xff, 3, 0x81, 2, 200, 4, 7})

	f.Fuzz(func(t *testing.T, ops []byte) {
		b, a := power.NewBattery(info, full), power.NewACAdapter(true)
		z, p := power.NewThermalZone(40_000, trips), power.NewPerformance(levels, nil)

		var now time.Duration

		p.SetClock(func() time.Duration { return now })

		r := attach(t, b, a, z, p)
		windows := r.p.Windows()

		for ; len(ops) > 2; ops = ops[3:] {
			w := windows[int(ops[0]>>2)%len(windows)]
			width := min(uint64(1)<<(ops[0]&3), w.Size)
			off := uint64(ops[1]) % (w.Size - width + 1)
			data := make([]byte, width)

			for i := range data {
				data[i] = ops[2] + byte(i)
			}

			now += time.Duration(int8(ops[2])) * time.Millisecond

			switch ops[0] >> 6 {
			case 0:
				r.Read(w, off, data)
			case 1, 2:
				r.Write(w, off, data)
			default:
				b.Update(power.BatteryStatus{Remaining: uint32(ops[1]), State: power.BatteryState(ops[2])})
				z.Update(power.MilliCelsius(int8(ops[1])) << (ops[2] & 63))
				p.Deliver(int(int8(ops[1])), uint32(ops[2]))
			}
		}

		// What the guest wrote has changed nothing but its own wishes.
		require.EqualValues(t, info.Design, r.Load(b.Base()+5*4, 4))
		require.EqualValues(t, 1, r.Load(a.Base(), 4))
		require.EqualValues(t, 3782, r.Load(z.Base()+4, 4))
	})
}

func Example() {
	battery := power.NewBattery(
		power.BatteryInfo{Design: 50_000, LastFull: 48_000, DesignVoltage: 12_000, Type: "LION"},
		power.BatteryStatus{State: power.Charging, Rate: 5000, Remaining: 20_000, Voltage: 12_000})

	// vmm.Config{Devices: []vmm.Device{battery}, ...}; then, whenever it changes:
	battery.Update(power.BatteryStatus{State: power.Discharging, Rate: 9000, Remaining: 19_000, Voltage: 11_900})
	fmt.Println(battery.Status().Remaining)
	// Output: 19000
}
