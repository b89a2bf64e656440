package cpus_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/patch"
)

func TestDevice(t *testing.T) {
	for name, h := range map[string]cpus.Hotplug{
		"none":  {Enabled: 2},
		"one":   {Enabled: 1, Absent: 0xd},
		"a MAT": {Enabled: 1, MAT: func(id int) []byte { return []byte{0, 8, byte(id), byte(id), 1, 0, 0, 0} }},
	} {
		t.Run(name, func(t *testing.T) {
			devicetest.TestDevice(t, func() device.Device { return cpus.NewHotplug(h) })
		})
	}
}

// registers of a processor.
const (
	stride = 0x10
	flags  = 0
	event  = 4
	status = 8

	enabled = 1
	added   = 2
	remove  = 4
	eject   = 8
)

// rig is processors of which the guest begins with two.
type rig struct {
	*cpus.CPUs
	*devicetest.VCPU
	t    *testing.T
	p    *devicetest.Platform
	base uint64
}

func newRig(t *testing.T, n int) *rig {
	t.Helper()

	r := &rig{CPUs: cpus.NewHotplug(cpus.Hotplug{Enabled: 2, Absent: 0xd}), t: t, p: devicetest.NewVirtPlatform(t, n)}
	require.NoError(t, r.Attach(r.p))

	for _, w := range r.p.Windows() {
		if w.Name == "cpus" {
			r.base = w.Base
		}
	}

	r.VCPU = r.p.NewVCPU()
	t.Cleanup(r.VCPU.Close)

	return r
}

func (r *rig) at(id int, reg uint64) uint64 { return r.base + uint64(id)*stride + reg }

func (r *rig) add() (id int, err error) {
	r.p.Domain().Do("test", func(s patch.Section) { id, err = r.Add(s) })
	return id, err
}

func (r *rig) remove(id int) (err error) {
	r.p.Domain().Do("test", func(s patch.Section) { err = r.Remove(s, id) })
	return err
}

// event says whether the guest has one, and takes it.
func (r *rig) event() bool { return r.Load(r.p.Windows()[1].Base, 4) != 0 }

func (r *rig) status(id int) cpus.Status {
	list, _ := r.CPUs.Status()
	return list[id]
}

func all(uint64) bool { return true }

func (r *rig) psci(caller int, fn uint64, args ...uint64) cpus.Outcome {
	c := cpus.Call{Caller: caller, Function: fn}
	copy(c.Args[:], args)

	return r.PSCI(c, all)
}

func TestHotplug(t *testing.T) {
	r := newRig(t, 4)

	require.EqualValues(t, enabled, r.Load(r.at(1, flags), 4))
	require.Zero(t, r.Load(r.at(2, flags), 4))

	_, news := r.Status()
	id, err := r.add()
	require.NoError(t, err)
	require.Equal(t, 2, id)
	<-news
	require.True(t, r.event())
	require.False(t, r.event())
	require.EqualValues(t, enabled|added, r.Load(r.at(2, flags), 4))
	r.Store(r.at(2, flags), 4, added)
	require.EqualValues(t, enabled, r.Load(r.at(2, flags), 4))

	require.Equal(t, cpus.Status{Enabled: true}, r.status(2))
	r.Store(r.at(2, event), 4, 1)
	r.Store(r.at(2, status), 4, 0)
	require.Equal(t, cpus.Done, r.status(2).Answer)

	// The next one is turned down.
	id, err = r.add()
	require.NoError(t, err)
	require.Equal(t, 3, id)
	r.Store(r.at(3, event), 4, 1)
	r.Store(r.at(3, status), 4, 1)
	require.Equal(t, cpus.Refused, r.status(3).Answer)

	_, err = r.add()
	require.ErrorIs(t, err, cpus.ErrAllThere)

	// One that runs stays.
	require.True(t, r.psci(0, cpus.PSCICPUOn|cpus.PSCI64, 2, 0x1000, 7).TurnOn)
	require.NoError(t, r.remove(2))
	require.EqualValues(t, enabled|remove, r.Load(r.at(2, flags), 4))
	r.Store(r.at(2, flags), 4, eject)
	require.True(t, r.status(2).Enabled)

	require.True(t, r.psci(2, cpus.PSCICPUOff).TurnOff)
	r.Store(r.at(2, event), 4, 3)
	r.Store(r.at(2, status), 4, 0x84)
	require.Equal(t, cpus.NoAnswer, r.status(2).Answer, "it is still at it")
	r.Store(r.at(2, flags), 4, eject)
	require.False(t, r.status(2).Enabled)
	require.Zero(t, r.Load(r.at(2, flags), 4))

	for _, id := range []int{-1, 0, 1, 2, 4} {
		require.ErrorIs(t, r.remove(id), cpus.ErrNotRemovable, "%d", id)
	}

	// Those that were there from the beginning have no registers to write.
	r.Store(r.at(1, flags), 4, eject)
	require.True(t, r.status(1).Enabled)

	id, err = r.add()
	require.NoError(t, err)
	require.Equal(t, 2, id)
}

func TestPSCI(t *testing.T) {
	r := newRig(t, 20)
	r.SetOn(0)
	require.True(t, r.Alone(0))

	const (
		on32, on64   = cpus.PSCICPUOn, cpus.PSCICPUOn | cpus.PSCI64
		ask32, ask64 = cpus.PSCIAffinityInfo, cpus.PSCIAffinityInfo | cpus.PSCI64
	)

	for _, c := range []struct {
		name string
		fn   uint64
		args []uint64
		want int64
	}{
		{"itself", on64, []uint64{0, 0x1000}, cpus.PSCIAlreadyOn},
		{"not enabled", on64, []uint64{2, 0x1000}, cpus.PSCIDenied},
		{"the last", on64, []uint64{0x103, 0x1000}, cpus.PSCIDenied},
		{"beyond the last", on64, []uint64{0x104, 0x1000}, cpus.PSCIInvalid},
		{"17th of a cluster", on64, []uint64{0x10, 0x1000}, cpus.PSCIInvalid},
		{"other bits", on64, []uint64{1 << 31, 0x1000}, cpus.PSCIInvalid},
		{"fourth level", on64, []uint64{1 << 32, 0x1000}, cpus.PSCIInvalid},
		{"all bits", on64, []uint64{1<<64 - 1, 1<<64 - 1, 1<<64 - 1}, cpus.PSCIInvalid},
		{"no RAM", on64, []uint64{1, 1 << 62}, cpus.PSCIInvalidAddress},
		{"within an instruction", on64, []uint64{1, 0x1002}, cpus.PSCIInvalidAddress},
		{"32 bits", on32, []uint64{1<<32 | 1, 1<<62 | 0x1000, 1<<32 | 5}, cpus.PSCISuccess},
		{"again", on64, []uint64{1, 0x1000}, cpus.PSCIAlreadyOn},

		{"on", ask64, []uint64{1, 0}, 0},
		{"off", ask64, []uint64{2, 0}, 1},
		{"nobody", ask64, []uint64{0x110, 0}, cpus.PSCIInvalid},
		{"other bits", ask64, []uint64{1 << 63, 0}, cpus.PSCIInvalid},
		{"a cluster", ask64, []uint64{0xff, 1}, 0},
		{"a cluster that is off", ask64, []uint64{0x100, 1}, 1},
		{"nobody's cluster", ask64, []uint64{0x200, 1}, cpus.PSCIInvalid},
		{"third level", ask32, []uint64{1<<32 | 0xffff, 2}, 0},
		{"fourth level", ask64, []uint64{0xff_ffff, 3}, 0},
		{"fourth level of others", ask64, []uint64{1 << 32, 3}, cpus.PSCIInvalid},
		{"fifth level", ask64, []uint64{0, 4}, cpus.PSCIInvalid},
		{"level of many bits", ask64, []uint64{0, 1<<64 - 1}, cpus.PSCIInvalid},

		{"another function", 0x8400_0005, nil, cpus.PSCINotSupported},
		{"off with 64 bits", cpus.PSCICPUOff | cpus.PSCI64, nil, cpus.PSCINotSupported},
		{"0", 0, nil, cpus.PSCINotSupported},
		{"many bits", 1<<32 | cpus.PSCICPUOff, nil, cpus.PSCINotSupported},
	} {
		o := r.PSCI(cpus.Call{Function: c.fn, Args: [3]uint64(append(c.args, 0, 0, 0))}, func(gpa uint64) bool { return gpa < 1<<32 })
		require.Equal(t, c.want, o.Answer, "%s: %x %x", c.name, c.fn, c.args)
		require.False(t, o.TurnOff)
		require.Equal(t, c.name == "32 bits", o.TurnOn)

		if o.TurnOn {
			require.Equal(t, cpus.Outcome{TurnOn: true, Target: 1, Entry: 0x1000, Context: 5}, o)
		}
	}

	require.False(t, r.Alone(0))
	require.True(t, r.psci(1, cpus.PSCICPUOff).TurnOff)
	require.True(t, r.Alone(0))
}

// Whatever guests do with registers and calls, all at once, nothing panics, and one that
// runs never goes.
func TestHammer(t *testing.T) {
	const (
		n      = 20
		rounds = 20_000
	)

	r := newRig(t, n)

	var wg sync.WaitGroup

	for g := range uint64(4) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(g, 1))
			cpu := r.p.NewVCPU()

			defer cpu.Close()

			word := func() uint64 { return []uint64{rnd.Uint64(), rnd.Uint64N(n), rnd.Uint64N(16), 0x100}[rnd.IntN(4)] }

			for range rounds {
				switch rnd.IntN(5) {
				case 0:
					cpu.Store(r.base+rnd.Uint64N(n*stride/8)*8, []int{1, 2, 4, 8}[rnd.IntN(4)], word())
				case 1:
					cpu.Load(r.base+rnd.Uint64N(n*stride/8)*8, 4)
				case 2:
					fn := []uint64{2, 3, 4, rnd.Uint64()}[rnd.IntN(4)] | 0x8400_0000 | rnd.Uint64N(2)<<30
					r.psci(int(rnd.Uint64N(n)), fn, word(), word()&^3, word())
				case 3:
					_, _ = r.add()
				default:
					_ = r.remove(int(rnd.Uint64N(n)))
				}

				list, _ := r.Status()
				for _, s := range list {
					if s.On && !s.Enabled {
						t.Error("one that runs has gone")
						return
					}
				}
			}
		})
	}

	wg.Wait()
}
