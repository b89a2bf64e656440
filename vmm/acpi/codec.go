package acpi

import (
	"bytes"
	"encoding/binary"
	"math"
)

// codec reads or writes: one description of a table's layout, its walk method, serves both
// ways, so that they can't disagree.
type codec struct {
	writing bool
	b       []byte // written so far, or all there is to read
	off     int    // reading: where; writing: where the current structure starts in b
	at      int    // offset of b[0] in the table, for errors
	table   string
	rev     uint8 // of the table
	lenient bool  // reading behind the end gives zeros: a shorter form of a structure
	err     error // the first one; nothing moves after it
}

// pos is the position from the start of the current structure.
func (c *codec) pos() int {
	if c.writing {
		return len(c.b) - c.off
	}

	return c.off
}

// left is how many bytes are still to be read.
func (c *codec) left() int { return len(c.b) - c.off }

func (c *codec) fail(err error, format string, args ...any) {
	if c.err == nil {
		c.err = fail(c.table, c.at+c.off, err, format, args...)
	}
}

// take gives the next n bytes to read; nil on errors.
func (c *codec) take(n int) []byte {
	if c.err != nil {
		return nil
	}

	if n < 0 || n > c.left() {
		if c.lenient && n >= 0 && n <= 16 {
			b := make([]byte, n)
			c.off += copy(b, c.b[c.off:])

			return b
		}

		c.fail(ErrTruncated, "%d bytes wanted, %d left", n, c.left())

		return nil
	}

	c.off += n

	return c.b[c.off-n : c.off]
}

// fields reads or writes fields in order: pointers to unsigned integers and to the shared
// structures, and byte slices of fixed size (arrays, sliced).
func (c *codec) fields(fields ...any) {
	for _, f := range fields {
		switch p := f.(type) {
		case *uint8:
			c.u8(p)
		case *uint16:
			c.u16(p)
		case *uint32:
			c.u32(p)
		case *uint64:
			c.u64(p)
		case *GAS:
			c.u8(&p.SpaceID)
			c.u8(&p.BitWidth)
			c.u8(&p.BitOffset)
			c.u8(&p.AccessSize)
			c.u64(&p.Address)
		case []byte:
			c.fixed(p)
		default:
			c.fail(ErrValue, "field of type %T", f)
		}
	}
}

func (c *codec) u8(p *uint8) {
	if c.writing {
		c.b = append(c.b, *p)
	} else if b := c.take(1); b != nil {
		*p = b[0]
	}
}

func (c *codec) u16(p *uint16) {
	if c.writing {
		c.b = binary.LittleEndian.AppendUint16(c.b, *p)
	} else if b := c.take(2); b != nil {
		*p = binary.LittleEndian.Uint16(b)
	}
}

func (c *codec) u32(p *uint32) {
	if c.writing {
		c.b = binary.LittleEndian.AppendUint32(c.b, *p)
	} else if b := c.take(4); b != nil {
		*p = binary.LittleEndian.Uint32(b)
	}
}

func (c *codec) u64(p *uint64) {
	if c.writing {
		c.b = binary.LittleEndian.AppendUint64(c.b, *p)
	} else if b := c.take(8); b != nil {
		*p = binary.LittleEndian.Uint64(b)
	}
}

func (c *codec) fixed(p []byte) {
	if c.writing {
		c.b = append(c.b, p...)
	} else if b := c.take(len(p)); b != nil {
		copy(p, b)
	}
}

// blob is n bytes of any content; n counts for reading only. What is read is a copy, and
// nil if there is nothing.
func (c *codec) blob(p *[]byte, n int) {
	if c.writing {
		c.b = append(c.b, *p...)
	} else if b := c.take(n); len(b) > 0 {
		*p = bytes.Clone(b)
	}
}

// text is n bytes, of which trailing NULs don't belong to the string.
func (c *codec) text(p *string, n int) {
	if !c.writing {
		*p = string(bytes.TrimRight(c.take(n), "\x00"))
		return
	}

	if len(*p) > n {
		c.fail(ErrValue, "%q is longer than %d bytes", *p, n)
	}

	c.b = append(c.b, *p...)
	c.b = append(c.b, make([]byte, max(0, n-len(*p)))...)
}

// count is a number of elements of the given size that follow, for reading: 0 with an
// error if there can't be as many. Elements that follow elsewhere are checked again there.
func (c *codec) count(n uint32, size int) int {
	if c.err == nil && !c.writing && uint64(n)*uint64(size) > uint64(len(c.b)) {
		c.fail(ErrTruncated, "%d elements of %d bytes don't fit", n, size)
	}

	if c.err != nil {
		return 0
	}

	return int(n)
}

// u32s is a list of n numbers; n counts for reading only.
func (c *codec) u32s(p *[]uint32, n int) {
	if !c.writing && n > 0 && c.err == nil {
		if n > c.left()/4 {
			c.fail(ErrTruncated, "%d numbers don't fit", n)
			return
		}

		*p = make([]uint32, n)
	}

	for i := range *p {
		c.u32(&(*p)[i])
	}
}

func (c *codec) u16s(p *[]uint16, n int) {
	if !c.writing && n > 0 && c.err == nil {
		if n > c.left()/2 {
			c.fail(ErrTruncated, "%d numbers don't fit", n)
			return
		}

		*p = make([]uint16, n)
	}

	for i := range *p {
		c.u16(&(*p)[i])
	}
}

// repeat is a list of n structures of fixed size; n counts for reading only.
func repeat[T any](c *codec, p *[]T, n, size int, walk func(*T)) {
	if !c.writing && c.err == nil {
		if n > c.left()/size {
			c.fail(ErrTruncated, "%d elements of %d bytes don't fit", n, size)
			return
		}

		*p = nil
		if n > 0 {
			*p = make([]T, n)
		}
	}

	for i := range *p {
		walk(&(*p)[i])
	}
}

// seek goes to an offset from the start of the structure, for reading.
func (c *codec) seek(off uint32) {
	switch {
	case c.err != nil:
	case uint64(off) > uint64(len(c.b)):
		c.fail(ErrTruncated, "offset %#x is behind the end", off)
	default:
		c.off = int(off)
	}
}

// patch32 overwrites a number written before, at an offset from the structure's start.
func (c *codec) patch32(pos, v int) {
	if v > math.MaxUint32 {
		c.fail(ErrValue, "%d in 32 bits", v)
	}

	binary.LittleEndian.PutUint32(c.b[c.off+pos:], uint32(v))
}

// cut ends the current structure after n bytes, for writing a shorter form of it.
func (c *codec) cut(n int) {
	if c.writing && c.off+n < len(c.b) {
		c.b = c.b[:c.off+n]
	}
}

// fit16 and fit32 are a number for a field that it must fit.
func (c *codec) fit16(n int) uint16 {
	if n > math.MaxUint16 {
		c.fail(ErrValue, "%d in 16 bits", n)
	}

	return uint16(n)
}

func (c *codec) fit32(n int) uint32 {
	if n > math.MaxUint32 {
		c.fail(ErrValue, "%d in 32 bits", n)
	}

	return uint32(n)
}
