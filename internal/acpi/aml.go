package acpi

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
)

// AML opcodes (ACPI 6.5 §20.2). Only what the DSDT needs.
const (
	opZero    = 0x00
	opOne     = 0x01
	opName    = 0x08
	opByte    = 0x0a
	opWord    = 0x0b
	opDWord   = 0x0c
	opScope   = 0x10
	opBuffer  = 0x11
	opPackage = 0x12
	opDevice  = 0x82 // after extPrefix
	extPrefix = 0x5b
)

// integer encodes a constant in its shortest form, as the iasl compiler does (§20.2.3).
func integer(v uint32) []byte {
	switch {
	case v == 0:
		return []byte{opZero}
	case v == 1:
		return []byte{opOne}
	case v <= 0xff:
		return []byte{opByte, byte(v)}
	case v <= 0xffff:
		return binary.LittleEndian.AppendUint16([]byte{opWord}, uint16(v))
	default:
		return binary.LittleEndian.AppendUint32([]byte{opDWord}, v)
	}
}

// eisaID packs an identifier such as "PNP0501" into the integer that _HID wants
// (§6.1.5; ISA PnP specification 1.0a, §6.1): three letters of five bits and four hex
// digits, big-endian.
func eisaID(id string) []byte {
	digits, err := strconv.ParseUint(id[3:], 16, 16)
	if err != nil {
		panic("acpi: not an EISA id: " + id) // a constant of this package
	}

	letters := uint16(id[0]-'@')<<10 | uint16(id[1]-'@')<<5 | uint16(id[2]-'@')
	b := binary.BigEndian.AppendUint16([]byte{opDWord}, letters)

	return binary.BigEndian.AppendUint16(b, uint16(digits))
}

// pkg puts the length before a body (§20.2.4, PkgLength). The length counts itself:
// up to 63 it is one byte, above it has a lead byte with four bits of it and a count
// of the bytes that follow.
func pkg(body []byte) []byte {
	if n := len(body) + 1; n < 1<<6 {
		return append([]byte{byte(n)}, body...)
	}

	for follow := 1; follow <= 3; follow++ {
		n := len(body) + 1 + follow
		if n >= 1<<(4+8*follow) {
			continue
		}

		b := []byte{byte(follow<<6 | n&0xf)}
		for i := range follow {
			b = append(b, byte(n>>(4+8*i)))
		}

		return append(b, body...)
	}

	panic(fmt.Sprintf("acpi: AML object of %d bytes", len(body))) // 256 MiB of constants
}

// name binds a value to a name of four characters in the current scope.
func name(n string, value []byte) []byte {
	return slices.Concat([]byte{opName}, []byte(n), value)
}

// packageOf is Package() {...} with fewer than 256 elements.
func packageOf(elements ...[]byte) []byte {
	body := append([]byte{byte(len(elements))}, slices.Concat(elements...)...)

	return append([]byte{opPackage}, pkg(body)...)
}

// buffer is Buffer() {...}.
func buffer(data []byte) []byte {
	return append([]byte{opBuffer}, pkg(append(integer(uint32(len(data))), data...))...)
}

// scope is Scope (n) {...}.
func scope(n string, terms ...[]byte) []byte {
	return append([]byte{opScope}, pkg(slices.Concat([]byte(n), slices.Concat(terms...)))...)
}

// device is Device (n) {...}.
func device(n string, terms ...[]byte) []byte {
	return append([]byte{extPrefix, opDevice}, pkg(slices.Concat([]byte(n), slices.Concat(terms...)))...)
}

// resources is a resource template with its end tag, whose checksum of 0 means that
// there is none (§6.4.2.9).
func resources(items ...[]byte) []byte {
	return buffer(append(slices.Concat(items...), 0x79, 0))
}

// ports is IO (Decode16, base, base, 1, size) (§6.4.2.5).
func ports(base uint16, size uint8) []byte {
	return []byte{0x47, 1, byte(base), byte(base >> 8), byte(base), byte(base >> 8), 1, size}
}

// isaIRQ is IRQNoFlags () {line}: edge-triggered, active high, not shared (§6.4.2.1).
func isaIRQ(line uint) []byte {
	return binary.LittleEndian.AppendUint16([]byte{0x22}, 1<<line)
}
