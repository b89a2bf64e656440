package vmm

import (
	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// virtTables is what the tables of a machine on arm64 depend on.
type virtTables struct {
	cfg     Config
	ram     []Range // at first
	pmu     bool    // the vCPUs have performance monitors
	devices []Device
}

// set makes the tables: hardware-reduced, as arm64 wants it, with PSCI by HVC.
func (v virtTables) set() (*acpi.Set, error) {
	code, err := dsdt(v.devices)
	if err != nil {
		return nil, err
	}

	topology, ok := v.cfg.Topology.complete(v.cfg.MaxCPUs)
	if !ok {
		return nil, configError("Topology %+v of %d CPUs", v.cfg.Topology, v.cfg.MaxCPUs)
	}

	s := &acpi.Set{}
	s.Add(
		code,
		&acpi.FADT{
			Header: header(6), MinorVersion: 5,
			PreferredPMProfile: profile(v.devices),
			Flags:              acpi.FADTHWReduced | acpi.FADTPowerButton | acpi.FADTSleepButton,
			ARMBootArch:        acpi.ARMBootPSCI | acpi.ARMBootHVC,
			HypervisorVendorID: hypervisorID,
		},
		v.madt(), gtdt(), topology.pptt(),
	)

	for _, d := range v.devices {
		if c, ok := d.(interface{ Console() string }); ok { // a PL011
			s.Add(spcr(c.Console()))
			break
		}
	}

	if more := virtMore(v.cfg); more.Size > 0 {
		s.Add(srat(v.ram, more, v.cfg.MaxCPUs, func(id uint32) acpi.SRATStructure {
			return &acpi.GICCAffinity{ProcessorUID: id, Flags: acpi.SRATEnabled}
		}))
	}

	return s, nil
}

func (v virtTables) madt() *acpi.MADT {
	t := &acpi.MADT{Header: header(6)}

	for id := range v.cfg.MaxCPUs {
		c := &acpi.GICC{
			CPUInterfaceNumber: uint32(id), ProcessorUID: uint32(id), Flags: acpi.GICCEnabled, MPIDR: cpus.MPIDR(id),
		}
		if id >= v.cfg.CPUs {
			c.Flags = acpi.GICCOnlineCapable
		}
		if v.pmu {
			c.PerformanceInterruptGSIV = arm64.PPIPMU
		}

		t.Structures = append(t.Structures, c)
	}

	t.Structures = append(t.Structures,
		&acpi.GICD{PhysicalBaseAddress: arm64.GICD, GICVersion: 3},
		&acpi.GICR{DiscoveryRangeBaseAddress: arm64.GICR, DiscoveryRangeLength: uint32(v.cfg.MaxCPUs) * arm64.GICRStride},
		&acpi.GICITS{PhysicalBaseAddress: arm64.ITS},
	)

	return t
}

func gtdt() *acpi.GTDT {
	const none = 1<<64 - 1

	return &acpi.GTDT{
		Header: header(3), CntControlBase: none, CntReadBase: none,
		SecureEL1TimerGSIV: arm64.PPISecTimer, SecureEL1TimerFlags: acpi.TimerAlwaysOn,
		NonSecureEL1TimerGSIV: arm64.PPITimer, NonSecureEL1TimerFlags: acpi.TimerAlwaysOn,
		VirtualEL1TimerGSIV: arm64.PPIVirtTimer, VirtualEL1TimerFlags: acpi.TimerAlwaysOn,
		EL2TimerGSIV: arm64.PPIHypTimer, EL2TimerFlags: acpi.TimerAlwaysOn,
	}
}

// spcr has the kernel take the serial port for its console.
func spcr(path string) *acpi.SPCR {
	return &acpi.SPCR{
		Header: header(4), InterfaceType: acpi.SerialSBSA,
		BaseAddress:   acpi.GAS{SpaceID: acpi.SpaceMemory, BitWidth: 32, AccessSize: 3, Address: arm64.UART},
		InterruptType: acpi.SPCRGIC, GlobalSystemInterrupt: arm64.SPI + arm64.IRQUART,
		BaudRate: acpi.SPCRBaud115200, StopBits: 1, TerminalType: acpi.SPCRTerminalANSI,
		PCIDeviceID: acpi.SPCRNoPCI, PCIVendorID: acpi.SPCRNoPCI,
		NamespaceString: path,
	}
}

// virtHotplug says how processors come and go. One that isn't enabled is present all the
// same: on arm64 it can't be otherwise (Linux Documentation/arch/arm64/cpu-hotplug.rst).
func virtHotplug(cfg Config) cpus.Hotplug { return cpus.Hotplug{Enabled: cfg.CPUs, Absent: 0xd} }

// virtMore is where memory goes that comes later: behind all that there is.
func virtMore(cfg Config) Range { return moreFrom(cfg, arm64.RAM+cfg.Memory) }
