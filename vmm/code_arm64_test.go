package vmm_test

import (
	"encoding/binary"

	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/vmm"
)

const (
	ramSize = 4 << 20
	dataAt  = arm64.Kernel + 0x10_0000 // where guests of these tests keep their data
	mmioAt  = arm64.MMIO
)

// armCode is machine code for a Flat guest. Registers are those of 64 bits, by number.
type armCode struct {
	b      []byte
	labels map[string]int
}

type machineCode = armCode

func code() *armCode { return &armCode{labels: map[string]int{}} }

func (c *armCode) Bytes() []byte { return c.b }

func (c *armCode) insn(list ...uint32) *armCode {
	for _, i := range list {
		c.b = binary.LittleEndian.AppendUint32(c.b, i)
	}

	return c
}

func (c *armCode) Label(name string) *armCode {
	c.labels[name] = len(c.b)

	return c
}

// to is how many instructions a label that was passed is behind.
func (c *armCode) to(name string) uint32 { return uint32((c.labels[name] - len(c.b)) / 4) }

func (c *armCode) Jmp(name string) *armCode { return c.insn(0x1400_0000 | c.to(name)&0x3ff_ffff) }

// JmpIf jumps if a register isn't 0.
func (c *armCode) JmpIf(reg uint32, name string) *armCode {
	return c.insn(0xb500_0000 | c.to(name)&0x7_ffff<<5 | reg)
}

// Mov loads a number.
func (c *armCode) Mov(reg uint32, v uint64) *armCode {
	c.insn(0xd280_0000 | uint32(v&0xffff)<<5 | reg)

	for hw := uint32(1); hw < 4; hw++ {
		if part := uint32(v >> (16 * hw) & 0xffff); part != 0 {
			c.insn(0xf280_0000 | hw<<21 | part<<5 | reg)
		}
	}

	return c
}

// Add adds a small number.
func (c *armCode) Add(reg, n uint32) *armCode { return c.insn(0x9100_0000 | n<<10 | reg<<5 | reg) }

// Sub subtracts a small number.
func (c *armCode) Sub(reg, n uint32) *armCode { return c.insn(0xd100_0000 | n<<10 | reg<<5 | reg) }

// Index adds eight times another register.
func (c *armCode) Index(reg, by uint32) *armCode {
	return c.insn(0x8b00_0000 | by<<16 | 3<<10 | reg<<5 | reg)
}

var armSize = map[int]uint32{1: 0, 2: 1 << 30, 4: 2 << 30, 8: 3 << 30}

// Load loads from the address in at.
func (c *armCode) Load(reg, at uint32, width int) *armCode {
	return c.insn(0x3940_0000 | armSize[width] | at<<5 | reg)
}

// Store stores to the address in at.
func (c *armCode) Store(reg, at uint32, width int) *armCode {
	return c.insn(0x3900_0000 | armSize[width] | at<<5 | reg)
}

// Call does a hypercall.
func (c *armCode) Call(fn uint64, args ...uint64) *armCode {
	for i, v := range append([]uint64{fn}, args...) {
		c.Mov(uint32(i), v)
	}

	return c.insn(0xd400_0002)
}

func (c *armCode) Spin() *armCode { return c.insn(0x1400_0000) }

// PSCI's functions (Arm DEN0022).
const (
	psciCPUOn  = 0xc400_0003
	psciOff    = 0x8400_0008
	psciReset  = 0x8400_0009
	psciReset2 = 0x8400_0012
)

func (c *armCode) PowerOff() *armCode { return c.Call(psciOff).Spin() }

// spin is a guest that never does anything.
func spin() *armCode { return code().Spin() }

// powerOff is a guest that ends at once.
func powerOff() *armCode { return code().PowerOff() }

// poking is a guest that writes a byte to mmioAt and ends.
func poking() *armCode { return code().Mov(1, mmioAt).Store(0, 1, 1).PowerOff() }

// working is a guest that has something to do before it ends.
func working() *armCode {
	return code().Mov(1, 200_000).Label("again").Sub(1, 1).JmpIf(1, "again").PowerOff()
}

// endings are the ways in which a guest ends.
func endings() []ending {
	return []ending{
		{"power off", powerOff(), vmm.ExitPowerOff},
		{"reset", code().Call(psciReset).Spin(), vmm.ExitReset},
		{"reset2", code().Call(psciReset2, 0, 0).Spin(), vmm.ExitReset},
	}
}

// counting is a guest whose vCPUs count in memory at dataAt, 8 bytes each.
func counting() *armCode {
	return code().Mov(1, dataAt).Index(1, 0).Label("again").Load(2, 1, 8).Add(2, 1).Store(2, 1, 8).Jmp("again")
}

func config(c *armCode, devices ...vmm.Device) vmm.Config {
	return vmm.Config{Memory: ramSize, Boot: vmm.Flat{Code: c.Bytes()}, Devices: devices}
}
