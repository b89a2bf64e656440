package power_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/power"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// Where the machine puts the windows: each has a page, in the order of the devices.
const (
	gedAt     = placeAt
	batteryAt = placeAt + 0x1000
	controlAt = placeAt + 0x2000
)

// check has a guest compare a register of 32 bits, and reset where it isn't as it should.
func check(c *vmmtest.Code, at uint64, want int32) *vmmtest.Code {
	label := fmt.Sprintf("%#x", at)

	return c.Mov(vmmtest.R8, at).Load(4, vmmtest.R9, vmmtest.R8).
		Cmp(vmmtest.R9, want).Jz(label).
		Reset().
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
	c.Mov(vmmtest.R8, gedAt).
		Label("wait").Load(4, vmmtest.R9, vmmtest.R8).Cmp(vmmtest.R9, 0).Jz("wait").
		Cmp(vmmtest.R9, 1).Jz("button").
		Reset().
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

	times := uint64(2000)
	if runtime.GOARCH == "arm64" {
		times = 100 // where tests run on an emulated host
	}

	c := new(vmmtest.Code).Mov(vmmtest.R10, times)
	c.Label("again")

	for i, at := range []uint64{gedAt, batteryAt, batteryAt + 12, controlAt, controlAt + 0x20, controlAt + 0x10, controlAt + 0x30} {
		c.Mov(vmmtest.R8, at).Store(8>>(i%4), vmmtest.R8, vmmtest.R10).Load(8>>(i%3), vmmtest.R9, vmmtest.R8)
	}

	c.Dec(vmmtest.R10).Jnz("again")
	// A vCPU counts itself as done, and the first of them waits for the other.
	c.Mov(vmmtest.R8, vmmtest.RAM+0x70_0000).LockInc(vmmtest.R8).
		Label("wait").Load(4, vmmtest.R9, vmmtest.R8).Cmp(vmmtest.R9, 2).Jnz("wait").PowerOff()

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
