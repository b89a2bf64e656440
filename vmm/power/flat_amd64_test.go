package power_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/power"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// Where the machine puts the windows: each has a page, in the order of the devices.
const (
	gedAt     = layout.Place
	batteryAt = layout.Place + 0x1000
	controlAt = layout.Place + 0x2000
)

// check has a guest compare a register of 32 bits, and reset where it isn't as it should.
func check(c *vmmtest.Code, at uint64, want int32) *vmmtest.Code {
	label := fmt.Sprintf("%#x", at)

	return c.Mov(vmmtest.RCX, at).Mov(vmmtest.RAX, 0).Load(4, vmmtest.RAX, vmmtest.RCX).
		Cmp(vmmtest.RAX, want).Jz(label).
		Out(1, layout.PortReset, 6).Spin().
		Label(label)
}

// A guest reads what its machine says, and waits for an event.
func TestFlat_reads(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	c := new(vmmtest.Code)
	check(c, batteryAt+3*4, 40_000)
	c.Mov(vmmtest.RCX, gedAt).Mov(vmmtest.RAX, 0).
		Label("wait").Load(4, vmmtest.RAX, vmmtest.RCX).Cmp(vmmtest.RAX, 0).Jz("wait").
		Cmp(vmmtest.RAX, 1).Jz("button").
		Out(1, layout.PortReset, 6).Spin().
		Label("button").PowerOff()

	b := power.NewBattery(info, full)
	m, err := vmm.New(t.Context(), vmm.Config{Memory: 8 << 20, Boot: vmm.Flat{Code: c.Bytes()}, Devices: []vmm.Device{b}})
	require.NoError(t, err)
	require.EqualValues(t, batteryAt, b.Base())

	defer func() { require.NoError(t, m.Close()) }()

	require.ErrorIs(t, m.PowerButton(), vmm.ErrState)
	require.NoError(t, m.Start(t.Context()))
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, m.PowerButton())

	e, err := m.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, vmm.ExitPowerOff, e.Reason, "%v", e)
	require.ErrorIs(t, m.PowerButton(), vmm.ErrState)
	b.Update(full) // of a machine that has ended
}

// Two vCPUs write all over the registers as fast as they can.
func TestFlat_hammer(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	c := new(vmmtest.Code).Mov(vmmtest.RBX, 2000)
	c.Label("again")

	for i, at := range []uint64{gedAt, batteryAt, batteryAt + 12, controlAt, controlAt + 0x20, controlAt + 0x10, controlAt + 0x30} {
		c.Mov(vmmtest.RCX, at).Store(8>>(i%4), vmmtest.RCX, vmmtest.RBX).Load(8>>(i%3), vmmtest.RAX, vmmtest.RCX)
	}

	c.Dec(vmmtest.RBX).Jnz("again")
	// A vCPU counts itself as done, and the first of them waits for the other.
	c.Mov(vmmtest.RCX, 0x80_0000-0x100_000).LockInc(vmmtest.RCX).
		Label("wait").Load(4, vmmtest.RAX, vmmtest.RCX).Cmp(vmmtest.RAX, 2).Jnz("wait").PowerOff()

	var requests atomic.Int64

	b := power.NewBattery(info, full)
	p := power.NewPerformance(levels, func(power.PerformanceRequest) { requests.Add(1) })
	m, err := vmm.New(t.Context(), vmm.Config{Memory: 8 << 20, CPUs: 2, Boot: vmm.Flat{Code: c.Bytes()}, Devices: []vmm.Device{b, p}})
	require.NoError(t, err)
	require.EqualValues(t, controlAt, p.Base())

	defer func() { require.NoError(t, m.Close()) }()

	start := time.Now()

	require.NoError(t, m.Start(t.Context()))

	e, err := m.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, vmm.ExitPowerOff, e.Reason, "%v", e)
	require.Equal(t, full, b.Status())

	rounds := time.Since(start)/(10*time.Millisecond) + 2
	t.Logf("%d requests in %v", requests.Load(), time.Since(start))
	require.Positive(t, requests.Load())
	require.LessOrEqual(t, requests.Load(), int64(rounds)*2)
}
