package boot

import (
	"encoding/binary"
	"fmt"

	"github.com/bobuhiro11/gokvm/pvh"

	"github.com/vgraft/vgraft/internal/layout"
)

// Mode is the processor mode in which a guest is entered.
type Mode uint8

// The modes. Interrupts are off in all of them.
const (
	// Protected32 is 32-bit protected mode with flat segments and paging off, as
	// the PVH interface wants it (Xen docs/misc/pvh.pandoc).
	Protected32 Mode = iota + 1

	// Long64 is ring 0 of 64-bit mode with paging on, as the 64-bit Linux boot
	// protocol wants it (Documentation/arch/x86/boot.rst, "64-bit BOOT PROTOCOL").
	Long64

	// User64 is ring 3 of 64-bit mode with paging on and IOPL 3, so that port I/O
	// works: for tiny guests on hosts that emulate ring 0.
	User64

	// EL1 is 64 bits, EL1h, with translation and caches off, as the Linux boot protocol
	// of arm64 wants it (Documentation/arch/arm64/booting.rst).
	EL1
)

func (m Mode) String() string {
	switch m {
	case Protected32:
		return "protected32"
	case Long64:
		return "long64"
	case User64:
		return "user64"
	case EL1:
		return "el1"
	default:
		return fmt.Sprintf("Mode(%d)", uint8(m))
	}
}

// Entry is how the first vCPU begins. Registers that aren't named are zero; RFLAGS,
// segments and control registers are those of the mode.
type Entry struct {
	Mode      Mode
	PC        uint64
	SI        uint64 // RSI: the zero page (Long64)
	BX        uint64 // RBX: the PVH start info (Protected32)
	X0        uint64 // the device tree (EL1)
	PageTable uint64 // CR3; 0 where paging is off
	GDTBase   uint64
	GDTLimit  uint16
}

func newEntry(m Mode, pc uint64) Entry {
	return Entry{Mode: m, PC: pc, GDTBase: layout.GDT, GDTLimit: uint16(len(GDT(m)) - 1)}
}

// Segment is one segment register with its hidden part. The flags are 0 or 1; a limit
// is in bytes. The fields are those of struct kvm_segment.
type Segment struct {
	Selector uint16
	Base     uint64
	Limit    uint32
	Type     uint8
	Present  uint8
	DPL      uint8
	DB       uint8 // 32-bit default operand size
	S        uint8 // 1 for code and data
	L        uint8 // 64-bit code
	G        uint8 // limit counted in pages
}

// The places in our GDT. The 64-bit boot protocol fixes the first two, as __BOOT_CS
// and __BOOT_DS; the other modes don't care.
const (
	selCode = 0x10
	selData = 0x18
	selTask = 0x20 // two entries wide in 64-bit mode
	gdtSize = 0x30
)

// Types of segments (Intel SDM vol. 3A §3.4.5.1 and §3.5), accessed or busy: the
// processor would write that bit into the GDT otherwise.
const (
	typeData = 0x3 // read, write
	typeCode = 0xb // execute, read
	typeTask = 0xb // busy TSS
)

// Segments gives CS, and what DS, ES, FS, GS and SS all hold.
func (m Mode) Segments() (code, data Segment) {
	code = Segment{Selector: selCode, Limit: 0xffff_ffff, Type: typeCode, Present: 1, S: 1, G: 1}
	data = Segment{Selector: selData, Limit: 0xffff_ffff, Type: typeData, Present: 1, S: 1, G: 1, DB: 1}

	if m == Protected32 {
		code.DB = 1 // and L must then be 0
	} else {
		code.L = 1
	}

	if m == User64 {
		code.DPL, data.DPL = 3, 3
		code.Selector |= 3
		data.Selector |= 3
	}

	return code, data
}

// A 64-bit task state segment is 104 bytes; the word at 102 says where the map of
// permitted ports begins, one bit for each, 0 for allowed, and a byte of ones after the
// last (Intel SDM vol. 3A §8.7, vol. 1 §19.5.2).
const (
	taskSize    = 0x68
	taskMapAt   = 102
	taskMapSize = 1<<16/8 + 1
)

// Task gives TR. Nothing uses the task, but VM entry insists on a busy TSS, and PVH on
// this limit. Ring 3 has a map of permitted ports beside IOPL 3, because a KVM without
// hardware virtualisation doesn't let a guest have that.
func (m Mode) Task() Segment {
	s := Segment{Selector: selTask, Limit: taskSize - 1, Type: typeTask, Present: 1}
	if m == User64 {
		s.Base = layout.TaskState
		s.Limit += taskMapSize
	}

	return s
}

// TaskState gives what Task points to in guest memory, where it points anywhere: for
// User64 a task whose map allows every port, for layout.TaskState.
func TaskState(m Mode) []byte {
	if m != User64 {
		return nil
	}

	b := make([]byte, taskSize+taskMapSize)
	b[taskMapAt] = taskSize
	b[len(b)-1] = 0xff

	return b
}

// Bits of the control registers and EFER (Intel SDM vol. 3A §2.5, §2.2.1).
const (
	cr0PE = 1 << 0
	cr0MP = 1 << 1
	cr0ET = 1 << 4
	cr0NE = 1 << 5
	cr0WP = 1 << 16
	cr0PG = 1 << 31

	cr4PAE        = 1 << 5
	cr4OSFXSR     = 1 << 9
	cr4OSXMMEXCPT = 1 << 10

	eferLME = 1 << 8
	eferLMA = 1 << 10
	eferNXE = 1 << 11

	flagsFixed = 1 << 1
	flagsIOPL3 = 3 << 12
)

// Control gives the control registers and EFER.
func (m Mode) Control() (cr0, cr4, efer uint64) {
	switch m {
	case Protected32:
		// PVH: PE set, every other bit that can be written clear.
		return cr0PE | cr0ET, 0, 0
	case User64:
		// SSE is on, since nobody is there to turn it on; NXE because Map makes
		// pages that aren't for execution.
		return cr0PE | cr0MP | cr0ET | cr0NE | cr0WP | cr0PG,
			cr4PAE | cr4OSFXSR | cr4OSXMMEXCPT,
			eferLME | eferLMA | eferNXE
	default:
		return cr0PE | cr0ET | cr0NE | cr0PG, cr4PAE, eferLME | eferLMA | eferNXE
	}
}

// Flags gives RFLAGS.
func (m Mode) Flags() uint64 {
	if m == User64 {
		return flagsFixed | flagsIOPL3
	}

	return flagsFixed
}

// GDT gives the descriptor table that holds the mode's segments, for layout.GDT.
func GDT(m Mode) []byte {
	code, data := m.Segments()
	gdt := make([]byte, gdtSize)

	for _, s := range []Segment{code, data, m.Task()} {
		binary.LittleEndian.PutUint64(gdt[s.Selector&^7:], s.descriptor())
	}

	return gdt
}

// descriptor encodes the segment as a GDT entry (Intel SDM vol. 3A §3.4.5).
func (s Segment) descriptor() uint64 {
	limit := s.Limit
	if s.G != 0 {
		limit >>= 12
	}

	flags := uint16(s.Type) | uint16(s.S)<<4 | uint16(s.DPL)<<5 | uint16(s.Present)<<7 |
		uint16(s.L)<<13 | uint16(s.DB)<<14 | uint16(s.G)<<15

	return pvh.GdtEntry(flags, uint32(s.Base), limit)
}
