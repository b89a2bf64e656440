package acpi_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/vmm/acpi"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// rules of the findings, each once, in their order.
func rules(list []acpi.Finding) []string {
	var out []string

	for _, f := range list {
		if !slices.Contains(out, f.Rule) {
			out = append(out, f.Rule)
		}
	}

	return out
}

// get is the only table of a type.
func get[T acpi.Table](s *acpi.Set) T {
	t, ok := acpi.First[T](s)
	if !ok {
		panic("no such table")
	}

	return t
}

// structureOf is the n-th structure of a type.
func structureOf[S, T any](list []T, n int) S {
	for _, s := range list {
		if s, ok := any(s).(S); ok {
			if n == 0 {
				return s
			}

			n--
		}
	}

	panic("no such structure")
}

// TestLint_clean: what is right has no finding.
func TestLint_clean(t *testing.T) {
	for _, cpus := range []int{1, 2, 64} {
		require.Empty(t, acpi.Lint(arm64Set(cpus), acpi.LintOptions{}))
		require.Empty(t, acpi.Lint(amd64Set(cpus), acpi.LintOptions{}))
	}

	require.Empty(t, acpi.Lint(amd64Set(300), acpi.LintOptions{}))
	require.Empty(t, arm64Set(4).Check())
}

// change is one thing that is made wrong, and the rules that it breaks.
type change struct {
	name  string
	do    func(*acpi.Set)
	rules []string
}

func gicc(s *acpi.Set, n int) *acpi.GICC {
	return structureOf[*acpi.GICC](get[*acpi.MADT](s).Structures, n)
}

func node(s *acpi.Set, n int) *acpi.ProcessorNode {
	return structureOf[*acpi.ProcessorNode](get[*acpi.PPTT](s).Structures, n)
}

func cacheNode(s *acpi.Set, n int) *acpi.CacheNode {
	return structureOf[*acpi.CacheNode](get[*acpi.PPTT](s).Structures, n)
}

func madtAdd(s *acpi.Set, e ...acpi.MADTStructure) {
	m := get[*acpi.MADT](s)
	m.Structures = append(m.Structures, e...)
}

func without(s *acpi.Set, signatures ...string) {
	s.Tables = slices.DeleteFunc(s.Tables, func(t acpi.Table) bool { return slices.Contains(signatures, t.Signature()) })
}

// checks are changes to arm64Set(2) that are wrong on any machine.
func checks() []change {
	return slices.Concat(checksOfProcessors(), checksOfTopology(), checksOfMemory(), checksOfRemapping())
}

func checksOfProcessors() []change {
	return []change{
		{"two tables", func(s *acpi.Set) { s.Add(&acpi.SPCR{Header: head(2), StopBits: 1}) }, []string{"duplicate-table"}},
		{"uid twice", func(s *acpi.Set) { gicc(s, 1).ProcessorUID = 0 }, []string{"processor-uid", "pptt-madt", "srat-madt"}},
		{"mpidr twice", func(s *acpi.Set) { gicc(s, 1).MPIDR = 0 }, []string{"processor-id", "arm64-mpidr-order"}},
		{"flags", func(s *acpi.Set) { gicc(s, 1).Flags = acpi.GICCEnabled | acpi.GICCOnlineCapable }, []string{"processor-flags"}},
		{"mpidr", func(s *acpi.Set) { gicc(s, 1).MPIDR = 1<<31 | 1 }, []string{"processor-mpidr"}},
		{"its twice", func(s *acpi.Set) { madtAdd(s, &acpi.GICITS{PhysicalBaseAddress: 0x50000000}) }, []string{"controller-id"}},
		{"frame twice", func(s *acpi.Set) {
			madtAdd(s, &acpi.GICMSIFrame{PhysicalBaseAddress: 0x50000000}, &acpi.GICMSIFrame{PhysicalBaseAddress: 0x51000000})
		}, []string{"controller-id"}},
		{"redistributor", func(s *acpi.Set) {
			structureOf[*acpi.GICR](get[*acpi.MADT](s).Structures, 0).DiscoveryRangeBaseAddress = 0x8000000
		}, []string{"window-overlap"}},
		{"wraps", func(s *acpi.Set) {
			madtAdd(s, &acpi.GICR{DiscoveryRangeBaseAddress: 1<<64 - 0x10000, DiscoveryRangeLength: 0x20000})
		}, []string{"window-wrap"}},
		{"in memory", func(s *acpi.Set) { madtAdd(s, &acpi.GICMSIFrame{PhysicalBaseAddress: 0x100000000}) }, []string{"memory-overlap"}},
		{"buses", func(s *acpi.Set) {
			m := get[*acpi.MCFG](s)
			m.Allocations = append(m.Allocations, acpi.MCFGAllocation{BaseAddress: 0x8000000000, StartBus: 255, EndBus: 255})
		}, []string{"mcfg-range"}},
		{"bus order", func(s *acpi.Set) {
			get[*acpi.MCFG](s).Allocations[0].StartBus, get[*acpi.MCFG](s).Allocations[0].EndBus = 2, 1
		}, []string{"mcfg-range"}},
		{"console", func(s *acpi.Set) { get[*acpi.SPCR](s).InterfaceType = acpi.SerialSBSA }, []string{"spcr-dbg2"}},
		{"console's line", func(s *acpi.Set) { get[*acpi.SPCR](s).GlobalSystemInterrupt = 0 }, []string{"spcr-interrupt"}},
		{"stop bits", func(s *acpi.Set) { get[*acpi.SPCR](s).StopBits = 0 }, []string{"spcr-line"}},
		{"shared", func(s *acpi.Set) { get[*acpi.SPCR](s).GlobalSystemInterrupt = 48 }, []string{"interrupt-shared"}},
		{"hvc", func(s *acpi.Set) { get[*acpi.FADT](s).ARMBootArch = acpi.ARMBootHVC }, []string{"fadt-psci", "arm64-psci"}},
		{"fadt pointers", func(s *acpi.Set) { get[*acpi.FADT](s).DSDT, get[*acpi.FADT](s).XDSDT = 1, 2 }, []string{"fadt-pointers"}},
		{"facs pointers", func(s *acpi.Set) { get[*acpi.FADT](s).FirmwareCtrl, get[*acpi.FADT](s).XFirmwareCtrl = 1, 2 }, []string{"fadt-pointers", "arm64-facs"}},
		{"reset", func(s *acpi.Set) { get[*acpi.FADT](s).Flags |= acpi.FADTResetReg }, []string{"fadt-reset"}},
		{"not reduced", func(s *acpi.Set) { get[*acpi.FADT](s).Flags = 0 }, []string{"arm64-hw-reduced", "fadt-gic"}},
		{"old", func(s *acpi.Set) { get[*acpi.FADT](s).Revision = 4 }, []string{"arm64-revision", "fadt-revision"}},
	}
}

func checksOfTopology() []change {
	return []change{
		{"no leaf", func(s *acpi.Set) {
			p := get[*acpi.PPTT](s)
			p.Structures = p.Structures[:len(p.Structures)-1]
		}, []string{"pptt-madt"}},
		{"leaf of nobody", func(s *acpi.Set) { node(s, 2).ACPIProcessorID = 9 }, []string{"pptt-madt"}},
		{"leaf twice", func(s *acpi.Set) { node(s, 2).ACPIProcessorID = 0 }, []string{"pptt-madt", "pptt-uid"}},
		{"leaf without uid", func(s *acpi.Set) { node(s, 2).Flags = acpi.PPTTLeaf }, []string{"pptt-madt", "pptt-uid"}},
		{"parent", func(s *acpi.Set) { node(s, 2).Parent = 37 }, []string{"pptt-reference", "pptt-package"}},
		{"parent is a cache", func(s *acpi.Set) { node(s, 2).Parent = 36 }, []string{"pptt-reference", "pptt-package"}},
		{"resource", func(s *acpi.Set) { node(s, 2).PrivateResources[0] = 37 }, []string{"pptt-reference"}},
		{"resource is a node", func(s *acpi.Set) { node(s, 2).PrivateResources[0] = node(s, 1).Parent }, []string{"pptt-reference"}},
		{"next level", func(s *acpi.Set) { cacheNode(s, 0).NextLevelOfCache = 37 }, []string{"pptt-reference"}},
		{"circle", func(s *acpi.Set) { node(s, 0).Parent = node(s, 1).Parent }, []string{"pptt-cycle", "pptt-madt"}},
		{"circle of caches", func(s *acpi.Set) { cacheNode(s, 0).NextLevelOfCache = 60 }, []string{"pptt-cycle"}},
		{"listed twice", func(s *acpi.Set) {
			n := node(s, 2)
			n.PrivateResources = append(n.PrivateResources, n.PrivateResources[0])
		}, []string{"pptt-cache-twice"}},
		// A cache that is the next level of another, and listed beside it.
		{"at two levels", func(s *acpi.Set) {
			n := node(s, 2)
			n.PrivateResources = append(n.PrivateResources, 36)
		}, []string{"pptt-cache-twice"}},
		{"above too", func(s *acpi.Set) { node(s, 0).PrivateResources = []uint32{36} }, []string{"pptt-cache-twice"}},
		{"two for data", func(s *acpi.Set) { cacheNode(s, 2).Attributes = acpi.CacheData }, []string{"pptt-cache-level"}},
		{"unified beside code", func(s *acpi.Set) { cacheNode(s, 1).Attributes = acpi.CacheUnified }, []string{"pptt-cache-level"}},
		{"no cache", func(s *acpi.Set) { node(s, 2).PrivateResources = nil }, []string{"pptt-cache-none"}},
		{"size", func(s *acpi.Set) { cacheNode(s, 0).Size++ }, []string{"pptt-cache-size"}},
		{"id in revision 2", func(s *acpi.Set) { cacheNode(s, 0).Flags |= acpi.CacheIDValid }, []string{"pptt-cache-id"}},
		{"leaf flag", func(s *acpi.Set) { node(s, 2).Flags &^= acpi.PPTTLeaf }, []string{"pptt-leaf"}},
		{"leaf flag above", func(s *acpi.Set) { node(s, 0).Flags |= acpi.PPTTLeaf }, []string{"pptt-leaf"}},
		{"thread above", func(s *acpi.Set) { node(s, 0).Flags |= acpi.PPTTThread }, []string{"pptt-leaf"}},
		{"no package", func(s *acpi.Set) { node(s, 0).Flags = 0 }, []string{"pptt-package"}},
	}
}

func checksOfMemory() []change {
	srat := func(s *acpi.Set) *acpi.SRAT { return get[*acpi.SRAT](s) }

	return []change{
		{"srat uid", func(s *acpi.Set) { structureOf[*acpi.GICCAffinity](srat(s).Structures, 1).ProcessorUID = 7 }, []string{"srat-madt", "srat-missing"}},
		{"srat twice", func(s *acpi.Set) { structureOf[*acpi.GICCAffinity](srat(s).Structures, 1).ProcessorUID = 0 }, []string{"srat-twice", "srat-missing"}},
		{"srat its", func(s *acpi.Set) { srat(s).Structures = append(srat(s).Structures, &acpi.ITSAffinity{ITSID: 3}) }, []string{"srat-madt"}},
		{"memory twice", func(s *acpi.Set) {
			srat(s).Structures = append(srat(s).Structures, &acpi.MemoryAffinity{BaseAddress: 0x13fffffff, Length: 1, Flags: 1})
		}, []string{"memory-overlap"}},
		{"slit small", func(s *acpi.Set) { structureOf[*acpi.MemoryAffinity](srat(s).Structures, 0).ProximityDomain = 1 }, []string{"slit-size"}},
		{"slit large", func(s *acpi.Set) {
			get[*acpi.SLIT](s).Localities, get[*acpi.SLIT](s).Entries = 2, []byte{10, 20, 20, 10}
		}, []string{"slit-size"}},
		{"slit entries", func(s *acpi.Set) { get[*acpi.SLIT](s).Entries = nil }, []string{"slit-size"}},
		{"slit self", func(s *acpi.Set) { get[*acpi.SLIT](s).Entries[0] = 11 }, []string{"slit-distance"}},
		{"hmat", func(s *acpi.Set) {
			s.Add(&acpi.HMAT{Header: head(2), Structures: []acpi.HMATStructure{
				&acpi.MemoryProximity{Flags: acpi.HMATInitiatorValid, InitiatorProximityDomain: 4},
				&acpi.LocalityInformation{Initiators: []uint32{5}, Targets: []uint32{6}, Entries: []uint16{1}},
				&acpi.MemorySideCache{MemoryProximityDomain: 7},
			}})
		}, []string{"hmat-domain"}},
	}
}

func checksOfRemapping() []change {
	iort := func(s *acpi.Set) *acpi.IORT { return get[*acpi.IORT](s) }
	rc := func(s *acpi.Set) *acpi.RootComplex { return structureOf[*acpi.RootComplex](iort(s).Nodes, 0) }
	smmu := func(s *acpi.Set) *acpi.SMMUv3 { return structureOf[*acpi.SMMUv3](iort(s).Nodes, 0) }

	return []change{
		{"nowhere", func(s *acpi.Set) { rc(s).Mappings[0].OutputReference = 5 }, []string{"iort-reference"}},
		{"to a root", func(s *acpi.Set) { smmu(s).Mappings[0].OutputReference = iort(s).Offsets()[2] }, []string{"iort-mapping"}},
		{"to an smmu", func(s *acpi.Set) { smmu(s).Mappings[0].OutputReference = iort(s).Offsets()[1] }, []string{"iort-mapping"}},
		{"from an its", func(s *acpi.Set) {
			structureOf[*acpi.ITSGroup](iort(s).Nodes, 0).Mappings = []acpi.IORTMapping{{Flags: acpi.IORTSingleMapping}}
		}, []string{"iort-mapping", "iort-reference"}},
		{"ids twice", func(s *acpi.Set) { rc(s).Mappings = append(rc(s).Mappings, rc(s).Mappings[0]) }, []string{"iort-range"}},
		{"last id", func(s *acpi.Set) { rc(s).Mappings[0].InputBase = 1<<32 - 1 }, []string{"iort-range"}},
		{"identifier", func(s *acpi.Set) { rc(s).Identifier = 2 }, []string{"iort-identifier"}},
		{"its", func(s *acpi.Set) { structureOf[*acpi.ITSGroup](iort(s).Nodes, 0).Identifiers[0] = 5 }, []string{"iort-its"}},
		{"segment", func(s *acpi.Set) { rc(s).PCISegmentNumber = 5 }, []string{"iort-segment"}},
		{"counters", func(s *acpi.Set) { iort(s).Add(&acpi.PMCG{NodeReference: 1}) }, []string{"iort-reference"}},
		{"two roots", func(s *acpi.Set) { iort(s).Add(&acpi.RootComplex{}) }, []string{"iort-segment"}},
		{"viot", func(s *acpi.Set) {
			s.Add(&acpi.VIOT{Nodes: []acpi.VIOTNode{&acpi.VIOTPCIRange{BDFStart: 1}, &acpi.VIOTMMIOEndpoint{OutputNode: 48}}})
		}, []string{"viot-range", "viot-reference"}},
	}
}

// TestCheck breaks one thing at a time.
func TestCheck(t *testing.T) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			s := arm64Set(2)
			c.do(s)

			found := acpi.Lint(s, acpi.LintOptions{})
			require.ElementsMatch(t, c.rules, rules(found), "%v", found)

			for _, f := range found {
				require.NotEmpty(t, f.Message)
				require.NotEmpty(t, f.Table)
			}
		})
	}
}

// TestCheck_manyDistances is bounded.
func TestCheck_manyDistances(t *testing.T) {
	s := &acpi.Set{Tables: []acpi.Table{&acpi.SLIT{Localities: 1000, Entries: make([]byte, 1000*1000)}}}
	require.Len(t, s.Check(), 64)
}

// TestCheck_processorsOfPCs are those that arm64Set hasn't.
func TestCheck_processorsOfPCs(t *testing.T) {
	for _, c := range []change{
		{"id twice", func(s *acpi.Set) { structureOf[*acpi.LocalAPIC](get[*acpi.MADT](s).Structures, 1).APICID = 0 }, []string{"processor-id"}},
		{"uid twice", func(s *acpi.Set) { structureOf[*acpi.LocalAPIC](get[*acpi.MADT](s).Structures, 1).ProcessorUID = 0 }, []string{"processor-uid"}},
		{"flags", func(s *acpi.Set) { structureOf[*acpi.LocalAPIC](get[*acpi.MADT](s).Structures, 1).Flags = 3 }, []string{"processor-flags"}},
		{"place holders", func(s *acpi.Set) { madtAdd(s, &acpi.LocalAPIC{}, &acpi.LocalAPIC{}) }, nil},
		{"I/O APICs", func(s *acpi.Set) { madtAdd(s, &acpi.IOAPIC{Address: 0xfec10000}) }, []string{"controller-id"}},
		{"overrides", func(s *acpi.Set) { madtAdd(s, &acpi.InterruptSourceOverride{Source: 9}) }, []string{"controller-id"}},
		{"address", func(s *acpi.Set) { madtAdd(s, &acpi.LocalAPICAddressOverride{Address: 0xfec00000}) }, []string{"window-overlap"}},
		{"arm flags", func(s *acpi.Set) { get[*acpi.FADT](s).ARMBootArch = acpi.ARMBootPSCI }, []string{"fadt-gic"}},
		{"srat", func(s *acpi.Set) {
			s.Add(&acpi.SRAT{Structures: []acpi.SRATStructure{
				&acpi.APICAffinity{APICID: 0, Flags: 1}, &acpi.APICAffinity{APICID: 1, Flags: 1}, &acpi.X2APICAffinity{X2APICID: 1, Flags: 1},
				&acpi.X2APICAffinity{X2APICID: 9, Flags: 1}, &acpi.InitiatorAffinity{Flags: 1}, &acpi.PortAffinity{Flags: 1},
			}})
		}, []string{"srat-madt", "srat-twice"}},
		{"no APIC", func(s *acpi.Set) { get[*acpi.MADT](s).LocalAPICAddress = 0 }, []string{"amd64-apic-address"}},
		{"no table", func(s *acpi.Set) { without(s, "DSDT") }, []string{"amd64-required"}},
		{"no FACS", func(s *acpi.Set) { without(s, "FACS") }, []string{"amd64-facs"}},
		{"no SCI", func(s *acpi.Set) { get[*acpi.FADT](s).SCIInt = 0 }, []string{"amd64-fixed"}},
		{"no events", func(s *acpi.Set) { get[*acpi.FADT](s).PM1aEvtBlk = 0 }, []string{"amd64-fixed"}},
		{"no control", func(s *acpi.Set) { get[*acpi.FADT](s).PM1CntLen = 0 }, []string{"amd64-fixed"}},
		{"blocks", func(s *acpi.Set) { get[*acpi.FADT](s).XPMTmrBlk = acpi.GAS{SpaceID: acpi.SpaceIO, Address: 1} }, []string{"amd64-blocks"}},
		{"reduced", func(s *acpi.Set) { get[*acpi.FADT](s).Flags = acpi.FADTHWReduced }, []string{"fadt-reduced"}},
		{"arm's timer", func(s *acpi.Set) { s.Add(&acpi.GTDT{}) }, []string{"amd64-foreign"}},
		{"arm's processor", func(s *acpi.Set) { madtAdd(s, &acpi.GICC{ProcessorUID: 5, MPIDR: 5, Flags: 1}) }, []string{"amd64-foreign", "fadt-gic"}},
		{"small x2APIC id", func(s *acpi.Set) { madtAdd(s, &acpi.LocalX2APIC{ProcessorUID: 7, X2APICID: 7, Flags: 1}) }, []string{"amd64-x2apic"}},
		{"broadcast", func(s *acpi.Set) { madtAdd(s, &acpi.LocalAPIC{ProcessorUID: 7, APICID: 255, Flags: 1}) }, []string{"amd64-x2apic"}},
		{"no processor", func(s *acpi.Set) { get[*acpi.MADT](s).Structures = nil }, []string{"amd64-processors"}},
		{"old root", func(s *acpi.Set) { s.Add(&acpi.RSDP{}) }, []string{"rsdp-revision"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := amd64Set(2)
			c.do(s)

			found := acpi.Lint(s, acpi.LintOptions{Arch: acpi.ArchAMD64})
			require.ElementsMatch(t, c.rules, rules(found), "%v", found)
		})
	}
}

// TestLint_arm64 breaks Linux's rules one by one.
func TestLint_arm64(t *testing.T) {
	gicr := func(s *acpi.Set) *acpi.GICR { return structureOf[*acpi.GICR](get[*acpi.MADT](s).Structures, 0) }
	gicd := func(s *acpi.Set) *acpi.GICD { return structureOf[*acpi.GICD](get[*acpi.MADT](s).Structures, 0) }

	for _, c := range []change{
		{"no DSDT", func(s *acpi.Set) { without(s, "DSDT") }, []string{"arm64-required"}},
		{"no MADT", func(s *acpi.Set) { without(s, "APIC", "PPTT", "SRAT", "SLIT", "IORT") }, []string{"arm64-required"}},
		{"no console", func(s *acpi.Set) { without(s, "SPCR") }, []string{"arm64-spcr"}},
		{"foreign", func(s *acpi.Set) { s.Add(&acpi.HPET{}, &acpi.Raw{Sig: "DMAR"}) }, []string{"arm64-foreign"}},
		{"5.0", func(s *acpi.Set) { get[*acpi.FADT](s).Revision, get[*acpi.FADT](s).MinorVersion = 5, 0 }, []string{"arm64-revision"}},
		{"no PSCI", func(s *acpi.Set) { get[*acpi.FADT](s).ARMBootArch = 0 }, []string{"arm64-psci"}},
		{"32 bits", func(s *acpi.Set) { get[*acpi.FADT](s).DSDT = 1 }, []string{"arm64-x-dsdt"}},
		{"of the PC", func(s *acpi.Set) { get[*acpi.FADT](s).IAPCBootArch = 1 }, []string{"arm64-fadt-iapc"}},
		{"FACS", func(s *acpi.Set) { s.Add(&acpi.FACS{}) }, []string{"arm64-facs"}},
		{"legacy", func(s *acpi.Set) { get[*acpi.FADT](s).SMICmd = 0xb2 }, []string{"fadt-reduced"}},
		{"flag of legacy", func(s *acpi.Set) { get[*acpi.FADT](s).Flags |= acpi.FADTTimer32 }, []string{"fadt-reduced"}},
		{"APIC", func(s *acpi.Set) { madtAdd(s, &acpi.IOAPIC{}) }, []string{"arm64-foreign"}},
		{"parking", func(s *acpi.Set) { gicc(s, 1).ParkingProtocolVersion = 1 }, []string{"arm64-parking"}},
		{"hotplug", func(s *acpi.Set) { gicc(s, 1).Flags = acpi.GICCOnlineCapable }, nil},
		{"hotplug in GICC", func(s *acpi.Set) { gicc(s, 1).Flags, gicc(s, 1).GICRBaseAddress = acpi.GICCOnlineCapable, 0x9800000 }, []string{"arm64-hotplug", "arm64-gicr"}},
		{"hotplug before 6.5", func(s *acpi.Set) { gicc(s, 1).Flags, get[*acpi.MADT](s).Revision = acpi.GICCOnlineCapable, 5 }, []string{"arm64-hotplug"}},
		{"order", func(s *acpi.Set) { gicc(s, 0).MPIDR = 5 }, []string{"arm64-mpidr-order"}},
		{"two distributors", func(s *acpi.Set) { madtAdd(s, &acpi.GICD{PhysicalBaseAddress: 0x60000000, GICVersion: 3}) }, []string{"arm64-gicd"}},
		{"few redistributors", func(s *acpi.Set) { gicr(s).DiscoveryRangeLength = acpi.GICRStride }, []string{"arm64-gicr"}},
		{"odd redistributors", func(s *acpi.Set) { gicr(s).DiscoveryRangeLength++ }, []string{"arm64-gicr"}},
		{"no redistributors", func(s *acpi.Set) { gicr(s).DiscoveryRangeLength = 0 }, []string{"arm64-gicr"}},
		{"GICv2", func(s *acpi.Set) { gicd(s).GICVersion, gicr(s).DiscoveryRangeLength = 2, 0 }, []string{"arm64-gicv2"}},
		{"GICv2 complete", func(s *acpi.Set) {
			gicd(s).GICVersion, gicr(s).DiscoveryRangeLength = 2, 0
			gicc(s, 0).PhysicalBaseAddress, gicc(s, 1).PhysicalBaseAddress = 0x8010000, 0x8010000
		}, nil},
		{"timer SPI", func(s *acpi.Set) { get[*acpi.GTDT](s).VirtualEL1TimerGSIV = 40 }, []string{"arm64-timer"}},
		{"timer twice", func(s *acpi.Set) { get[*acpi.GTDT](s).VirtualEL1TimerGSIV = 30 }, []string{"arm64-timer"}},
		{"no virtual timer", func(s *acpi.Set) { get[*acpi.GTDT](s).VirtualEL1TimerGSIV = 0 }, []string{"arm64-timer"}},
		{"no timer", func(s *acpi.Set) {
			get[*acpi.GTDT](s).VirtualEL1TimerGSIV, get[*acpi.GTDT](s).NonSecureEL1TimerGSIV = 0, 0
		}, []string{"arm64-timer"}},
		{"console PPI", func(s *acpi.Set) { get[*acpi.SPCR](s).GlobalSystemInterrupt = 20 }, []string{"arm64-spi"}},
		{"no processor", func(s *acpi.Set) { gicc(s, 0).Flags, gicc(s, 1).Flags = 0, 0 }, []string{"pptt-madt"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := arm64Set(2)
			c.do(s)

			found := acpi.Lint(s, acpi.LintOptions{Arch: acpi.ArchARM64})
			require.ElementsMatch(t, c.rules, rules(found), "%v", found)
		})
	}
}

// TestLint_code breaks the rules about AML, by what a reader says that there is.
func TestLint_code(t *testing.T) {
	cpu := func(uid uint64) acpi.CodeDevice {
		return acpi.CodeDevice{Path: `\_SB.C000`, HID: "ACPI0007", UID: uid, HasUID: true, Names: []string{"_HID", "_UID"}}
	}
	bridge := acpi.CodeDevice{Path: `\_SB.PCI0`, HID: "PNP0A08", Names: []string{"_HID", "_PRT", "_CCA"}}
	ged := func(path string, uid uint64) acpi.CodeDevice {
		return acpi.CodeDevice{Path: path, HID: "ACPI0013", UID: uid, HasUID: true, Interrupts: []uint32{41}}
	}

	for _, c := range []struct {
		name  string
		code  acpi.Code
		rules []string
	}{
		{"right", acpi.Code{Names: []string{`\_SB`, `\_SB.PCI0._CCA`}, Devices: []acpi.CodeDevice{cpu(0), cpu(1), bridge, ged(`\_SB.GED0`, 0)}}, nil},
		{"global lock", acpi.Code{Names: []string{`\_GL`, `\_GPE._E01`, `\_PIC`, `\_SB.C000._PDC`}}, []string{"arm64-aml"}},
		{"no _CCA", acpi.Code{Devices: []acpi.CodeDevice{{Path: `\_SB.VR00`, HID: "LNRO0005"}}}, []string{"arm64-cca"}},
		{"_CCA above", acpi.Code{Devices: []acpi.CodeDevice{{Path: `\_SB.BUS0`, HID: "ACPI0004", Names: []string{"_CCA"}}, {Path: `\_SB.BUS0.VR00`, HID: "LNRO0005"}}}, nil},
		{"no _PRT", acpi.Code{Devices: []acpi.CodeDevice{{Path: `\_SB.PCI0`, CIDs: []string{"PNP0A03"}, Names: []string{"_HID", "_CCA"}}}}, []string{"aml-prt"}},
		{"no _HID", acpi.Code{Devices: []acpi.CodeDevice{{Path: `\_SB.X`}}}, []string{"aml-hid"}},
		{"uid twice", acpi.Code{Devices: []acpi.CodeDevice{cpu(0), cpu(1), cpu(1)}}, []string{"aml-uid"}},
		{"processor without uid", acpi.Code{Devices: []acpi.CodeDevice{cpu(0), cpu(1), {Path: `\_SB.C2`, HID: "ACPI0007"}}}, []string{"aml-processor"}},
		{"processor missing", acpi.Code{Devices: []acpi.CodeDevice{cpu(0)}}, []string{"aml-processor"}},
		{"processor unknown", acpi.Code{Devices: []acpi.CodeDevice{cpu(0), cpu(1), cpu(2)}}, []string{"aml-processor"}},
		{"two GEDs", acpi.Code{Devices: []acpi.CodeDevice{ged(`\_SB.GED0`, 0), ged(`\_SB.GED1`, 1)}}, []string{"aml-ged"}},
		{"GED's line", acpi.Code{Devices: []acpi.CodeDevice{ged(`\_SB.GED0`, 0), {Path: `\_SB.COM0`, HID: "ARMH0011", Interrupts: []uint32{41}}}}, []string{"aml-ged"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := acpi.Lint(arm64Set(2), acpi.LintOptions{Code: func([]byte) (*acpi.Code, error) { return &c.code, nil }})
			require.ElementsMatch(t, c.rules, rules(found), "%v", found)
		})
	}

	found := acpi.Lint(arm64Set(2), acpi.LintOptions{Code: func([]byte) (*acpi.Code, error) { return nil, errors.New("bad opcode") }})
	require.Equal(t, []string{"aml-unreadable"}, rules(found))
}

// TestReadCode reads what package aml makes.
func TestReadCode(t *testing.T) {
	body, err := aml.Encode(
		aml.Scope(`\_SB`,
			aml.Device("CPU0", aml.Name("_HID", aml.String("ACPI0007")), aml.Name("_UID", aml.Integer(0))),
			aml.Device("GED0", aml.Name("_HID", aml.String("ACPI0013")), aml.Name("_UID", aml.Integer(0)),
				aml.Name("_CRS", aml.ResourceTemplate(aml.Interrupt{GSIs: []uint32{41}, Edge: true}))),
			aml.Device("PCI0", aml.Name("_HID", aml.EISAID("PNP0A08")), aml.Name("_CID", aml.Package(aml.EISAID("PNP0A03")))),
		),
	)
	require.NoError(t, err)

	c, err := acpi.ReadCode(body)
	require.NoError(t, err)
	require.Contains(t, c.Names, `\_SB.PCI0._CID`)
	require.Equal(t, []acpi.CodeDevice{
		{Path: `\_SB.CPU0`, HID: "ACPI0007", HasUID: true, Names: []string{"_HID", "_UID"}},
		{Path: `\_SB.GED0`, HID: "ACPI0013", HasUID: true, Names: []string{"_HID", "_UID", "_CRS"}, Interrupts: []uint32{41}},
		{Path: `\_SB.PCI0`, HID: "PNP0A08", CIDs: []string{"PNP0A03"}, Names: []string{"_HID", "_CID"}},
	}, c.Devices)

	set := arm64Set(1)
	get[*acpi.DSDT](set).Body = body
	require.ElementsMatch(t, []string{"arm64-cca", "aml-prt"}, rules(acpi.Lint(set, acpi.LintOptions{})))

	// What another table adds counts.
	more, err := aml.Encode(aml.Scope(`\_SB.PCI0`, aml.Name("_CCA", aml.Integer(1)), aml.Name("_PRT", aml.Package())))
	require.NoError(t, err)
	set.Add(&acpi.SSDT{Header: head(2), Body: more})
	require.Empty(t, acpi.Lint(set, acpi.LintOptions{}))

	get[*acpi.DSDT](set).Body = []byte{0x14, 0xff}
	require.Contains(t, rules(acpi.Lint(set, acpi.LintOptions{})), "aml-unreadable")
}

func TestFinding_text(t *testing.T) {
	f := acpi.Finding{Rule: "a-rule", Severity: acpi.Warning, Table: "APIC", Message: "something"}
	require.Equal(t, "warning: APIC: something [a-rule]", f.String())

	b, err := json.Marshal(f)
	require.NoError(t, err)
	require.JSONEq(t, `{"Rule":"a-rule","Severity":"warning","Table":"APIC","Message":"something"}`, string(b))
	require.Equal(t, "fault", acpi.Fault.String())
	require.Equal(t, "arm64", acpi.ArchARM64.String())
	require.Equal(t, "Arch(9)", acpi.Arch(9).String())
}
