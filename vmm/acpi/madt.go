package acpi

// MADTPCATCompat is a flag of the MADT: there are also two 8259.
const MADTPCATCompat = 1 << 0

// Flags of processors in the MADT: LocalAPIC, LocalX2APIC and GICC.
const (
	ProcessorEnabled       = 1 << 0
	ProcessorOnlineCapable = 1 << 1 // of the APICs; excludes enabled
)

// Polarity and trigger of interrupt sources (§5.2.12.5), the MPS INTI flags.
const (
	INTIBus        = 0 // both as the bus says
	INTIActiveHigh = 1
	INTIActiveLow  = 3
	INTIEdge       = 1 << 2
	INTILevel      = 3 << 2
)

// MADT lists processors and interrupt controllers (§5.2.12); its signature is "APIC". Its
// revision is 3 in ACPI 5.0 and 5.1, 4 in 6.0 to 6.2, 5 in 6.3 and 6.4, 6 in 6.5, 7 in 6.6.
type MADT struct {
	Header

	LocalAPICAddress uint32
	Flags            uint32 // MADT*
	Structures       []MADTStructure
}

// MADTStructure is an interrupt controller structure, or a *RawStructure.
type MADTStructure interface {
	structure
	madt() uint16
}

// Signature is "APIC".
func (t *MADT) Signature() string { return "APIC" }

// MarshalBinary gives the table's bytes.
func (t *MADT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *MADT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *MADT) walk(c *codec) {
	c.fields(&t.LocalAPICAddress, &t.Flags)
	list(c, frame8, &t.Structures, -1, MADTStructure.madt, newMADT)
}

// The numbers of the structures.
const (
	madtLocalAPIC         = 0
	madtIOAPIC            = 1
	madtOverride          = 2
	madtNMISource         = 3
	madtLocalAPICNMI      = 4
	madtLocalAPICOverride = 5
	madtLocalX2APIC       = 9
	madtLocalX2APICNMI    = 0xa
	madtGICC              = 0xb
	madtGICD              = 0xc
	madtMSIFrame          = 0xd
	madtGICR              = 0xe
	madtITS               = 0xf
	madtWakeup            = 0x10
)

func newMADT(typ uint16) MADTStructure {
	switch typ {
	case madtLocalAPIC:
		return &LocalAPIC{}
	case madtIOAPIC:
		return &IOAPIC{}
	case madtOverride:
		return &InterruptSourceOverride{}
	case madtNMISource:
		return &NMISource{}
	case madtLocalAPICNMI:
		return &LocalAPICNMI{}
	case madtLocalAPICOverride:
		return &LocalAPICAddressOverride{}
	case madtLocalX2APIC:
		return &LocalX2APIC{}
	case madtLocalX2APICNMI:
		return &LocalX2APICNMI{}
	case madtGICC:
		return &GICC{}
	case madtGICD:
		return &GICD{}
	case madtMSIFrame:
		return &GICMSIFrame{}
	case madtGICR:
		return &GICR{}
	case madtITS:
		return &GICITS{}
	case madtWakeup:
		return &MultiprocessorWakeup{}
	default:
		return nil
	}
}

func (*LocalAPIC) madt() uint16                { return madtLocalAPIC }
func (*IOAPIC) madt() uint16                   { return madtIOAPIC }
func (*InterruptSourceOverride) madt() uint16  { return madtOverride }
func (*NMISource) madt() uint16                { return madtNMISource }
func (*LocalAPICNMI) madt() uint16             { return madtLocalAPICNMI }
func (*LocalAPICAddressOverride) madt() uint16 { return madtLocalAPICOverride }
func (*LocalX2APIC) madt() uint16              { return madtLocalX2APIC }
func (*LocalX2APICNMI) madt() uint16           { return madtLocalX2APICNMI }
func (*GICC) madt() uint16                     { return madtGICC }
func (*GICD) madt() uint16                     { return madtGICD }
func (*GICMSIFrame) madt() uint16              { return madtMSIFrame }
func (*GICR) madt() uint16                     { return madtGICR }
func (*GICITS) madt() uint16                   { return madtITS }
func (*MultiprocessorWakeup) madt() uint16     { return madtWakeup }
func (r *RawStructure) madt() uint16           { return r.Type }

// LocalAPIC is a processor with an xAPIC (§5.2.12.2).
type LocalAPIC struct {
	ProcessorUID uint8
	APICID       uint8
	Flags        uint32 // Processor*
}

func (s *LocalAPIC) walk(c *codec) { c.fields(&s.ProcessorUID, &s.APICID, &s.Flags) }

// IOAPIC is an I/O APIC (§5.2.12.3).
type IOAPIC struct {
	ID                        uint8
	Address                   uint32
	GlobalSystemInterruptBase uint32

	reserved uint8
}

func (s *IOAPIC) walk(c *codec) {
	c.fields(&s.ID, &s.reserved, &s.Address, &s.GlobalSystemInterruptBase)
}

// InterruptSourceOverride says where an ISA interrupt is, if not at its number (§5.2.12.5).
type InterruptSourceOverride struct {
	Bus                   uint8 // 0: ISA
	Source                uint8
	GlobalSystemInterrupt uint32
	Flags                 uint16 // INTI*
}

func (s *InterruptSourceOverride) walk(c *codec) {
	c.fields(&s.Bus, &s.Source, &s.GlobalSystemInterrupt, &s.Flags)
}

// NMISource is an input of an I/O APIC that is an NMI (§5.2.12.6).
type NMISource struct {
	Flags                 uint16 // INTI*
	GlobalSystemInterrupt uint32
}

func (s *NMISource) walk(c *codec) { c.fields(&s.Flags, &s.GlobalSystemInterrupt) }

// LocalAPICNMI is the pin of a local APIC that is an NMI (§5.2.12.7).
type LocalAPICNMI struct {
	ProcessorUID uint8 // 0xff: all
	Flags        uint16
	LINT         uint8
}

func (s *LocalAPICNMI) walk(c *codec) { c.fields(&s.ProcessorUID, &s.Flags, &s.LINT) }

// LocalAPICAddressOverride replaces MADT.LocalAPICAddress (§5.2.12.8).
type LocalAPICAddressOverride struct {
	Address uint64

	reserved uint16
}

func (s *LocalAPICAddressOverride) walk(c *codec) { c.fields(&s.reserved, &s.Address) }

// LocalX2APIC is a processor with an x2APIC id of 255 or more (§5.2.12.12).
type LocalX2APIC struct {
	X2APICID     uint32
	Flags        uint32 // Processor*
	ProcessorUID uint32

	reserved uint16
}

func (s *LocalX2APIC) walk(c *codec) {
	c.fields(&s.reserved, &s.X2APICID, &s.Flags, &s.ProcessorUID)
}

// LocalX2APICNMI is the pin of a local x2APIC that is an NMI (§5.2.12.13).
type LocalX2APICNMI struct {
	Flags        uint16
	ProcessorUID uint32 // 0xffffffff: all
	LINT         uint8

	reserved [3]byte
}

func (s *LocalX2APICNMI) walk(c *codec) {
	c.fields(&s.Flags, &s.ProcessorUID, &s.LINT, s.reserved[:])
}

// MultiprocessorWakeup is a mailbox that starts processors (§5.2.12.19).
type MultiprocessorWakeup struct {
	MailboxVersion uint16
	MailboxAddress uint64

	reserved uint32
}

func (s *MultiprocessorWakeup) walk(c *codec) {
	c.fields(&s.MailboxVersion, &s.reserved, &s.MailboxAddress)
}
