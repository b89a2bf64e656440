//go:build !arm64

package vmm_test

import (
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// What guests of these tests have of a PC.
const (
	dataAt = 0x20_0000 // where they keep their data
	mmioAt = layout.MMIO
)

// endings are the ways in which a guest ends.
func endings() []ending {
	return []ending{
		{"power off", powerOff(), vmm.ExitPowerOff},
		{"reset register", code().Out(1, layout.PortReset, 2).Out(1, layout.PortReset, 6).Spin(), vmm.ExitReset},
		{"keyboard controller", code().Out(1, layout.PortI8042, 0xfe).Spin(), vmm.ExitReset},
	}
}

// undefined has the vCPU fault.
func undefined(c *vmmtest.Code) *vmmtest.Code { return c.Raw(0x0f, 0x0b) } // ud2

func accesses() []access {
	port := func() *vmmtest.Code { return code().Mov(vmmtest.RDX, portAt).Label("again") }

	return append(memoryAccesses(),
		access{"out", func() *vmmtest.Code { return port().OutDX(1).Jmp("again") }},
		access{"in", func() *vmmtest.Code { return port().InDX(1).Jmp("again") }},
		access{"outs", func() *vmmtest.Code {
			return port().Mov(vmmtest.RSI, dataAt).Mov(vmmtest.RCX, 16).RepOuts(4).Jmp("again")
		}})
}

func ways() []way {
	return []way{
		{"ports", portAt, func(c *vmmtest.Code, at, v vmmtest.Reg) {
			c.Copy(vmmtest.RDX, at).Copy(vmmtest.RAX, v).OutDX(4)
		}, 8000},
		memoryWay(2000),
	}
}

const com = layout.PortCOM1

// openSerial is DTR and RTS.
func openSerial(c *vmmtest.Code) *vmmtest.Code { return c.Out(1, com+4, 3) }

// hearSerial takes a byte, or goes to none if there is none.
func hearSerial(c *vmmtest.Code, to vmmtest.Reg, none string) {
	c.In(1, com+5).Raw(0xa8, 1).Jz(none) // LSR: test al, 1
	c.In(1, com).Copy(to, vmmtest.RAX)
}

// saySerial sends a byte.
func saySerial(c *vmmtest.Code, v vmmtest.Reg) {
	c.Copy(vmmtest.RAX, v).Mov(vmmtest.RDX, com).OutDX(1)
}
