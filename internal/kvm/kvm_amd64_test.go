package kvm_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/internal/testutil"
)

func TestOpen_refuses(t *testing.T) {
	testutil.Pure(t)
	testutil.NoLeaks(t)

	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	for path, want := range map[string]error{
		filepath.Join(dir, "missing"): fs.ErrNotExist,
		file:                          unix.ENOTTY,
		dir:                           unix.EISDIR,
		"/dev/null":                   unix.ENOTTY,
		"":                            fs.ErrNotExist,
	} {
		s, err := kvm.Open(path)
		require.ErrorIs(t, err, want, "%q", path)
		require.ErrorContains(t, err, path)
		require.Nil(t, s)
	}
}

func TestReason_string(t *testing.T) {
	testutil.Pure(t)

	for r, want := range map[kvm.Reason]string{
		0:                     "EXITUNKNOWN",
		kvm.ExitIO:            "EXITIO",
		kvm.ExitHLT:           "EXITHLT",
		kvm.ExitMMIO:          "EXITMMIO",
		kvm.ExitShutdown:      "EXITSHUTDOWN",
		kvm.ExitFailEntry:     "EXITFAILENTRY",
		kvm.ExitInterrupted:   "EXITINTR",
		kvm.ExitInternalError: "EXITINTERNALERROR",
		18:                    "exit 18",
		23:                    "exit 23",
		kvm.ExitSystemEvent:   "EXITSYSTEMEVENT",
		25:                    "exit 25",
		1<<32 - 1:             "exit 4294967295",
	} {
		require.Equal(t, want, r.KernelName())
	}

	// linux/kvm.h
	require.Equal(t, []kvm.Reason{2, 5, 6, 8, 9, 10, 17, 24}, []kvm.Reason{
		kvm.ExitIO, kvm.ExitHLT, kvm.ExitMMIO, kvm.ExitShutdown, kvm.ExitFailEntry,
		kvm.ExitInterrupted, kvm.ExitInternalError, kvm.ExitSystemEvent,
	})
}

// open makes a machine of one vCPU. Everything is closed with the test.
func open(t *testing.T) (*kvm.System, *kvm.VM, *kvm.VCPU) {
	t.Helper()

	s, err := kvm.Open("/dev/kvm")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })

	vm, err := s.CreateVM()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, vm.Close()) })

	c, err := vm.CreateVCPU(0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })

	return s, vm, c
}

func TestClose(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	s, vm, c := open(t)

	// closed holds that a call, of this name in the kernel, came too late.
	closed := func(call string, err error) {
		t.Helper()

		var e *kvm.Error

		require.ErrorIs(t, err, os.ErrClosed)
		require.ErrorAs(t, err, &e)
		require.Equal(t, call, e.Call)
	}

	require.NoError(t, c.Close())
	require.NoError(t, c.Close())

	_, err := c.Regs()
	closed("KVM_GET_REGS", err)
	closed("KVM_SET_REGS", c.SetRegs(&kvm.Regs{}))
	_, err = c.Sregs()
	closed("KVM_GET_SREGS", err)
	closed("KVM_SET_SREGS", c.SetSregs(&kvm.Sregs{}))
	closed("KVM_SET_MP_STATE", c.SetMPState(kvm.Runnable))
	closed("KVM_SET_CPUID2", c.SetCPUID(nil))
	closed("KVM_SET_FPU", c.ResetFPU())
	_, err = c.SetMSRs()
	closed("KVM_SET_MSRS", err)

	// Its thread should have ended; at least it doesn't crash or run another's vCPU.
	_, err = c.Run()
	require.Error(t, err)

	require.NoError(t, vm.Close())
	require.NoError(t, vm.Close())

	_, err = vm.CreateVCPU(1)
	closed("KVM_CREATE_VCPU", err)
	closed("KVM_SET_USER_MEMORY_REGION", vm.SetMemory(0, 0, nil))
	closed("KVM_IRQ_LINE", vm.IRQLine(0, true))
	closed("KVM_SET_TSS_ADDR", vm.SetTSSAddr(0))
	closed("KVM_SET_IDENTITY_MAP_ADDR", vm.SetIdentityMapAddr(0))
	closed("KVM_CREATE_IRQCHIP", vm.CreateIRQChip())
	closed("KVM_CREATE_PIT2", vm.CreatePIT())

	require.NoError(t, s.Close())
	require.NoError(t, s.Close())

	_, err = s.CreateVM()
	closed("KVM_GET_VCPU_MMAP_SIZE", err)
	_, err = s.Check(kvm.CapUserMemory)
	closed("KVM_CHECK_EXTENSION", err)
	_, err = s.SupportedCPUID()
	closed("KVM_GET_SUPPORTED_CPUID", err)
}

func TestClose_atOnce(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	_, vm, _ := open(t)

	for id := range 100 {
		c, err := vm.CreateVCPU(1 + id)
		require.NoError(t, err)

		var (
			wg   sync.WaitGroup
			errs [2]error
		)

		for i := range errs {
			wg.Go(func() { errs[i] = c.Close() })
		}

		wg.Wait()
		require.NoError(t, errors.Join(errs[:]...))
	}
}

// A vCPU that nobody closed is given back when nobody has it any more, its mapping too.
func TestClose_dropped(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	s, err := kvm.Open("/dev/kvm")
	require.NoError(t, err)
	vm, err := s.CreateVM()
	require.NoError(t, err)
	c, err := vm.CreateVCPU(0)
	require.NoError(t, err)

	mapped := func() bool {
		maps, err := os.ReadFile("/proc/self/maps")
		require.NoError(t, err)

		return strings.Contains(string(maps), "anon_inode:kvm-vcpu")
	}

	require.True(t, mapped())
	runtime.GC()
	require.True(t, mapped(), "it is still in use")
	runtime.KeepAlive(c)

	s, vm, c = nil, nil, nil

	require.Eventually(t, func() bool {
		runtime.GC()

		return !mapped()
	}, 10*time.Second, time.Millisecond)
}

// TestABI_kernelAgrees makes the calls whose structures the kernel looks into.
func TestABI_kernelAgrees(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	s, _, c := open(t)

	regs := kvm.Regs{RAX: 1, RSP: 2, R15: 3, RIP: 4, RFLAGS: 2}
	require.NoError(t, c.SetRegs(&regs))
	got, err := c.Regs()
	require.NoError(t, err)
	require.Equal(t, regs, got)

	sregs, err := c.Sregs()
	require.NoError(t, err)
	sregs.DS.Base, sregs.DS.Selector = 0x1230, 0x123
	require.NoError(t, c.SetSregs(&sregs))
	back, err := c.Sregs()
	require.NoError(t, err)
	require.Equal(t, sregs, back)

	leaves, err := s.SupportedCPUID()
	require.NoError(t, err)
	require.NotEmpty(t, leaves)
	require.NoError(t, c.SetCPUID(leaves))
	require.Error(t, c.SetCPUID(make([]kvm.CPUIDEntry, 257)))
	require.NoError(t, c.ResetFPU())

	const tsc = 0x10
	n, err := c.SetMSRs(kvm.MSREntry{Index: tsc, Data: 1})
	require.NoError(t, err)
	require.Equal(t, 1, n)

	most := slices.Repeat([]kvm.MSREntry{{Index: tsc, Data: 1}}, 32)
	n, err = c.SetMSRs(most...)
	require.NoError(t, err)
	require.Equal(t, len(most), n)
	n, err = c.SetMSRs(append(most, most[0])...)
	require.Error(t, err, "one too many is not left out")
	require.Zero(t, n)
}

// halting makes the guest that a vCPU runs a HLT, or what else there is, in real mode.
func halting(t *testing.T, vm *kvm.VM, c *kvm.VCPU, code ...byte) {
	t.Helper()

	m, err := guestmem.New(guestmem.PageSize, guestmem.Range{Base: 3 << 30, Size: 1 << 30})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, c.Close())
		require.NoError(t, vm.Close())
		require.NoError(t, m.Close())
	})

	_, err = m.WriteAt(code, 0x100)
	require.NoError(t, err)
	require.NoError(t, vm.SetMemory(0, 0, m.Regions()[0].Bytes))

	s, err := c.Sregs()
	require.NoError(t, err)
	s.CS.Base, s.CS.Selector = 0, 0
	require.NoError(t, c.SetSregs(&s))
	require.NoError(t, c.SetRegs(&kvm.Regs{RIP: 0x100, RFLAGS: 2}))
}

func TestRun_interrupt(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	_, vm, c := open(t)
	halting(t, vm, c, 0xf4, 0xf4) // hlt; hlt

	c.Interrupt()

	for range 3 {
		r, err := c.Run()
		require.True(t, err == kvm.ErrInterrupted, "itself, not wrapped: %v", err) //nolint:errorlint // that is the promise
		require.Zero(t, r)
	}

	regs, err := c.Regs()
	require.NoError(t, err)
	require.EqualValues(t, 0x100, regs.RIP, "the guest did not run")

	c.Continue()

	r, err := c.Run()
	require.NoError(t, err)
	require.Equal(t, kvm.ExitHLT, r)

	c.Interrupt()

	_, err = c.Run()
	require.ErrorIs(t, err, kvm.ErrInterrupted)
	c.Continue()

	r, err = c.Run()
	require.NoError(t, err)
	require.Equal(t, kvm.ExitHLT, r)
}

func TestRun_pio(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	_, vm, c := open(t)
	halting(t, vm, c, 0xb0, 0x5a, 0xe6, 0x80, 0xe4, 0x81, 0xf4) // mov al, 5ah; out 80h, al; in al, 81h; hlt

	r, err := c.Run()
	require.NoError(t, err)
	require.Equal(t, kvm.ExitIO, r)

	port, size, write, data := c.PIO()
	require.Equal(t, uint16(0x80), port)
	require.Equal(t, 1, size)
	require.True(t, write)
	require.Equal(t, []byte{0x5a}, data)

	r, err = c.Run()
	require.NoError(t, err)
	require.Equal(t, kvm.ExitIO, r)

	port, size, write, data = c.PIO()
	require.Equal(t, uint16(0x81), port)
	require.Equal(t, 1, size)
	require.False(t, write)
	require.Len(t, data, 1)
	data[0] = 0xa5

	r, err = c.Run()
	require.NoError(t, err)
	require.Equal(t, kvm.ExitHLT, r)

	regs, err := c.Regs()
	require.NoError(t, err)
	require.EqualValues(t, 0xa5, regs.RAX&0xff)
}

func TestKick(t *testing.T) {
	testutil.Pure(t)

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	require.NoError(t, kvm.Kick(kvm.Thread(), 0))
	require.ErrorIs(t, kvm.Kick(1<<30, 0), unix.ESRCH)
}

// Devices drive their lines all the time.
func TestIRQLine(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	s, err := kvm.Open("/dev/kvm")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })

	vm, err := s.CreateVM()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, vm.Close()) })

	require.Error(t, vm.IRQLine(5, true), "no interrupt controller")
	require.NoError(t, vm.CreateIRQChip())

	level := false

	require.Zero(t, testing.AllocsPerRun(100, func() {
		level = !level
		if err := vm.IRQLine(5, level); err != nil {
			t.Error(err)
		}
	}))
}
