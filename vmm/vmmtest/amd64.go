package vmmtest

import (
	"encoding/binary"
	"fmt"

	"github.com/vgraft/vgraft/internal/layout"
)

// The general registers of amd64, as instructions number them.
const (
	RAX Reg = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
)

// PowerOffValue is what an 8-bit write to PowerOffPort powers the machine off with.
const (
	PowerOffPort  = layout.PortSleep
	PowerOffValue = 1<<5 | 5<<2 // SLP_EN, and the SLP_TYP of S5
)

// AMD64 builds a guest for amd64. See Code.
type AMD64 struct{ text }

// Raw appends bytes as they are.
func (c *AMD64) Raw(b ...byte) *AMD64 {
	c.b = append(c.b, b...)

	return c
}

// VCPU sets a register to the number of the vCPU. It comes first: a guest begins with the
// number in RDI, which is a register as others are.
func (c *AMD64) VCPU(dst Reg) *AMD64 { return c.Copy(dst, RDI) }

// split gives the bit of a register that goes into the REX prefix, and the three others.
func (r Reg) split() (high, low byte) {
	if r > R15 {
		panic(fmt.Sprintf("vmmtest: no register %d", r))
	}

	return byte(r >> 3), byte(r & 7)
}

func (c *AMD64) imm32(v uint32) *AMD64 {
	c.b = binary.LittleEndian.AppendUint32(c.b, v)

	return c
}

// Mov sets a register to a constant.
func (c *AMD64) Mov(r Reg, v uint64) *AMD64 {
	high, low := r.split()
	c.Raw(0x48|high, 0xb8|low)
	c.b = binary.LittleEndian.AppendUint64(c.b, v)

	return c
}

// Copy sets a register to another.
func (c *AMD64) Copy(dst, src Reg) *AMD64 {
	srcHigh, srcLow := src.split()
	dstHigh, dstLow := dst.split()

	return c.Raw(0x48|srcHigh<<2|dstHigh, 0x89, 0xc0|srcLow<<3|dstLow)
}

// one is an instruction on one register, with a number in the place of the other.
func (c *AMD64) one(op, ext byte, r Reg) *AMD64 {
	high, low := r.split()

	return c.Raw(0x48|high, op, 0xc0|ext<<3|low)
}

// AddReg adds another register.
func (c *AMD64) AddReg(dst, src Reg) *AMD64 {
	srcHigh, srcLow := src.split()
	dstHigh, dstLow := dst.split()

	return c.Raw(0x48|srcHigh<<2|dstHigh, 0x01, 0xc0|srcLow<<3|dstLow)
}

// Add adds a sign-extended constant.
func (c *AMD64) Add(r Reg, v int32) *AMD64 { return c.one(0x81, 0, r).imm32(uint32(v)) }

// Cmp compares a register with a sign-extended constant, for Jz and Jnz.
func (c *AMD64) Cmp(r Reg, v int32) *AMD64 { return c.one(0x81, 7, r).imm32(uint32(v)) }

// Shl shifts left.
func (c *AMD64) Shl(r Reg, n byte) *AMD64 { return c.one(0xc1, 4, r).Raw(n) }

// Inc adds 1.
func (c *AMD64) Inc(r Reg) *AMD64 { return c.one(0xff, 0, r) }

// Dec subtracts 1.
func (c *AMD64) Dec(r Reg) *AMD64 { return c.one(0xff, 1, r) }

// memory appends an instruction with a register and the memory that base points to.
func (c *AMD64) memory(width int, op []byte, r, base Reg) *AMD64 {
	rHigh, rLow := r.split()
	baseHigh, baseLow := base.split()
	rex := 0x40 | rHigh<<2 | baseHigh

	switch width {
	case 2:
		c.Raw(0x66)
	case 8:
		rex |= 8
	}

	c.Raw(rex).Raw(op...).Raw(0x40 | rLow<<3 | baseLow)

	if baseLow == byte(RSP) { // needs a SIB byte
		c.Raw(0x24)
	}

	return c.Raw(0) // displacement
}

// Load reads memory at the address in base, zero-extended.
func (c *AMD64) Load(width int, dst, base Reg) *AMD64 {
	switch width {
	case 1:
		return c.memory(4, []byte{0x0f, 0xb6}, dst, base)
	case 2:
		return c.memory(4, []byte{0x0f, 0xb7}, dst, base)
	}

	return c.memory(checked(width, 8), []byte{0x8b}, dst, base)
}

// Store writes the low bytes of src to memory at the address in base.
func (c *AMD64) Store(width int, base, src Reg) *AMD64 {
	if width == 1 {
		return c.memory(4, []byte{0x88}, src, base)
	}

	return c.memory(checked(width, 8), []byte{0x89}, src, base)
}

// LockInc adds 1 to 8 bytes of memory, together with other vCPUs.
func (c *AMD64) LockInc(base Reg) *AMD64 { return c.Raw(0xf0).memory(8, []byte{0xff}, 0, base) }

// port appends a port instruction: op for bytes, op+1 for wider ones.
func (c *AMD64) port(width int, op byte) *AMD64 {
	switch checked(width, 4) {
	case 1:
		return c.Raw(op)
	case 2:
		return c.Raw(0x66, op+1)
	}

	return c.Raw(op + 1)
}

// Out writes a constant to a port. It uses RAX and RDX.
func (c *AMD64) Out(width int, port uint16, v uint32) *AMD64 {
	return c.Mov(RAX, uint64(v)).Mov(RDX, uint64(port)).OutDX(width)
}

// OutDX writes AL, AX or EAX to the port in DX.
func (c *AMD64) OutDX(width int) *AMD64 { return c.port(width, 0xee) }

// In reads a port into RAX, zero-extended. It uses RDX.
func (c *AMD64) In(width int, port uint16) *AMD64 {
	return c.Mov(RAX, 0).Mov(RDX, uint64(port)).InDX(width)
}

// InDX reads the port in DX into AL, AX or EAX.
func (c *AMD64) InDX(width int) *AMD64 { return c.port(width, 0xec) }

// RepOuts writes RCX elements from the memory at RSI to the port in DX.
func (c *AMD64) RepOuts(width int) *AMD64 { return c.Raw(0xf3).port(width, 0x6e) }

// RepIns reads RCX elements from the port in DX to the memory at RDI.
func (c *AMD64) RepIns(width int) *AMD64 { return c.Raw(0xf3).port(width, 0x6c) }

// Label names this place.
func (c *AMD64) Label(name string) *AMD64 {
	c.name(name)

	return c
}

func (c *AMD64) to(label string) *AMD64 {
	c.jump(label)

	return c.imm32(0)
}

// Jmp goes on at a label, which may come later.
func (c *AMD64) Jmp(label string) *AMD64 { return c.Raw(0xe9).to(label) }

// Jz goes there if the last result was zero.
func (c *AMD64) Jz(label string) *AMD64 { return c.Raw(0x0f, 0x84).to(label) }

// Jnz goes there if it wasn't.
func (c *AMD64) Jnz(label string) *AMD64 { return c.Raw(0x0f, 0x85).to(label) }

// Spin stays here for ever.
func (c *AMD64) Spin() *AMD64 { return c.Raw(0xf3, 0x90, 0xeb, 0xfc) } // pause; jmp -4

// PowerOff ends the machine with vmm.ExitPowerOff, and stays there until it has ended.
func (c *AMD64) PowerOff() *AMD64 { return c.Out(1, PowerOffPort, PowerOffValue).Spin() }

// Reset ends it with vmm.ExitReset.
func (c *AMD64) Reset() *AMD64 { return c.Out(1, layout.PortReset, resetValue).Spin() }

// resetValue is that of a hard reset: SYS_RST and RST_CPU.
const resetValue = 1<<1 | 1<<2

// Bytes gives the code. More may be appended after it.
func (c *AMD64) Bytes() []byte {
	const displacement = 4 // bytes, from whose end it counts

	return c.linked(func(insn []byte, distance int) bool {
		binary.LittleEndian.PutUint32(insn, uint32(distance-displacement))

		return true
	})
}
