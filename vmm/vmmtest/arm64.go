package vmmtest

import (
	"encoding/binary"
	"fmt"
)

// The general registers of arm64. X31 isn't one. X16 and X17 are used by some of the methods.
const (
	X0 Reg = iota
	X1
	X2
	X3
	X4
	X5
	X6
	X7
	X8
	X9
	X10
	X11
	X12
	X13
	X14
	X15
	X16
	X17
	X18
	X19
	X20
	X21
	X22
	X23
	X24
	X25
	X26
	X27
	X28
	X29
	X30
)

// zero reads as 0, and is where results go that nobody wants.
const zero = X30 + 1

// Functions of PSCI (Arm DEN0022F, §5.1).
const (
	psciSystemOff   = 0x8400_0008
	psciSystemReset = 0x8400_0009
)

// ARM64 builds a guest for arm64. See Code.
type ARM64 struct{ text }

// Raw appends bytes as they are.
func (c *ARM64) Raw(b ...byte) *ARM64 {
	c.b = append(c.b, b...)

	return c
}

// Insn appends instructions as they are.
func (c *ARM64) Insn(list ...uint32) *ARM64 {
	for _, i := range list {
		c.b = binary.LittleEndian.AppendUint32(c.b, i)
	}

	return c
}

// field is the register as a part of an instruction.
func (r Reg) field() uint32 {
	if r > X30 {
		panic(fmt.Sprintf("vmmtest: no register %d", r))
	}

	return uint32(r)
}

// VCPU sets a register to the number of the vCPU. It comes first: a guest begins with the
// number in X0, which is a register as others are.
func (c *ARM64) VCPU(dst Reg) *ARM64 { return c.Copy(dst, X0) }

// Mov sets a register to a constant.
func (c *ARM64) Mov(r Reg, v uint64) *ARM64 {
	const (
		movz = 0xd280_0000
		movk = 0xf280_0000
	)

	c.Insn(movz | uint32(v&0xffff)<<5 | r.field())

	for part := uint32(1); part < 4; part++ {
		if bits := uint32(v >> (16 * part) & 0xffff); bits != 0 {
			c.Insn(movk | part<<21 | bits<<5 | r.field())
		}
	}

	return c
}

// Copy sets a register to another.
func (c *ARM64) Copy(dst, src Reg) *ARM64 {
	return c.Insn(0xaa00_03e0 | src.field()<<16 | dst.field()) // orr dst, xzr, src
}

// Instructions that set the flags, with a constant of 12 bits and with a register.
const (
	addsConst = 0xb100_0000
	subsConst = 0xf100_0000
	addsReg   = 0xab00_0000
	subsReg   = 0xeb00_0000
)

// AddReg adds another register.
func (c *ARM64) AddReg(dst, src Reg) *ARM64 {
	return c.Insn(addsReg | src.field()<<16 | dst.field()<<5 | dst.field())
}

// constant is an instruction with a constant: plus or minus if it is a small one, otherwise
// reg with the constant in X17.
func (c *ARM64) constant(plus, minus, reg uint32, dst uint32, r Reg, v int32) *ARM64 {
	const limit = 1 << 12

	operands := r.field()<<5 | dst

	switch {
	case v >= 0 && v < limit:
		return c.Insn(plus | uint32(v)<<10 | operands)
	case v < 0 && v > -limit:
		return c.Insn(minus | uint32(-v)<<10 | operands)
	}

	return c.Mov(X17, uint64(int64(v))).Insn(reg | X17.field()<<16 | operands)
}

// Add adds a sign-extended constant. With a large one it uses X17.
func (c *ARM64) Add(r Reg, v int32) *ARM64 {
	return c.constant(addsConst, subsConst, addsReg, r.field(), r, v)
}

// Cmp compares a register with a sign-extended constant, for Jz and Jnz. With a large one it
// uses X17.
func (c *ARM64) Cmp(r Reg, v int32) *ARM64 {
	return c.constant(subsConst, addsConst, subsReg, uint32(zero), r, v)
}

// Shl shifts left. The number is taken modulo 64.
func (c *ARM64) Shl(r Reg, n byte) *ARM64 {
	by := uint32(n % 64)

	// ubfm: lsl is an alias.
	return c.Insn(0xd340_0000 | (64-by)%64<<16 | (63-by)<<10 | r.field()<<5 | r.field())
}

// Inc adds 1.
func (c *ARM64) Inc(r Reg) *ARM64 { return c.Add(r, 1) }

// Dec subtracts 1.
func (c *ARM64) Dec(r Reg) *ARM64 { return c.Add(r, -1) }

// memory is an access without an offset, of which a monitor is told all.
func (c *ARM64) memory(op uint32, width int, r, base Reg) *ARM64 {
	size := map[int]uint32{1: 0, 2: 1, 4: 2, 8: 3}[checked(width, 8)]

	return c.Insn(op | size<<30 | base.field()<<5 | r.field())
}

// Load reads memory at the address in base, zero-extended.
func (c *ARM64) Load(width int, dst, base Reg) *ARM64 {
	return c.memory(0x3940_0000, width, dst, base)
}

// Store writes the low bytes of src to memory at the address in base.
func (c *ARM64) Store(width int, base, src Reg) *ARM64 {
	return c.memory(0x3900_0000, width, src, base)
}

// LockInc adds 1 to 8 bytes of memory, together with other vCPUs, after all that was stored
// before. It uses X16 and X17.
func (c *ARM64) LockInc(base Reg) *ARM64 {
	return c.Insn(
		0xc85f_fc10|base.field()<<5, // ldaxr x16, [base]
		0x9100_0610,                 // add x16, x16, #1
		0xc811_fc10|base.field()<<5, // stlxr w17, x16, [base]
		0x35ff_ffb1,                 // cbnz w17, back to the first
	)
}

// Call does a hypercall (Arm DEN0028, hvc #0): the function is in X0, and so is then the
// answer; the arguments, seven at most, are in X1 to X7.
func (c *ARM64) Call(function uint64, args ...uint64) *ARM64 {
	if len(args) > int(X7) {
		panic(fmt.Sprintf("vmmtest: a call with %d arguments", len(args)))
	}

	c.Mov(X0, function)

	for i, v := range args {
		c.Mov(X1+Reg(i), v)
	}

	return c.Insn(0xd400_0002)
}

// Label names this place.
func (c *ARM64) Label(name string) *ARM64 {
	c.name(name)

	return c
}

func (c *ARM64) to(insn uint32, label string) *ARM64 {
	c.jump(label)

	return c.Insn(insn)
}

const (
	branch   = 0x1400_0000
	branchIf = 0x5400_0000 // with a condition: 0 equal, 1 not equal
)

// Jmp goes on at a label, which may come later.
func (c *ARM64) Jmp(label string) *ARM64 { return c.to(branch, label) }

// Jz goes there if the last result was zero.
func (c *ARM64) Jz(label string) *ARM64 { return c.to(branchIf, label) }

// Jnz goes there if it wasn't.
func (c *ARM64) Jnz(label string) *ARM64 { return c.to(branchIf|1, label) }

// Spin stays here for ever.
func (c *ARM64) Spin() *ARM64 { return c.Insn(branch) }

// PowerOff ends the machine with vmm.ExitPowerOff, and stays there until it has ended.
func (c *ARM64) PowerOff() *ARM64 { return c.Call(psciSystemOff).Spin() }

// Reset ends it with vmm.ExitReset.
func (c *ARM64) Reset() *ARM64 { return c.Call(psciSystemReset).Spin() }

// Bytes gives the code. More may be appended after it.
func (c *ARM64) Bytes() []byte { return c.linked(setDistance) }

// setDistance completes a branch.
func setDistance(b []byte, distance int) bool {
	const (
		farBits, farAt   = 26, 0
		nearBits, nearAt = 19, 5
	)

	bits, at := nearBits, nearAt
	insn := binary.LittleEndian.Uint32(b)

	if insn == branch {
		bits, at = farBits, farAt
	}

	n := distance / 4
	binary.LittleEndian.PutUint32(b, insn|uint32(n)&(1<<bits-1)<<at)

	return distance%4 == 0 && n >= -1<<(bits-1) && n < 1<<(bits-1)
}
