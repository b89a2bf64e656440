package acpi

import (
	"fmt"
	"slices"
)

// Arch is an architecture, by whose rules Lint goes.
type Arch int

// Architectures. The zero value is that of the processors in the MADT.
const (
	ArchAuto Arch = iota
	ArchAMD64
	ArchARM64
)

func (a Arch) String() string {
	switch a {
	case ArchAuto:
		return "auto"
	case ArchAMD64:
		return "amd64"
	case ArchARM64:
		return "arm64"
	default:
		return fmt.Sprintf("Arch(%d)", int(a))
	}
}

// LintOptions changes what Lint does. The zero value is usual.
type LintOptions struct {
	Arch Arch

	// Code reads the AML of a DSDT or SSDT for the rules about devices, each once and in
	// the order of the set. Nil is ReadCode.
	Code func(body []byte) (*Code, error)
}

// arch is the architecture of the set.
func (s *Set) arch() Arch {
	for _, p := range s.processors() {
		if p.apic {
			return ArchAMD64
		}

		return ArchARM64
	}

	if len(All[*GTDT](s)) > 0 {
		return ArchARM64
	}

	return ArchAMD64
}

// Lint looks for what Check does, and for what the systems of an architecture don't take:
// for arm64 that is Linux's "ACPI on Arm systems" (arch/arm64/acpi_object_usage in its
// documentation) and Arm's Base Boot Requirements, for amd64 what Linux and ACPICA need.
// Faults come first, then in the order of the tables' names.
func Lint(s *Set, o LintOptions) []Finding {
	r := report(s.Check())

	arch := o.Arch
	if arch == ArchAuto {
		arch = s.arch()
	}

	rules := []func(*Set, *report){lintMemory}

	switch arch {
	case ArchARM64:
		rules = append(rules, lintARM64Tables, lintARM64FADT, lintARM64Processors, lintGIC, lintTimer)
	default:
		rules = append(rules, lintAMD64Tables, lintAMD64FADT, lintAMD64Processors)
	}

	for _, rule := range rules {
		rule(s, &r)
	}

	read := o.Code
	if read == nil {
		read = ReadCode
	}

	lintCode(s, &r, arch, read)

	return r.sorted()
}

// lintMemory looks at what was read beside the tables: the root pointer.
func lintMemory(s *Set, r *report) {
	if p, ok := First[*RSDP](s); ok && p.Revision < 2 {
		r.warn("rsdp-revision", "RSD PTR", "revision %d has no XSDT", p.Revision)
	}
}

// required reports tables that aren't there.
func required(s *Set, r *report, rule string, signatures ...string) {
	for _, sig := range signatures {
		if len(s.Signature(sig)) == 0 {
			r.fault(rule, sig, "the table is missing")
		}
	}
}

// legacy reports registers of the FADT that a hardware-reduced platform hasn't.
func legacy(t *FADT, r *report) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"SMI_CMD", t.SMICmd != 0},
		{"PM1a_EVT_BLK", t.PM1aEvtBlk != 0 || t.XPM1aEvtBlk.Address != 0},
		{"PM1b_EVT_BLK", t.PM1bEvtBlk != 0 || t.XPM1bEvtBlk.Address != 0},
		{"PM1a_CNT_BLK", t.PM1aCntBlk != 0 || t.XPM1aCntBlk.Address != 0},
		{"PM1b_CNT_BLK", t.PM1bCntBlk != 0 || t.XPM1bCntBlk.Address != 0},
		{"PM2_CNT_BLK", t.PM2CntBlk != 0 || t.XPM2CntBlk.Address != 0},
		{"PM_TMR_BLK", t.PMTmrBlk != 0 || t.XPMTmrBlk.Address != 0},
		{"GPE0_BLK", t.GPE0Blk != 0 || t.XGPE0Blk.Address != 0},
		{"GPE1_BLK", t.GPE1Blk != 0 || t.XGPE1Blk.Address != 0},
	} {
		if f.set {
			r.warn("fadt-reduced", "FACP", "%s is set, which a hardware-reduced platform hasn't", f.name)
		}
	}

	// Those that §5.2.9 has a system ignore. That the PM timer has 32 bits goes with the timer.
	unused := t.Flags & (FADTWBINVDFlush | FADTProcC1 | FADTPLvl2Up | FADTRTCS4 | FADTTimer32 | FADTHeadless | FADTCPUSoftwareSleep |
		FADTPCIExpressWake | FADTS4RTCValid | FADTRemotePowerOn)
	if t.PMTmrBlk != 0 || t.XPMTmrBlk.Address != 0 {
		unused &^= FADTTimer32
	}

	if unused != 0 {
		r.warn("fadt-reduced", "FACP", "flags %#x mean nothing on a hardware-reduced platform", unused)
	}
}

func lintAMD64Tables(s *Set, r *report) {
	required(s, r, "amd64-required", "FACP", "APIC", "DSDT")

	for _, t := range s.Tables {
		if slices.Contains([]string{"GTDT", "IORT", "SDEI", "AEST", "MPAM", "AGDI", "APMT"}, t.Signature()) {
			r.fault("amd64-foreign", t.Signature(), "a table of arm64")
		}
	}
}

func lintAMD64FADT(s *Set, r *report) {
	t, ok := First[*FADT](s)
	if !ok {
		return
	}

	if t.Flags&FADTHWReduced != 0 {
		legacy(t, r)
		return
	}

	if len(s.Signature("FACS")) == 0 && t.FirmwareCtrl == 0 && t.XFirmwareCtrl == 0 {
		r.fault("amd64-facs", "FACS", "missing, which only a hardware-reduced platform may")
	}

	if t.SCIInt == 0 {
		r.fault("amd64-fixed", "FACP", "SCI_INT is 0")
	}

	if t.PM1aEvtBlk == 0 && t.XPM1aEvtBlk.Address == 0 || t.PM1EvtLen < 4 {
		r.fault("amd64-fixed", "FACP", "no PM1a event block of 4 bytes")
	}

	if t.PM1aCntBlk == 0 && t.XPM1aCntBlk.Address == 0 || t.PM1CntLen < 2 {
		r.fault("amd64-fixed", "FACP", "no PM1a control block of 2 bytes")
	}

	for _, b := range []struct {
		name  string
		short uint32
		long  GAS
	}{
		{"PM1a_EVT_BLK", t.PM1aEvtBlk, t.XPM1aEvtBlk}, {"PM1b_EVT_BLK", t.PM1bEvtBlk, t.XPM1bEvtBlk},
		{"PM1a_CNT_BLK", t.PM1aCntBlk, t.XPM1aCntBlk}, {"PM1b_CNT_BLK", t.PM1bCntBlk, t.XPM1bCntBlk},
		{"PM2_CNT_BLK", t.PM2CntBlk, t.XPM2CntBlk}, {"PM_TMR_BLK", t.PMTmrBlk, t.XPMTmrBlk},
		{"GPE0_BLK", t.GPE0Blk, t.XGPE0Blk}, {"GPE1_BLK", t.GPE1Blk, t.XGPE1Blk},
	} {
		if b.short != 0 && b.long.Address != 0 && uint64(b.short) != b.long.Address {
			r.fault("amd64-blocks", "FACP", "%s is %#x, and X_%s %#x", b.name, b.short, b.name, b.long.Address)
		}
	}
}

func lintAMD64Processors(s *Set, r *report) {
	const firstX2APIC = 0xff // ids from here on have no place in a LocalAPIC

	if len(s.Signature("APIC")) > 0 && len(s.processors()) == 0 {
		r.fault("amd64-processors", "APIC", "no processor")
	}

	for _, p := range s.processors() {
		switch {
		case !p.apic:
			r.fault("amd64-foreign", "APIC", "processor UID %d has a GIC", p.uid)
		case p.x2apic && p.id < firstX2APIC:
			r.warn("amd64-x2apic", "APIC", "APIC id %d is in an x2APIC structure, which is for ids from %d on", p.id, firstX2APIC)
		case !p.x2apic && p.enabled && p.id == firstX2APIC:
			r.fault("amd64-x2apic", "APIC", "APIC id %d is that of all processors", p.id)
		}
	}

	if t, ok := First[*MADT](s); ok && t.LocalAPICAddress == 0 {
		r.fault("amd64-apic-address", "APIC", "the local APIC has no address")
	}
}
