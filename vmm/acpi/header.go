package acpi

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"fmt"
)

// Table is a table with its bytes. Its implementations are the pointer types of this
// package; a table of somebody else's is a *Raw.
type Table interface {
	encoding.BinaryMarshaler

	// UnmarshalBinary reads exactly one table. With an error that wraps ErrChecksum the
	// table was read nevertheless; with others the value is as before.
	encoding.BinaryUnmarshaler

	// Signature has four characters; the root pointer's has eight.
	Signature() string
}

// HeaderSize is the size of Header in bytes.
const HeaderSize = 36

// Header is what all tables but the RSDP and the FACS begin with (§5.2.6). Signature,
// length and checksum are computed. Strings are padded with NULs to their size.
type Header struct {
	Revision        uint8
	OEMID           string // at most 6 bytes
	OEMTableID      string // at most 8 bytes
	OEMRevision     uint32
	CreatorID       string // at most 4 bytes: the vendor of the tool that made the table
	CreatorRevision uint32

	// Extra is what follows the part of the table that this package knows.
	Extra []byte
}

// HeaderOf is the header of a table, to look at or to change. It is nil for those without
// one: *RSDP and *FACS.
func HeaderOf(t Table) *Header {
	if h, ok := t.(headed); ok {
		return h.header()
	}

	return nil
}

func (h *Header) header() *Header { return h }

// headed is a table that begins with a header.
type headed interface {
	Table
	header() *Header
	walk(c *codec) // what follows the header
}

// GAS is the generic address structure (§5.2.3.2).
type GAS struct {
	SpaceID    uint8 // Space*
	BitWidth   uint8
	BitOffset  uint8
	AccessSize uint8 // 0 undefined, 1 byte, 2 word, 3 double word, 4 quad word
	Address    uint64
}

// Address spaces of a GAS.
const (
	SpaceMemory        = 0
	SpaceIO            = 1
	SpacePCIConfig     = 2
	SpaceEC            = 3
	SpaceSMBus         = 4
	SpacePCC           = 0xa
	SpaceFixedHardware = 0x7f
)

const (
	signatureSize    = 4
	headerLengthAt   = 4
	headerChecksumAt = 9
)

func (h *Header) walk(c *codec, signature string) {
	var (
		length   uint32
		checksum uint8
	)

	c.text(&signature, signatureSize)
	c.fields(&length, &h.Revision, &checksum)
	c.text(&h.OEMID, 6)
	c.text(&h.OEMTableID, 8)
	c.fields(&h.OEMRevision)
	c.text(&h.CreatorID, 4)
	c.fields(&h.CreatorRevision)
}

// marshal writes a table with a header.
func marshal(t headed) ([]byte, error) {
	h := t.header()
	c := &codec{writing: true, table: t.Signature(), rev: h.Revision}

	if len(t.Signature()) != signatureSize {
		c.fail(ErrSignature, "%q hasn't four characters", t.Signature())
	}

	h.walk(c, t.Signature())
	t.walk(c)
	c.blob(&h.Extra, 0)

	length := c.fit32(len(c.b))
	if c.err != nil {
		return nil, c.err
	}

	binary.LittleEndian.PutUint32(c.b[headerLengthAt:], length)
	c.b[headerChecksumAt] = checksum(c.b)

	return c.b, nil
}

// unmarshal reads a table with a header.
func unmarshal[T any, P interface {
	*T
	headed
}](p P, b []byte) error {
	var fresh T

	t := P(&fresh)
	if raw, ok := any(t).(*Raw); ok && len(b) >= signatureSize {
		raw.Sig = string(b[:signatureSize])
	}

	sig := t.Signature()

	switch {
	case len(b) < HeaderSize:
		return fail(sig, 0, ErrTruncated, "%d bytes have no room for a header", len(b))
	case string(b[:signatureSize]) != sig:
		return fail(sig, 0, ErrSignature, "%q", b[:signatureSize])
	case uint64(binary.LittleEndian.Uint32(b[headerLengthAt:])) != uint64(len(b)):
		return fail(sig, headerLengthAt, ErrLength, "%d bytes, and %d by its header", len(b), binary.LittleEndian.Uint32(b[headerLengthAt:]))
	}

	h := t.header()
	c := &codec{b: b, table: sig, rev: b[8]}
	h.walk(c, sig)
	t.walk(c)

	c.lenient = false
	c.blob(&h.Extra, c.left())

	if c.err != nil {
		return c.err
	}

	again, err := marshal(t)
	if at := differs(again, b); err != nil || at >= 0 {
		return fail(sig, max(at, 0), ErrLayout, "")
	}

	*p = fresh

	if sum := checksum(b); sum != 0 {
		return fail(sig, headerChecksumAt, ErrChecksum, "%#02x is %#02x off", b[headerChecksumAt], -sum)
	}

	return nil
}

// differs is the first offset where two tables are not the same, the checksum aside, or -1.
func differs(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] && i != headerChecksumAt {
			return i
		}
	}

	if len(a) != len(b) {
		return min(len(a), len(b))
	}

	return -1
}

// checksum is the byte that makes the sum of all bytes 0, if it is added.
func checksum(b []byte) byte {
	var sum byte
	for _, v := range b {
		sum += v
	}

	return -sum
}

// Raw is a table of any signature.
type Raw struct {
	Header

	Sig  string // four characters
	Body []byte // what follows the header
}

// Signature is Sig.
func (t *Raw) Signature() string { return t.Sig }

// MarshalBinary gives the table's bytes.
func (t *Raw) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads a table of any signature.
func (t *Raw) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *Raw) walk(c *codec) { c.blob(&t.Body, c.left()) }

// String names the table without its bytes.
func (t *Raw) String() string { return fmt.Sprintf("Raw %q, %d bytes", t.Sig, len(t.Body)+HeaderSize) }

// Parse reads one table, which b must end with. The type of the result goes by the
// signature; it is *Raw for one that this package doesn't know.
//
// With an error that wraps ErrChecksum the table is complete. With one that wraps
// ErrLayout it is a *Raw, since in its own type it would lose something. With any other
// error it is nil.
func Parse(b []byte) (Table, error) {
	if bytes.HasPrefix(b, []byte(rsdpSignature)) {
		t := &RSDP{}

		return found(t, t.UnmarshalBinary(b))
	}

	if len(b) < signatureSize {
		return nil, fail("", 0, ErrTruncated, "%d bytes have no signature", len(b))
	}

	t := known(string(b[:signatureSize]))

	err := t.UnmarshalBinary(b)
	if layout(err) && HeaderOf(t) != nil {
		raw := &Raw{}
		if inner := raw.UnmarshalBinary(b); inner != nil && !isChecksum(inner) {
			return nil, inner
		}

		return raw, err
	}

	return found(t, err)
}

// found is a table, unless reading it failed.
func found(t Table, err error) (Table, error) {
	if err != nil && !isChecksum(err) {
		return nil, err
	}

	return t, err
}

// known is an empty table of a signature.
func known(signature string) Table {
	for _, t := range []Table{
		&FACS{}, &RSDT{}, &XSDT{}, &FADT{}, &DSDT{}, &SSDT{}, &MADT{}, &GTDT{}, &SPCR{}, &DBG2{}, &MCFG{}, &IORT{},
		&PPTT{}, &SRAT{}, &SLIT{}, &HMAT{}, &BGRT{}, &TPM2{}, &VIOT{}, &HEST{}, &HPET{}, &WAET{},
	} {
		if t.Signature() == signature {
			return t
		}
	}

	return &Raw{}
}
