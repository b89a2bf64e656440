package vmm

import (
	"fmt"

	"github.com/vgraft/vgraft/internal/device/ged"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/vmm/acpi"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// virtTables is what the tables of a machine on arm64 depend on.
type virtTables struct {
	cpus   int
	pmu    bool // the vCPUs have performance monitors
	serial bool // there is a serial port
}

// header is who made a table.
func header(revision uint8) acpi.Header {
	return acpi.Header{
		Revision: revision, OEMID: "VGRAFT", OEMTableID: "VGRAFTVM", OEMRevision: 1,
		CreatorID: "VGFT", CreatorRevision: 1,
	}
}

// hypervisorID is "VGRAFT".
const hypervisorID = 'V' | 'G'<<8 | 'R'<<16 | 'A'<<24 | 'F'<<32 | 'T'<<40

// mpidr is the affinity that KVM gives a vCPU: 16 in a cluster, 256 clusters.
func mpidr(id int) uint64 { return uint64(id&0xf | id>>4&0xff<<8) }

// set makes the tables: hardware-reduced, as arm64 wants it, with PSCI by HVC.
func (v virtTables) set() (*acpi.Set, error) {
	body, err := aml.Encode(aml.Scope(`\_SB`, v.devices()...))
	if err != nil {
		return nil, fmt.Errorf("DSDT: %w", err)
	}

	s := &acpi.Set{}
	s.Add(
		&acpi.DSDT{Header: header(2), Body: body},
		&acpi.FADT{
			Header: header(6), MinorVersion: 5,
			PreferredPMProfile: acpi.ProfileServer,
			Flags:              acpi.FADTHWReduced | acpi.FADTPowerButton | acpi.FADTSleepButton,
			ARMBootArch:        acpi.ARMBootPSCI | acpi.ARMBootHVC,
			HypervisorVendorID: hypervisorID,
		},
		v.madt(), gtdt(),
	)

	if v.serial {
		s.Add(spcr())
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
func spcr() *acpi.SPCR {
	return &acpi.SPCR{
		Header: header(4), InterfaceType: acpi.SerialSBSA,
		BaseAddress:   acpi.GAS{SpaceID: acpi.SpaceMemory, BitWidth: 32, AccessSize: 3, Address: arm64.UART},
		InterruptType: acpi.SPCRGIC, GlobalSystemInterrupt: arm64.SPI + arm64.IRQUART,
		BaudRate: acpi.SPCRBaud115200, StopBits: 1, TerminalType: acpi.SPCRTerminalANSI,
		PCIDeviceID: acpi.SPCRNoPCI, PCIVendorID: acpi.SPCRNoPCI,
		NamespaceString: `\_SB.COM0`,
	}
}

// devices is what no bus finds.
func (v virtTables) devices() []aml.Object {
	// All that a system offers is granted. Without the method Linux uses neither idle
	// states nor performance controls.
	list := []aml.Object{aml.OSC(aml.PlatformOSC, 1, 1<<32-1)}

	for id := range v.cpus {
		list = append(list, aml.CPU(uint32(id), aml.Method("_STA", 0, aml.Return(aml.Integer(0xf)))))
	}

	if v.serial {
		list = append(list, aml.Device("COM0",
			aml.Name("_HID", aml.String("ARMH0011")),
			aml.Name("_CID", aml.String("ARMHB000")),
			aml.Name("_UID", aml.Zero),
			aml.Name("_CRS", aml.ResourceTemplate(
				aml.Memory32Fixed{Base: arm64.UART, Length: arm64.UARTSize, Writable: true},
				aml.Interrupt{GSIs: []uint32{arm64.SPI + arm64.IRQUART}}))))
	}

	return append(list, events()...)
}

// events is the device of events, and what they are about: see package ged.
func events() []aml.Object {
	return []aml.Object{
		aml.OperationRegion("EREG", aml.SystemMemory, aml.Integer(arm64.GED), aml.Integer(4)),
		aml.Field("EREG", aml.FieldFlags{Access: aml.DWordAcc, Update: aml.WriteAsZeros}, aml.Bits("ESEL", 32)),
		aml.Device("PWRB",
			aml.Name("_HID", aml.EISAID("PNP0C0C")),
			aml.Name("_UID", aml.Zero)),
		aml.GED("GED0", 0, aml.GEDEvent{
			Interrupt: aml.Interrupt{GSIs: []uint32{arm64.SPI + arm64.IRQGED}},
			Body: []aml.Term{
				aml.Store(aml.Path("ESEL"), aml.Local(0)),
				aml.If(aml.And(aml.Local(0), aml.Integer(1<<ged.PowerButton), nil),
					aml.Notify(aml.Path("PWRB"), aml.Integer(0x80))),
			},
		}),
	}
}
