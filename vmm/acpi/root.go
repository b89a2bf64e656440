package acpi

import "encoding/binary"

const (
	rsdpSignature = "RSD PTR "
	rsdpSize0     = 20
	rsdpSize2     = 36
	facsSize      = 64
)

// RSDP is the root pointer (§5.2.5.3), by which a system finds the other tables. Its
// checksums are computed.
type RSDP struct {
	OEMID       string // at most 6 bytes
	Revision    uint8  // 0 for ACPI 1.0, which has no XSDT; 2 after it
	RSDTAddress uint32
	XSDTAddress uint64

	reserved [3]byte
}

// Signature is "RSD PTR ", with the space at its end.
func (t *RSDP) Signature() string { return rsdpSignature }

// size is how long the pointer is at its revision.
func (t *RSDP) size() int {
	if t.Revision < 2 {
		return rsdpSize0
	}

	return rsdpSize2
}

// MarshalBinary gives 20 bytes for revisions 0 and 1, and 36 for later ones.
func (t *RSDP) MarshalBinary() ([]byte, error) {
	c := &codec{writing: true, table: rsdpSignature}
	t.walk(c)

	if t.Revision < 2 && t.XSDTAddress != 0 {
		c.fail(ErrValue, "revision %d has no XSDT", t.Revision)
	}

	if c.err != nil {
		return nil, c.err
	}

	b := c.b[:t.size()]
	b[8] = checksum(b[:rsdpSize0])

	if len(b) > rsdpSize0 {
		binary.LittleEndian.PutUint32(b[20:], uint32(len(b)))
		b[32] = checksum(b)
	}

	return b, nil
}

func (t *RSDP) walk(c *codec) {
	var (
		sum, extended uint8
		length        uint32
	)

	signature := rsdpSignature
	c.text(&signature, len(rsdpSignature))
	c.fields(&sum)
	c.text(&t.OEMID, 6)
	c.fields(&t.Revision, &t.RSDTAddress)

	if c.writing || t.Revision >= 2 {
		c.fields(&length, &t.XSDTAddress, &extended, t.reserved[:])
	}
}

// UnmarshalBinary reads 20 or 36 bytes.
func (t *RSDP) UnmarshalBinary(b []byte) error {
	var fresh RSDP

	c := &codec{b: b, table: rsdpSignature}

	if fresh.walk(c); c.err != nil {
		return c.err
	}

	switch {
	case string(b[:len(rsdpSignature)]) != rsdpSignature:
		return fail(rsdpSignature, 0, ErrSignature, "%q", b[:len(rsdpSignature)])
	case c.left() > 0, fresh.Revision >= 2 && binary.LittleEndian.Uint32(b[20:]) != uint32(len(b)):
		return fail(rsdpSignature, c.off, ErrLength, "%d bytes in revision %d", len(b), fresh.Revision)
	}

	again, err := fresh.MarshalBinary()
	if err != nil {
		return err
	}

	sums := b[8] != again[8] || len(b) > rsdpSize0 && b[32] != again[32]

	again[8] = b[8]
	if len(b) > rsdpSize0 {
		again[32] = b[32]
	}

	if string(again) != string(b) {
		return fail(rsdpSignature, 0, ErrLayout, "")
	}

	*t = fresh

	if sums {
		return fail(rsdpSignature, 8, ErrChecksum, "")
	}

	return nil
}

// RSDT lists tables by addresses of 32 bits (§5.2.7).
type RSDT struct {
	Header

	Entries []uint32
}

// Signature is "RSDT".
func (t *RSDT) Signature() string { return "RSDT" }

// MarshalBinary gives the table's bytes.
func (t *RSDT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *RSDT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *RSDT) walk(c *codec) { c.u32s(&t.Entries, c.left()/4) }

// XSDT lists tables by addresses of 64 bits (§5.2.8). The DSDT and the FACS are not in it:
// the FADT points to them.
type XSDT struct {
	Header

	Entries []uint64
}

// Signature is "XSDT".
func (t *XSDT) Signature() string { return "XSDT" }

// MarshalBinary gives the table's bytes.
func (t *XSDT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *XSDT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *XSDT) walk(c *codec) { repeat(c, &t.Entries, c.left()/8, 8, c.u64) }

// FACS is what system and firmware share (§5.2.10). It has no header and no checksum, and
// lies at a multiple of 64.
type FACS struct {
	HardwareSignature     uint32
	FirmwareWakingVector  uint32
	GlobalLock            uint32
	Flags                 uint32 // FACS*
	XFirmwareWakingVector uint64
	Version               uint8
	OSPMFlags             uint32

	reserved1 [3]byte
	reserved2 [24]byte
}

// Flags of the FACS.
const (
	FACSS4BIOS = 1 << 0
	FACSWake64 = 1 << 1
)

// Signature is "FACS".
func (t *FACS) Signature() string { return "FACS" }

func (t *FACS) walk(c *codec) {
	c.fields(&t.HardwareSignature, &t.FirmwareWakingVector, &t.GlobalLock, &t.Flags, &t.XFirmwareWakingVector,
		&t.Version, t.reserved1[:], &t.OSPMFlags, t.reserved2[:])
}

// MarshalBinary gives 64 bytes.
func (t *FACS) MarshalBinary() ([]byte, error) {
	c := &codec{writing: true, b: make([]byte, 8, facsSize)}
	copy(c.b, t.Signature())
	binary.LittleEndian.PutUint32(c.b[4:], facsSize)
	t.walk(c)

	return c.b, c.err
}

// UnmarshalBinary reads 64 bytes.
func (t *FACS) UnmarshalBinary(b []byte) error {
	switch {
	case len(b) < facsSize:
		return fail("FACS", 0, ErrTruncated, "%d bytes", len(b))
	case string(b[:4]) != "FACS":
		return fail("FACS", 0, ErrSignature, "%q", b[:4])
	case len(b) > facsSize, binary.LittleEndian.Uint32(b[4:]) != facsSize:
		return fail("FACS", 4, ErrLength, "%d bytes, and %d by its header", len(b), binary.LittleEndian.Uint32(b[4:]))
	}

	t.walk(&codec{b: b, off: 8})

	return nil
}

// DSDT holds the AML that describes the platform (§5.2.11.1).
type DSDT struct {
	Header

	Body []byte
}

// Signature is "DSDT".
func (t *DSDT) Signature() string { return "DSDT" }

// MarshalBinary gives the table's bytes.
func (t *DSDT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *DSDT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *DSDT) walk(c *codec) { c.blob(&t.Body, c.left()) }

// SSDT holds AML that is added to the DSDT's (§5.2.11.2). A machine can have several.
type SSDT struct {
	Header

	Body []byte
}

// Signature is "SSDT".
func (t *SSDT) Signature() string { return "SSDT" }

// MarshalBinary gives the table's bytes.
func (t *SSDT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *SSDT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *SSDT) walk(c *codec) { c.blob(&t.Body, c.left()) }
