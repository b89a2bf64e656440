package vmm

import (
	"github.com/vgraft/vgraft/internal/device/board"
	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// pcTables makes the tables of a machine on amd64: hardware-reduced too, so that events come
// from the same device on both architectures.
func pcTables(cfg Config, ram []Range, devices []Device) (*acpi.Set, error) {
	code, err := dsdt(devices)
	if err != nil {
		return nil, err
	}

	port := func(n uint64) acpi.GAS {
		return acpi.GAS{SpaceID: acpi.SpaceIO, BitWidth: 8, AccessSize: 1, Address: n}
	}

	const centuryAt = 0x32 // in CMOS RAM

	s := &acpi.Set{}
	s.Add(
		code,
		&acpi.FADT{
			Header: header(6), MinorVersion: 5,
			PreferredPMProfile: profile(devices),
			Century:            centuryAt,
			IAPCBootArch:       acpi.BootLegacyDevices | acpi.BootNoVGA, // and no keyboard controller
			Flags: acpi.FADTWBINVD | acpi.FADTPowerButton | acpi.FADTSleepButton |
				acpi.FADTFixRTC | acpi.FADTTimer32 | acpi.FADTResetReg | acpi.FADTHWReduced,
			// Not for a hardware-reduced platform, by the book: see board's timer.
			PMTmrBlk: layout.PortPMTimer, PMTmrLen: layout.PortPMTimerSize,
			XPMTmrBlk: acpi.GAS{SpaceID: acpi.SpaceIO, BitWidth: 32, AccessSize: 3, Address: layout.PortPMTimer},
			ResetReg:  port(layout.PortReset), ResetValue: board.ResetValue,
			SleepControlReg: port(layout.PortSleep), SleepStatusReg: port(layout.PortSleep + 1),
			HypervisorVendorID: hypervisorID,
		},
		pcMADT(cfg.CPUs, cfg.MaxCPUs),
	)

	if more := pcMore(cfg); more.Size > 0 {
		s.Add(srat(ram, more, cfg.MaxCPUs, func(id uint32) acpi.SRATStructure {
			return &acpi.APICAffinity{APICID: uint8(id), Flags: acpi.SRATEnabled}
		}))
	}

	return s, nil
}

// pcMADT is the interrupt controllers. ISA lines are edge-triggered, active high and equal
// to their GSI.
func pcMADT(cpus, most int) *acpi.MADT {
	t := &acpi.MADT{Header: header(6), LocalAPICAddress: layout.LAPIC, Flags: acpi.MADTPCATCompat}

	for id := range most {
		c := &acpi.LocalAPIC{ProcessorUID: uint8(id), APICID: uint8(id), Flags: acpi.ProcessorEnabled}
		if id >= cpus {
			c.Flags = acpi.ProcessorOnlineCapable
		}

		t.Structures = append(t.Structures, c)
	}

	const all = 0xff

	t.Structures = append(t.Structures,
		&acpi.IOAPIC{Address: layout.IOAPIC}, // id 0, as KVM's register says after reset
		&acpi.LocalAPICNMI{ProcessorUID: all, LINT: 1})

	return t
}

// pcHotplug says how processors come and go. Linux wants the _MAT of one that comes, in
// which it is enabled; the MADT says that it isn't.
func pcHotplug(cfg Config) cpus.Hotplug {
	const size = 8 // of the structure: kind 0, size, _UID, APIC id, flags

	return cpus.Hotplug{
		Enabled: cfg.CPUs,
		MAT: func(id int) []byte {
			return []byte{0, size, uint8(id), uint8(id), acpi.ProcessorEnabled, 0, 0, 0}
		},
	}
}

// pcMore is where memory goes that comes later: behind all that there is, from 4 GiB on.
func pcMore(cfg Config) Range {
	end := uint64(layout.HoleEnd)
	if cfg.Memory > layout.HoleStart {
		end += cfg.Memory - layout.HoleStart
	}

	return moreFrom(cfg, end)
}
