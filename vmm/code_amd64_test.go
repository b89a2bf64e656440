package vmm_test

import (
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

const (
	ramSize = 4 << 20
	dataAt  = 0x20_0000 // where guests of these tests keep their data
	portAt  = 0x5000    // ports of the test device
	mmioAt  = 0xd000_0000
)

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
