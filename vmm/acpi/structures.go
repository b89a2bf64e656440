package acpi

import (
	"bytes"
	"math"
)

// structure is a part of a table with a type and a length of its own.
type structure interface{ walk(c *codec) }

// RawStructure is a part of a table that this package doesn't know, or not in the form it
// has. It can stand in any table with such parts.
type RawStructure struct {
	Type uint16 // must fit the table: most have 8 bits for it
	Data []byte // what follows type and length
}

func (r *RawStructure) walk(c *codec) { c.blob(&r.Data, c.left()) }

// frame is how the structures of a table begin.
type frame int

const (
	frame8  frame = iota // type of 8 bits, length of 8
	frame16              // type of 8 bits, length of 16, unaligned
	frameV               // type of 8 bits, one reserved byte, length of 16
	frame32              // type of 16 bits, two reserved bytes, length of 32
)

// head reads or writes what a structure begins with.
func (f frame) head(c *codec, typ *uint16, length *int) {
	var (
		t8, n8, zero8 = uint8(*typ), uint8(*length), uint8(0)
		n16, zero16   = uint16(*length), uint16(0)
		n32           = uint32(*length)
	)

	switch f {
	case frame8:
		c.fields(&t8, &n8)
		*length = int(n8)
	case frame16:
		c.fields(&t8, &n16)
		*length = int(n16)
	case frameV:
		c.fields(&t8, &zero8, &n16)
		*length = int(n16)
	case frame32:
		c.fields(typ, &zero16, &n32)
		*length = int(n32)
	}

	if f != frame32 {
		if c.writing && int(t8) != int(*typ) {
			c.fail(ErrValue, "type %#x in 8 bits", *typ)
		}

		*typ = uint16(t8)
	}

	if zero8 != 0 || zero16 != 0 {
		c.fail(ErrLayout, "reserved bytes of a structure are not zero")
	}

}

// limit is the largest length of a structure.
func (f frame) limit() int {
	switch f {
	case frame8:
		return math.MaxUint8
	case frame32:
		return math.MaxInt32
	default:
		return math.MaxUint16
	}
}

// list reads or writes structures: n of them, or if n is negative as many as there are up
// to the end. kind gives the type of one, and known an empty one of a type, or nil.
func list[S structure](c *codec, f frame, items *[]S, n int, kind func(S) uint16, known func(uint16) S) {
	if c.writing {
		for i, s := range *items {
			if any(s) == nil {
				c.fail(ErrValue, "structure %d is nil", i)
				return
			}

			writeStructure(c, f, s, kind(s))
		}

		return
	}

	*items = nil

	for c.err == nil && c.left() > 0 && len(*items) != n {
		if s, ok := readStructure(c, f, known); ok {
			*items = append(*items, s)
		}
	}

	if c.err == nil && n >= 0 && len(*items) != n {
		c.fail(ErrTruncated, "%d structures of %d", len(*items), n)
	}
}

func writeStructure[S structure](c *codec, f frame, s S, typ uint16) {
	outer, length := c.off, 0
	c.off = len(c.b)

	f.head(c, &typ, &length)
	s.walk(c)

	if length = len(c.b) - c.off; length > f.limit() {
		c.fail(ErrValue, "structure of %d bytes, at most %d fit", length, f.limit())
	}

	// The same bytes again, now that the length is known.
	h := codec{writing: true, b: c.b[:c.off]}
	f.head(&h, &typ, &length)

	c.off = outer
}

func readStructure[S structure](c *codec, f frame, known func(uint16) S) (s S, ok bool) {
	var (
		typ    uint16
		length int
	)

	start := c.off
	f.head(c, &typ, &length)
	head := c.off - start

	switch {
	case c.err != nil:
		return s, false
	case length < head || length > len(c.b)-start:
		c.off = start
		c.fail(ErrLength, "structure of type %#x with a length of %d, %d are left", typ, length, len(c.b)-start)

		return s, false
	}

	b := c.b[start : start+length]
	c.off = start + length
	inner := codec{b: b, off: head, at: c.at + start, table: c.table, rev: c.rev}

	if s = known(typ); any(s) != nil {
		again := codec{writing: true, table: c.table, rev: c.rev}

		if s.walk(&inner); inner.err == nil {
			writeStructure(&again, f, s, typ)
		}

		if inner.err == nil && again.err == nil && bytes.Equal(again.b, b) {
			return s, true
		}
	}

	raw := &RawStructure{Type: typ, Data: bytes.Clone(b[head:])}
	s, ok = any(raw).(S)

	return s, ok
}
