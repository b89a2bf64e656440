package acpi_test

import "github.com/vgraft/vgraft/vmm/acpi"

// arm64Set is a complete machine without a finding.
func arm64Set(cpus int) *acpi.Set {
	madt := &acpi.MADT{Header: head(6), Structures: []acpi.MADTStructure{
		&acpi.GICD{PhysicalBaseAddress: 0x8000000, GICVersion: 3},
		&acpi.GICR{DiscoveryRangeBaseAddress: 0x80a0000, DiscoveryRangeLength: uint32(cpus) * acpi.GICRStride},
		&acpi.GICITS{PhysicalBaseAddress: 0x40000000},
	}}
	pptt := &acpi.PPTT{Header: head(2)}
	l2 := pptt.Add(&acpi.CacheNode{
		Flags: 0x7f, Size: 1 << 20, NumberOfSets: 1024, Associativity: 16, LineSize: 64, Attributes: acpi.CacheAllocate | acpi.CacheUnified,
	})
	data := pptt.Add(&acpi.CacheNode{
		Flags: 0x7f, NextLevelOfCache: l2, Size: 64 << 10, NumberOfSets: 256, Associativity: 4, LineSize: 64, Attributes: acpi.CacheAllocate | acpi.CacheData,
	})
	code := pptt.Add(&acpi.CacheNode{
		Flags: 0x7f, NextLevelOfCache: l2, Size: 64 << 10, NumberOfSets: 256, Associativity: 4, LineSize: 64, Attributes: acpi.CacheInstruction,
	})
	root := pptt.Add(&acpi.ProcessorNode{Flags: acpi.PPTTPhysicalPackage})
	srat := &acpi.SRAT{Header: head(3), Structures: []acpi.SRATStructure{
		&acpi.MemoryAffinity{BaseAddress: 0x100000000, Length: 1 << 30, Flags: acpi.SRATEnabled},
	}}

	for i := range uint32(cpus) {
		madt.Structures = append(madt.Structures, &acpi.GICC{
			CPUInterfaceNumber: i, ProcessorUID: i, Flags: acpi.GICCEnabled, MPIDR: uint64(i/16)<<8 | uint64(i%16), VGICMaintenanceInterrupt: 25,
		})
		srat.Structures = append(srat.Structures, &acpi.GICCAffinity{ProcessorUID: i, Flags: acpi.SRATEnabled})
		pptt.Add(&acpi.ProcessorNode{
			Flags: acpi.PPTTProcessorValid | acpi.PPTTLeaf, Parent: root, ACPIProcessorID: i, PrivateResources: []uint32{data, code},
		})
	}

	iort := &acpi.IORT{Header: head(3)}
	its := iort.Add(&acpi.ITSGroup{IORTHead: acpi.IORTHead{Identifier: 1}, Identifiers: []uint32{0}})
	smmu := iort.Add(&acpi.SMMUv3{
		IORTHead:    acpi.IORTHead{Revision: 4, Identifier: 2, Mappings: []acpi.IORTMapping{{NumIDs: 0xffff, OutputReference: its}}},
		BaseAddress: 0x9050000, EventGSIV: 106, PRIGSIV: 107, SyncGSIV: 108, GERRGSIV: 109,
	})
	iort.Add(&acpi.RootComplex{
		IORTHead: acpi.IORTHead{Revision: 3, Identifier: 3, Mappings: []acpi.IORTMapping{{NumIDs: 0xffff, OutputReference: smmu}}},
		Memory:   acpi.IORTMemory{CacheCoherent: 1, Flags: 3},
	})

	uart := acpi.GAS{BitWidth: 32, AccessSize: 3, Address: 0x9000000}

	return &acpi.Set{Tables: []acpi.Table{
		&acpi.FADT{Header: head(6), MinorVersion: 5, Flags: acpi.FADTHWReduced, ARMBootArch: acpi.ARMBootPSCI | acpi.ARMBootHVC},
		&acpi.DSDT{Header: head(2)},
		madt,
		&acpi.GTDT{
			Header: head(3), CntControlBase: 1<<64 - 1, CntReadBase: 1<<64 - 1, NonSecureEL1TimerGSIV: 30, VirtualEL1TimerGSIV: 27,
			PlatformTimers: []acpi.GTDTStructure{&acpi.GTWatchdog{RefreshFrame: 0x9070000, ControlFrame: 0x9071000, TimerGSIV: 48}},
		},
		&acpi.SPCR{
			Header: head(2), InterfaceType: acpi.SerialPL011, BaseAddress: uart, InterruptType: acpi.SPCRGIC, GlobalSystemInterrupt: 33,
			BaudRate: acpi.SPCRBaud115200, PCIDeviceID: acpi.SPCRNoPCI, PCIVendorID: acpi.SPCRNoPCI,
		},
		&acpi.DBG2{Header: head(0), Devices: []acpi.DBG2Device{&acpi.DBG2Port{
			NamespaceString: `\_SB.COM0`, PortType: acpi.DBG2Serial, PortSubtype: acpi.SerialPL011, Registers: []acpi.GAS{uart}, Sizes: []uint32{0x1000},
		}}},
		pptt, srat, iort,
		&acpi.MCFG{Header: head(1), Allocations: []acpi.MCFGAllocation{{BaseAddress: 0x4010000000, EndBus: 255}}},
		&acpi.SLIT{Header: head(1), Localities: 1, Entries: []uint8{10}},
	}}
}

// amd64Set is another one.
func amd64Set(cpus int) *acpi.Set {
	madt := &acpi.MADT{Header: head(5), LocalAPICAddress: 0xfee00000, Flags: acpi.MADTPCATCompat, Structures: []acpi.MADTStructure{
		&acpi.IOAPIC{Address: 0xfec00000},
		&acpi.InterruptSourceOverride{Source: 9, GlobalSystemInterrupt: 9, Flags: acpi.INTIActiveHigh | acpi.INTILevel},
		&acpi.LocalAPICNMI{ProcessorUID: 0xff, LINT: 1},
		&acpi.LocalX2APICNMI{ProcessorUID: 0xffffffff, LINT: 1},
	}}

	for i := range uint32(cpus) {
		if i < 255 {
			madt.Structures = append(madt.Structures, &acpi.LocalAPIC{ProcessorUID: uint8(i), APICID: uint8(i), Flags: acpi.ProcessorEnabled})
		} else {
			madt.Structures = append(madt.Structures, &acpi.LocalX2APIC{ProcessorUID: i, X2APICID: i, Flags: acpi.ProcessorEnabled})
		}
	}

	return &acpi.Set{Tables: []acpi.Table{
		&acpi.FADT{
			Header: head(6), MinorVersion: 5, SCIInt: 9, PM1aEvtBlk: 0x600, PM1EvtLen: 4, PM1aCntBlk: 0x604, PM1CntLen: 2, PMTmrBlk: 0x608, PMTmrLen: 4,
		},
		&acpi.FACS{Version: 2},
		&acpi.DSDT{Header: head(2)},
		madt,
		&acpi.MCFG{Header: head(1), Allocations: []acpi.MCFGAllocation{{BaseAddress: 0xe0000000, EndBus: 255}}},
		&acpi.HPET{Header: head(1), BaseAddress: acpi.GAS{Address: 0xfed00000}},
		&acpi.SSDT{Header: head(2), Body: []byte{0xa3}},
		&acpi.SSDT{Header: head(2)},
	}}
}
