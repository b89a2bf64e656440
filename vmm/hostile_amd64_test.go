package vmm_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// Ports, too, answer where nobody is.
func TestHostile_nobodysPorts(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	guest := note()

	for _, port := range []uint16{0x92, 0x100, portAt, 0xfff0, 0xfffe, 0xffff} {
		for _, width := range []int{1, 2, 4} {
			// Beyond the last port a KVM that goes by the map of ports faults.
			if int(port)+width > 1<<16 {
				continue
			}

			guest.Out(width, port, 0).In(width, port)
			guest.keep(vmmtest.RAX, ones>>(64-8*width))
		}
	}

	guest.check(t)
}

// An access across the end of a window of ports is split as one of memory is; and one of
// memory needn't be aligned.
func TestHostile_straddlePorts(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	var wrote []uint64

	guest := note()

	for _, a := range []struct {
		port  uint16
		width int
		want  uint64
	}{
		{portAt, 4, 0xff121110},
		{portAt + 2, 2, 0xff12},
		{portAt - 2, 4, 0x1110ffff},
	} {
		guest.In(a.width, a.port)
		guest.keep(vmmtest.RAX, a.want)
	}

	guest.Mov(r8, mmioAt+1).Load(8, r9, r8)
	guest.keep(r9, 0xffffffff_121110ff)
	guest.Out(4, portAt+1, 0x44332211)
	guest.check(t, counted(&wrote))
	require.Equal(t, []uint64{0x111, 0x222}, wrote)
}

// String instructions: every element once, in order, of each width.
func TestHostile_strings(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	const n = 1 << 16

	for _, width := range []int{1, 2, 4} {
		sent := make([]byte, n)
		for i := range sent {
			sent[i] = byte(rand.Uint32())
		}

		var (
			got bytes.Buffer
			pos int
		)

		d := &device{port: portAt, ports: 8}
		d.write = func(_ uint64, data []byte) { got.Write(data) }
		d.read = func(_ uint64, data []byte) { pos += copy(data, sent[pos:]) }

		count := uint64(n / width)
		guest := code().
			Mov(vmmtest.RDX, portAt).Mov(vmmtest.RDI, dataAt).Mov(vmmtest.RCX, count).RepIns(width).
			Mov(vmmtest.RDX, portAt).Mov(vmmtest.RSI, dataAt).Mov(vmmtest.RCX, count).RepOuts(width).
			PowerOff()
		_, e := run(t, config(guest, d))
		require.Equal(t, vmm.ExitPowerOff, e.Reason, e)
		require.Equal(t, n, pos)
		require.True(t, bytes.Equal(sent, got.Bytes()), "width %d", width)
	}
}

// Every port, with every width, read and written. The value is one that no port of the
// board ends the machine for: no reset bit, no sleep type 5, no reset command.
func TestHostile_everyPort(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	// The two vCPUs share the work: vCPU 0 does the even ports, vCPU 1 the odd ones.
	step := int32(2)
	if quick() {
		step = 2 * 13
	}

	guest := code().Copy(vmmtest.RDX, vmmtest.RDI).Label("port").Mov(vmmtest.RAX, 0xa0a0a0a0)

	access := func(width int) {
		guest.OutDX(width).Copy(vmmtest.RBX, vmmtest.RAX).InDX(width).Copy(vmmtest.RAX, vmmtest.RBX)
	}

	for _, width := range []int{1, 2, 4} {
		access(width)
	}

	// Until beyond 0xfffb: at the last ports, the wider accesses may fault.
	guest.Add(vmmtest.RDX, step).Copy(vmmtest.RBX, vmmtest.RDX).Add(vmmtest.RBX, 4).
		Raw(0x48, 0xc1, 0xeb, 16). // shr rbx, 16
		Jz("port").
		Mov(vmmtest.RAX, 0xa0a0a0a0)

	const tail = 0xfffc

	for port := uint64(tail); port < 1<<16; port++ {
		guest.Mov(vmmtest.RDX, port)

		for _, width := range []int{1, 2, 4} {
			if port+uint64(width) <= 1<<16 {
				access(width)
			}
		}
	}

	guest.Mov(vmmtest.RBX, dataAt).LockInc(vmmtest.RBX).
		Label("wait").Load(8, vmmtest.RAX, vmmtest.RBX).Cmp(vmmtest.RAX, 2).Jnz("wait").
		PowerOff()

	out := &sink{}
	began := time.Now()

	var (
		mu   sync.Mutex
		last = map[[2]int]int{} // accesses to the last ports, by offset and width
	)

	end := &device{port: tail, ports: 4, write: func(off uint64, data []byte) {
		mu.Lock()
		defer mu.Unlock()

		last[[2]int{int(off), len(data)}]++
	}}
	cfg := config(guest, vmm.Serial(bytes.NewReader(make([]byte, 64)), out), end)
	cfg.CPUs = 2
	m, e := run(t, cfg)
	t.Log(time.Since(began))
	require.Equal(t, vmm.ExitPowerOff, e.Reason, e)
	require.NoError(t, m.Close())

	// What begins below them comes byte by byte, and makes some of these more.
	for _, at := range [][2]int{{0, 1}, {0, 2}, {0, 4}, {1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 1}} {
		require.GreaterOrEqual(t, last[at], cfg.CPUs, "%d bytes at %#x", at[1], tail+at[0])
	}
}
