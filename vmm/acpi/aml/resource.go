package aml

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Resource is a descriptor of a resource template (§6.4): one of the structures of this
// package, by value.
type Resource interface {
	// put appends the descriptor as it is.
	put(b []byte) []byte
	// check says what is wrong with it.
	check() error
}

const endTag = 0x79

// ResourceTemplate is a buffer of descriptors, as _CRS and its like give. Its end tag has the
// checksum 0, which means that there is none (§6.4.2.9).
func ResourceTemplate(list ...Resource) Data {
	var (
		b    []byte
		errs []error
	)

	for i, r := range list {
		if r == nil {
			errs = append(errs, wrong(ErrNil, "resource %d", i))
			continue
		}

		if err := r.check(); err != nil {
			var e *Error
			if errors.As(err, &e) {
				err = wrong(e.Reason, "resource %d: %s", i, e.Detail)
			}

			errs = append(errs, err)

			continue
		}

		b = r.put(b)
	}

	n := Buffer(append(b, endTag, 0)...).node()
	n.errs = errs

	return dataTerm{n}
}

func le16(b []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(b, v) }
func le32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func le64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// bit is 1<<at where it is set.
func bit(set bool, at uint) uint8 {
	if set {
		return 1 << at
	}

	return 0
}

// large puts tag and length before a descriptor (§6.4.3).
func large(b []byte, tag byte, body []byte) []byte {
	return append(le16(append(b, tag), uint16(len(body))), body...)
}

func mistake(format string, args ...any) error { return wrong(ErrResource, format, args...) }

// RawResource is a descriptor that this package doesn't know, with its tag and length.
type RawResource []byte

func (r RawResource) put(b []byte) []byte { return append(b, r...) }

func (r RawResource) check() error {
	if n, err := descriptorLen(r); err != nil || n != len(r) || r[0]&^7 == endTag&^7 {
		return mistake("raw descriptor of %d bytes has another length in it", len(r))
	}

	return nil
}

// descriptorLen is the length of the first descriptor, with its tag.
func descriptorLen(b []byte) (int, error) {
	n := 1

	switch {
	case len(b) == 0:
		return 0, &Error{Reason: ErrTruncated, Detail: "resource template without an end tag", Offset: -1}
	case b[0]&0x80 == 0:
		n += int(b[0] & 7)
	case len(b) < 3:
		return 0, &Error{Reason: ErrTruncated, Detail: "resource descriptor", Offset: -1}
	default:
		n = 3 + int(binary.LittleEndian.Uint16(b[1:]))
	}

	if n > len(b) {
		return 0, &Error{Reason: ErrTruncated, Detail: "resource descriptor", Offset: -1}
	}

	return n, nil
}

// ParseResources reads the bytes of a resource template up to its end tag. A descriptor that
// isn't known, or has something that its structure can't say, is a [RawResource]: what
// comes out makes the same bytes again. Ranges aren't judged.
func ParseResources(b []byte) ([]Resource, error) {
	var out []Resource

	for at := 0; ; {
		n, err := descriptorLen(b[at:])
		if err != nil {
			return out, err
		}

		d := b[at : at+n]
		if d[0]&^7 == endTag&^7 {
			return out, nil
		}

		r := decode(d)
		if r == nil || !bytes.Equal(r.put(nil), d) {
			r = RawResource(bytes.Clone(d))
		}

		out = append(out, r)
		at += n
	}
}

// decode gives nil for what isn't known.
func decode(d []byte) Resource {
	if d[0]&0x80 == 0 {
		return decodeSmall(d[0]>>3, d[1:])
	}

	body := reader{b: d[3:]}

	switch d[0] {
	case 0x81:
		return decodeMemory24(&body)
	case 0x82:
		return Register{Space: Space(body.u8()), Width: body.u8(), Offset: body.u8(), AccessSize: body.u8(), Address: body.u64()}
	case 0x84:
		return VendorResource{Data: bytes.Clone(d[3:]), Long: true}
	case 0x85:
		return Memory32{Writable: body.u8() != 0, Min: body.u32(), Max: body.u32(), Align: body.u32(), Length: body.u32()}
	case 0x86:
		return Memory32Fixed{Writable: body.u8() != 0, Base: body.u32(), Length: body.u32()}
	case 0x87, 0x88, 0x8a, 0x8b:
		return decodeAddress(d[0], &body)
	case 0x89:
		return decodeInterrupt(&body)
	case 0x8c:
		return decodeGPIO(d)
	case 0x8e:
		return decodeSerial(&body)
	}

	return nil
}

// reader takes numbers from bytes; behind their end it takes zeroes.
type reader struct{ b []byte }

func (r *reader) take(n int) uint64 {
	var b [8]byte

	n = copy(b[:n], r.b)
	r.b = r.b[n:]

	return binary.LittleEndian.Uint64(b[:])
}

func (r *reader) u8() uint8   { return uint8(r.take(1)) }
func (r *reader) u16() uint16 { return uint16(r.take(2)) }
func (r *reader) u32() uint32 { return uint32(r.take(4)) }
func (r *reader) u64() uint64 { return r.take(8) }

// text is what is left, up to a NUL.
func (r *reader) text() string {
	s, rest, _ := bytes.Cut(r.b, []byte{0})
	r.b = rest

	return string(s)
}

// Source is where a resource comes from: the path of the device that hands it out, and which
// of that one's resources it is in. The zero Source is the processor's.
type Source struct {
	Index uint8
	Path  string
}

func (s Source) put(b []byte) []byte {
	if s == (Source{}) {
		return b
	}

	return append(append(append(b, s.Index), s.Path...), 0)
}

func decodeSource(r *reader) Source {
	if len(r.b) == 0 {
		return Source{}
	}

	return Source{Index: r.u8(), Path: r.text()}
}

func (s Source) check() error {
	if s == (Source{}) {
		return nil
	}

	return checkPath(s.Path)
}

// checkPath says whether a resource source is a name.
func checkPath(path string) error {
	if _, err := normal(path); err != nil {
		return wrong(ErrName, "resource source %q", path)
	}

	return nil
}
