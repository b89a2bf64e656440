package vmm_test

import (
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

const (
	dataAt = arm64.Kernel + 0x10_0000 // where guests of these tests keep their data
	mmioAt = arm64.MMIO
)

// PSCI's functions (Arm DEN0022).
const (
	psciSuspendCPU = 0xc400_0001
	psciCPUOff     = 0x8400_0002
	psciCPUOn      = 0xc400_0003
	psciAffinity   = 0xc400_0004
	psciReset      = 0x8400_0009
	psciSuspend    = 0xc400_000e
	psciReset2     = 0x8400_0012
)

// endings are the ways in which a guest ends.
func endings() []ending {
	return []ending{
		{"power off", powerOff(), vmm.ExitPowerOff},
		{"reset", code().Call(psciReset).Spin(), vmm.ExitReset},
		{"reset2", code().Call(psciReset2, 0, 0).Spin(), vmm.ExitReset},
	}
}

// undefined has the vCPU fault.
func undefined(c *vmmtest.Code) *vmmtest.Code { return c.Insn(0) } // udf #0

func accesses() []access { return memoryAccesses() }

func ways() []way { return []way{memoryWay(400)} }

// Registers of the serial port.
const (
	uartData    = arm64.UART
	uartFlags   = arm64.UART + 0x18
	uartControl = arm64.UART + 0x30
	uartMask    = arm64.UART + 0x38
)

// openSerial is RTS, DTR, RXE, TXE and UARTEN, and the receive interrupts.
func openSerial(c *vmmtest.Code) *vmmtest.Code {
	return c.Mov(r8, uartControl).Mov(r9, 0xf01).Store(4, r8, r9).
		Mov(r8, uartMask).Mov(r9, 0x50).Store(4, r8, r9)
}

// hearSerial takes a byte, or goes to none if there is none.
func hearSerial(c *vmmtest.Code, to vmmtest.Reg, none string) {
	c.Mov(r8, uartFlags).Load(4, r9, r8).Insn(0xd344_1129).Cmp(r9, 1).Jz(none) // RXFE: ubfx x9, x9, #4, #1
	c.Mov(r8, uartData).Load(4, to, r8)
}

// saySerial sends a byte.
func saySerial(c *vmmtest.Code, v vmmtest.Reg) { c.Mov(r8, uartData).Store(4, r8, v) }
