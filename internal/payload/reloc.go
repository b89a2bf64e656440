package payload

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The relocation types that a payload may use: the numbers of the ELF standards.
const (
	R_X86_64_64       = 1
	R_X86_64_PC32     = 2
	R_X86_64_RELATIVE = 8

	R_AARCH64_ABS64              = 257
	R_AARCH64_PREL32             = 261
	R_AARCH64_ADR_PREL_PG_HI21   = 275
	R_AARCH64_ADD_ABS_LO12_NC    = 277
	R_AARCH64_LDST8_ABS_LO12_NC  = 278
	R_AARCH64_CALL26             = 283
	R_AARCH64_LDST16_ABS_LO12_NC = 284
	R_AARCH64_LDST32_ABS_LO12_NC = 285
	R_AARCH64_LDST64_ABS_LO12_NC = 286
	R_AARCH64_RELATIVE           = 1027
)

// relocKind is what there is to know of a relocation type.
type relocKind struct {
	size     uint64 // of the field, in bytes
	text     bool   // allowed in Text
	data     bool   // allowed in Rodata and Data
	relative bool   // to the image itself
	shift    uint   // of a load's or store's offset
}

// relocs has the relocation types of each architecture.
var relocs = map[string]map[uint32]relocKind{
	"amd64": {
		R_X86_64_64:       {size: 8, data: true},
		R_X86_64_PC32:     {size: 4, text: true, data: true},
		R_X86_64_RELATIVE: {size: 8, data: true, relative: true},
	},
	"arm64": {
		R_AARCH64_ABS64:              {size: 8, data: true},
		R_AARCH64_PREL32:             {size: 4, data: true},
		R_AARCH64_RELATIVE:           {size: 8, data: true, relative: true},
		R_AARCH64_ADR_PREL_PG_HI21:   {size: 4, text: true},
		R_AARCH64_ADD_ABS_LO12_NC:    {size: 4, text: true},
		R_AARCH64_LDST8_ABS_LO12_NC:  {size: 4, text: true},
		R_AARCH64_LDST16_ABS_LO12_NC: {size: 4, text: true, shift: 1},
		R_AARCH64_LDST32_ABS_LO12_NC: {size: 4, text: true, shift: 2},
		R_AARCH64_LDST64_ABS_LO12_NC: {size: 4, text: true, shift: 3},
		R_AARCH64_CALL26:             {size: 4, text: true},
	},
}

// Apply does the relocation in an image that will run at base, where the address of Ref is
// target. The error is an ErrRange for a target that the field can't reach, or is too small
// an image.
func (r Reloc) Apply(arch string, image []byte, base, target uint64) error {
	k, known := relocs[arch][r.Type]
	if !known || r.Off > uint64(len(image)) || k.size > uint64(len(image))-r.Off {
		return fmt.Errorf("%w: relocation of type %d at %#x", ErrFormat, r.Type, r.Off)
	}

	field, place, to := image[r.Off:], base+r.Off, target+uint64(r.Addend)
	le := binary.LittleEndian

	far := func() error {
		return fmt.Errorf("%w: from %#x to %#x, for relocation %d at %#x", ErrRange, place, to, r.Type, r.Off)
	}

	switch r.Type {
	case R_X86_64_64, R_X86_64_RELATIVE, R_AARCH64_ABS64, R_AARCH64_RELATIVE:
		le.PutUint64(field, to)
	case R_X86_64_PC32, R_AARCH64_PREL32:
		d := int64(to - place)
		if d < math.MinInt32 || d > math.MaxInt32 {
			return far()
		}

		le.PutUint32(field, uint32(d))
	case R_AARCH64_CALL26:
		d := int64(to - place)
		if d < -1<<27 || d >= 1<<27 || d&3 != 0 {
			return far()
		}

		le.PutUint32(field, le.Uint32(field)&^0x3ffffff|uint32(d>>2)&0x3ffffff)
	case R_AARCH64_ADR_PREL_PG_HI21:
		d := int64(to&^0xfff-place&^0xfff) >> 12
		if d < -1<<20 || d >= 1<<20 {
			return far()
		}

		le.PutUint32(field, le.Uint32(field)&^(3<<29|0x7ffff<<5)|uint32(d&3)<<29|uint32(d>>2&0x7ffff)<<5)
	default: // the low bits of an address, in units of what is added, loaded or stored
		if to&(1<<k.shift-1) != 0 {
			return far()
		}

		le.PutUint32(field, le.Uint32(field)&^(0xfff<<10)|uint32(to&0xfff>>k.shift)<<10)
	}

	return nil
}
