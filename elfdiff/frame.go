package elfdiff

import (
	"encoding/binary"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
)

// onStack says whether a reference to a function's code is the making of a closure on the
// stack: the next instruction stores the address relative to the stack pointer. The
// compiler puts closures there that it has shown not to outlive the frame. It computes
// such an address anew wherever it needs it, and never spills it, so that what is stored is
// the first word of a closure. Anything else, or another order of instructions, counts as
// not on the stack.
func onStack(arch string, e edge) bool {
	at := int(e.reloc.Off)
	b := e.from.Data

	switch arch {
	case "amd64":
		if e.reloc.Type != goobj.PCRel || e.reloc.Add != 0 || at < 3 || at+4+4 > len(b) {
			return false
		}

		// LEAQ rel(IP), reg: REX.W 8D, modrm with mod 0 and rm 5.
		rex, op, modrm := b[at-3], b[at-2], b[at-1]
		if rex&^4 != 0x48 || op != 0x8d || modrm&0xc7 != 0x05 {
			return false
		}

		reg := modrm>>3&7 | rex&4<<1

		// MOVQ reg, disp(SP): REX.W 89, modrm with rm 4 and a displacement, SIB of SP.
		rex, op, modrm = b[at+4], b[at+5], b[at+6]
		mod := modrm >> 6

		return rex&^4 == 0x48 && op == 0x89 && modrm&7 == 4 && mod != 3 && b[at+7] == 0x24 && modrm>>3&7|rex&4<<1 == reg
	case "arm64":
		if e.reloc.Type != goobj.AddrARM64 || e.reloc.Add != 0 || at+12 > len(b) {
			return false
		}

		// ADRP and ADD into a register, then STR of 64 bits to an offset from SP.
		reg := binary.LittleEndian.Uint32(b[at+4:]) & 31
		in := binary.LittleEndian.Uint32(b[at+8:])

		return in>>22 == 0x3e4 && in>>5&31 == 31 && in&31 == reg
	}

	return false
}
