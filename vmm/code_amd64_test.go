package vmm_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

const (
	ramSize = 4 << 20
	dataAt  = 0x20_0000 // where guests of these tests keep their data
	portAt  = 0x5000    // ports of the test device
	mmioAt  = 0xd000_0000
)

type machineCode = vmmtest.Code

func code() *vmmtest.Code { return new(vmmtest.Code) }

// spin is a guest that never does anything.
func spin() *vmmtest.Code { return code().Spin() }

// powerOff is a guest that ends at once.
func powerOff() *vmmtest.Code { return code().PowerOff() }

// counting is a guest whose vCPUs count in memory at dataAt, 8 bytes each.
func counting() *vmmtest.Code {
	return code().Copy(vmmtest.RBX, vmmtest.RDI).Shl(vmmtest.RBX, 3).Add(vmmtest.RBX, dataAt).
		Label("again").LockInc(vmmtest.RBX).Jmp("again")
}

func config(c *vmmtest.Code, devices ...vmm.Device) vmm.Config {
	return vmm.Config{Memory: ramSize, Boot: vmm.Flat{Code: c.Bytes()}, Devices: devices}
}

// endings are the ways in which a guest ends.
func endings() []ending {
	return []ending{
		{"power off", powerOff(), vmm.ExitPowerOff},
		{"reset register", code().Out(1, layout.PortReset, 2).Out(1, layout.PortReset, 6).Spin(), vmm.ExitReset},
		{"keyboard controller", code().Out(1, layout.PortI8042, 0xfe).Spin(), vmm.ExitReset},
	}
}

// poking is a guest that writes a byte to mmioAt and ends.
func poking() *vmmtest.Code {
	return code().Mov(vmmtest.RBX, mmioAt).Store(1, vmmtest.RBX, vmmtest.RAX).PowerOff()
}

// working is a guest that has something to do before it ends.
func working() *vmmtest.Code {
	return code().Mov(vmmtest.RBX, 20_000).Label("again").Dec(vmmtest.RBX).Jnz("again").PowerOff()
}

// Bytes go in one way and come out the other.
func TestLife_serial(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	const com = layout.PortCOM1

	// Open the line (DTR and RTS), then echo, until a dot: wait for data (LSR bit 0),
	// read it, send it on.
	guest := code().Out(1, com+4, 3).Label("again").
		In(1, com+5).Raw(0xa8, 1).Jz("again"). // test al, 1
		In(1, com).Copy(vmmtest.RBX, vmmtest.RAX).Mov(vmmtest.RDX, com).OutDX(1).
		Cmp(vmmtest.RBX, '.').Jnz("again").PowerOff()

	said := strings.Repeat("what the guest hears it says; ", 30) + "."
	out := &sink{}
	_, e := run(t, config(guest, vmm.Serial(strings.NewReader(said), out)))

	require.Equal(t, vmm.ExitPowerOff, e.Reason)
	require.Equal(t, said, out.String(), "all of it is there when Wait returns")
}
