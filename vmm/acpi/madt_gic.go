package acpi

// Flags of GICC (§5.2.12.14). Enabled and online-capable exclude each other.
const (
	GICCEnabled         = 1 << 0
	GICCPerformanceEdge = 1 << 1 // the performance interrupt
	GICCMaintenanceEdge = 1 << 2 // the VGIC maintenance interrupt
	GICCOnlineCapable   = 1 << 3 // since 6.5
)

// Flags of the other GIC structures.
const (
	GICRNonCoherent      = 1 << 0 // since revision 7 of the table
	GICITSNonCoherent    = 1 << 0 // since revision 7 of the table
	GICMSIFrameSPISelect = 1 << 0 // SPICount and SPIBase hold, not the frame's register
)

const (
	giccSize51            = 76
	giccSize60            = 80
	giccSize65            = 82
	giccFirstRevisionOf80 = 4
	giccFirstRevisionOf82 = 6
)

// Sizes of what the GIC's structures point to, in bytes.
const (
	GICDSize        = 0x10000
	GICRStride      = 0x20000 // of one processor; a GICv4's takes twice as much
	GICITSSize      = 0x20000
	GICMSIFrameSize = 0x1000
	GICv2CPUSize    = 0x2000
)

// GICC is a processor and its interface to the GIC (§5.2.12.14).
type GICC struct {
	// Length in bytes. 0 is what the table's revision says: 76 (ACPI 5.1) up to 3, 80
	// (6.0) for 4 and 5, 82 (6.5) from 6.
	Length uint8

	CPUInterfaceNumber       uint32
	ProcessorUID             uint32
	Flags                    uint32 // GICC*
	ParkingProtocolVersion   uint32 // 0 with PSCI
	PerformanceInterruptGSIV uint32
	ParkedAddress            uint64
	PhysicalBaseAddress      uint64 // of a GICv2's interface
	GICV                     uint64
	GICH                     uint64
	VGICMaintenanceInterrupt uint32
	GICRBaseAddress          uint64 // 0 if the redistributor is in a GICR
	MPIDR                    uint64
	EfficiencyClass          uint8  // length 80
	SPEOverflowInterrupt     uint16 // length 80
	TRBEInterrupt            uint16 // length 82

	reserved1 uint16
	reserved2 uint8
}

func (s *GICC) walk(c *codec) {
	n := int(s.Length)

	switch {
	case !c.writing:
		c.lenient = true
		n = len(c.b)
		s.Length = uint8(n)
	case n == 0 && c.rev < giccFirstRevisionOf80:
		n = giccSize51
	case n == 0 && c.rev < giccFirstRevisionOf82:
		n = giccSize60
	case n == 0:
		n = giccSize65
	}

	if n != giccSize51 && n != giccSize60 && n != giccSize65 {
		c.fail(ErrValue, "a GICC of %d bytes", n)
		return
	}

	c.fields(&s.reserved1, &s.CPUInterfaceNumber, &s.ProcessorUID, &s.Flags, &s.ParkingProtocolVersion, &s.PerformanceInterruptGSIV,
		&s.ParkedAddress, &s.PhysicalBaseAddress, &s.GICV, &s.GICH, &s.VGICMaintenanceInterrupt, &s.GICRBaseAddress, &s.MPIDR,
		&s.EfficiencyClass, &s.reserved2, &s.SPEOverflowInterrupt, &s.TRBEInterrupt)
	c.cut(n)
}

// GICD is the distributor (§5.2.12.15).
type GICD struct {
	GICID               uint32
	PhysicalBaseAddress uint64
	SystemVectorBase    uint32 // 0
	GICVersion          uint8  // 0: the hardware says; 1 to 4

	reserved1 uint16
	reserved2 [3]byte
}

func (s *GICD) walk(c *codec) {
	c.fields(&s.reserved1, &s.GICID, &s.PhysicalBaseAddress, &s.SystemVectorBase, &s.GICVersion, s.reserved2[:])
}

// GICMSIFrame is a GICv2m frame (§5.2.12.16).
type GICMSIFrame struct {
	MSIFrameID          uint32
	PhysicalBaseAddress uint64
	Flags               uint32 // GICMSIFrame*
	SPICount            uint16
	SPIBase             uint16

	reserved uint16
}

func (s *GICMSIFrame) walk(c *codec) {
	c.fields(&s.reserved, &s.MSIFrameID, &s.PhysicalBaseAddress, &s.Flags, &s.SPICount, &s.SPIBase)
}

// GICR is a range of redistributors (§5.2.12.17), in the order of the processors' MPIDR.
type GICR struct {
	Flags                     uint8 // GICR*
	DiscoveryRangeBaseAddress uint64
	DiscoveryRangeLength      uint32

	reserved uint8
}

func (s *GICR) walk(c *codec) {
	c.fields(&s.Flags, &s.reserved, &s.DiscoveryRangeBaseAddress, &s.DiscoveryRangeLength)
}

// GICITS is an interrupt translation service (§5.2.12.18).
type GICITS struct {
	Flags               uint8 // GICITS*
	ITSID               uint32
	PhysicalBaseAddress uint64

	reserved1 uint8
	reserved2 uint32
}

func (s *GICITS) walk(c *codec) {
	c.fields(&s.Flags, &s.reserved1, &s.ITSID, &s.PhysicalBaseAddress, &s.reserved2)
}
