package acpi

// VIOT says whose DMA goes through a virtio-iommu (§5.2.33).
type VIOT struct {
	Header

	Nodes []VIOTNode

	reserved uint64
}

// VIOTNode is *VIOTPCIRange, *VIOTMMIOEndpoint, *VIOTIOMMUPCI, *VIOTIOMMUMMIO or
// *RawStructure.
type VIOTNode interface {
	structure
	viot() uint16
}

const viotFirstNode = 48 // offset

// Add appends a node and gives its offset in the table, for the OutputNode of others.
func (t *VIOT) Add(n VIOTNode) uint16 {
	at := viotFirstNode
	for _, m := range t.Nodes {
		at += structureSize(frameV, t.Revision, m, m.viot())
	}

	t.Nodes = append(t.Nodes, n)

	return uint16(at)
}

// Signature is "VIOT".
func (t *VIOT) Signature() string { return "VIOT" }

// MarshalBinary gives the table's bytes.
func (t *VIOT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *VIOT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *VIOT) walk(c *codec) {
	count, offset := c.fit16(len(t.Nodes)), uint16(viotFirstNode)
	c.fields(&count, &offset, &t.reserved)

	if !c.writing {
		c.seek(uint32(offset))
	}

	list(c, frameV, &t.Nodes, int(count), VIOTNode.viot, newVIOT)
}

func newVIOT(typ uint16) VIOTNode {
	switch typ {
	case 1:
		return &VIOTPCIRange{}
	case 2:
		return &VIOTMMIOEndpoint{}
	case 3:
		return &VIOTIOMMUPCI{}
	case 4:
		return &VIOTIOMMUMMIO{}
	default:
		return nil
	}
}

func (*VIOTPCIRange) viot() uint16     { return 1 }
func (*VIOTMMIOEndpoint) viot() uint16 { return 2 }
func (*VIOTIOMMUPCI) viot() uint16     { return 3 }
func (*VIOTIOMMUMMIO) viot() uint16    { return 4 }
func (r *RawStructure) viot() uint16   { return r.Type }

// VIOTPCIRange is PCI functions behind an IOMMU (§5.2.33.3).
type VIOTPCIRange struct {
	EndpointStart   uint32
	PCISegmentStart uint16
	PCISegmentEnd   uint16
	BDFStart        uint16
	BDFEnd          uint16
	OutputNode      uint16 // offset of the IOMMU's node

	reserved [6]byte
}

func (s *VIOTPCIRange) walk(c *codec) {
	c.fields(&s.EndpointStart, &s.PCISegmentStart, &s.PCISegmentEnd, &s.BDFStart, &s.BDFEnd, &s.OutputNode, s.reserved[:])
}

// VIOTMMIOEndpoint is another device behind an IOMMU (§5.2.33.4).
type VIOTMMIOEndpoint struct {
	EndpointID  uint32
	BaseAddress uint64
	OutputNode  uint16

	reserved [6]byte
}

func (s *VIOTMMIOEndpoint) walk(c *codec) {
	c.fields(&s.EndpointID, &s.BaseAddress, &s.OutputNode, s.reserved[:])
}

// VIOTIOMMUPCI is a virtio-iommu on PCI (§5.2.33.5).
type VIOTIOMMUPCI struct {
	PCISegment uint16
	BDF        uint16

	reserved uint64
}

func (s *VIOTIOMMUPCI) walk(c *codec) { c.fields(&s.PCISegment, &s.BDF, &s.reserved) }

// VIOTIOMMUMMIO is a virtio-iommu that is memory-mapped (§5.2.33.6).
type VIOTIOMMUMMIO struct {
	BaseAddress uint64

	reserved uint32
}

func (s *VIOTIOMMUMMIO) walk(c *codec) { c.fields(&s.reserved, &s.BaseAddress) }
