//go:build !arm64

package vmm_test

import (
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// alignedOnly says that devices can't be reached across the multiples of a width.
const alignedOnly = false

// nobody0 begins much room where nobody is.
const nobody0 = layout.HoleStart

func faults() []fault {
	return []fault{
		{"int3", code().Raw(0xcc), vmm.ExitTripleFault},
		{"hlt in ring 3", code().Raw(0xf4), vmm.ExitTripleFault},
		{"division by zero", code().Mov(vmmtest.RCX, 0).Raw(0x48, 0xf7, 0xf1), vmm.ExitTripleFault},
		{"jump to nowhere", code().Mov(vmmtest.RAX, 1<<40).Raw(0xff, 0xe0), vmm.ExitTripleFault},
		{"jump to a hole", code().Mov(vmmtest.RAX, layout.HoleStart).Raw(0xff, 0xe0), vmm.ExitNone},
		{"syscall", code().Raw(0x0f, 0x05), vmm.ExitNone},
		{"vmcall", code().Raw(0x0f, 0x01, 0xc1).PowerOff(), vmm.ExitNone},
		{"cr3", code().Raw(0x0f, 0x20, 0xd8), vmm.ExitTripleFault},
	}
}

func nobodyAt() []uint64 {
	return []uint64{ramSize, layout.HoleStart - 8, layout.HoleStart, mmioAt, mmioAt + 0xffd, 0xfffffff0}
}

func busyGuests() map[string]*vmmtest.Code {
	huge := func() *vmmtest.Code {
		return code().Mov(vmmtest.RCX, ones).Mov(vmmtest.RDX, portAt).Mov(vmmtest.RSI, 0).Mov(vmmtest.RDI, dataAt)
	}

	return map[string]*vmmtest.Code{
		"rep outsb": huge().RepOuts(1),
		"rep outsw": huge().RepOuts(2),
		"rep outsd": huge().RepOuts(4),
		"rep insb":  huge().RepIns(1),
		"rep insd":  huge().RepIns(4),
		"ports":     code().Label("a").Out(4, portAt, 1).In(4, portAt).Jmp("a"),
		"unaligned": code().Mov(r8, layout.HoleStart).Label("a").
			Store(8, r8, r9).Load(4, r10, r8).Add(r8, 0x1003).Cmp(r8, -1).Jnz("a"),
	}
}

// chips are where the interrupt controllers are, and devices may be.
func chips() []vmm.Range {
	return []vmm.Range{
		{Base: layout.HoleStart, Size: 0x2000},
		{Base: layout.MMIO, Size: 0x1000},
		{Base: layout.IOAPIC, Size: 0x100},
		{Base: layout.LAPIC, Size: 0x400},
		{Base: layout.IdentityMap - 0x1000, Size: 0x2000},
	}
}

// sparing is a value that no port of the board ends the machine for: no reset, no sleep
// type 5, no reset command.
func sparing(v uint32) uint32 { return v &^ 0x1414_1414 }

// accessPort is what a guest does to a port.
func accessPort(c *vmmtest.Code, width int, port uint64, v uint32, write bool) {
	if write {
		c.Out(width, uint16(port), sparing(v))
	} else {
		c.In(width, uint16(port))
	}
}
