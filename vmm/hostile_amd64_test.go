package vmm_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

const ones = ^uint64(0)

// Whatever a guest executes, its machine ends with an Exit.
func TestHostile_faults(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	random := make([]byte, 4096)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}

	for _, tt := range []struct {
		name  string
		guest *vmmtest.Code
		want  vmm.ExitReason // 0 for any
	}{
		{"ud2", code().Raw(0x0f, 0x0b), vmm.ExitTripleFault},
		{"int3", code().Raw(0xcc), vmm.ExitTripleFault},
		{"hlt in ring 3", code().Raw(0xf4), vmm.ExitTripleFault},
		{"division by zero", code().Mov(vmmtest.RCX, 0).Raw(0x48, 0xf7, 0xf1), vmm.ExitTripleFault},
		{"load from nowhere", code().Mov(vmmtest.RBX, 1<<40).Load(8, vmmtest.RAX, vmmtest.RBX), vmm.ExitTripleFault},
		{"load from no address", code().Mov(vmmtest.RBX, 1<<63).Load(8, vmmtest.RAX, vmmtest.RBX), vmm.ExitTripleFault},
		{"jump to nowhere", code().Mov(vmmtest.RAX, 1<<40).Raw(0xff, 0xe0), vmm.ExitTripleFault},
		{"jump to a hole", code().Mov(vmmtest.RAX, layout.HoleStart).Raw(0xff, 0xe0), 0},
		{"syscall", code().Raw(0x0f, 0x05), 0},
		{"vmcall", code().Raw(0x0f, 0x01, 0xc1).PowerOff(), 0},
		{"cr3", code().Raw(0x0f, 0x20, 0xd8), vmm.ExitTripleFault},
		{"random bytes", code().Raw(random...), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := start(t, config(tt.guest))

			// What anything may come of may also spin.
			if tt.want == 0 {
				defer time.AfterFunc(300*time.Millisecond, func() { _ = m.Close() }).Stop()
			}

			e := wait(t, m)
			t.Log(e)
			require.NotEqual(t, vmm.ExitNone, e.Reason)

			if tt.want != 0 {
				require.Equal(t, tt.want, e.Reason, e)
				require.Equal(t, 0, e.VCPU)
			}
		})
	}
}

// Where nobody is, reads give all ones and writes go nowhere.
func TestHostile_nobody(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	var (
		guest = code().Mov(vmmtest.RBP, dataAt)
		want  []uint64
	)

	keep := func(r vmmtest.Reg, v uint64) {
		guest.Store(8, vmmtest.RBP, r).Add(vmmtest.RBP, 8)
		want = append(want, v)
	}

	for _, gpa := range []uint64{ramSize, layout.HoleStart - 8, layout.HoleStart, mmioAt, mmioAt + 0xffd, 0xfffffff0} {
		for _, width := range []int{1, 2, 4, 8} {
			guest.Mov(vmmtest.RBX, gpa).Mov(vmmtest.RAX, 0x1122_3344_5566_7788).
				Store(width, vmmtest.RBX, vmmtest.RAX).Load(width, vmmtest.RCX, vmmtest.RBX)
			keep(vmmtest.RCX, ones>>(64-8*width))
		}
	}

	for _, port := range []uint16{0x92, 0x100, portAt, 0xfff0, 0xfffe, 0xffff} {
		for _, width := range []int{1, 2, 4} {
			// Beyond the last port a KVM that goes by the map of ports faults.
			if int(port)+width > 1<<16 {
				continue
			}

			guest.Out(width, port, 0).In(width, port)
			keep(vmmtest.RAX, ones>>(64-8*width))
		}
	}

	m, e := run(t, config(guest.PowerOff()))
	require.Equal(t, vmm.ExitPowerOff, e.Reason, e)

	for i, v := range want {
		require.Equal(t, v, word(t, m, dataAt+8*int64(i)), i)
	}
}

// An access across a window's end is split: each byte goes where it belongs.
func TestHostile_straddle(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	var wrote []uint64

	d := &device{port: portAt, ports: 3, mmio: mmioAt, size: 3}
	d.read = func(off uint64, data []byte) {
		for i := range data {
			data[i] = byte(0x10 + off + uint64(i))
		}
	}
	d.write = func(off uint64, data []byte) {
		for i, b := range data {
			wrote = append(wrote, (off+uint64(i))<<8|uint64(b))
		}
	}

	guest := code().Mov(vmmtest.RBP, dataAt).
		In(4, portAt).Store(8, vmmtest.RBP, vmmtest.RAX).Add(vmmtest.RBP, 8).
		In(2, portAt+2).Store(8, vmmtest.RBP, vmmtest.RAX).Add(vmmtest.RBP, 8).
		In(4, portAt-2).Store(8, vmmtest.RBP, vmmtest.RAX).Add(vmmtest.RBP, 8).
		Mov(vmmtest.RBX, mmioAt-1).Load(8, vmmtest.RAX, vmmtest.RBX).Store(8, vmmtest.RBP, vmmtest.RAX).
		Out(4, portAt+1, 0x44332211).
		PowerOff()
	m, e := run(t, config(guest, d))
	require.Equal(t, vmm.ExitPowerOff, e.Reason, e)

	for i, want := range []uint64{0xff121110, 0xff12, 0x1110ffff, 0xffffffff_121110ff} {
		require.Equal(t, want, word(t, m, dataAt+8*int64(i)), i)
	}

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

// A guest that never comes back, in every way it can keep a vCPU busy, doesn't hold up
// Pause and Close.
func TestHostile_busy(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	huge := func(c *vmmtest.Code) *vmmtest.Code {
		return c.Mov(vmmtest.RCX, ones).Mov(vmmtest.RDX, portAt).Mov(vmmtest.RSI, 0).Mov(vmmtest.RDI, dataAt)
	}

	for name, guest := range map[string]*vmmtest.Code{
		"spin":      spin(),
		"rep outsb": huge(code()).RepOuts(1),
		"rep outsw": huge(code()).RepOuts(2),
		"rep outsd": huge(code()).RepOuts(4),
		"rep insb":  huge(code()).RepIns(1),
		"rep insd":  huge(code()).RepIns(4),
		"ports":     code().Label("a").Out(4, portAt, 1).In(4, portAt).Jmp("a"),
		"hole": code().Mov(vmmtest.RBX, layout.HoleStart).Label("a").
			Store(8, vmmtest.RBX, vmmtest.RAX).Load(4, vmmtest.RAX, vmmtest.RBX).Add(vmmtest.RBX, 0x1003).
			Cmp(vmmtest.RBX, -1).Jnz("a"),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(guest)
			cfg.CPUs = 2
			m := start(t, cfg)

			for range 5 {
				time.Sleep(5 * time.Millisecond)

				// rep ins overwrites the page tables' end in the end; then the guest is over.
				if err := m.Pause(within(t)); err != nil {
					require.ErrorIs(t, err, vmm.ErrState)
					break
				}

				require.NoError(t, m.Resume(within(t)))
			}

			begin := time.Now()

			require.NoError(t, m.Close())
			require.Less(t, time.Since(begin), patience/2)

			e := wait(t, m)
			t.Log(e)
			require.Contains(t, []vmm.ExitReason{vmm.ExitClosed, vmm.ExitTripleFault, vmm.ExitFailed}, e.Reason)
		})
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

// Everything at once into the windows of the hole, the interrupt controllers' too.
func TestHostile_hole(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	guest := code()

	for _, base := range []uint64{layout.HoleStart, layout.MMIO, layout.IOAPIC, layout.IdentityMap - 0x1000} {
		label := strconv.FormatUint(base, 16)
		guest.Mov(vmmtest.RBX, base).Mov(vmmtest.RBP, 500).Label(label)

		for _, width := range []int{1, 2, 4, 8} {
			guest.Store(width, vmmtest.RBX, vmmtest.RBP).Load(width, vmmtest.RAX, vmmtest.RBX).Add(vmmtest.RBX, 1)
		}

		guest.Dec(vmmtest.RBP).Jnz(label)
	}

	cfg := config(guest.PowerOff())
	cfg.CPUs = 2
	_, e := run(t, cfg)
	require.Equal(t, vmm.ExitPowerOff, e.Reason, e)
}

// All vCPUs end the machine at the same moment, in different ways: one answer.
func TestHostile_endAtOnce(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	// Each vCPU announces itself, waits for the others, and then goes its own way.
	guest := code().
		Mov(vmmtest.RBX, dataAt).LockInc(vmmtest.RBX).
		Label("wait").Load(8, vmmtest.RAX, vmmtest.RBX).Cmp(vmmtest.RAX, 4).Jnz("wait").
		Cmp(vmmtest.RDI, 0).Jz("off").Cmp(vmmtest.RDI, 1).Jz("reset").Raw(0x0f, 0x0b).
		Label("reset").Out(1, layout.PortReset, 6).Spin().
		Label("off").PowerOff()

	for range 20 {
		cfg := config(guest)
		cfg.CPUs = 4
		m, e := run(t, cfg)
		require.Contains(t, []vmm.ExitReason{vmm.ExitPowerOff, vmm.ExitReset, vmm.ExitTripleFault}, e.Reason, e)
		require.NoError(t, m.Close())
	}
}

// A handler of the embedder that panics, or ends its goroutine, ends its own machine.
func TestHostile_panic(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	other := start(t, config(counting()))
	boom := errors.New("boom")

	for name, handler := range map[string]func(uint64, []byte){
		"panic":  func(uint64, []byte) { panic(boom) },
		"goexit": func(uint64, []byte) { runtime.Goexit() },
		"bounds": func(_ uint64, data []byte) { data[7]++ },
	} {
		t.Run(name, func(t *testing.T) {
			guest := code().Cmp(vmmtest.RDI, 1).Jnz("spin").Out(1, portAt, 0).Label("spin").Spin()
			cfg := config(guest, &device{port: portAt, ports: 1, write: handler})
			cfg.CPUs = 2
			_, e := run(t, cfg)
			require.Equal(t, vmm.ExitFailed, e.Reason)
			require.Equal(t, 1, e.VCPU)
			require.Error(t, e.Err)

			var p *vmm.PanicError

			if name != "goexit" {
				require.ErrorAs(t, e.Err, &p)
				require.Equal(t, 1, p.VCPU)
				require.Contains(t, string(p.Stack), "hostile_amd64_test.go")
			}

			if name == "panic" {
				require.Equal(t, boom, p.Value)
			}
		})

		moved(t, other, dataAt)
	}
}

// A device that ends the machine before it runs, from many goroutines and late.
func TestHostile_deviceStops(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	var p vmm.Platform

	d := &device{attach: func(q vmm.Platform) error { p = q; q.Stop(patch.Section{}, vmm.ExitReset); return nil }}
	m := create(t, config(counting(), d))
	require.Equal(t, vmm.Created, m.State())
	require.NoError(t, m.Start(t.Context()))

	e := wait(t, m)
	require.Equal(t, vmm.Exit{Reason: vmm.ExitReset, VCPU: -1}, e)
	require.EqualValues(t, 1, d.stopped.Load())

	var (
		wg    sync.WaitGroup
		calls atomic.Int32
	)

	for range 8 {
		wg.Go(func() {
			p.Domain().Do("late", func(s patch.Section) { p.Stop(s, vmm.ExitPowerOff) })
			calls.Add(1)
		})
	}

	require.NoError(t, m.Close())
	wg.Wait()
	require.EqualValues(t, 8, calls.Load())
	require.Equal(t, e, wait(t, m))
}
