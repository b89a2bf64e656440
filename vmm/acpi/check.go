package acpi

import (
	"fmt"
	"slices"
)

// Check looks for contradictions between the tables of the set, and within them, that are
// wrong on any machine. Lint does too.
func (s *Set) Check() []Finding {
	r := &report{}

	for _, check := range []func(*Set, *report){
		checkDuplicates, checkRaw, checkProcessors, checkTopology, checkCaches, checkAffinity, checkDistances, checkHeterogeneous,
		checkWindows, checkConfigurationSpace, checkRemapping, checkVIOT, checkSerial, checkInterrupts, checkFixed,
	} {
		check(s, r)
	}

	return r.sorted()
}

// checkDuplicates wants at most one table of a kind.
func checkDuplicates(s *Set, r *report) {
	seen := map[string]bool{}

	for _, t := range s.Tables {
		sig := t.Signature()

		switch {
		case sig == "SSDT" || sig == "PSDT" || len(sig) == 4 && sig[:3] == "OEM":
		case seen[sig]:
			r.fault("duplicate-table", sig, "there is more than one")
		}

		seen[sig] = true
	}
}

// checkRaw reports what should have a type and hasn't.
func checkRaw(s *Set, r *report) {
	for _, t := range s.Tables {
		if raw, ok := t.(*Raw); ok {
			if _, unknown := known(raw.Sig).(*Raw); !unknown {
				r.warn("odd-table", raw.Sig, "its layout is unusual: none of its content was checked")
			}
		}
	}

	for _, t := range s.Tables {
		switch t := t.(type) {
		case *MADT:
			odd(r, t, t.Structures, newMADT)
		case *GTDT:
			odd(r, t, t.PlatformTimers, newGTDT)
		case *DBG2:
			odd(r, t, t.Devices, newDBG2)
		case *IORT:
			odd(r, t, t.Nodes, newIORT)
		case *PPTT:
			odd(r, t, t.Structures, newPPTT)
		case *SRAT:
			odd(r, t, t.Structures, newSRAT)
		case *HMAT:
			odd(r, t, t.Structures, newHMAT)
		case *VIOT:
			odd(r, t, t.Nodes, newVIOT)
		case *HEST:
			odd(r, t, t.Sources, newHEST)
		}
	}
}

func odd[S structure](r *report, t Table, list []S, known func(uint16) S) {
	for i, s := range list {
		if raw, ok := any(s).(*RawStructure); ok && any(known(raw.Type)) != nil {
			r.warn("odd-structure", t.Signature(), "structure %d, of type %d, has an unusual length or layout, and was not checked", i, raw.Type)
		}
	}
}

// processor is one in the MADT.
type processor struct {
	uid     uint32
	id      uint64 // of the APIC, or MPIDR
	flags   uint32
	apic    bool
	x2apic  bool
	enabled bool // or can be
}

// processors are those in the MADT, in its order.
func (s *Set) processors() []processor {
	var out []processor

	for _, t := range All[*MADT](s) {
		for _, e := range t.Structures {
			switch e := e.(type) {
			case *LocalAPIC:
				out = append(out, processor{uint32(e.ProcessorUID), uint64(e.APICID), e.Flags, true, false, e.Flags&3 != 0})
			case *LocalX2APIC:
				out = append(out, processor{e.ProcessorUID, uint64(e.X2APICID), e.Flags, true, true, e.Flags&3 != 0})
			case *GICC:
				out = append(out, processor{e.ProcessorUID, e.MPIDR, e.Flags, false, false, e.Flags&(GICCEnabled|GICCOnlineCapable) != 0})
			}
		}
	}

	return out
}

// mpidrMask is the affinity in MPIDR_EL1.
const mpidrMask = 0xff00ffffff

// checkProcessors looks at processors in the MADT alone.
func checkProcessors(s *Set, r *report) {
	uids, ids := map[uint32]bool{}, map[uint64]bool{}

	for _, p := range s.processors() {
		if !p.enabled {
			continue // a place holder, whose ids don't count
		}

		if uids[p.uid] {
			r.fault("processor-uid", "APIC", "processor UID %d is there twice", p.uid)
		}

		if ids[p.id] {
			r.fault("processor-id", "APIC", "APIC id or MPIDR %#x is there twice", p.id)
		}

		uids[p.uid], ids[p.id] = true, true

		both := uint32(ProcessorEnabled | ProcessorOnlineCapable)
		if !p.apic {
			both = GICCEnabled | GICCOnlineCapable
		}

		if p.flags&both == both {
			r.fault("processor-flags", "APIC", "processor UID %d is both enabled and online-capable", p.uid)
		}

		if !p.apic && p.id&^mpidrMask != 0 {
			r.fault("processor-mpidr", "APIC", "processor UID %d: MPIDR %#x has bits that are no affinity", p.uid, p.id)
		}
	}

	checkControllers(s, r)
}

// checkControllers looks for ids of interrupt controllers that are there twice.
func checkControllers(s *Set, r *report) {
	seen := map[string]bool{}
	once := func(format string, args ...any) {
		what := fmt.Sprintf(format, args...)
		if seen[what] {
			r.fault("controller-id", "APIC", "there are two of %s", what)
		}

		seen[what] = true
	}

	for _, t := range All[*MADT](s) {
		for _, e := range t.Structures {
			switch e := e.(type) {
			case *GICITS:
				once("ITS %d", e.ITSID)
			case *GICMSIFrame:
				once("MSI frame %d", e.MSIFrameID)
			case *IOAPIC:
				once("I/O APIC id %d", e.ID)
				once("I/O APIC inputs from %d", e.GlobalSystemInterruptBase)
			case *InterruptSourceOverride:
				once("overrides of ISA interrupt %d", e.Source)
			}
		}
	}
}

// checkConfigurationSpace looks at the MCFG.
func checkConfigurationSpace(s *Set, r *report) {
	for _, t := range All[*MCFG](s) {
		for i, a := range t.Allocations {
			if a.StartBus > a.EndBus {
				r.fault("mcfg-range", "MCFG", "segment %d: from bus %d to %d", a.PCISegmentGroup, a.StartBus, a.EndBus)
			}

			for _, b := range t.Allocations[:i] {
				if a.PCISegmentGroup == b.PCISegmentGroup && a.StartBus <= b.EndBus && b.StartBus <= a.EndBus {
					r.fault("mcfg-range", "MCFG", "segment %d: bus %d is there twice", a.PCISegmentGroup, max(a.StartBus, b.StartBus))
				}
			}
		}
	}
}

// checkSerial compares the console with the debug ports.
func checkSerial(s *Set, r *report) {
	spcr, ok := First[*SPCR](s)
	if !ok {
		return
	}

	if spcr.InterruptType&SPCRGIC != 0 && spcr.GlobalSystemInterrupt == 0 {
		r.warn("spcr-interrupt", "SPCR", "an interrupt of the GIC, but number 0")
	}

	for _, t := range All[*DBG2](s) {
		for _, d := range t.Devices {
			p, ok := d.(*DBG2Port)
			if !ok || p.PortType != DBG2Serial {
				continue
			}

			for _, g := range p.Registers {
				if g.Address == spcr.BaseAddress.Address && g.SpaceID == spcr.BaseAddress.SpaceID && p.PortSubtype != uint16(spcr.InterfaceType) {
					r.fault("spcr-dbg2", "DBG2", "the port at %#x is of type %#x, and in the SPCR %#x", g.Address, p.PortSubtype, spcr.InterfaceType)
				}
			}
		}
	}
}

// checkFixed looks at the FADT's view of the rest.
func checkFixed(s *Set, r *report) {
	fadt, ok := First[*FADT](s)
	if !ok {
		return
	}

	gic := slices.ContainsFunc(s.processors(), func(p processor) bool { return !p.apic })
	reduced := fadt.Flags&FADTHWReduced != 0

	if gic && !reduced {
		r.fault("fadt-gic", "FACP", "processors with a GIC need a hardware-reduced platform (HW_REDUCED_ACPI)")
	}

	if !gic && len(s.processors()) > 0 && fadt.ARMBootArch != 0 {
		r.fault("fadt-gic", "FACP", "ARM boot flags %#x, and processors without a GIC", fadt.ARMBootArch)
	}

	if fadt.ARMBootArch&ARMBootHVC != 0 && fadt.ARMBootArch&ARMBootPSCI == 0 {
		r.fault("fadt-psci", "FACP", "PSCI by HVC, but no PSCI")
	}

	if reduced && fadt.Revision < 5 {
		r.fault("fadt-revision", "FACP", "revision %d knows no hardware-reduced platform", fadt.Revision)
	}

	if fadt.DSDT != 0 && fadt.XDSDT != 0 && uint64(fadt.DSDT) != fadt.XDSDT {
		r.fault("fadt-pointers", "FACP", "DSDT is %#x, and X_DSDT %#x", fadt.DSDT, fadt.XDSDT)
	}

	if fadt.FirmwareCtrl != 0 && fadt.XFirmwareCtrl != 0 && uint64(fadt.FirmwareCtrl) != fadt.XFirmwareCtrl {
		r.fault("fadt-pointers", "FACP", "FIRMWARE_CTRL is %#x, and X_FIRMWARE_CTRL %#x", fadt.FirmwareCtrl, fadt.XFirmwareCtrl)
	}

	if fadt.Flags&FADTResetReg != 0 && fadt.ResetReg.Address == 0 && fadt.ResetReg.SpaceID != SpacePCIConfig {
		r.fault("fadt-reset", "FACP", "a reset register at address 0")
	}
}
