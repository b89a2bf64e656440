package acpi

// IORT says how DMA and message-signalled interrupts find their way on Arm (IO Remapping
// Table, Arm DEN 0049; here issue E.f). Nodes refer to others by their offset in the table:
// see Add and Offsets.
type IORT struct {
	Header

	Nodes []IORTNode

	// Padding is between the table's fields and the first node.
	Padding []byte

	reserved uint32
}

// IORTNode is a node of the IORT, or a *RawStructure, whose Data begins with the revision.
type IORTNode interface {
	structure
	iort() uint16
}

// IORTMapping maps ids that come in to those that go out.
type IORTMapping struct {
	InputBase       uint32
	NumIDs          uint32 // less one
	OutputBase      uint32
	OutputReference uint32 // offset of a node
	Flags           uint32 // IORTSingleMapping
}

// IORTSingleMapping is a mapping of the node itself, whose InputBase doesn't count.
const IORTSingleMapping = 1 << 0

const (
	iortFirstNode   = 48 // offset, without padding
	iortNodeHead    = 16
	iortMappingSize = 20
)

// Add appends a node and gives its offset in the table, for others to refer to. The offsets
// of those behind an earlier node change if that gets more mappings afterwards.
func (t *IORT) Add(n IORTNode) uint32 {
	at := iortFirstNode + len(t.Padding)
	for _, m := range t.Nodes {
		at += structureSize(frame16, t.Revision, m, m.iort())
	}

	t.Nodes = append(t.Nodes, n)

	return uint32(at)
}

// Offsets gives the offset of each node.
func (t *IORT) Offsets() []uint32 {
	at, out := iortFirstNode+len(t.Padding), make([]uint32, 0, len(t.Nodes))

	for _, n := range t.Nodes {
		out = append(out, uint32(at))
		at += structureSize(frame16, t.Revision, n, n.iort())
	}

	return out
}

// Signature is "IORT".
func (t *IORT) Signature() string { return "IORT" }

// MarshalBinary gives the table's bytes.
func (t *IORT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *IORT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *IORT) walk(c *codec) {
	count, offset := c.fit32(len(t.Nodes)), c.fit32(iortFirstNode+len(t.Padding))
	c.fields(&count, &offset, &t.reserved)
	c.blob(&t.Padding, int(min(max(int64(offset)-iortFirstNode, 0), int64(c.left()))))

	if !c.writing {
		c.seek(offset)
	}

	list(c, frame16, &t.Nodes, c.count(count, iortNodeHead), IORTNode.iort, newIORT)
}

func newIORT(typ uint16) IORTNode {
	switch typ {
	case 0:
		return &ITSGroup{}
	case 1:
		return &NamedComponent{}
	case 2:
		return &RootComplex{}
	case 3:
		return &SMMUv2{}
	case 4:
		return &SMMUv3{}
	case 5:
		return &PMCG{}
	case 6:
		return &ReservedMemory{}
	default:
		return nil
	}
}

func (*ITSGroup) iort() uint16       { return 0 }
func (*NamedComponent) iort() uint16 { return 1 }
func (*RootComplex) iort() uint16    { return 2 }
func (*SMMUv2) iort() uint16         { return 3 }
func (*SMMUv3) iort() uint16         { return 4 }
func (*PMCG) iort() uint16           { return 5 }
func (*ReservedMemory) iort() uint16 { return 6 }
func (r *RawStructure) iort() uint16 { return r.Type }

// IORTHead is what all nodes have.
type IORTHead struct {
	Revision   uint8
	Identifier uint32 // unique in the table; 0 before revision E.a
	Mappings   []IORTMapping

	emptyAt uint32 // offset of mappings that aren't there
}

// walk is the head of a node, then its body, then the mappings.
func (h *IORTHead) walk(c *codec, body func(mappings int)) {
	count, offset := c.fit32(len(h.Mappings)), h.emptyAt
	c.fields(&h.Revision, &h.Identifier, &count, &offset)

	if !c.writing {
		at := len(c.b)
		if count > 0 {
			at = int(min(offset, uint32(len(c.b))))
		} else {
			h.emptyAt = offset
		}

		body(at)

		if count > 0 {
			c.seek(offset)
		}
	} else if body(0); count > 0 {
		c.patch32(12, c.pos())
	}

	repeat(c, &h.Mappings, c.count(count, iortMappingSize), iortMappingSize, func(m *IORTMapping) {
		c.fields(&m.InputBase, &m.NumIDs, &m.OutputBase, &m.OutputReference, &m.Flags)
	})
}

// IORTMemory is how a device accesses memory.
type IORTMemory struct {
	CacheCoherent uint32 // 1 if it is
	Hints         uint8  // IORTHint*
	Flags         uint8  // IORTMemory*

	reserved uint16
}

// Hints and flags of IORTMemory.
const (
	IORTHintTransient     = 1 << 0
	IORTHintWriteAllocate = 1 << 1
	IORTHintReadAllocate  = 1 << 2
	IORTHintOverride      = 1 << 3
	IORTMemoryCoherent    = 1 << 0 // coherent path to memory
	IORTMemoryDeviceAttrs = 1 << 1
)

func (m *IORTMemory) walk(c *codec) { c.fields(&m.CacheCoherent, &m.Hints, &m.reserved, &m.Flags) }

// ITSGroup is interrupt translation services that serve the same devices.
type ITSGroup struct {
	IORTHead

	Identifiers []uint32 // of GICITS in the MADT
}

func (s *ITSGroup) walk(c *codec) {
	s.IORTHead.walk(c, func(int) {
		count := c.fit32(len(s.Identifiers))
		c.fields(&count)
		c.u32s(&s.Identifiers, c.count(count, 4))
	})
}

// NamedComponent is a device of the DSDT or an SSDT.
type NamedComponent struct {
	IORTHead

	Flags            uint32 // bit 0: stalls; bits 1 to 5: bits of PASID
	Memory           IORTMemory
	AddressSizeLimit uint8  // bits
	DeviceName       string // full path, such as `\_SB.DEV0`

	tail []byte // what followed the name's NUL
	read bool
}

func (s *NamedComponent) walk(c *codec) {
	s.IORTHead.walk(c, func(mappings int) {
		c.fields(&s.Flags)
		s.Memory.walk(c)
		c.fields(&s.AddressSizeLimit)

		if !c.writing {
			rest := c.take(mappings - c.off)
			for i, v := range rest {
				if v == 0 {
					s.DeviceName, s.tail, s.read = string(rest[:i]), append([]byte(nil), rest[i+1:]...), true
					return
				}
			}

			c.fail(ErrLayout, "a name without its NUL")

			return
		}

		c.b = append(append(c.b, s.DeviceName...), 0)
		if s.read {
			c.b = append(c.b, s.tail...)
		} else {
			c.b = append(c.b, make([]byte, -c.pos()&3)...)
		}
	})
}

// RootComplex is a PCI segment.
type RootComplex struct {
	IORTHead // Revision 0: without address size; 3: with PASID; 4: with Flags

	Memory            IORTMemory
	ATSAttribute      uint32 // bit 0: ATS; bit 1: PRI
	PCISegmentNumber  uint32
	AddressSizeLimit  uint8 // bits; revision 1
	PASIDCapabilities uint16
	Flags             uint32 // revision 4; bit 0: PASID

	reserved uint8
	size     int // at which the mappings are, if not as the revision has it
}

func (s *RootComplex) walk(c *codec) {
	const size0, size1, size4 = 32, 36, 40

	s.IORTHead.walk(c, func(mappings int) {
		n := size4
		switch {
		case !c.writing:
			n = mappings
			s.size = n
		case s.size != 0:
			n = s.size
		case s.Revision == 0:
			n = size0
		case s.Revision < 4:
			n = size1
		}

		s.Memory.walk(c)
		c.fields(&s.ATSAttribute, &s.PCISegmentNumber)

		if n >= size1 {
			c.fields(&s.AddressSizeLimit, &s.PASIDCapabilities, &s.reserved)
		}

		if n >= size4 {
			c.fields(&s.Flags)
		}
	})
}
