package vmm

import (
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// virtTables is what the tables of a machine on arm64 depend on.
type virtTables struct {
	cpus    int
	pmu     bool // the vCPUs have performance monitors
	devices []Device
}

// mpidr is the affinity that KVM gives a vCPU: 16 in a cluster, 256 clusters.
func mpidr(id int) uint64 { return uint64(id&0xf | id>>4&0xff<<8) }

// set makes the tables: hardware-reduced, as arm64 wants it, with PSCI by HVC.
func (v virtTables) set() (*acpi.Set, error) {
	code, err := dsdt(v.devices)
	if err != nil {
		return nil, err
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
		v.madt(), gtdt(),
	)

	for _, d := range v.devices {
		if c, ok := d.(interface{ Console() string }); ok { // a PL011
			s.Add(spcr(c.Console()))
			break
		}
	}

	return s, nil
}

func (v virtTables) madt() *acpi.MADT {
	t := &acpi.MADT{Header: header(6)}

	for id := range v.cpus {
		c := &acpi.GICC{
			CPUInterfaceNumber: uint32(id), ProcessorUID: uint32(id), Flags: acpi.GICCEnabled, MPIDR: mpidr(id),
		}
		if v.pmu {
			c.PerformanceInterruptGSIV = arm64.PPIPMU
		}

		t.Structures = append(t.Structures, c)
	}

	t.Structures = append(t.Structures,
		&acpi.GICD{PhysicalBaseAddress: arm64.GICD, GICVersion: 3},
		&acpi.GICR{DiscoveryRangeBaseAddress: arm64.GICR, DiscoveryRangeLength: uint32(v.cpus) * arm64.GICRStride},
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
