package vmm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/power"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// features are all of package power. The idle state is of arm64 alone.
func features() []vmm.Device {
	return []vmm.Device{
		power.NewSleepButton(), power.NewACAdapter(true),
		power.NewBattery(power.BatteryInfo{Model: "VG"}, power.BatteryStatus{}), power.NewBattery(power.BatteryInfo{}, power.BatteryStatus{}),
		power.NewThermalZone(40_000, power.Trips{Critical: 100_000, Passive: 80_000}),
		power.NewCPUIdle(power.IdleState{Name: "RET", PSCI: 1, MinResidency: 100 * time.Microsecond, WakeLatency: 50 * time.Microsecond}),
		power.NewPerformance(power.PerformanceLevels{Lowest: 1, LowestNonlinear: 1, Nominal: 2, Highest: 2, LowestMHz: 1, NominalMHz: 2}, nil),
		power.NewVMGenID(),
	}
}

// garbage makes guests of accesses that nobody would make.
type garbage struct {
	*rand.Rand
	memory, ports []vmm.Range
}

// value is of one bit, of a few, of all, or of any.
func (g *garbage) value() uint64 {
	return []uint64{1 << g.IntN(64), g.Uint64N(16), ones, g.Uint64()}[g.IntN(4)]
}

// access is one of any width, to somewhere in a window, or across one of its ends.
func (g *garbage) access(c *vmmtest.Code) {
	width, write := 1<<g.IntN(4), g.IntN(2) == 0
	if g.IntN(2) == 0 {
		width = 4 // which most registers have
	}

	if n := g.IntN(len(g.memory) + len(g.ports)); n >= len(g.memory) {
		width = min(width, 4)
		accessPort(c, width, g.within(g.ports[n-len(g.memory)], width), uint32(g.value()), write)

		return
	} else if c.Mov(r8, g.within(g.memory[n], width)); write {
		c.Mov(r9, g.value()).Store(width, r8, r9)
	} else {
		c.Load(width, r9, r8)
	}
}

// within is an address for an access.
func (g *garbage) within(r vmm.Range, width int) uint64 {
	const beside = 8

	addr := max(r.Base, beside) - beside + g.Uint64N(r.Size+beside)

	// As drivers do, at least each second time.
	if alignedOnly || g.IntN(2) == 0 {
		addr &^= uint64(width) - 1
	}

	return addr
}

// each is how many accesses a guest does before it counts.
const each = 16

// guest is one whose vCPUs do n accesses each, again and again, and count at dataAt.
func (g *garbage) guest(cpus, n int) *vmmtest.Code {
	c := code().VCPU(r15)
	name := func(cpu int) string { return fmt.Sprintf("vCPU %d", cpu) }

	for cpu := range cpus {
		c.Cmp(r15, int32(cpu)).Jz(name(cpu))
	}

	for cpu := range cpus {
		c.Label(name(cpu))

		for i := range n {
			if i%each == 0 {
				c.Mov(r8, dataAt+8*uint64(cpu)).LockInc(r8)
			}

			g.access(c)
		}

		c.Jmp(name(cpu))
	}

	return c
}

// logged counts what is logged, at all levels.
type logged struct{ n atomic.Int64 }

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }

func (l *logged) Handle(context.Context, slog.Record) error {
	l.n.Add(1)

	return nil
}

// heap is how much the process needs.
func heap() int64 {
	var s runtime.MemStats

	runtime.GC()
	runtime.ReadMemStats(&s)

	return int64(s.HeapAlloc)
}

// A guest that hammers everything that the machine has of registers with garbage, while its
// owner gives it vCPUs and memory and takes them back, harms only itself: not another
// machine, nor the process, which neither grows nor fills a log for it.
func TestHostile_registers(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	const cpus = 2

	log := &logged{}
	equipped := func(c *vmmtest.Code) vmm.Config {
		cfg := config(c, append(features(), vmm.Serial(strings.NewReader(strings.Repeat("x", 1<<16)), io.Discard))...)
		cfg.CPUs, cfg.MaxCPUs = cpus, cpus+2
		cfg.MaxMemory = cfg.Memory + 2*vmm.MemoryUnit
		cfg.Logger = slog.New(log)

		return cfg
	}

	g := &garbage{Rand: rand.New(rand.NewPCG(1, 2))}
	m := create(t, equipped(spin()))
	names := g.windows(m)
	require.NoError(t, m.Close())
	t.Log(names)
	require.Subset(t, names, []string{"ged", "cpus", "dimms"})

	other := start(t, config(counting()))
	m = start(t, equipped(g.guest(cpus, 2000)))

	rounds := fewer(160)
	if quick() {
		rounds = 10
	}

	var settled int64

	for round := range rounds {
		for cpu := range int64(cpus) {
			moved(t, m, dataAt+8*cpu)
		}

		moved(t, other, dataAt)
		manage(t, m, cpus)

		if round == rounds/2 {
			settled = heap()
		}
	}

	grown := heap() - settled
	t.Logf("grown by %d bytes; %d and %d times %d accesses", grown, word(t, m, dataAt), word(t, m, dataAt+8), each)
	require.Less(t, grown, int64(16<<10), "what a guest does doesn't stay")
	require.Less(t, log.n.Load(), int64(64), "nor fill a log")
	require.Equal(t, vmm.Running, m.State())
	require.NoError(t, m.Close())
	require.Equal(t, vmm.ExitClosed, wait(t, m).Reason)
	moved(t, other, dataAt)
}

// windows takes those of a machine, and gives their names.
func (g *garbage) windows(m *vmm.Machine) (names []string) {
	memory, ports := vmm.Windows(m)

	for _, w := range memory {
		g.memory = append(g.memory, vmm.Range{Base: w.Base, Size: w.Size})
		names = append(names, w.Name)
	}

	for _, w := range ports {
		g.ports = append(g.ports, vmm.Range{Base: w.Base, Size: w.Size})
		names = append(names, w.Name)
	}

	return names
}

// manage is what the owner of a machine may do to it, whatever the guest says to that.
func manage(t *testing.T, m *vmm.Machine, cpus int) {
	t.Helper()

	soon := func(f func(context.Context) error) {
		t.Helper()

		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		defer cancel()

		err := f(ctx)
		expected := []error{nil, vmm.ErrConfig, vmm.ErrRefused, context.DeadlineExceeded}
		require.True(t, slices.ContainsFunc(expected, func(e error) bool { return errors.Is(err, e) }), "%v", err)
	}

	soon(func(ctx context.Context) error { _, err := m.AddCPU(ctx); return err })
	soon(func(ctx context.Context) error { return m.RemoveCPU(ctx, cpus) })
	soon(func(ctx context.Context) error { _, err := m.AddMemory(ctx, vmm.MemoryUnit); return err })
	soon(func(ctx context.Context) error { return m.RemoveMemory(ctx, 0) })
	soon(func(context.Context) error { return m.PowerButton() })
	require.NoError(t, m.Pause(t.Context()))
	require.NoError(t, m.Resume(t.Context()))
	require.ErrorIs(t, m.Wake(), vmm.ErrState)
}

// The interrupt controllers are in the kernel. What a guest does to them may end it, and
// hurts nobody else.
func TestHostile_chips(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	other := start(t, config(counting()))

	for seed := range uint64(fewer(8)) {
		g := &garbage{Rand: rand.New(rand.NewPCG(seed, 3)), memory: chips()}
		cfg := config(g.guest(2, 1000), vmm.Serial(nil, io.Discard))
		cfg.CPUs = 2
		m := start(t, cfg)

		for range fewer(40) {
			moved(t, other, dataAt)

			if err := m.PowerButton(); err != nil { // an interrupt
				require.ErrorIs(t, err, vmm.ErrState)
			}
		}

		require.NoError(t, m.Close())
		t.Log(wait(t, m), word(t, other, dataAt))
	}
}
