package acpi

// Types of Notification in the HEST.
const (
	NotifyPolled      = 0
	NotifyExternal    = 1
	NotifyLocal       = 2
	NotifySCI         = 3
	NotifyNMI         = 4
	NotifyCMCI        = 5
	NotifyMCE         = 6
	NotifyGPIO        = 7 // a GED's too: the device with _HID PNP0C33 is notified
	NotifySEA         = 8
	NotifySEI         = 9
	NotifyGSIV        = 10
	NotifySoftware    = 11
	HESTFirmwareFirst = 1 << 0 // Flags
	HESTGlobal        = 1 << 1
	HESTGHESAssist    = 1 << 2
	HESTUnrelated     = 0xffff // RelatedSourceID
	hestBankSize      = 28
	hestMachineCheck  = 0
	hestCorrected     = 1
	hestNMI           = 2
	hestRootPort      = 6
	hestEndpoint      = 7
	hestBridge        = 8
	hestGeneric       = 9
	hestGeneric2      = 10
	hestDeferred      = 11
)

// HEST lists sources of hardware errors (§18.3.2). Its structures have no length, so an
// unknown one hides all that follow: they are one *RawStructure.
type HEST struct {
	Header

	Sources []HESTSource

	hidden uint32 // sources in the last one, if that is raw, beyond the first
}

// HESTSource is an error source, or a *RawStructure at the end.
type HESTSource interface {
	structure
	hest() uint16
}

// Signature is "HEST".
func (t *HEST) Signature() string { return "HEST" }

// MarshalBinary gives the table's bytes.
func (t *HEST) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *HEST) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *HEST) walk(c *codec) {
	count := c.fit32(len(t.Sources)) + t.hidden
	c.fields(&count)

	if c.writing {
		for i, s := range t.Sources {
			if s == nil {
				c.fail(ErrValue, "source %d is nil", i)
				return
			}

			typ := s.hest()
			c.fields(&typ)
			s.walk(c)
		}

		return
	}

	t.Sources = nil

	for i := range count {
		var typ uint16

		if c.fields(&typ); c.err != nil {
			return
		}

		s := newHEST(typ)
		if s == nil {
			s = &RawStructure{Type: typ}
			t.hidden = count - i - 1
		}

		s.walk(c)

		if t.Sources = append(t.Sources, s); c.err != nil || t.hidden > 0 {
			return
		}
	}
}

func newHEST(typ uint16) HESTSource {
	switch typ {
	case hestMachineCheck:
		return &MachineCheck{}
	case hestCorrected:
		return &CorrectedMachineCheck{}
	case hestNMI:
		return &NMIError{}
	case hestRootPort:
		return &RootPortAER{}
	case hestEndpoint:
		return &EndpointAER{}
	case hestBridge:
		return &BridgeAER{}
	case hestGeneric:
		return &GenericError{}
	case hestGeneric2:
		return &GenericErrorV2{}
	case hestDeferred:
		return &DeferredMachineCheck{}
	default:
		return nil
	}
}

func (*MachineCheck) hest() uint16          { return hestMachineCheck }
func (*CorrectedMachineCheck) hest() uint16 { return hestCorrected }
func (*NMIError) hest() uint16              { return hestNMI }
func (*RootPortAER) hest() uint16           { return hestRootPort }
func (*EndpointAER) hest() uint16           { return hestEndpoint }
func (*BridgeAER) hest() uint16             { return hestBridge }
func (*GenericError) hest() uint16          { return hestGeneric }
func (*GenericErrorV2) hest() uint16        { return hestGeneric2 }
func (*DeferredMachineCheck) hest() uint16  { return hestDeferred }
func (r *RawStructure) hest() uint16        { return r.Type }

// Notification is how a source tells of an error (§18.3.2.9).
type Notification struct {
	Type                     uint8 // Notify*
	ConfigurationWriteEnable uint16
	PollInterval             uint32 // ms
	Vector                   uint32 // the GSIV with NotifyGSIV
	SwitchToPollingThreshold uint32
	SwitchToPollingWindow    uint32 // ms
	ErrorThreshold           uint32
	ErrorThresholdWindow     uint32 // ms
}

func (n *Notification) walk(c *codec) {
	const size = 28

	length := uint8(size)
	c.fields(&n.Type, &length, &n.ConfigurationWriteEnable, &n.PollInterval, &n.Vector, &n.SwitchToPollingThreshold,
		&n.SwitchToPollingWindow, &n.ErrorThreshold, &n.ErrorThresholdWindow)
}

// ErrorBank is a bank of machine check registers (§18.3.2.1.1).
type ErrorBank struct {
	BankNumber        uint8
	ClearStatusOnInit uint8 // 0: clear
	StatusDataFormat  uint8
	ControlRegister   uint32
	ControlInitData   uint64
	StatusRegister    uint32
	AddressRegister   uint32
	MiscRegister      uint32

	reserved uint8
}

func (b *ErrorBank) walk(c *codec) {
	c.fields(&b.BankNumber, &b.ClearStatusOnInit, &b.StatusDataFormat, &b.reserved, &b.ControlRegister, &b.ControlInitData,
		&b.StatusRegister, &b.AddressRegister, &b.MiscRegister)
}

func (c *codec) banks(p *[]ErrorBank, n uint8) {
	repeat(c, p, int(n), hestBankSize, func(b *ErrorBank) { b.walk(c) })
}

func (c *codec) fit8(n int) uint8 {
	if n > 0xff {
		c.fail(ErrValue, "%d in 8 bits", n)
	}

	return uint8(n)
}

// MachineCheck is machine check exceptions of IA-32 (§18.3.2.1).
type MachineCheck struct {
	SourceID             uint16
	Flags                uint8 // HEST*
	Enabled              uint8
	RecordsToPreallocate uint32
	MaxSectionsPerRecord uint32
	GlobalCapabilityData uint64
	GlobalControlData    uint64
	Banks                []ErrorBank

	reserved1 uint16
	reserved2 [7]byte
}

func (s *MachineCheck) walk(c *codec) {
	n := c.fit8(len(s.Banks))
	c.fields(&s.SourceID, &s.reserved1, &s.Flags, &s.Enabled, &s.RecordsToPreallocate, &s.MaxSectionsPerRecord,
		&s.GlobalCapabilityData, &s.GlobalControlData, &n, s.reserved2[:])
	c.banks(&s.Banks, n)
}

// CorrectedMachineCheck is corrected machine checks of IA-32 (§18.3.2.2).
type CorrectedMachineCheck struct {
	SourceID             uint16
	Flags                uint8
	Enabled              uint8
	RecordsToPreallocate uint32
	MaxSectionsPerRecord uint32
	Notification         Notification
	Banks                []ErrorBank

	reserved1 uint16
	reserved2 [3]byte
}

func (s *CorrectedMachineCheck) walk(c *codec) {
	n := c.fit8(len(s.Banks))
	c.fields(&s.SourceID, &s.reserved1, &s.Flags, &s.Enabled, &s.RecordsToPreallocate, &s.MaxSectionsPerRecord)
	s.Notification.walk(c)
	c.fields(&n, s.reserved2[:])
	c.banks(&s.Banks, n)
}

// DeferredMachineCheck is deferred machine checks of IA-32 (§18.3.2.10).
type DeferredMachineCheck CorrectedMachineCheck

func (s *DeferredMachineCheck) walk(c *codec) { (*CorrectedMachineCheck)(s).walk(c) }

// NMIError is non-maskable interrupts of IA-32 (§18.3.2.3).
type NMIError struct {
	SourceID             uint16
	RecordsToPreallocate uint32
	MaxSectionsPerRecord uint32
	MaxRawDataLength     uint32 // bytes

	reserved uint32
}

func (s *NMIError) walk(c *codec) {
	c.fields(&s.SourceID, &s.reserved, &s.RecordsToPreallocate, &s.MaxSectionsPerRecord, &s.MaxRawDataLength)
}
