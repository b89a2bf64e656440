package acpi

// Flags of the FADT (§5.2.9, fixed feature flags).
const (
	FADTWBINVD           = 1 << 0
	FADTWBINVDFlush      = 1 << 1
	FADTProcC1           = 1 << 2
	FADTPLvl2Up          = 1 << 3
	FADTPowerButton      = 1 << 4 // none in fixed hardware
	FADTSleepButton      = 1 << 5 // none in fixed hardware
	FADTFixRTC           = 1 << 6
	FADTRTCS4            = 1 << 7
	FADTTimer32          = 1 << 8
	FADTDocking          = 1 << 9
	FADTResetReg         = 1 << 10
	FADTSealedCase       = 1 << 11
	FADTHeadless         = 1 << 12
	FADTCPUSoftwareSleep = 1 << 13
	FADTPCIExpressWake   = 1 << 14
	FADTPlatformClock    = 1 << 15
	FADTS4RTCValid       = 1 << 16
	FADTRemotePowerOn    = 1 << 17
	FADTAPICCluster      = 1 << 18
	FADTAPICPhysical     = 1 << 19
	FADTHWReduced        = 1 << 20
	FADTLowPowerS0       = 1 << 21
	FADTPersistentCaches = 3 << 22
)

// What the FADT says of the architecture: IAPCBootArch (§5.2.9.3) and ARMBootArch
// (§5.2.9.4).
const (
	BootLegacyDevices = 1 << 0
	Boot8042          = 1 << 1
	BootNoVGA         = 1 << 2
	BootNoMSI         = 1 << 3
	BootNoASPM        = 1 << 4
	BootNoRTC         = 1 << 5

	ARMBootPSCI = 1 << 0
	ARMBootHVC  = 1 << 1 // PSCI by HVC, not SMC
)

// Kinds of machine, for PreferredPMProfile.
const (
	ProfileUnspecified = 0
	ProfileDesktop     = 1
	ProfileMobile      = 2
	ProfileWorkstation = 3
	ProfileServer      = 4
	ProfileSOHOServer  = 5
	ProfileAppliance   = 6
	ProfilePerformance = 7
	ProfileTablet      = 8
)

const (
	fadtSize1 = 116
	fadtSize2 = 132
	fadtSize3 = 244
	fadtSize5 = 268
	fadtSize6 = 276
)

// FADT is the description of the fixed hardware (§5.2.9), and points to the FACS and the
// DSDT. A set fills those pointers when it is laid out.
type FADT struct {
	Header // Revision is the specification's major version from 5 on; 3 and 4 are ACPI 2.0 to 4.0

	// Length in bytes. 0 is what the revision says: 116 for 1, 132 for 2, 244 for 3 and
	// 4, 268 for 5, 276 for 6 and later.
	Length uint32

	FirmwareCtrl       uint32
	DSDT               uint32
	IntModel           uint8 // of ACPI 1.0
	PreferredPMProfile uint8 // Profile*
	SCIInt             uint16
	SMICmd             uint32
	ACPIEnable         uint8
	ACPIDisable        uint8
	S4BIOSReq          uint8
	PStateCnt          uint8
	PM1aEvtBlk         uint32
	PM1bEvtBlk         uint32
	PM1aCntBlk         uint32
	PM1bCntBlk         uint32
	PM2CntBlk          uint32
	PMTmrBlk           uint32
	GPE0Blk            uint32
	GPE1Blk            uint32
	PM1EvtLen          uint8
	PM1CntLen          uint8
	PM2CntLen          uint8
	PMTmrLen           uint8
	GPE0BlkLen         uint8
	GPE1BlkLen         uint8
	GPE1Base           uint8
	CSTCnt             uint8
	PLvl2Lat           uint16
	PLvl3Lat           uint16
	FlushSize          uint16
	FlushStride        uint16
	DutyOffset         uint8
	DutyWidth          uint8
	DayAlrm            uint8
	MonAlrm            uint8
	Century            uint8
	IAPCBootArch       uint16 // Boot*
	Flags              uint32 // FADT*
	ResetReg           GAS
	ResetValue         uint8
	ARMBootArch        uint16 // ARMBoot*
	MinorVersion       uint8  // low four bits; above them a letter of errata
	XFirmwareCtrl      uint64
	XDSDT              uint64
	XPM1aEvtBlk        GAS
	XPM1bEvtBlk        GAS
	XPM1aCntBlk        GAS
	XPM1bCntBlk        GAS
	XPM2CntBlk         GAS
	XPMTmrBlk          GAS
	XGPE0Blk           GAS
	XGPE1Blk           GAS
	SleepControlReg    GAS // revision 5
	SleepStatusReg     GAS
	HypervisorVendorID uint64 // revision 6

	reserved uint8
}

// Signature is "FACP".
func (t *FADT) Signature() string { return "FACP" }

// MarshalBinary gives the table's bytes.
func (t *FADT) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *FADT) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

// size is how long the table is.
func (t *FADT) size() int {
	switch r := t.Revision; {
	case t.Length != 0:
		return int(min(t.Length, fadtSize6))
	case r < 2:
		return fadtSize1
	case r == 2:
		return fadtSize2
	case r < 5:
		return fadtSize3
	case r == 5:
		return fadtSize5
	default:
		return fadtSize6
	}
}

func (t *FADT) walk(c *codec) {
	if !c.writing {
		c.lenient = true
		t.Length = uint32(min(len(c.b), fadtSize6))
	}

	c.fields(&t.FirmwareCtrl, &t.DSDT, &t.IntModel, &t.PreferredPMProfile, &t.SCIInt, &t.SMICmd, &t.ACPIEnable,
		&t.ACPIDisable, &t.S4BIOSReq, &t.PStateCnt,
		&t.PM1aEvtBlk, &t.PM1bEvtBlk, &t.PM1aCntBlk, &t.PM1bCntBlk, &t.PM2CntBlk, &t.PMTmrBlk, &t.GPE0Blk, &t.GPE1Blk,
		&t.PM1EvtLen, &t.PM1CntLen, &t.PM2CntLen, &t.PMTmrLen, &t.GPE0BlkLen, &t.GPE1BlkLen, &t.GPE1Base, &t.CSTCnt,
		&t.PLvl2Lat, &t.PLvl3Lat, &t.FlushSize, &t.FlushStride, &t.DutyOffset, &t.DutyWidth, &t.DayAlrm, &t.MonAlrm,
		&t.Century, &t.IAPCBootArch, &t.reserved, &t.Flags, &t.ResetReg, &t.ResetValue, &t.ARMBootArch, &t.MinorVersion,
		&t.XFirmwareCtrl, &t.XDSDT, &t.XPM1aEvtBlk, &t.XPM1bEvtBlk, &t.XPM1aCntBlk, &t.XPM1bCntBlk, &t.XPM2CntBlk,
		&t.XPMTmrBlk, &t.XGPE0Blk, &t.XGPE1Blk, &t.SleepControlReg, &t.SleepStatusReg, &t.HypervisorVendorID)

	if c.writing && t.Length != 0 && (t.Length < HeaderSize || t.Length > fadtSize6) {
		c.fail(ErrValue, "a length of %d", t.Length)
		return
	}

	c.cut(t.size())
}
