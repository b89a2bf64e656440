package aml

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf16"
)

// Buffer is a constant of bytes.
func Buffer(b ...byte) Data {
	return dataTerm{&Node{op: ops.get(0x11), args: []*Node{Integer(len(b)).node()}, text: string(b)}}
}

// BufferOf is a buffer of a size that is worked out when it is reached; what the bytes don't
// fill is zero. In a Name the size is a constant.
func BufferOf(size TermArg, b ...byte) Expr {
	return exprTerm{stmtTerm{&Node{op: ops.get(0x11), args: []*Node{arg(size)}, text: string(b)}}}
}

func elements(list []Data) []*Node {
	out := make([]*Node, 0, len(list))

	for _, d := range list {
		if d == nil {
			out = append(out, bad(wrong(ErrNil, "an element of a package")))
			continue
		}

		out = append(out, d.node())
	}

	return out
}

// Package is a list of up to 255 constants and names.
func Package(list ...Data) Data {
	n := &Node{op: ops.get(0x12), args: []*Node{raw(opRaw1, uint64(len(list)))}, list: elements(list)}
	if len(list) > 255 {
		n.errs = append(n.errs, wrong(ErrTooMany, "%d elements in a package, more than 255: use VarPackage", len(list)))
	}

	return dataTerm{n}
}

// VarPackage is a Package without the limit.
func VarPackage(list ...Data) Data {
	return dataTerm{&Node{op: ops.get(0x13), args: []*Node{Integer(len(list)).node()}, list: elements(list)}}
}

// VarPackageOf is a package of a size that is worked out when it is reached; elements that
// aren't listed are uninitialized.
func VarPackageOf(size TermArg, list ...Data) Expr {
	return exprTerm{stmtTerm{&Node{op: ops.get(0x13), args: []*Node{arg(size)}, list: elements(list)}}}
}

// Revision is the revision of the interpreter's AML.
func Revision() Data { return dataTerm{leaves[ops.get(0x5b30)]} }

// EISAID is an identifier such as "PNP0C0C" as the integer that _HID and _CID want: three
// capital letters and four hex digits (§19.6.36).
func EISAID(id string) Data {
	n, ok := packEISA(id)
	if !ok {
		return dataTerm{bad(wrong(ErrValue, "EISA id %q: want three capital letters and four hex digits", id))}
	}

	return dataTerm{Integer(n).node()}
}

// packEISA puts three letters of five bits and four digits into 32 bits, big-endian.
func packEISA(id string) (uint32, bool) {
	if len(id) != 7 {
		return 0, false
	}

	var b [4]byte

	if _, err := hex.Decode(b[2:], []byte(id[3:])); err != nil || strings.ToUpper(id) != id {
		return 0, false
	}

	var letters uint16

	for i := range 3 {
		if id[i] < 'A' || id[i] > 'Z' {
			return 0, false
		}

		letters = letters<<5 | uint16(id[i]-'@')
	}

	binary.BigEndian.PutUint16(b[:], letters)

	return binary.LittleEndian.Uint32(b[:]), true
}

// unpackEISA is the reverse; ok is whether the number is an identifier.
func unpackEISA(v uint64) (id string, ok bool) {
	if v > 0xffffffff {
		return "", false
	}

	var b [4]byte

	binary.LittleEndian.PutUint32(b[:], uint32(v))
	letters := binary.BigEndian.Uint16(b[:])

	out := []byte{byte(letters>>10&31) + '@', byte(letters>>5&31) + '@', byte(letters&31) + '@'}
	for _, c := range out {
		ok = c >= 'A' && c <= 'Z'
		if !ok {
			return "", false
		}
	}

	return string(out) + strings.ToUpper(hex.EncodeToString(b[2:])), letters < 1<<15
}

// ToUUID is the buffer of a UUID in its usual spelling: the first three groups are
// little-endian (§19.6.143).
func ToUUID(uuid string) Data {
	b, ok := packUUID(uuid)
	if !ok {
		return dataTerm{bad(wrong(ErrValue, "UUID %q", uuid))}
	}

	return Buffer(b[:]...)
}

func packUUID(s string) (out [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return out, false
	}

	digits := strings.ReplaceAll(s, "-", "")
	if len(digits) != 32 {
		return out, false
	}

	b, err := hex.DecodeString(digits)
	if err != nil {
		return out, false
	}

	for i, from := range [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		out[i] = b[from]
	}

	return out, true
}

// Unicode is the buffer of a text in UTF-16, with a zero at its end.
func Unicode(s string) Data {
	var b []byte

	for _, c := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}

	return Buffer(append(b, 0, 0)...)
}
