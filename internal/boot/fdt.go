package boot

import (
	"bytes"
	"encoding/binary"
)

// fdt writes a flattened device tree (Devicetree Specification 0.4, chapter 5). Calls of
// begin and end must match; finish ends it.
type fdt struct {
	structure, names bytes.Buffer
	offsets          map[string]uint32 // of names
}

// Tokens and sizes of the format.
const (
	fdtMagic      = 0xd00d_feed
	fdtHeaderSize = 40
	fdtVersion    = 17
	fdtCompatible = 16 // the oldest version that it can be read as

	fdtBeginNode = 1
	fdtEndNode   = 2
	fdtProp      = 3
	fdtEnd       = 9

	fdtReservationSize = 16 // an entry of zeros ends the list of reservations
)

func (f *fdt) word(v uint32) {
	f.structure.Write(binary.BigEndian.AppendUint32(nil, v))
}

// bytes writes b up to the next word.
func (f *fdt) bytes(b []byte) {
	f.structure.Write(b)
	f.structure.Write(make([]byte, -len(b)&3))
}

func (f *fdt) begin(name string) {
	f.word(fdtBeginNode)
	f.bytes(append([]byte(name), 0))
}

func (f *fdt) end() { f.word(fdtEndNode) }

func (f *fdt) prop(name string, value []byte) {
	at, known := f.offsets[name]
	if !known {
		if f.offsets == nil {
			f.offsets = map[string]uint32{}
		}

		at = uint32(f.names.Len())
		f.offsets[name] = at
		f.names.WriteString(name)
		f.names.WriteByte(0)
	}

	f.word(fdtProp)
	f.word(uint32(len(value)))
	f.word(at)
	f.bytes(value)
}

// blank adds a property of n zeros, and gives their offset in the finished tree: for bytes
// that are to be in the guest's memory alone.
func (f *fdt) blank(name string, n int) uint64 {
	f.prop(name, make([]byte, n))

	return uint64(fdtHeaderSize + fdtReservationSize + f.structure.Len() - (n+3)&^3)
}

func (f *fdt) prop32(name string, v uint32) { f.prop(name, binary.BigEndian.AppendUint32(nil, v)) }

func (f *fdt) prop64(name string, v uint64) { f.prop(name, binary.BigEndian.AppendUint64(nil, v)) }

func (f *fdt) propString(name, v string) { f.prop(name, append([]byte(v), 0)) }

// finish gives the whole tree: header, reservations, structure, names.
func (f *fdt) finish() []byte {
	f.word(fdtEnd)

	structure := uint32(fdtHeaderSize + fdtReservationSize)
	names := structure + uint32(f.structure.Len())
	total := names + uint32(f.names.Len())

	var b []byte
	for _, v := range []uint32{
		fdtMagic, total, structure, names, fdtHeaderSize, fdtVersion, fdtCompatible,
		0, // the processor that boots
		uint32(f.names.Len()), uint32(f.structure.Len()),
	} {
		b = binary.BigEndian.AppendUint32(b, v)
	}

	b = append(b, make([]byte, fdtReservationSize)...)
	b = append(b, f.structure.Bytes()...)

	return append(b, f.names.Bytes()...)
}
