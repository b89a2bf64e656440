package vmm_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// Where a guest may ask for a vCPU to begin.
var (
	badEntries = []uint64{
		0, 2, arm64.UART, arm64.GICD, arm64.RAM - 4, arm64.RAM + ramSize, 1 << 40, 1<<63 | entryAt, ones, ones - 3, entryAt + 1,
	}
	// RAM, but no code that would do anything.
	emptyEntries = []uint64{dataAt + 0x8000, arm64.PageTable, arm64.ACPI, arm64.RAM + ramSize - 4}
)

// calls are garbage of which nothing ends the machine.
type calls struct {
	garbage
	entries []uint64 // where vCPUs begin that then do nothing
}

func (g *calls) one(from []uint64) uint64 { return from[g.IntN(len(from))] }

// arg is anything: often a number of a vCPU, or an entry.
func (g *calls) arg() uint64 {
	return []uint64{g.Uint64N(4), g.value(), entryAt, g.one(badEntries)}[g.IntN(4)]
}

// call is one that has the caller go on, soon or after it has slept.
func (g *calls) call(c *vmmtest.Code) {
	const (
		psci32, psci64    = 0x8400_0000, 0xc400_0000
		psciOff, psciOff2 = 0x8400_0008, 0x8400_0015
	)

	var f uint64

	switch g.IntN(8) {
	case 0, 1: // of one that may come, too, and of none
		target := []uint64{1, 2, 3, g.value()}[g.IntN(4)]
		entries := slices.Concat(badEntries, g.entries)

		if uint32(target) == 1 { // which counts
			entries = badEntries
		}

		c.Call(psciCPUOn&^(g.Uint64N(2)<<30), target, g.one(entries), g.value())

		return
	case 2:
		c.Call(psciAffinity, g.arg(), g.arg(), g.arg())

		return
	case 3:
		c.Call(psciSuspend&^(g.Uint64N(2)<<30), []uint64{g.one(badEntries), vmm.FlatBase}[g.IntN(2)], 0)

		return
	case 4: // other services: of the processor, of hypervisors, of the standard
		f = g.one([]uint64{0x8000_0000, 0x8600_0000, 0x8600_ff01, 0xc500_0020, 0xc600_0000, 0x8400_0050, 0xc400_0053, 0xc200_0000}) | g.Uint64N(4)
	case 5:
		f = g.Uint64() &^ (1 << 31) // no call at all, or a yielding one
	default:
		f = g.one([]uint64{psci32, psci64}) | g.Uint64N(0x20)
	}

	switch f &^ (1 << 30) {
	case psciOff, psciReset, psciReset2, psciCPUOff, psciSuspendCPU &^ (1 << 30), psciSuspend &^ (1 << 30), psciOff2:
		return // these end the caller, or have it wait for an interrupt
	}

	c.Call(f, g.arg(), g.arg(), g.arg())

	if g.IntN(4) == 0 {
		c.Insn(0xd400_0003) // smc #0, with what came of it
	}
}

// tick counts at a place, also without paging.
func tick(c *vmmtest.Code, at uint64) *vmmtest.Code {
	return c.Mov(r8, at).Load(8, r9, r8).Inc(r9).Store(8, r8, r9)
}

// A guest that does nothing but calls of PSCI and of others, all of them garbage, harms only
// itself.
func TestPSCI_garbage(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	other := start(t, config(counting()))

	for name, entries := range map[string][]uint64{
		"and sleeps":           nil,
		"and vCPUs in no code": emptyEntries,
	} {
		t.Run(name, func(t *testing.T) {
			m := garbled(t, entries)
			slept, settled := 0, int64(0)

			// on has both go on: woken when the machine sleeps, and kicked when one waits for
			// an interrupt. Turning a vCPU on is slow: KVM then forgets where all RAM is.
			on := func(at int64) {
				was := word(t, m, at)

				for begin := time.Now(); word(t, m, at) == was; time.Sleep(time.Millisecond) {
					require.Less(t, time.Since(begin), patience)

					if m.Wake() == nil {
						slept++
					}

					require.NoError(t, m.Pause(t.Context()))
					require.NoError(t, m.Resume(t.Context()))
				}
			}

			for round := range 6 {
				on(dataAt)
				moved(t, other, dataAt)

				if round == 2 {
					on(dataAt + 8)

					settled = heap()
				}
			}

			// Garbage as it is, some of it puts the machine to sleep, when the first is alone.
			for begin := time.Now(); slept == 0 && name == "and sleeps" && time.Since(begin) < patience; {
				on(dataAt)
			}

			t.Logf("slept %d times; %d and %d rounds", slept, word(t, m, dataAt), word(t, m, dataAt+8))
			require.NotEqual(t, vmm.Stopped, m.State())
			require.True(t, slept > 0 || name != "and sleeps")
			grown := heap() - settled
			t.Logf("grown by %d bytes", grown)
			require.Less(t, grown, int64(16<<10), "what a guest does doesn't stay")
			require.NoError(t, m.Close())
			require.Equal(t, vmm.ExitClosed, wait(t, m).Reason)
		})
	}
}

// garbled starts a machine whose first vCPU calls, and turns on others at the entries. One of
// these counts behind the first, sleeps and turns itself off.
func garbled(t *testing.T, entries []uint64) *vmm.Machine {
	t.Helper()

	g := &calls{garbage{Rand: rand.New(rand.NewPCG(5, 6))}, entries}
	first := code().Label("again")

	for range 40 {
		tick(first, dataAt)
		first.Call(psciCPUOn, 1, entryAt, 0)

		for range 20 {
			g.call(first)
		}
	}

	second := tick(code(), dataAt+8).
		Call(psciSuspendCPU&^(g.Uint64N(2)<<30), g.value(), g.arg(), g.arg()).
		Call(psciAffinity, g.arg(), g.arg())

	cfg := config(first.Jmp("again"))
	cfg.CPUs, cfg.MaxCPUs = 3, 4
	cfg.Boot = one{vmm.Flat{Code: first.Bytes()}}
	m := create(t, cfg)
	_, err := m.Memory().WriteAt(second.Call(psciCPUOff).Spin().Bytes(), entryAt)
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context()))

	return m
}
