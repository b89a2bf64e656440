package vmm_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

const ones = ^uint64(0)

// fault is what a guest may do wrong. Without a reason given, anything may come of it.
type fault struct {
	name  string
	guest *vmmtest.Code
	want  vmm.ExitReason
}

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

	for _, tt := range append(faults(),
		fault{"undefined", undefined(code()), vmm.ExitTripleFault},
		fault{"nothing but zeros", code(), vmm.ExitNone},
		fault{"load from nowhere", code().Mov(r8, 1<<40).Load(8, r9, r8), vmm.ExitTripleFault},
		fault{"load from no address", code().Mov(r8, 1<<63).Load(8, r9, r8), vmm.ExitTripleFault},
		fault{"random bytes", code().Raw(random...), vmm.ExitNone},
	) {
		t.Run(tt.name, func(t *testing.T) {
			m := start(t, config(tt.guest))

			// What anything may come of may also spin.
			if tt.want == vmm.ExitNone {
				defer time.AfterFunc(300*time.Millisecond, func() { _ = m.Close() }).Stop()
			}

			e := wait(t, m)
			t.Log(e)
			require.NotEqual(t, vmm.ExitNone, e.Reason)

			if tt.want != vmm.ExitNone {
				require.Equal(t, tt.want, e.Reason, e)
				require.Equal(t, 0, e.VCPU)
			}
		})
	}
}

// noted is a guest that leaves what it sees at dataAt, 8 bytes each.
type noted struct {
	*vmmtest.Code
	want []uint64
}

func note() *noted { return &noted{Code: code().Mov(r15, dataAt)} }

// keep leaves a register, in which v is expected.
func (n *noted) keep(r vmmtest.Reg, v uint64) {
	n.Store(8, r15, r).Add(r15, 8)
	n.want = append(n.want, v)
}

// check runs the guest.
func (n *noted) check(t *testing.T, devices ...vmm.Device) {
	t.Helper()

	m, e := run(t, config(n.PowerOff(), devices...))
	require.Equal(t, vmm.ExitPowerOff, e.Reason, e)

	for i, v := range n.want {
		require.Equal(t, v, word(t, m, dataAt+8*int64(i)), i)
	}
}

// Where nobody is, reads give all ones and writes go nowhere.
func TestHostile_nobody(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	guest := note()

	for _, gpa := range nobodyAt() {
		for _, width := range []int{1, 2, 4, 8} {
			if gpa%uint64(width) != 0 && alignedOnly {
				continue
			}

			guest.Mov(r8, gpa).Mov(r9, 0x1122_3344_5566_7788).Store(width, r8, r9).Load(width, r10, r8)
			guest.keep(r10, ones>>(64-8*width))
		}
	}

	guest.check(t)
}

// counted is a device of three registers of a byte each, and what was written to it: the
// offset, then the byte.
func counted(wrote *[]uint64) *device {
	d := &device{port: portAt, ports: 3, mmio: mmioAt + 2, size: 3}
	d.read = func(off uint64, data []byte) {
		for i := range data {
			data[i] = byte(0x10 + off + uint64(i))
		}
	}
	d.write = func(off uint64, data []byte) {
		for i, b := range data {
			*wrote = append(*wrote, (off+uint64(i))<<8|uint64(b))
		}
	}

	return d
}

// An access across a window's end is split: each byte goes where it belongs.
func TestHostile_straddle(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	var wrote []uint64

	guest := note()

	for _, a := range []struct {
		off   uint64
		width int
		want  uint64
	}{
		{0, 8, 0xffffff12_1110ffff},
		{0, 4, 0x1110ffff},
		{4, 4, 0xffffff12},
		{4, 2, 0xff12},
	} {
		guest.Mov(r8, mmioAt+a.off).Load(a.width, r9, r8)
		guest.keep(r9, a.want)
	}

	guest.Mov(r8, mmioAt).Mov(r9, 0x88776655_44332211).Store(8, r8, r9).
		Mov(r8, mmioAt+4).Mov(r9, 0xaa99).Store(2, r8, r9)
	guest.check(t, counted(&wrote))
	require.Equal(t, []uint64{0x033, 0x144, 0x255, 0x299}, wrote)
}

// A guest that never comes back, in every way it can keep a vCPU busy, doesn't hold up
// Pause and Close.
func TestHostile_busy(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	guests := busyGuests()
	guests["spin"] = spin()
	guests["nobody"] = code().Mov(r8, nobody0).Label("a").
		Store(8, r8, r9).Load(4, r10, r8).Add(r8, 0x1000).Cmp(r8, -1).Jnz("a")

	for name, guest := range guests {
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

// All vCPUs end the machine at the same moment, in different ways: one answer.
func TestHostile_endAtOnce(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	// Each vCPU announces itself, waits for the others, and then goes its own way.
	guest := code().
		VCPU(r9).Mov(r8, dataAt).LockInc(r8).
		Label("wait").Load(8, r10, r8).Cmp(r10, 4).Jnz("wait").
		Cmp(r9, 0).Jz("off").Cmp(r9, 1).Jz("reset")
	undefined(guest).
		Label("reset").Reset().
		Label("off").PowerOff()

	for range fewer(20) {
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
			guest := code().VCPU(r9).Cmp(r9, 1).Jnz("spin").Mov(r8, mmioAt).Store(1, r8, r9).Label("spin").Spin()
			cfg := config(guest, &device{mmio: mmioAt, size: 1, write: handler})
			cfg.CPUs = 2
			_, e := run(t, cfg)
			require.Equal(t, vmm.ExitFailed, e.Reason)
			require.Equal(t, 1, e.VCPU)
			require.Error(t, e.Err)

			var p *vmm.PanicError

			if name != "goexit" {
				require.ErrorAs(t, e.Err, &p)
				require.Equal(t, 1, p.VCPU)
				require.Contains(t, string(p.Stack), "hostile_test.go")
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
