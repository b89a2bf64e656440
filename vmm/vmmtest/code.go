package vmmtest

import (
	"encoding/binary"
	"fmt"

	"github.com/vgraft/vgraft/internal/layout"
)

// Reg is a 64-bit general register of an amd64 guest.
type Reg byte

// The general registers, as instructions number them.
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

// Code builds a guest for vmm.Flat, one instruction or a few with each call:
//
//	code := new(vmmtest.Code).
//		Mov(vmmtest.RBX, 10).
//		Label("again").
//		Out(1, 0x3f8, '.').
//		Dec(vmmtest.RBX).
//		Jnz("again").
//		PowerOff().
//		Bytes()
//
// Widths are in bytes: 1, 2, 4 or 8 for memory, 1, 2 or 4 for ports. What can't be
// encoded panics, as it is a mistake of the test.
type Code struct {
	b      []byte
	labels map[string]int
	jumps  []jump
}

// jump is a 32-bit displacement at an offset of the code, still to be filled in.
type jump struct {
	at    int
	label string
}

// Raw appends bytes as they are.
func (c *Code) Raw(b ...byte) *Code {
	c.b = append(c.b, b...)

	return c
}

// split gives the bit of a register that goes into the REX prefix, and the three others.
func (r Reg) split() (high, low byte) {
	if r > R15 {
		panic(fmt.Sprintf("vmmtest: no register %d", r))
	}

	return byte(r >> 3), byte(r & 7)
}

func (c *Code) imm32(v uint32) *Code {
	c.b = binary.LittleEndian.AppendUint32(c.b, v)

	return c
}

// Mov sets a register to a constant.
func (c *Code) Mov(r Reg, v uint64) *Code {
	high, low := r.split()
	c.Raw(0x48|high, 0xb8|low)
	c.b = binary.LittleEndian.AppendUint64(c.b, v)

	return c
}

// Copy sets a register to another.
func (c *Code) Copy(dst, src Reg) *Code {
	srcHigh, srcLow := src.split()
	dstHigh, dstLow := dst.split()

	return c.Raw(0x48|srcHigh<<2|dstHigh, 0x89, 0xc0|srcLow<<3|dstLow)
}

// one is an instruction on one register, with a number in the place of the other.
func (c *Code) one(op, ext byte, r Reg) *Code {
	high, low := r.split()

	return c.Raw(0x48|high, op, 0xc0|ext<<3|low)
}

// Add adds a sign-extended constant. It sets the flags.
func (c *Code) Add(r Reg, v int32) *Code { return c.one(0x81, 0, r).imm32(uint32(v)) }

// Cmp compares a register with a sign-extended constant, for Jz and Jnz.
func (c *Code) Cmp(r Reg, v int32) *Code { return c.one(0x81, 7, r).imm32(uint32(v)) }

// Shl shifts left.
func (c *Code) Shl(r Reg, n byte) *Code { return c.one(0xc1, 4, r).Raw(n) }

// Inc adds 1.
func (c *Code) Inc(r Reg) *Code { return c.one(0xff, 0, r) }

// Dec subtracts 1, and lets Jnz see whether anything is left.
func (c *Code) Dec(r Reg) *Code { return c.one(0xff, 1, r) }

// memory appends an instruction with a register and the memory that base points to.
func (c *Code) memory(width int, op []byte, r, base Reg) *Code {
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
func (c *Code) Load(width int, dst, base Reg) *Code {
	switch width {
	case 1:
		return c.memory(4, []byte{0x0f, 0xb6}, dst, base)
	case 2:
		return c.memory(4, []byte{0x0f, 0xb7}, dst, base)
	}

	return c.memory(checked(width, 8), []byte{0x8b}, dst, base)
}

// Store writes the low bytes of src to memory at the address in base.
func (c *Code) Store(width int, base, src Reg) *Code {
	if width == 1 {
		return c.memory(4, []byte{0x88}, src, base)
	}

	return c.memory(checked(width, 8), []byte{0x89}, src, base)
}

// LockInc adds 1 to 8 bytes of memory, together with other vCPUs.
func (c *Code) LockInc(base Reg) *Code { return c.Raw(0xf0).memory(8, []byte{0xff}, 0, base) }

// port appends a port instruction: op for bytes, op+1 for wider ones.
func (c *Code) port(width int, op byte) *Code {
	switch checked(width, 4) {
	case 1:
		return c.Raw(op)
	case 2:
		return c.Raw(0x66, op+1)
	}

	return c.Raw(op + 1)
}

// Out writes a constant to a port. It uses RAX and RDX.
func (c *Code) Out(width int, port uint16, v uint32) *Code {
	return c.Mov(RAX, uint64(v)).Mov(RDX, uint64(port)).OutDX(width)
}

// OutDX writes AL, AX or EAX to the port in DX.
func (c *Code) OutDX(width int) *Code { return c.port(width, 0xee) }

// In reads a port into RAX, zero-extended. It uses RDX.
func (c *Code) In(width int, port uint16) *Code {
	return c.Mov(RAX, 0).Mov(RDX, uint64(port)).InDX(width)
}

// InDX reads the port in DX into AL, AX or EAX.
func (c *Code) InDX(width int) *Code { return c.port(width, 0xec) }

// RepOuts writes RCX elements from the memory at RSI to the port in DX.
func (c *Code) RepOuts(width int) *Code { return c.Raw(0xf3).port(width, 0x6e) }

// RepIns reads RCX elements from the port in DX to the memory at RDI.
func (c *Code) RepIns(width int) *Code { return c.Raw(0xf3).port(width, 0x6c) }

// Label names this place.
func (c *Code) Label(name string) *Code {
	if c.labels == nil {
		c.labels = map[string]int{}
	}

	if _, ok := c.labels[name]; ok {
		panic(fmt.Sprintf("vmmtest: label %q twice", name))
	}

	c.labels[name] = len(c.b)

	return c
}

func (c *Code) to(label string) *Code {
	c.jumps = append(c.jumps, jump{len(c.b), label})

	return c.imm32(0)
}

// Jmp goes on at a label, which may come later.
func (c *Code) Jmp(label string) *Code { return c.Raw(0xe9).to(label) }

// Jz goes there if the last result was zero.
func (c *Code) Jz(label string) *Code { return c.Raw(0x0f, 0x84).to(label) }

// Jnz goes there if it wasn't.
func (c *Code) Jnz(label string) *Code { return c.Raw(0x0f, 0x85).to(label) }

// Spin stays here for ever.
func (c *Code) Spin() *Code { return c.Raw(0xf3, 0x90, 0xeb, 0xfc) } // pause; jmp -4

// PowerOff ends the machine with vmm.ExitPowerOff, and stays there until it has ended.
func (c *Code) PowerOff() *Code { return c.Out(1, PowerOffPort, PowerOffValue).Spin() }

// Bytes gives the code. More may be appended after it.
func (c *Code) Bytes() []byte {
	b := append([]byte(nil), c.b...)

	for _, j := range c.jumps {
		target, ok := c.labels[j.label]
		if !ok {
			panic(fmt.Sprintf("vmmtest: no label %q", j.label))
		}

		binary.LittleEndian.PutUint32(b[j.at:], uint32(target-j.at-4))
	}

	return b
}

func checked(width, most int) int {
	if width < 1 || width > most || width&(width-1) != 0 {
		panic(fmt.Sprintf("vmmtest: an access of %d bytes", width))
	}

	return width
}
