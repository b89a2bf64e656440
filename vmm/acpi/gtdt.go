package acpi

// Flags of timer interrupts in the GTDT, and of its watchdog.
const (
	TimerEdge      = 1 << 0
	TimerActiveLow = 1 << 1
	TimerAlwaysOn  = 1 << 2 // not of the watchdog
	WatchdogSecure = 1 << 2
)

// CommonFlags of a GTTimer.
const (
	GTTimerSecure   = 1 << 0
	GTTimerAlwaysOn = 1 << 1
)

// GTDT describes the generic timer (§5.2.25). Revision 2 is ACPI 5.1's, revision 3 is 6.3's
// and has the EL2 virtual timer.
type GTDT struct {
	Header

	CntControlBase         uint64 // all ones: none
	SecureEL1TimerGSIV     uint32
	SecureEL1TimerFlags    uint32 // Timer*
	NonSecureEL1TimerGSIV  uint32
	NonSecureEL1TimerFlags uint32
	VirtualEL1TimerGSIV    uint32
	VirtualEL1TimerFlags   uint32
	EL2TimerGSIV           uint32
	EL2TimerFlags          uint32
	CntReadBase            uint64 // all ones: none
	PlatformTimerOffset    uint32 // computed, unless there is no platform timer
	VirtualEL2TimerGSIV    uint32 // revision 3
	VirtualEL2TimerFlags   uint32 // revision 3
	PlatformTimers         []GTDTStructure

	reserved uint32
}

// GTDTStructure is a platform timer: *GTBlock, *GTWatchdog or *RawStructure.
type GTDTStructure interface {
	structure
	gtdt() uint16
}

// Signature is "GTDT".
func (t *GTDT) Signature() string { return "GTDT" }

// MarshalBinary gives the table's bytes.
func (t *GTDT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *GTDT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *GTDT) walk(c *codec) {
	count := c.fit32(len(t.PlatformTimers))
	offset := t.PlatformTimerOffset
	virtual := t.Revision >= 3

	if c.writing && count > 0 {
		if offset = 96; virtual {
			offset = 104
		}
	}

	c.fields(&t.CntControlBase, &t.reserved, &t.SecureEL1TimerGSIV, &t.SecureEL1TimerFlags, &t.NonSecureEL1TimerGSIV,
		&t.NonSecureEL1TimerFlags, &t.VirtualEL1TimerGSIV, &t.VirtualEL1TimerFlags, &t.EL2TimerGSIV, &t.EL2TimerFlags,
		&t.CntReadBase, &count, &offset)

	if virtual {
		c.fields(&t.VirtualEL2TimerGSIV, &t.VirtualEL2TimerFlags)
	}

	if !c.writing {
		t.PlatformTimerOffset = offset
	}

	if !c.writing && count > 0 {
		c.seek(offset)
	}

	list(c, frame16, &t.PlatformTimers, c.count(count, 3), GTDTStructure.gtdt, newGTDT)
}

func newGTDT(typ uint16) GTDTStructure {
	switch typ {
	case 0:
		return &GTBlock{}
	case 1:
		return &GTWatchdog{}
	default:
		return nil
	}
}

func (*GTBlock) gtdt() uint16        { return 0 }
func (*GTWatchdog) gtdt() uint16     { return 1 }
func (r *RawStructure) gtdt() uint16 { return r.Type }

// GTBlock is a block of memory-mapped timers (§5.2.25.1).
type GTBlock struct {
	CntCtlBase uint64
	Timers     []GTTimer // at most 8

	reserved uint8
}

// GTTimer is one timer of a block.
type GTTimer struct {
	FrameNumber        uint8
	CntBase            uint64
	CntEL0Base         uint64 // all ones: none
	PhysicalTimerGSIV  uint32
	PhysicalTimerFlags uint32 // Timer*
	VirtualTimerGSIV   uint32
	VirtualTimerFlags  uint32
	CommonFlags        uint32 // GTTimer*

	reserved [3]byte
}

func (s *GTBlock) walk(c *codec) {
	const headSize, timerSize = 20, 40

	count, offset := c.fit32(len(s.Timers)), uint32(headSize)
	c.fields(&s.reserved, &s.CntCtlBase, &count, &offset)
	repeat(c, &s.Timers, c.count(count, timerSize), timerSize, func(f *GTTimer) {
		c.fields(&f.FrameNumber, f.reserved[:], &f.CntBase, &f.CntEL0Base, &f.PhysicalTimerGSIV, &f.PhysicalTimerFlags,
			&f.VirtualTimerGSIV, &f.VirtualTimerFlags, &f.CommonFlags)
	})
}

// GTWatchdog is the generic watchdog of an SBSA system (§5.2.25.2).
type GTWatchdog struct {
	RefreshFrame uint64
	ControlFrame uint64
	TimerGSIV    uint32
	TimerFlags   uint32 // TimerEdge, TimerActiveLow, WatchdogSecure

	reserved uint8
}

func (s *GTWatchdog) walk(c *codec) {
	c.fields(&s.reserved, &s.RefreshFrame, &s.ControlFrame, &s.TimerGSIV, &s.TimerFlags)
}
