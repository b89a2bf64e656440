package acpi

// Models and flags of SMMUs.
const (
	SMMUv2ModelV1       = 0
	SMMUv2ModelV2       = 1
	SMMUv2ModelMMU400   = 2
	SMMUv2ModelMMU500   = 3
	SMMUv2DVM           = 1 << 0
	SMMUv2CoherentWalk  = 1 << 1
	SMMUv3ModelGeneric  = 0
	SMMUv3CoherentWalk  = 1 << 0
	SMMUv3HTTUOverride  = 3 << 1
	SMMUv3ProximityHeld = 1 << 3 // ProximityDomain holds
	SMMUv3DeviceIDValid = 1 << 4 // DeviceIDMappingIndex holds
	SMMUInterruptEdge   = 1 << 0
)

// SMMUInterrupt is an interrupt of an SMMUv2.
type SMMUInterrupt struct {
	GSIV  uint32
	Flags uint32 // SMMUInterruptEdge
}

// SMMUv2 is an SMMU of version 1 or 2.
type SMMUv2 struct {
	IORTHead

	BaseAddress       uint64
	Span              uint64
	Model             uint32 // SMMUv2Model*
	Flags             uint32
	NSgIrpt           SMMUInterrupt
	NSgCfgIrpt        SMMUInterrupt
	ContextInterrupts []SMMUInterrupt
	PMUInterrupts     []SMMUInterrupt
}

func (s *SMMUv2) walk(c *codec) {
	const (
		interruptSize = 8
		globalAt      = 60
		contextAt     = globalAt + 2*interruptSize
	)

	s.IORTHead.walk(c, func(int) {
		contexts, pmus := c.fit32(len(s.ContextInterrupts)), c.fit32(len(s.PMUInterrupts))
		global, context := uint32(globalAt), uint32(contextAt)
		pmu := context + contexts*interruptSize

		walk := func(i *SMMUInterrupt) { c.fields(&i.GSIV, &i.Flags) }

		c.fields(&s.BaseAddress, &s.Span, &s.Model, &s.Flags, &global, &contexts, &context, &pmus, &pmu)
		walk(&s.NSgIrpt)
		walk(&s.NSgCfgIrpt)
		repeat(c, &s.ContextInterrupts, c.count(contexts, interruptSize), interruptSize, walk)
		repeat(c, &s.PMUInterrupts, c.count(pmus, interruptSize), interruptSize, walk)
	})
}

// SMMUv3 is an SMMU of version 3.
type SMMUv3 struct {
	IORTHead

	BaseAddress          uint64
	Flags                uint32
	VATOSAddress         uint64
	Model                uint32
	EventGSIV            uint32 // GSIVs are 0 if the interrupts are messages
	PRIGSIV              uint32
	GERRGSIV             uint32
	SyncGSIV             uint32
	ProximityDomain      uint32 // revision 1
	DeviceIDMappingIndex uint32 // revision 1

	reserved uint32
	size     int
}

func (s *SMMUv3) walk(c *codec) {
	const size0, size1 = 60, 68

	s.IORTHead.walk(c, func(mappings int) {
		n := size1
		switch {
		case !c.writing:
			n = mappings
			s.size = n
		case s.size != 0:
			n = s.size
		case s.Revision == 0:
			n = size0
		}

		c.fields(&s.BaseAddress, &s.Flags, &s.reserved, &s.VATOSAddress, &s.Model, &s.EventGSIV, &s.PRIGSIV, &s.GERRGSIV, &s.SyncGSIV)

		if n >= size1 {
			c.fields(&s.ProximityDomain, &s.DeviceIDMappingIndex)
		}
	})
}

// PMCG is a group of an SMMUv3's performance counters. Revision 1 has the second page.
type PMCG struct {
	IORTHead

	Page0BaseAddress      uint64
	OverflowInterruptGSIV uint32
	NodeReference         uint32 // offset of the node whose events it counts
	Page1BaseAddress      uint64 // revision 1
}

func (s *PMCG) walk(c *codec) {
	s.IORTHead.walk(c, func(int) {
		c.fields(&s.Page0BaseAddress, &s.OverflowInterruptGSIV, &s.NodeReference)

		if s.Revision >= 1 {
			c.fields(&s.Page1BaseAddress)
		}
	})
}

// ReservedMemory is memory that devices access by an identity map.
type ReservedMemory struct {
	IORTHead

	Flags  uint32
	Ranges []ReservedRange
}

// ReservedRange is a range of ReservedMemory.
type ReservedRange struct {
	Base   uint64
	Length uint64

	reserved uint32
}

func (s *ReservedMemory) walk(c *codec) {
	const rangeSize = 20

	count, at := c.fit32(len(s.Ranges)), uint32(0)

	s.IORTHead.walk(c, func(int) {
		// The ranges follow the mappings in no table that we know of; they come first here.
		at = uint32(iortNodeHead + 12)
		c.fields(&s.Flags, &count, &at)

		if !c.writing {
			c.seek(at)
		}

		repeat(c, &s.Ranges, c.count(count, rangeSize), rangeSize, func(r *ReservedRange) { c.fields(&r.Base, &r.Length, &r.reserved) })
	})
}
