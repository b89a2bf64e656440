package acpi

// What the HMAT's structures hold.
const (
	HMATInitiatorValid  = 1 << 0 // MemoryProximity.Flags
	HMATAccessLatency   = 0      // LocalityInformation.DataType
	HMATReadLatency     = 1
	HMATWriteLatency    = 2
	HMATAccessBandwidth = 3
	HMATReadBandwidth   = 4
	HMATWriteBandwidth  = 5
)

// HMAT has the latency and the bandwidth between initiators and memory (§5.2.28).
type HMAT struct {
	Header // Revision 2 since ACPI 6.3

	Structures []HMATStructure

	reserved uint32
}

// HMATStructure is *MemoryProximity, *LocalityInformation, *MemorySideCache or
// *RawStructure.
type HMATStructure interface {
	structure
	hmat() uint16
}

// Signature is "HMAT".
func (t *HMAT) Signature() string { return "HMAT" }

// MarshalBinary gives the table's bytes.
func (t *HMAT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *HMAT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *HMAT) walk(c *codec) {
	c.fields(&t.reserved)
	list(c, frame32, &t.Structures, -1, HMATStructure.hmat, newHMAT)
}

func newHMAT(typ uint16) HMATStructure {
	switch typ {
	case 0:
		return &MemoryProximity{}
	case 1:
		return &LocalityInformation{}
	case 2:
		return &MemorySideCache{}
	default:
		return nil
	}
}

func (*MemoryProximity) hmat() uint16     { return 0 }
func (*LocalityInformation) hmat() uint16 { return 1 }
func (*MemorySideCache) hmat() uint16     { return 2 }
func (r *RawStructure) hmat() uint16      { return r.Type }

// MemoryProximity says whose memory a domain is (§5.2.28.3).
type MemoryProximity struct {
	Flags                    uint16 // HMATInitiatorValid
	InitiatorProximityDomain uint32
	MemoryProximityDomain    uint32

	reserved1 uint16
	reserved2 uint32
	reserved3 [2]uint64 // before revision 2 a range of addresses
}

func (s *MemoryProximity) walk(c *codec) {
	c.fields(&s.Flags, &s.reserved1, &s.InitiatorProximityDomain, &s.MemoryProximityDomain, &s.reserved2, &s.reserved3[0], &s.reserved3[1])
}

// LocalityInformation is a matrix of latencies or bandwidths (§5.2.28.4).
type LocalityInformation struct {
	Flags           uint8 // bits 0 to 3: memory, or the level of a cache before it
	DataType        uint8 // HMAT*Latency, HMAT*Bandwidth
	MinTransferSize uint8
	EntryBaseUnit   uint64 // picoseconds, or MB/s
	Initiators      []uint32
	Targets         []uint32
	Entries         []uint16 // a row of all targets for each initiator

	reserved1 uint8
	reserved2 uint32
}

func (s *LocalityInformation) walk(c *codec) {
	if c.writing && len(s.Entries) != len(s.Initiators)*len(s.Targets) {
		c.fail(ErrValue, "%d entries for %d initiators and %d targets", len(s.Entries), len(s.Initiators), len(s.Targets))
		return
	}

	initiators, targets := c.fit32(len(s.Initiators)), c.fit32(len(s.Targets))
	c.fields(&s.Flags, &s.DataType, &s.MinTransferSize, &s.reserved1, &initiators, &targets, &s.reserved2, &s.EntryBaseUnit)
	c.u32s(&s.Initiators, c.count(initiators, 4))
	c.u32s(&s.Targets, c.count(targets, 4))
	c.u16s(&s.Entries, len(s.Initiators)*len(s.Targets))
}

// MemorySideCache is a cache in front of a domain's memory (§5.2.28.5).
type MemorySideCache struct {
	MemoryProximityDomain uint32
	CacheSize             uint64 // bytes
	CacheAttributes       uint32
	AddressMode           uint16
	SMBIOSHandles         []uint16

	reserved uint32
}

func (s *MemorySideCache) walk(c *codec) {
	count := c.fit16(len(s.SMBIOSHandles))
	c.fields(&s.MemoryProximityDomain, &s.reserved, &s.CacheSize, &s.CacheAttributes, &s.AddressMode, &count)
	c.u16s(&s.SMBIOSHandles, int(count))
}
