package acpi

// Flags of the SRAT's structures. The first bit of each is that the structure is in use.
const (
	SRATEnabled            = 1 << 0
	SRATMemoryHotPluggable = 1 << 1
	SRATMemoryNonVolatile  = 1 << 2
	SRATInitiatorAtomics   = 1 << 1 // architectural transactions
)

// SRAT says which processors and what memory are close to each other (§5.2.16).
type SRAT struct {
	Header

	Structures []SRATStructure

	notOne   uint32 // what differs from 1 in a reserved field
	reserved uint64
}

// SRATStructure is an affinity structure, or a *RawStructure.
type SRATStructure interface {
	structure
	srat() uint16
}

// Signature is "SRAT".
func (t *SRAT) Signature() string { return "SRAT" }

// MarshalBinary gives the table's bytes.
func (t *SRAT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *SRAT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *SRAT) walk(c *codec) {
	one := t.notOne ^ 1 // "must be set to the value 1 for backward compatibility"
	c.fields(&one, &t.reserved)
	t.notOne = one ^ 1

	list(c, frame8, &t.Structures, -1, SRATStructure.srat, newSRAT)
}

func newSRAT(typ uint16) SRATStructure {
	switch typ {
	case 0:
		return &APICAffinity{}
	case 1:
		return &MemoryAffinity{}
	case 2:
		return &X2APICAffinity{}
	case 3:
		return &GICCAffinity{}
	case 4:
		return &ITSAffinity{}
	case 5:
		return &InitiatorAffinity{}
	case 6:
		return &PortAffinity{}
	default:
		return nil
	}
}

func (*APICAffinity) srat() uint16      { return 0 }
func (*MemoryAffinity) srat() uint16    { return 1 }
func (*X2APICAffinity) srat() uint16    { return 2 }
func (*GICCAffinity) srat() uint16      { return 3 }
func (*ITSAffinity) srat() uint16       { return 4 }
func (*InitiatorAffinity) srat() uint16 { return 5 }
func (*PortAffinity) srat() uint16      { return 6 }
func (r *RawStructure) srat() uint16    { return r.Type }

// APICAffinity is a processor with an APIC (§5.2.16.1).
type APICAffinity struct {
	ProximityDomain uint32
	APICID          uint8
	Flags           uint32
	LocalSAPICEID   uint8
	ClockDomain     uint32
}

func (s *APICAffinity) walk(c *codec) {
	low, high := uint8(s.ProximityDomain), [3]byte{byte(s.ProximityDomain >> 8), byte(s.ProximityDomain >> 16), byte(s.ProximityDomain >> 24)}
	c.fields(&low, &s.APICID, &s.Flags, &s.LocalSAPICEID, high[:], &s.ClockDomain)
	s.ProximityDomain = uint32(low) | uint32(high[0])<<8 | uint32(high[1])<<16 | uint32(high[2])<<24
}

// MemoryAffinity is a range of memory (§5.2.16.2).
type MemoryAffinity struct {
	ProximityDomain uint32
	BaseAddress     uint64
	Length          uint64
	Flags           uint32

	reserved1 uint16
	reserved2 uint32
	reserved3 uint64
}

func (s *MemoryAffinity) walk(c *codec) {
	c.fields(&s.ProximityDomain, &s.reserved1, &s.BaseAddress, &s.Length, &s.reserved2, &s.Flags, &s.reserved3)
}

// X2APICAffinity is a processor with an x2APIC (§5.2.16.3).
type X2APICAffinity struct {
	ProximityDomain uint32
	X2APICID        uint32
	Flags           uint32
	ClockDomain     uint32

	reserved1 uint16
	reserved2 uint32
}

func (s *X2APICAffinity) walk(c *codec) {
	c.fields(&s.reserved1, &s.ProximityDomain, &s.X2APICID, &s.Flags, &s.ClockDomain, &s.reserved2)
}

// GICCAffinity is a processor with a GICC (§5.2.16.4).
type GICCAffinity struct {
	ProximityDomain uint32
	ProcessorUID    uint32
	Flags           uint32
	ClockDomain     uint32
}

func (s *GICCAffinity) walk(c *codec) {
	c.fields(&s.ProximityDomain, &s.ProcessorUID, &s.Flags, &s.ClockDomain)
}

// ITSAffinity is an interrupt translation service (§5.2.16.5).
type ITSAffinity struct {
	ProximityDomain uint32
	ITSID           uint32

	reserved uint16
}

func (s *ITSAffinity) walk(c *codec) { c.fields(&s.ProximityDomain, &s.reserved, &s.ITSID) }

// Kinds of DeviceHandle.
const (
	DeviceHandleACPI = 0 // _HID of 8 bytes, _UID of 4
	DeviceHandlePCI  = 1 // segment of 2 bytes, bus and function of 2
)

// InitiatorAffinity is a device that uses memory (§5.2.16.6).
type InitiatorAffinity struct {
	DeviceHandleType uint8 // DeviceHandle*
	ProximityDomain  uint32
	DeviceHandle     [16]byte
	Flags            uint32

	reserved1 uint8
	reserved2 uint32
}

func (s *InitiatorAffinity) walk(c *codec) {
	c.fields(&s.reserved1, &s.DeviceHandleType, &s.ProximityDomain, s.DeviceHandle[:], &s.Flags, &s.reserved2)
}

// PortAffinity is a port behind which there is memory (§5.2.16.7).
type PortAffinity InitiatorAffinity

func (s *PortAffinity) walk(c *codec) { (*InitiatorAffinity)(s).walk(c) }

// SLIT has the distances between the localities (§5.2.17), which are the proximity
// domains.
type SLIT struct {
	Header

	Localities uint64
	Entries    []uint8 // Localities rows of Localities columns; 10 is the distance to itself
}

// Signature is "SLIT".
func (t *SLIT) Signature() string { return "SLIT" }

// MarshalBinary gives the table's bytes.
func (t *SLIT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *SLIT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

// Distance between two localities; 0 if there is none such.
func (t *SLIT) Distance(from, to int) uint8 {
	if n := int(min(t.Localities, 1<<16)); from >= 0 && from < n && to >= 0 && to < n && from*n+to < len(t.Entries) {
		return t.Entries[from*n+to]
	}

	return 0
}

func (t *SLIT) walk(c *codec) {
	const most = 1 << 16 // whose square still fits

	c.fields(&t.Localities)

	n := t.Localities
	if c.err == nil && (n >= most || c.writing && uint64(len(t.Entries)) != n*n) {
		c.fail(ErrValue, "%d localities and %d entries", n, len(t.Entries))
		return
	}

	c.blob(&t.Entries, int(n*n))
}
