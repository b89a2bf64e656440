package vmm_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// pulsing is a device whose line rises and falls with each access; one that reads ends the
// machine.
type pulsing struct {
	irq      vmm.IRQ
	platform vmm.Platform
	pulses   chan struct{} // a token if there was one
	failed   error
}

func (d *pulsing) Attach(p vmm.Platform) (err error) {
	d.platform = p

	if d.irq, err = p.IRQ(5); err != nil {
		return err
	}

	return p.MMIO("pulsing", mmioAt, 8, vmm.Slots(d, pulsingRead, pulsingWrite))
}

var (
	pulsingRead  = patch.NewSlot("vmm_test/pulsing.read", (*pulsing).read)
	pulsingWrite = patch.NewSlot("vmm_test/pulsing.write", (*pulsing).write)
)

func (d *pulsing) read(s patch.Section, _ uint64, data []byte) {
	clear(data)
	d.platform.Stop(s, vmm.ExitReset)
}

func (d *pulsing) write(s patch.Section, _ uint64, _ []byte) {
	for _, level := range []bool{true, false} {
		if err := d.irq.Set(s, level); err != nil && d.failed == nil {
			d.failed = err
		}
	}

	select {
	case d.pulses <- struct{}{}:
	default:
	}
}

func (d *pulsing) pulse() {
	<-d.pulses // of a section that had begun before
	<-d.pulses
}

// counts are calls of slots.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) count(slot string) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.of[slot]++
}

// take gives the counts since the last call.
func (c *counts) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()

	of := c.of
	c.of = map[string]int{}

	return of
}

// pulses is a guest that writes to the device for ever.
func pulses() *vmmtest.Code { return guestThat("store") }

// The interrupt lines, the orders to vCPUs and the end of a machine can be repaired while its
// guest runs, whoever it is that asks for them.
func TestControl_isPatched(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	d := &pulsing{pulses: make(chan struct{}, 1)}
	m := start(t, config(pulses(), d))
	c := &counts{of: map[string]int{}}

	fix, err := vmm.CountControl("count", c.count)
	require.NoError(t, err)

	engine := patch.NewEngine(patch.Options{})

	_, err = engine.Apply(t.Context(), fix, patch.On(m.Domain()))
	require.NoError(t, err)

	d.pulse()
	require.GreaterOrEqual(t, c.take()["vmm.irq"], 2)

	require.NoError(t, m.Pause(t.Context()))
	require.Equal(t, 1, c.take()["vmm.post"])
	require.NoError(t, m.Resume(t.Context()))
	require.Equal(t, 1, c.take()["vmm.post"])

	d.pulse()

	_, err = engine.Revert(t.Context(), fix, patch.On(m.Domain()))
	require.NoError(t, err)
	c.take()
	d.pulse()
	require.NoError(t, m.Pause(t.Context()))
	require.NoError(t, m.Resume(t.Context()))
	require.Empty(t, c.take())

	_, err = engine.Apply(t.Context(), fix, patch.On(m.Domain()))
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.GreaterOrEqual(t, c.take()["vmm.end"], 1)
	require.Equal(t, vmm.ExitClosed, wait(t, m).Reason)
	require.NoError(t, d.failed)
}

// A device ends the machine in the section of the access: what ends it is what was applied
// when the access began.
func TestControl_stopIsPatched(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	d := &pulsing{}
	m := create(t, config(code().Mov(r8, mmioAt).Load(1, r9, r8).Spin(), d))
	c := &counts{of: map[string]int{}}

	fix, err := vmm.CountControl("count", c.count)
	require.NoError(t, err)

	_, err = patch.NewEngine(patch.Options{}).Apply(t.Context(), fix, patch.On(m.Domain()))
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context()))
	require.Equal(t, vmm.Exit{Reason: vmm.ExitReset, VCPU: -1}, wait(t, m))

	of := c.take()
	require.Equal(t, 2, of["vmm.end"], "of the device, and of the vCPU's thread")
	require.Equal(t, 1, of["vmm.post"])
}

// A line that is driven, and a machine that is controlled, within what a Barrier waits for
// holds up no transition: neither enters a section inside a section.
func TestControl_barrier(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	d := &pulsing{pulses: make(chan struct{}, 1)}
	m := start(t, config(pulses(), d))

	fix, err := vmm.CountControl("count", func(string) {})
	require.NoError(t, err)

	engine := patch.NewEngine(patch.Options{})
	on := patch.On(m.Domain())
	on.Mode = patch.Barrier

	var paused sync.WaitGroup

	paused.Go(func() {
		for range 50 {
			if m.Pause(t.Context()) != nil || m.Resume(t.Context()) != nil {
				t.Error("not paused and resumed")
			}
		}
	})

	for range 50 {
		_, err = engine.Apply(within(t), fix, on)
		require.NoError(t, err)
		d.pulse()

		_, err = engine.Revert(within(t), fix, on)
		require.NoError(t, err)
	}

	paused.Wait()
	require.NoError(t, m.Close())
	require.NoError(t, d.failed)
}
