package acpi

import "slices"

// Numbers of interrupts on a GIC.
const (
	firstPPI     = 16
	firstSPI     = 32
	firstExtPPI  = 1056
	firstBeyondE = 1120
)

func ppi(gsiv uint32) bool {
	return gsiv >= firstPPI && gsiv < firstSPI || gsiv >= firstExtPPI && gsiv < firstBeyondE
}

func lintARM64Tables(s *Set, r *report) {
	required(s, r, "arm64-required", "APIC", "DSDT", "FACP", "GTDT")

	if len(s.Signature("SPCR")) == 0 {
		r.warn("arm64-spcr", "SPCR", "missing: Linux needs console= to have a console, and earlycon none")
	}

	// Linux's list of tables that are "not supported".
	foreign := []string{
		"BOOT", "DBGP", "DMAR", "ETDT", "HPET", "IVRS", "LPIT", "MSDM", "RSDT", "SLIC", "WAET", "WDAT", "WDRT", "WPBT",
	}

	for _, t := range s.Tables {
		if slices.Contains(foreign, t.Signature()) {
			r.warn("arm64-foreign", t.Signature(), "not used on arm64")
		}
	}
}

func lintARM64FADT(s *Set, r *report) {
	t, ok := First[*FADT](s)
	if !ok {
		return
	}

	if t.Revision < 5 || t.Revision == 5 && t.MinorVersion&0xf < 1 {
		r.fault("arm64-revision", "FACP", "version %d.%d, and 5.1 is the first for arm64", t.Revision, t.MinorVersion&0xf)
	}

	if t.Flags&FADTHWReduced == 0 {
		r.fault("arm64-hw-reduced", "FACP", "HW_REDUCED_ACPI is not set")
	}

	if t.ARMBootArch&ARMBootPSCI == 0 {
		r.warn("arm64-psci", "FACP", "no PSCI: only the parking protocol can start processors")
	}

	if t.DSDT != 0 && t.XDSDT == 0 {
		r.fault("arm64-x-dsdt", "FACP", "DSDT is set and X_DSDT is not")
	}

	if t.IAPCBootArch != 0 {
		r.warn("arm64-fadt-iapc", "FACP", "IAPC_BOOT_ARCH is %#x: it is of the PC", t.IAPCBootArch)
	}

	if len(s.Signature("FACS")) > 0 || t.FirmwareCtrl != 0 || t.XFirmwareCtrl != 0 {
		r.warn("arm64-facs", "FACP", "a FACS, of which nothing on arm64 is used")
	}

	legacy(t, r)
}

func lintARM64Processors(s *Set, r *report) {
	var psci bool
	if t, ok := First[*FADT](s); ok {
		psci = t.ARMBootArch&ARMBootPSCI != 0
	}

	madt, ok := First[*MADT](s)
	if !ok {
		return
	}

	var before uint64

	first := true
	n := 0

	for _, e := range madt.Structures {
		switch e := e.(type) {
		case *LocalAPIC, *LocalX2APIC, *IOAPIC:
			r.fault("arm64-foreign", "APIC", "%T is of the PC", e)
		case *GICC:
			n++

			if psci && e.ParkingProtocolVersion != 0 {
				r.warn("arm64-parking", "APIC", "processor UID %d has the parking protocol, with PSCI", e.ProcessorUID)
			}

			if e.Flags&GICCOnlineCapable != 0 && e.GICRBaseAddress != 0 {
				r.fault("arm64-hotplug", "APIC", "processor UID %d can come later: its redistributor must be in a GICR", e.ProcessorUID)
			}

			if e.Flags&GICCOnlineCapable != 0 && madt.Revision < giccFirstRevisionOf82 {
				r.warn("arm64-hotplug", "APIC", "processor UID %d is online-capable, which revision %d doesn't know", e.ProcessorUID, madt.Revision)
			}

			if !first && e.MPIDR <= before && e.Flags&GICCEnabled != 0 {
				r.warn("arm64-mpidr-order", "APIC", "MPIDR %#x comes after %#x, though redistributors are in the order of MPIDR", e.MPIDR, before)
			}

			before, first = e.MPIDR, false
		}
	}

	if n == 0 {
		r.fault("arm64-processors", "APIC", "no processor with a GIC")
	}
}

// lintGIC looks for a complete interrupt controller.
func lintGIC(s *Set, r *report) {
	madt, ok := First[*MADT](s)
	if !ok {
		return
	}

	var (
		distributors, processors, own, v2 int
		version                           uint8
		room                              uint64
	)

	for _, e := range madt.Structures {
		switch e := e.(type) {
		case *GICD:
			distributors++
			version = e.GICVersion
		case *GICR:
			room += uint64(e.DiscoveryRangeLength) / GICRStride

			if e.DiscoveryRangeLength%GICRStride != 0 || e.DiscoveryRangeBaseAddress%0x10000 != 0 {
				r.fault("arm64-gicr", "APIC", "redistributors at %#x, %#x bytes: not whole or not aligned", e.DiscoveryRangeBaseAddress, e.DiscoveryRangeLength)
			}
		case *GICC:
			if e.Flags&(GICCEnabled|GICCOnlineCapable) == 0 {
				continue
			}

			processors++

			if e.GICRBaseAddress != 0 {
				own++
			}

			if e.PhysicalBaseAddress != 0 {
				v2++
			}
		}
	}

	if distributors != 1 {
		r.fault("arm64-gicd", "APIC", "%d distributors, and one must be", distributors)
	}

	switch {
	case version >= 3 && room == 0 && own < processors:
		r.fault("arm64-gicr", "APIC", "%d processors without a redistributor", processors-own)
	case room > 0 && own > 0:
		r.warn("arm64-gicr", "APIC", "redistributors both in GICR and in GICC: Linux takes GICR's")
	case room > 0 && room < uint64(processors):
		r.fault("arm64-gicr", "APIC", "room for %d redistributors, and %d processors", room, processors)
	case (version == 1 || version == 2) && v2 < processors:
		r.fault("arm64-gicv2", "APIC", "%d processors without a CPU interface", processors-v2)
	}
}

func lintTimer(s *Set, r *report) {
	t, ok := First[*GTDT](s)
	if !ok {
		return
	}

	names := map[uint32]string{}

	for _, i := range []struct {
		name      string
		gsiv      uint32
		mandatory bool
	}{
		{"non-secure EL1 timer", t.NonSecureEL1TimerGSIV, true},
		{"virtual EL1 timer", t.VirtualEL1TimerGSIV, true},
		{"secure EL1 timer", t.SecureEL1TimerGSIV, false},
		{"EL2 timer", t.EL2TimerGSIV, false},
		{"virtual EL2 timer", t.VirtualEL2TimerGSIV, false},
	} {
		switch {
		case i.gsiv == 0 && i.mandatory:
			r.warn("arm64-timer", "GTDT", "the %s has no interrupt", i.name)
		case i.gsiv == 0:
		case !ppi(i.gsiv):
			r.fault("arm64-timer", "GTDT", "interrupt %d of the %s is not private to a processor", i.gsiv, i.name)
		case names[i.gsiv] != "":
			r.fault("arm64-timer", "GTDT", "interrupt %d is of the %s and of the %s", i.gsiv, names[i.gsiv], i.name)
		}

		names[i.gsiv] = i.name
	}

	if t.VirtualEL1TimerGSIV == 0 && t.NonSecureEL1TimerGSIV == 0 {
		r.fault("arm64-timer", "GTDT", "no timer that a kernel at EL1 can use")
	}

	for _, i := range s.interrupts() {
		if i.gsiv < firstSPI {
			r.fault("arm64-spi", i.table, "interrupt %d of %s is private to a processor", i.gsiv, i.what)
		}
	}
}
