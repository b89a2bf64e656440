package kvm_test

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/internal/testutil"
)

const ram = 1 << 30

// open makes a machine of one vCPU that is initialised, with a page of code. Everything
// is closed with the test.
func open(t *testing.T, code ...uint32) (*kvm.System, *kvm.VM, *kvm.VCPU) {
	t.Helper()

	s, err := kvm.Open("/dev/kvm")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })

	mem, err := guestmem.NewAt(ram, guestmem.PageSize)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, mem.Close()) })

	var b []byte
	for _, insn := range code {
		b = binary.LittleEndian.AppendUint32(b, insn)
	}

	_, err = mem.WriteAt(b, ram)
	require.NoError(t, err)

	vm, err := s.CreateVM()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, vm.Close()) })
	require.NoError(t, vm.SetMemory(0, ram, mem.Regions()[0].Bytes))

	c, err := vm.CreateVCPU(0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })

	kind, err := vm.PreferredTarget()
	require.NoError(t, err)

	kind.Features[0] |= kvm.FeaturePSCI
	require.NoError(t, c.Init(kind))
	require.NoError(t, c.SetReg(kvm.RegPC, ram))

	return s, vm, c
}

// run enters the guest until it exits.
func run(t *testing.T, c *kvm.VCPU) kvm.Reason {
	t.Helper()
	runtime.LockOSThread()

	defer runtime.UnlockOSThread()

	for {
		r, err := c.Run()
		if !errors.Is(err, kvm.ErrInterrupted) {
			require.NoError(t, err)

			return r
		}
	}
}

// Guests' instructions.
const (
	hvc  = 0xd400_0002
	spin = 0x1400_0000
)

func TestRegisters(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	_, _, c := open(t)

	for _, id := range []uint64{kvm.RegX(0), kvm.RegX(30), kvm.RegSPEL1, kvm.RegPC, kvm.RegSystem(3, 0, 2, 0, 0)} {
		require.NoError(t, c.SetReg(id, 0x1234_5678_9abc_d000))

		v, err := c.Reg(id)
		require.NoError(t, err)
		require.EqualValues(t, 0x1234_5678_9abc_d000, v, "%#x", id)
	}

	v, err := c.Reg(kvm.RegPState)
	require.NoError(t, err)
	require.EqualValues(t, 0x3c5, v, "EL1h, all masked")

	_, err = c.Reg(0)
	require.Error(t, err)
}

// A guest powers off by PSCI, from the kernel and, where the kernel can, as a call that
// comes out.
func TestPSCI(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	off := []uint32{0x5280_0100, 0x72b0_8000, hvc, spin} // SYSTEM_OFF

	_, _, c := open(t, off...)
	require.Equal(t, kvm.ExitSystemEvent, run(t, c))
	require.EqualValues(t, kvm.EventShutdown, c.Event())
	require.False(t, c.IsReset2())

	_, vm, c := open(t, off...)

	err := vm.ForwardCalls(0x8400_0008, 1)
	if errors.Is(err, unix.ENXIO) {
		t.Log("this kernel forwards no calls")
		return
	}

	require.NoError(t, err)
	require.Equal(t, kvm.ExitHypercall, run(t, c))
	require.EqualValues(t, 0x8400_0008, c.Hypercall())

	pc, err := c.Reg(kvm.RegPC)
	require.NoError(t, err)
	require.EqualValues(t, ram+12, pc, "after the call")
}

func TestSystemSuspend(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	s, vm, c := open(t, 0x5280_01c0, 0x72b8_8000, hvc, spin) // SYSTEM_SUSPEND, of 64 bits

	if v, err := s.Check(kvm.CapSystemSuspend); err != nil || v == 0 {
		t.Skip("this kernel suspends no machine", err)
	}

	require.NoError(t, vm.Enable(kvm.CapSystemSuspend))
	require.NoError(t, c.SetReg(kvm.RegX(1), ram))
	require.Equal(t, kvm.ExitSystemEvent, run(t, c))
	require.EqualValues(t, kvm.EventSuspend, c.Event())
}

func TestDevices(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	_, vm, _ := open(t, spin)

	gic, err := vm.CreateDevice(kvm.DeviceGICv3)
	require.NoError(t, err)
	require.Error(t, gic.Set64(kvm.AttrGICDistributor, 1), "not aligned")
	require.NoError(t, gic.Set64(kvm.AttrGICDistributor, 0x800_0000))
	require.NoError(t, gic.Set64(kvm.AttrGICRedistributors, 0xc00_0000))
	require.NoError(t, gic.Set32(kvm.AttrGICLines, 256))
	require.NoError(t, gic.Do(kvm.AttrGICInit))
	require.NoError(t, vm.IRQLine(1, true))
	require.Error(t, vm.IRQLine(1000, true))

	_, err = vm.CreateDevice(1 << 20)
	require.ErrorIs(t, err, unix.ENODEV)

	require.NoError(t, gic.Close())
	require.NoError(t, gic.Close())
	require.ErrorIs(t, gic.Do(kvm.AttrGICInit), os.ErrClosed)
	require.NoError(t, vm.IRQLine(1, false), "the machine has it still")
}
