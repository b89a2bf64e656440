package vmm_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// entryAt is where vCPUs begin that the guest turns on: without paging.
const entryAt = dataAt + 0x1000

// Whatever a guest asks for, it gets an answer, and no more than is its own.
func TestPSCI_hostile(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	minus := func(n uint64) uint64 { return -n }

	calls := []struct {
		args []uint64
		want uint64
	}{
		{[]uint64{psciCPUOn, 2, entryAt}, minus(3)}, // not there yet
		{[]uint64{psciCPUOn, 7, entryAt}, minus(2)},
		{[]uint64{psciCPUOn, 1<<64 - 1, entryAt}, minus(2)},
		{[]uint64{psciCPUOn, 1 << 40, entryAt}, minus(2)},
		{[]uint64{psciCPUOn, 1, arm64.UART}, minus(9)},
		{[]uint64{psciCPUOn, 1, entryAt + 1}, minus(9)},
		{[]uint64{psciCPUOn, 1, arm64.RAM + ramSize - 1}, minus(9)},
		{[]uint64{psciCPUOn, 1, 1<<64 - 4}, minus(9)},
		{[]uint64{psciCPUOn, 0, entryAt}, minus(4)},
		{[]uint64{psciAffinity, 0, 0}, 0},
		{[]uint64{psciAffinity, 1, 0}, 1},
		{[]uint64{psciAffinity, 0, 1<<64 - 1}, minus(2)},
		{[]uint64{psciAffinity, 1 << 63, 0}, minus(2)},
		{[]uint64{psciSuspend, arm64.UART, 0}, minus(9)},
		{[]uint64{psciSuspend, 1<<64 - 4, 0}, minus(9)},
		{[]uint64{psciSuspend, entryAt + 2, 0}, minus(9)},
		{[]uint64{psciCPUOn, 1, entryAt, 0x77}, 0},
		{[]uint64{psciCPUOn, 1, entryAt}, minus(4)},
		{[]uint64{psciAffinity, 1, 0}, 0},
		{[]uint64{psciSuspend, entryAt, 0}, minus(3)}, // not alone
		{[]uint64{0xc400_0002}, minus(1)},             // there is none with 64 bits
		{[]uint64{0x8400_0fff}, minus(1)},
		{[]uint64{0xbeef_0123}, minus(1)},
	}

	c := code()
	for i, call := range calls {
		c.Call(call.args[0], call.args[1:]...).Mov(r9, dataAt+8*uint64(i)).Store(8, r9, vmmtest.X0)
	}

	cfg := config(c.PowerOff())
	cfg.CPUs, cfg.MaxCPUs = 2, 3
	cfg.Boot = one{vmm.Flat{Code: c.Bytes()}}
	m := create(t, cfg)
	_, err := m.Memory().WriteAt(code().Label("again").Jmp("again").Bytes(), entryAt)
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context()))
	require.Equal(t, vmm.ExitPowerOff, wait(t, m).Reason)

	for i, call := range calls {
		require.Equal(t, call.want, word(t, m, dataAt+int64(8*i)), "%x", call.args)
	}
}

// A vCPU that comes is the guest's to turn on, and off, and on.
func TestAddCPU(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	// The first turns the second on, again and again. That one counts, and turns itself off.
	c := code().Label("again").Call(psciCPUOn, 1, entryAt, dataAt).Jmp("again")
	cfg := config(c)
	cfg.MaxCPUs = 2
	m := create(t, cfg)
	_, err := m.Memory().WriteAt(code().VCPU(r8).Load(8, r9, r8).Inc(r9).Store(8, r8, r9).Call(psciCPUOff).Spin().Bytes(), entryAt)
	require.NoError(t, err)

	_, err = m.AddCPU(t.Context())
	require.ErrorIs(t, err, vmm.ErrState)
	require.NoError(t, m.Start(t.Context()))
	time.Sleep(50 * time.Millisecond)
	require.Zero(t, word(t, m, dataAt))
	require.Equal(t, []vmm.CPU{{ID: 0, Enabled: true}, {ID: 1}}, m.CPUs())

	// There is no operating system to take it.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()

	id, err := m.AddCPU(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, 1, id)
	require.True(t, m.CPUs()[1].Enabled)

	for range 3 {
		moved(t, m, dataAt)
		require.NoError(t, m.Pause(within(t)))
		require.NoError(t, m.Resume(within(t)))
	}

	_, err = m.AddCPU(t.Context())
	require.ErrorIs(t, err, vmm.ErrConfig)
	require.ErrorIs(t, m.RemoveCPU(t.Context(), 0), vmm.ErrConfig)

	// Who waits for the guest hears of its end.
	failed := make(chan error)

	go func() { failed <- m.RemoveCPU(context.Background(), 1) }()

	require.Never(t, func() bool { return len(failed) > 0 }, 20*time.Millisecond, time.Millisecond)
	require.NoError(t, m.Close())
	require.ErrorIs(t, <-failed, vmm.ErrState)
}

// A guest sleeps, begins where it said, and sleeps again.
func TestSuspend(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	c := code().Call(psciSuspend, entryAt, dataAt).Spin()
	m := create(t, config(c))
	_, err := m.Memory().WriteAt(code().VCPU(r8).Load(8, r9, r8).Inc(r9).Store(8, r8, r9).Call(psciSuspend, entryAt, dataAt).Spin().Bytes(), entryAt)
	require.NoError(t, err)
	require.ErrorIs(t, m.Wake(), vmm.ErrState)
	require.NoError(t, m.Start(t.Context()))

	asleep := func() bool { return m.State() == vmm.Suspended }

	for n := range uint64(4) {
		require.Eventually(t, asleep, patience, time.Millisecond)
		require.Equal(t, n, word(t, m, dataAt))

		if n%2 != 0 { // it is woken while it is paused
			require.NoError(t, m.Pause(within(t)))
			require.NoError(t, m.Wake())
			time.Sleep(10 * time.Millisecond)
			require.Equal(t, vmm.Paused, m.State())
			require.NoError(t, m.Resume(within(t)))
		} else {
			require.NoError(t, m.Wake())
		}

		require.Eventually(t, func() bool { return word(t, m, dataAt) == n+1 }, patience, time.Millisecond)
	}

	require.Eventually(t, asleep, patience, time.Millisecond)
	require.NoError(t, m.Pause(within(t)))
	require.NoError(t, m.Resume(within(t)))
	require.Equal(t, vmm.Suspended, m.State())
	require.NoError(t, m.Close())
	require.Equal(t, vmm.ExitClosed, wait(t, m).Reason)
}

// Memory that comes is there, for the guest and for devices.
func TestAddMemory(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	const more = 2 << 30 // 1 GiB of addresses behind the RAM's first

	cfg := config(code().Mov(r8, more).Mov(r9, dataAt).Label("again").Load(8, r10, r8).Store(8, r9, r10).Store(8, r8, r8).Jmp("again"))
	cfg.MaxMemory = cfg.Memory + 2*vmm.MemoryUnit
	m := create(t, cfg)

	addMemory := func(ctx context.Context, n uint64) error {
		_, err := m.AddMemory(ctx, n)
		return err
	}

	require.ErrorIs(t, addMemory(t.Context(), vmm.MemoryUnit), vmm.ErrState)
	require.ErrorIs(t, m.RemoveMemory(t.Context(), 0), vmm.ErrState)
	require.NoError(t, m.Start(t.Context()))
	require.Eventually(t, func() bool { return word(t, m, dataAt) == 1<<64-1 }, patience, time.Millisecond, "nothing is there")

	for _, n := range []uint64{0, 1, vmm.MemoryUnit - 1, 3 * vmm.MemoryUnit, 1<<64 - vmm.MemoryUnit} {
		require.ErrorIs(t, addMemory(t.Context(), n), vmm.ErrConfig)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()

	_, err := m.Memory().Slice(more, 8)
	require.Error(t, err)
	require.ErrorIs(t, addMemory(ctx, vmm.MemoryUnit), context.DeadlineExceeded)
	require.Eventually(t, func() bool { return word(t, m, dataAt) == more }, patience, time.Millisecond)
	require.EqualValues(t, more, word(t, m, more))

	require.ErrorIs(t, addMemory(t.Context(), 2*vmm.MemoryUnit), vmm.ErrConfig)
}

// allCaches are those of a vCPU.
func allCaches(id int, socket string) string {
	return fmt.Sprintf("L1 Data 32K %d, L1 Instruction 48K %d, L2 Unified 512K %d, L3 Unified 8192K %s,", id, id, id, socket)
}

// A stock kernel finds the topology.
func TestLinux_topology(t *testing.T) {
	if !testutil.LinuxGuest(t) {
		return
	}

	testutil.NoLeaks(t)

	c := commanded(t, vmm.Config{Memory: 384 << 20, CPUs: 4, Topology: vmm.Topology{Sockets: 2, Caches: vmm.Caches{
		L1Data: vmm.Cache{Size: 32 << 10, Line: 64, Ways: 4}, L1Code: vmm.Cache{Size: 48 << 10, Line: 64, Ways: 3},
		L2: vmm.Cache{Size: 512 << 10, Line: 64, Ways: 8}, L3: vmm.Cache{Size: 8 << 20, Line: 64, Ways: 16},
	}}})

	c.do("leaves")

	for id, socket := range []string{"0-1", "0-1", "2-3", "2-3"} {
		require.Equal(t, allCaches(id, socket), c.do(fmt.Sprintf("cache %d", id)))
		require.Contains(t, c.do(fmt.Sprintf("topology %d", id)), "core "+socket)
	}

	c.send("off")
	require.Equal(t, vmm.ExitPowerOff, c.wait().Reason)
}

// Without a third level there is none, and what isn't known isn't said.
func TestLinux_cachesOfTwoLevels(t *testing.T) {
	if !testutil.LinuxGuest(t) {
		return
	}

	testutil.NoLeaks(t)

	c := commanded(t, vmm.Config{Memory: 384 << 20, CPUs: 2, Topology: vmm.Topology{Caches: vmm.Caches{
		L1Data: vmm.Cache{Size: 32 << 10, Line: 128, Ways: 4}, L1Code: vmm.Cache{Size: 32 << 10}, L2: vmm.Cache{Size: 512 << 10, Line: 64, Ways: 8},
	}}})

	require.Equal(t, "L1 Data 32K 1, L1 Instruction 32K 1, L2 Unified 512K 1,", c.do("cache 1"))
	require.Contains(t, c.do("lines"), "128 64 4 0 8")

	c.send("off")
	require.Equal(t, vmm.ExitPowerOff, c.wait().Reason)
}
