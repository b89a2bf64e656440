package vmm_test

import (
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// alignedOnly says that devices can't be reached across the multiples of a width.
const alignedOnly = true

// nobody0 begins much room where nobody is.
const nobody0 = arm64.MMIO

func faults() []fault {
	jump := func(to uint64) *vmmtest.Code { return code().Mov(vmmtest.X1, to).Insn(0xd61f_0020) } // br x1

	return []fault{
		{"floating point", code().Insn(0x1e60_1000).PowerOff(), vmm.ExitPowerOff}, // fmov d0, #2
		{"unmapped", code().Mov(r8, 1<<39).Load(8, r9, r8), vmm.ExitTripleFault},
		{"unaligned", code().Mov(r8, mmioAt+1).Load(8, r9, r8), vmm.ExitTripleFault},
		{"jump to a device", jump(arm64.MMIO), vmm.ExitTripleFault},
		{"jump beyond RAM", jump(arm64.RAM + ramSize), vmm.ExitTripleFault},
		{"jump into an instruction", jump(arm64.Kernel + 2), vmm.ExitTripleFault},
		{"brk", code().Insn(0xd420_0000), vmm.ExitTripleFault},
		{"svc", code().Insn(0xd400_0001), vmm.ExitTripleFault},
		{"smc", code().Insn(0xd400_0003).PowerOff(), vmm.ExitNone},
		{"hvc that isn't 0", code().Insn(0xd400_0022).PowerOff(), vmm.ExitNone},
		{"wfi", code().Insn(0xd503_207f).PowerOff(), vmm.ExitNone},
		{"hypervisor's register", code().Insn(0xd51c_1100).PowerOff(), vmm.ExitTripleFault},  // msr hcr_el2, x0
		{"zeroing a device", code().Mov(vmmtest.X1, mmioAt).Insn(0xd50b_7421), vmm.ExitNone}, // dc zva
		{"exclusives of a device", code().Mov(r8, mmioAt).LockInc(r8).PowerOff(), vmm.ExitNone},
		{"no paging", code().Insn(0xd518_1000, 0xd503_3fdf).PowerOff(), vmm.ExitNone}, // msr sctlr_el1, x0; isb
		{"other tables", code().Insn(0xd518_2000, 0xd503_3fdf).PowerOff(), vmm.ExitNone},
		{"no vectors", code().Insn(0xd518_c000, 0xd503_3fdf, 0), vmm.ExitNone}, // msr vbar_el1, x0; isb; udf
	}
}

func nobodyAt() []uint64 {
	return []uint64{arm64.Flash, mmioAt, mmioAt + 0xffd, arm64.ECAM, arm64.RAM - 8, arm64.RAM + ramSize, 1<<39 - 8}
}

func busyGuests() map[string]*vmmtest.Code { return map[string]*vmmtest.Code{} }

// chips are where the interrupt controllers are, and devices may be.
func chips() []vmm.Range {
	return []vmm.Range{
		{Base: arm64.Flash, Size: 0x1000},
		{Base: arm64.GICD, Size: arm64.GICDSize},
		{Base: arm64.ITS, Size: arm64.ITSSize},
		{Base: arm64.GICR, Size: 3 * arm64.GICRStride},
		{Base: arm64.UART, Size: 2 * arm64.UARTSize},
		{Base: arm64.RTC, Size: 2 * arm64.RTCSize},
		{Base: arm64.MMIO, Size: 0x1000},
		{Base: arm64.ECAM, Size: 0x1000},
	}
}

// accessPort is for a machine that has ports.
func accessPort(*vmmtest.Code, int, uint64, uint32, bool) {}
