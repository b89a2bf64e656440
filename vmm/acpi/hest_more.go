package acpi

// AER is what the sources for PCI Express have in common (§18.3.2.4 to §18.3.2.6).
type AER struct {
	SourceID               uint16
	Flags                  uint8 // HEST*
	Enabled                uint8
	RecordsToPreallocate   uint32
	MaxSectionsPerRecord   uint32
	Bus                    uint32 // bits 8 to 30: segment
	Device                 uint16
	Function               uint16
	DeviceControl          uint16
	UncorrectableMask      uint32
	UncorrectableSeverity  uint32
	CorrectableMask        uint32
	CapabilitiesAndControl uint32

	reserved1 uint16
	reserved2 uint16
}

func (s *AER) walk(c *codec) {
	c.fields(&s.SourceID, &s.reserved1, &s.Flags, &s.Enabled, &s.RecordsToPreallocate, &s.MaxSectionsPerRecord, &s.Bus, &s.Device,
		&s.Function, &s.DeviceControl, &s.reserved2, &s.UncorrectableMask, &s.UncorrectableSeverity, &s.CorrectableMask,
		&s.CapabilitiesAndControl)
}

// RootPortAER is a root port (§18.3.2.4).
type RootPortAER struct {
	AER

	RootErrorCommand uint32
}

func (s *RootPortAER) walk(c *codec) {
	s.AER.walk(c)
	c.fields(&s.RootErrorCommand)
}

// EndpointAER is a device (§18.3.2.5).
type EndpointAER struct{ AER }

// BridgeAER is a bridge to PCI or PCI-X (§18.3.2.6).
type BridgeAER struct {
	AER

	SecondaryUncorrectableMask      uint32
	SecondaryUncorrectableSeverity  uint32
	SecondaryCapabilitiesAndControl uint32
}

func (s *BridgeAER) walk(c *codec) {
	s.AER.walk(c)
	c.fields(&s.SecondaryUncorrectableMask, &s.SecondaryUncorrectableSeverity, &s.SecondaryCapabilitiesAndControl)
}

// GenericError is a source whose errors firmware, or a hypervisor, describes in memory
// (§18.3.2.7): GHES.
type GenericError struct {
	SourceID               uint16
	RelatedSourceID        uint16 // HESTUnrelated
	Flags                  uint8  // HEST*
	Enabled                uint8
	RecordsToPreallocate   uint32
	MaxSectionsPerRecord   uint32
	MaxRawDataLength       uint32 // bytes
	ErrorStatusAddress     GAS    // of the address of the error status block
	Notification           Notification
	ErrorStatusBlockLength uint32 // bytes
}

func (s *GenericError) walk(c *codec) {
	c.fields(&s.SourceID, &s.RelatedSourceID, &s.Flags, &s.Enabled, &s.RecordsToPreallocate, &s.MaxSectionsPerRecord,
		&s.MaxRawDataLength, &s.ErrorStatusAddress)
	s.Notification.walk(c)
	c.fields(&s.ErrorStatusBlockLength)
}

// GenericErrorV2 is one that is told when a record was read (§18.3.2.8): GHESv2.
type GenericErrorV2 struct {
	GenericError

	ReadAckRegister GAS
	ReadAckPreserve uint64
	ReadAckWrite    uint64
}

func (s *GenericErrorV2) walk(c *codec) {
	s.GenericError.walk(c)
	c.fields(&s.ReadAckRegister, &s.ReadAckPreserve, &s.ReadAckWrite)
}
