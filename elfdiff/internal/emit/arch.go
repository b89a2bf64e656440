package emit

import (
	"encoding/binary"

	"github.com/vgraft/vgraft/internal/payload"
)

// arch is what differs between architectures.
type arch struct {
	name      string
	abs64     uint32 // relocation types
	pc32      uint32
	relative  uint32
	funcAlign uint64
	quantum   byte // of program counters
	pad       byte // between functions
	callBack  uint32
	jump      []byte // to elsewhere, with nothing in its field
	jumpField uint64
	jumpType  uint32
	jumpAdd   int64
}

// archOf gives one of the architectures; ok is false for all others.
func archOf(name string) (arch, bool) {
	switch name {
	case "amd64":
		return arch{
			name: name, abs64: payload.R_X86_64_64, pc32: payload.R_X86_64_PC32, relative: payload.R_X86_64_RELATIVE,
			funcAlign: 32, quantum: 1, pad: 0xcc, callBack: 1,
			jump: []byte{0xe9, 0, 0, 0, 0}, jumpField: 1, jumpType: payload.R_X86_64_PC32, jumpAdd: -4,
		}, true
	case "arm64":
		return arch{
			name: name, abs64: payload.R_AARCH64_ABS64, pc32: payload.R_AARCH64_PREL32, relative: payload.R_AARCH64_RELATIVE,
			funcAlign: 16, quantum: 4,
			jump: []byte{0, 0, 0, 0x14}, jumpType: payload.R_AARCH64_CALL26,
		}, true
	}

	return arch{}, false
}

var le = binary.LittleEndian

// buf is a part of the image that grows.
type buf struct{ b []byte }

func (b *buf) len() uint64 { return uint64(len(b.b)) }

func (b *buf) align(to uint64, fill byte) {
	for to > 1 && b.len()%to != 0 {
		b.b = append(b.b, fill)
	}
}

func (b *buf) u32(x ...uint32) {
	for _, v := range x {
		b.b = le.AppendUint32(b.b, v)
	}
}

func (b *buf) u64(x uint64) { b.b = le.AppendUint64(b.b, x) }

// put appends bytes, and says where they are.
func (b *buf) put(p []byte, align uint64) uint64 {
	b.align(align, 0)
	at := b.len()
	b.b = append(b.b, p...)

	return at
}
