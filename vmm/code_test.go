package vmm_test

import (
	"runtime"

	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// Guests of these tests have so much RAM, and the test device's ports, where there are any.
const (
	ramSize = 4 << 20
	portAt  = 0x5000
)

// Registers that are there on every architecture.
const (
	r8  = vmmtest.R8
	r9  = vmmtest.R9
	r10 = vmmtest.R10
	r11 = vmmtest.R11
	r12 = vmmtest.R12
	r13 = vmmtest.R13
	r14 = vmmtest.R14
	r15 = vmmtest.R15
)

func code() *vmmtest.Code { return new(vmmtest.Code) }

func config(c *vmmtest.Code, devices ...vmm.Device) vmm.Config {
	return vmm.Config{Memory: ramSize, Boot: vmm.Flat{Code: c.Bytes()}, Devices: devices}
}

// spin is a guest that never does anything.
func spin() *vmmtest.Code { return code().Spin() }

// powerOff is a guest that ends at once.
func powerOff() *vmmtest.Code { return code().PowerOff() }

// fewer is less of what takes many exits, where the hosts of tests are emulated.
func fewer(n int) int {
	if runtime.GOARCH == "arm64" {
		return max(1, n/4)
	}

	return n
}

// counting is a guest whose vCPUs count in memory at dataAt, 8 bytes each.
func counting() *vmmtest.Code {
	return code().VCPU(r8).Shl(r8, 3).Add(r8, dataAt).Label("again").LockInc(r8).Jmp("again")
}

// poking is a guest that writes a byte to mmioAt and ends.
func poking() *vmmtest.Code { return code().Mov(r8, mmioAt).Store(1, r8, r9).PowerOff() }

// working is a guest that has something to do before it ends.
func working() *vmmtest.Code {
	return code().Mov(r8, 200_000).Label("again").Dec(r8).Jnz("again").PowerOff()
}

// access is one by which a guest reaches the device that counter makes, again and again.
type access struct {
	name string
	loop func() *vmmtest.Code
}

// memoryAccesses are those that every architecture has.
func memoryAccesses() []access {
	at := func() *vmmtest.Code { return code().Mov(r8, mmioAt).Label("again") }

	return []access{
		{"store", func() *vmmtest.Code { return at().Store(4, r8, r9).Jmp("again") }},
		{"load", func() *vmmtest.Code { return at().Load(4, r9, r8).Jmp("again") }},
	}
}

// guestThat is the one with the access of that name.
func guestThat(name string) *vmmtest.Code {
	for _, a := range accesses() {
		if a.name == name {
			return a.loop()
		}
	}

	panic("no access " + name)
}

// way is one by which a guest reaches registers of 32 bits.
type way struct {
	name  string
	base  uint64
	write func(c *vmmtest.Code, at, v vmmtest.Reg)
	flips int // of TestFlip: an exit is slow where the host is emulated
}

func memoryWay(flips int) way {
	return way{"memory", mmioAt, func(c *vmmtest.Code, at, v vmmtest.Reg) { c.Store(4, at, v) }, flips}
}

// echo is a guest that opens the serial line, and says what it hears until a dot.
func echo() *vmmtest.Code {
	c := openSerial(code()).Label("again")
	hearSerial(c, r10, "again")
	saySerial(c, r10)

	return c.Cmp(r10, '.').Jnz("again").PowerOff()
}
