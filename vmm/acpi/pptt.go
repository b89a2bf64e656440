package acpi

// Flags of the PPTT's nodes.
const (
	PPTTPhysicalPackage = 1 << 0
	PPTTProcessorValid  = 1 << 1 // ACPIProcessorID holds
	PPTTThread          = 1 << 2
	PPTTLeaf            = 1 << 3 // revision 2
	PPTTIdentical       = 1 << 4 // revision 2
)

// Flags of a cache: which of its fields hold.
const (
	CacheSizeValid          = 1 << 0
	CacheSetsValid          = 1 << 1
	CacheAssociativityValid = 1 << 2
	CacheAllocationValid    = 1 << 3
	CacheTypeValid          = 1 << 4
	CacheWritePolicyValid   = 1 << 5
	CacheLineSizeValid      = 1 << 6
	CacheIDValid            = 1 << 7 // revision 3
)

// Attributes of a cache.
const (
	CacheReadAllocate   = 0
	CacheWriteAllocate  = 1
	CacheAllocate       = 2 // both
	CacheData           = 0 << 2
	CacheInstruction    = 1 << 2
	CacheUnified        = 2 << 2
	CacheWriteBack      = 0 << 4
	CacheWriteThrough   = 1 << 4
	cacheTypeShift      = 2
	cacheTypeMask       = 3
	ppttFirstNode       = HeaderSize // offset
	ppttCacheIDRevision = 3
)

// PPTT is the tree of processors, with their caches (§5.2.30). Revision 2 is ACPI 6.3's,
// revision 3 is 6.4's and gives caches an id.
//
// Nodes refer to others by their offset in the table: see Add and Offsets.
type PPTT struct {
	Header

	Structures []PPTTStructure

	sized, size int // size of the table with the first that many structures: Add's
}

// PPTTStructure is *ProcessorNode, *CacheNode, *PPTTID or *RawStructure.
type PPTTStructure interface {
	structure
	pptt() uint16
}

// Add appends a structure and gives its offset in the table, for others to refer to. The
// offsets of those behind an earlier structure change if that gets private resources
// afterwards, or the table's revision changes.
func (t *PPTT) Add(s PPTTStructure) uint32 {
	if t.sized != len(t.Structures) || t.size == 0 {
		t.size = ppttFirstNode
		for _, s := range t.Structures {
			t.size += structureSize(frame8, t.Revision, s, s.pptt())
		}
	}

	at := t.size
	t.Structures = append(t.Structures, s)
	t.sized = len(t.Structures)
	t.size += structureSize(frame8, t.Revision, s, s.pptt())

	return uint32(at)
}

// Offsets gives the offset of each structure.
func (t *PPTT) Offsets() []uint32 {
	at, out := ppttFirstNode, make([]uint32, 0, len(t.Structures))

	for _, s := range t.Structures {
		out = append(out, uint32(at))
		at += structureSize(frame8, t.Revision, s, s.pptt())
	}

	return out
}

// structureSize is the size of a structure as it is written.
func structureSize[S structure](f frame, revision uint8, s S, typ uint16) int {
	c := &codec{writing: true, rev: revision}
	writeStructure(c, f, s, typ)

	return len(c.b)
}

// Signature is "PPTT".
func (t *PPTT) Signature() string { return "PPTT" }

// MarshalBinary gives the table's bytes.
func (t *PPTT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *PPTT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *PPTT) walk(c *codec) {
	list(c, frame8, &t.Structures, -1, PPTTStructure.pptt, newPPTT)
}

func newPPTT(typ uint16) PPTTStructure {
	switch typ {
	case 0:
		return &ProcessorNode{}
	case 1:
		return &CacheNode{}
	case 2:
		return &PPTTID{}
	default:
		return nil
	}
}

func (*ProcessorNode) pptt() uint16  { return 0 }
func (*CacheNode) pptt() uint16      { return 1 }
func (*PPTTID) pptt() uint16         { return 2 }
func (r *RawStructure) pptt() uint16 { return r.Type }

// ProcessorNode is a processor, or a group of them (§5.2.30.1).
type ProcessorNode struct {
	Flags            uint32   // PPTT*
	Parent           uint32   // offset of a ProcessorNode; 0 for none
	ACPIProcessorID  uint32   // the _UID of the processor or its container
	PrivateResources []uint32 // offsets of CacheNodes and PPTTIDs

	reserved uint16
}

func (s *ProcessorNode) walk(c *codec) {
	count := c.fit32(len(s.PrivateResources))
	c.fields(&s.reserved, &s.Flags, &s.Parent, &s.ACPIProcessorID, &count)
	c.u32s(&s.PrivateResources, c.count(count, 4))
}

// CacheNode is a cache (§5.2.30.2).
type CacheNode struct {
	Flags            uint32 // Cache*Valid
	NextLevelOfCache uint32 // offset of a CacheNode; 0 for none
	Size             uint32 // bytes
	NumberOfSets     uint32
	Associativity    uint8
	Attributes       uint8
	LineSize         uint16 // bytes
	CacheID          uint32 // revision 3; unique in the table, and not 0

	reserved uint16
	short    bool // without an id, whatever the revision
}

func (s *CacheNode) walk(c *codec) {
	const sizeWithoutID = 24

	if !c.writing {
		s.short = len(c.b) == sizeWithoutID && c.rev >= ppttCacheIDRevision
	}

	c.fields(&s.reserved, &s.Flags, &s.NextLevelOfCache, &s.Size, &s.NumberOfSets, &s.Associativity, &s.Attributes, &s.LineSize)

	if c.rev >= ppttCacheIDRevision && !s.short {
		c.fields(&s.CacheID)
	}
}

// PPTTID names a processor's maker (§5.2.30.3 of ACPI 6.2; deprecated since 6.3).
type PPTTID struct {
	VendorID      uint32
	Level1ID      uint64
	Level2ID      uint64
	MajorRevision uint16
	MinorRevision uint16
	SpinRevision  uint16

	reserved uint16
}

func (s *PPTTID) walk(c *codec) {
	c.fields(&s.reserved, &s.VendorID, &s.Level1ID, &s.Level2ID, &s.MajorRevision, &s.MinorRevision, &s.SpinRevision)
}
