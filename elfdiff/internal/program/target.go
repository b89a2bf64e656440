package program

import "github.com/vgraft/vgraft/elfdiff/internal/goobj"

// target reads from linked bytes what address a relocation led to; ok is false where it
// led to nothing, or can't be read. addr is where the bytes lie.
func (l *linker) target(addr uint64, b []byte, r Reloc) (_ uint64, ok bool) {
	if r.Off < 0 || int64(r.Off)+int64(r.Size) > int64(len(b)) {
		return 0, false
	}

	b = b[r.Off:]
	at := addr + uint64(r.Off)
	add := uint64(r.Add)

	switch r.Type {
	case goobj.Call, goobj.PCRel:
		if r.Size != 4 {
			return 0, false
		}

		return at + 4 + signed32(b) - add, true
	case goobj.Addr:
		switch r.Size {
		case 8:
			t := le.Uint64(b)
			return t - add, t != 0
		case 4:
			t := uint64(le.Uint32(b))
			return t - add, t != 0
		}
	case goobj.AddrOff, goobj.MethodOff:
		v := signed32(b)
		if r.Size != 4 || v == 0 || v == ^uint64(0) {
			return 0, false // a weak one, and a method that was left out
		}

		// Offsets of functions are from the start of the text, all others from that of
		// the types. What is one and what the other is known of defined symbols only.
		if r.Sym == nil || !r.Sym.Defined() {
			return 0, false
		}

		if r.Sym.IsText() {
			return l.m.Text + v - add, true
		}

		t := l.m.Types + v - add

		return t, t >= l.m.Types && t < l.m.ETypes
	case goobj.CallARM64:
		return at + uint64(int64(le.Uint32(b)&0x3ffffff)<<38>>36) - add, true
	case goobj.AddrARM64, goobj.ARM64PCRelLD8, goobj.ARM64PCRelLD16, goobj.ARM64PCRelLD32, goobj.ARM64PCRelLD64:
		if r.Size != 8 {
			return 0, false
		}

		low := uint64(le.Uint32(b[4:]) >> 10 & 0xfff)

		switch r.Type {
		case goobj.ARM64PCRelLD16:
			low <<= 1
		case goobj.ARM64PCRelLD32:
			low <<= 2
		case goobj.ARM64PCRelLD64:
			low <<= 3
		}

		return adrp(le.Uint32(b), at) + low - add, true
	}

	return 0, false
}

func signed32(b []byte) uint64 { return uint64(int64(int32(le.Uint32(b)))) }

// adrp is the page that an ADRP instruction at an address computes.
func adrp(in uint32, at uint64) uint64 {
	imm := int64(in>>29&3) | int64(in>>5&0x7ffff)<<2

	return at&^0xfff + uint64(imm<<43>>43<<12)
}
