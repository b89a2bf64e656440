package program

import "encoding/binary"

// What the compiler says of where a goroutine may be stopped by a signal.
const (
	pcdataUnsafePoint = 0
	unsafePoint       = -2
)

// Redirectable says why the first n bytes of a function of a linked program, of which b are
// the first as they were linked, can't be overwritten while the world is stopped; empty is
// that they can: no goroutine stands inside of them then.
//
// A stopped goroutine stands after a call, or where a signal interrupted it, at the begin of
// an instruction. So nothing stands inside of one instruction; what begins after the first
// must be where the compiler lets no signal stop it, as in the check of the stack. Only the
// forms of that check are known here; what begins in another way isn't redirectable.
func (s *Symbol) Redirectable(arch string, b []byte, n int) string {
	if s.Size < uint64(n) || len(b) < n {
		return "it is too short"
	}

	var at int // where its second instruction begins

	switch {
	case arch == "arm64" && n == 4 && begins(b, 0x90, 0x0b, 0x40, 0xf9): // MOVD 16(R28), R16
		at = n
	case arch == "amd64" && n != 5, arch != "amd64" && arch != "arm64":
		return "nothing is known of " + arch
	case arch == "arm64":
		return noCheck
	case begins(b, 0x49, 0x3b, 0x66, 0x10, 0x76), begins(b, 0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86): // CMPQ SP, 16(R14); JLS
		at = 4
	case begins(b, 0x4c, 0x8d, 0x64, 0x24): // LEAQ disp8(SP), R12
		at = 5
	case begins(b, 0x4c, 0x8d, 0xa4, 0x24): // LEAQ disp32(SP), R12
		at = 8
	case begins(b, 0x49, 0x89, 0xe4, 0x49, 0x81, 0xec): // MOVQ SP, R12; SUBQ imm32, R12
		at = 3
	default:
		return noCheck
	}

	if at < n && !s.unsafeAt(at) {
		return "the compiler lets a goroutine be stopped in what would be overwritten"
	}

	return ""
}

const noCheck = "it doesn't begin with the check of the stack, so that a goroutine may stand in what would be overwritten"

func begins(b []byte, with ...byte) bool {
	return len(b) >= len(with) && string(b[:len(with)]) == string(with)
}

// unsafeAt says whether the compiler lets no signal stop a goroutine at an offset in a
// function for amd64.
func (s *Symbol) unsafeAt(at int) bool {
	s.load()

	if len(s.aux.pcdata) <= pcdataUnsafePoint || s.aux.pcdata[pcdataUnsafePoint] == nil {
		return false
	}

	return valueAt(s.aux.pcdata[pcdataUnsafePoint].Data, uint64(at)) == unsafePoint
}

// valueAt reads a table of values by program counter, with instructions of one byte. What it
// can't read is -1, as is what a table says nothing of.
func valueAt(table []byte, at uint64) int64 {
	value, pc := int64(-1), uint64(0)

	for first := true; ; first = false {
		d, n := binary.Uvarint(table)
		if n <= 0 || d == 0 && !first {
			return -1
		}

		table = table[n:]
		value += int64(d>>1) ^ -int64(d&1)

		d, n = binary.Uvarint(table)
		if n <= 0 || d > 1<<32 {
			return -1
		}

		table = table[n:]
		pc += d

		if at < pc {
			return value
		}
	}
}

// Captured are the types of the variables that a closure captures, by their offsets in it, as
// far as debugging information says.
func (s *Symbol) Captured() (at map[uint64]string, ok bool) {
	f, _ := s.Func()
	if f.Dwarf == nil {
		return nil, false
	}

	d := &dwarfReader{s: f.Dwarf}
	if d.uleb() != dwFunction {
		return nil, true // it was inlined somewhere, and then doesn't say
	}

	d.function()

	at = map[uint64]string{}

	for !d.bad {
		kind := d.uleb()

		switch kind {
		case dwVar, dwVarBlock, dwClosureVar, dwClosureVarBlock:
			d.name()
		case dwParam, dwParamBlock:
			d.name()
			d.byte()
		default:
			return at, !d.bad
		}

		d.uleb() // line

		t := d.ref()

		if kind == dwClosureVar || kind == dwClosureVarBlock {
			if off := d.uleb(); t != nil {
				at[off] = t.Name
			}
		}

		d.location(kind)
	}

	return nil, false
}
