package vmmtest_test

import (
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// counter is the smallest device there is: a byte at 0xd0000000 that counts its reads,
// and a line that is up while the count is odd.
type counter struct {
	irq vmm.IRQ

	mu sync.Mutex
	n  byte
}

var (
	counterRead  = patch.NewSlot("vmmtest/counter.read", (*counter).read)
	counterWrite = patch.NewSlot("vmmtest/counter.write", (*counter).write)
)

func (c *counter) Attach(p vmm.Platform) (err error) {
	if c.irq, err = p.IRQ(5); err != nil {
		return err
	}

	return p.MMIO("counter", 0xd000_0000, 1, vmm.Slots(c, counterRead, counterWrite))
}

func (c *counter) write(patch.Section, uint64, []byte) {}

func (c *counter) read(s patch.Section, _ uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.n++
	data[0] = c.n
	_ = c.irq.Set(s, c.n%2 == 1)
}

func TestDevice(t *testing.T) {
	vmmtest.TestDevice(t, func() vmm.Device { return &counter{} })
}

func TestPlatform(t *testing.T) {
	p := vmmtest.NewPlatform(t)
	require.NoError(t, (&counter{}).Attach(p))
	require.Error(t, (&counter{}).Attach(p), "the line is taken")

	h := vmm.Slots(&counter{}, counterRead, counterWrite)
	require.Error(t, p.MMIO("overlap", 0xcfff_ffff, 2, h))
	require.NoError(t, p.MMIO("beside", 0xcfff_ffff, 1, h))
	require.Error(t, p.MMIO("in RAM", vmmtest.RAM+vmmtest.MemorySize-1, 1, h))
	require.Error(t, p.MMIO("wraps", ^uint64(0), 2, h))
	require.NoError(t, p.PIO("last port", 0xffff, 1, h))
	require.Error(t, p.PIO("beyond", 0xffff, 2, h))
	require.Error(t, p.PIO("empty", 0x100, 0, h))

	_, err := p.IRQ(1000)
	require.Error(t, err)

	cpu := p.NewVCPU()
	defer cpu.Close()

	for i := range uint64(3) {
		require.Equal(t, i+1, cpu.Load(0xd000_0000, 1))
	}

	require.Equal(t, 2, p.Line(5).Rises())
	require.Equal(t, 3, p.Line(5).Sets())
	require.True(t, p.Line(5).Level())
	require.NoError(t, p.Line(5).Wait(t.Context()))

	p.Stop(patch.Section{}, vmm.ExitReset)
	p.Stop(patch.Section{}, vmm.ExitPowerOff)
	require.Equal(t, vmm.ExitReset, p.Stopped(), "the first counts")
}

// Memory is guest RAM as a machine gives it.
func TestPlatform_memory(t *testing.T) {
	p := vmmtest.NewPlatform(t)
	m := p.Memory()

	_, err := m.WriteAt([]byte("ring"), vmmtest.RAM+0x1000)
	require.NoError(t, err)

	b, err := m.Slice(vmmtest.RAM+0x1000, 4)
	require.NoError(t, err)
	require.Equal(t, "ring", string(b))

	_, err = m.Slice(vmmtest.RAM+vmmtest.MemorySize-1, 2)
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrClosed)
}
