package acpi

// MCFG lists the memory-mapped configuration spaces of PCI Express (PCI Firmware
// Specification 3.3, §4.1.2).
type MCFG struct {
	Header

	Allocations []MCFGAllocation

	reserved uint64
}

// MCFGAllocation is the configuration space of some buses of a segment.
type MCFGAllocation struct {
	BaseAddress     uint64 // of bus 0, even if that isn't among them
	PCISegmentGroup uint16
	StartBus        uint8
	EndBus          uint8 // inclusive

	reserved uint32
}

// Signature is "MCFG".
func (t *MCFG) Signature() string { return "MCFG" }

// MarshalBinary gives the table's bytes.
func (t *MCFG) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *MCFG) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *MCFG) walk(c *codec) {
	const size = 16

	c.fields(&t.reserved)
	repeat(c, &t.Allocations, c.left()/size, size, func(a *MCFGAllocation) {
		c.fields(&a.BaseAddress, &a.PCISegmentGroup, &a.StartBus, &a.EndBus, &a.reserved)
	})
}

// BGRT is the picture on the screen when the system starts (§5.2.23).
type BGRT struct {
	Header

	Version      uint16 // 1
	Status       uint8  // bit 0: on the screen; bits 1 and 2: turned by 0, 90, 180, 270 degrees
	ImageType    uint8  // 0: bitmap
	ImageAddress uint64
	ImageOffsetX uint32 // pixels
	ImageOffsetY uint32
}

// Signature is "BGRT".
func (t *BGRT) Signature() string { return "BGRT" }

// MarshalBinary gives the table's bytes.
func (t *BGRT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *BGRT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *BGRT) walk(c *codec) {
	c.fields(&t.Version, &t.Status, &t.ImageType, &t.ImageAddress, &t.ImageOffsetX, &t.ImageOffsetY)
}

// Start methods of the TPM2.
const (
	TPM2StartACPI        = 2
	TPM2StartMMIO        = 6 // TIS
	TPM2StartCRB         = 7
	TPM2StartCRBWithACPI = 8
	TPM2StartCRBWithSMC  = 11
	TPM2ClassClient      = 0 // PlatformClass
	TPM2ClassServer      = 1
)

// TPM2 describes a TPM 2.0 (TCG ACPI Specification 1.4, §7.3).
type TPM2 struct {
	Header // Revision 4 with PlatformClass, 3 before it

	PlatformClass      uint16 // TPM2Class*
	ControlAreaAddress uint64
	StartMethod        uint32 // TPM2Start*

	// Parameters of the start method: up to 12 bytes in revision 4, and exactly as many
	// if there is a log.
	Parameters []byte

	Log *TPM2Log // revision 4, or nil

	reserved uint16
}

// TPM2Log is where firmware has logged events.
type TPM2Log struct {
	MinimumLength uint32
	StartAddress  uint64
}

// Signature is "TPM2".
func (t *TPM2) Signature() string { return "TPM2" }

// MarshalBinary gives the table's bytes.
func (t *TPM2) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *TPM2) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *TPM2) walk(c *codec) {
	const parametersSize, logSize = 12, 12

	c.fields(&t.PlatformClass, &t.reserved, &t.ControlAreaAddress, &t.StartMethod)

	if !c.writing {
		n := c.left()

		if n == parametersSize+logSize {
			t.Log = &TPM2Log{}
			n = parametersSize
		}

		c.blob(&t.Parameters, min(n, parametersSize))
	} else if c.blob(&t.Parameters, 0); len(t.Parameters) > parametersSize || t.Log != nil && len(t.Parameters) != parametersSize {
		c.fail(ErrValue, "%d bytes of parameters", len(t.Parameters))
	}

	if t.Log != nil {
		c.fields(&t.Log.MinimumLength, &t.Log.StartAddress)
	}
}

// HPET is the high precision event timer (IA-PC HPET Specification 1.0a, §3.2.4).
type HPET struct {
	Header

	EventTimerBlockID uint32
	BaseAddress       GAS
	HPETNumber        uint8
	MinimumTick       uint16
	PageProtection    uint8
}

// Signature is "HPET".
func (t *HPET) Signature() string { return "HPET" }

// MarshalBinary gives the table's bytes.
func (t *HPET) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *HPET) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *HPET) walk(c *codec) {
	c.fields(&t.EventTimerBlockID, &t.BaseAddress, &t.HPETNumber, &t.MinimumTick, &t.PageProtection)
}

// Flags of the WAET.
const (
	WAETRTCGood     = 1 << 0
	WAETPMTimerGood = 1 << 1
)

// WAET says what of the hardware is emulated well (Windows ACPI Emulated Devices Table).
type WAET struct {
	Header

	EmulatedDeviceFlags uint32 // WAET*
}

// Signature is "WAET".
func (t *WAET) Signature() string { return "WAET" }

// MarshalBinary gives the table's bytes.
func (t *WAET) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *WAET) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *WAET) walk(c *codec) { c.fields(&t.EmulatedDeviceFlags) }
