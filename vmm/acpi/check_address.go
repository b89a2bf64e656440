package acpi

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// window is a range of physical addresses that something answers at.
type window struct {
	table, what string
	base, size  uint64
	memory      bool
}

func (w window) last() uint64 {
	if w.size > math.MaxUint64-w.base {
		return math.MaxUint64
	}

	return w.base + w.size - 1
}

func (w window) String() string { return fmt.Sprintf("%s at [%#x, %#x]", w.what, w.base, w.last()) }

const allOnes = math.MaxUint64 // an address in the GTDT that isn't there

// windows are the ranges that tables name, as far as their sizes are known.
func (s *Set) windows() []window {
	var out []window

	add := func(table string, base, size uint64, format string, args ...any) {
		if base != 0 && base != allOnes && size != 0 {
			out = append(out, window{table, fmt.Sprintf(format, args...), base, size, false})
		}
	}

	for _, t := range s.Tables {
		switch t := t.(type) {
		case *MADT:
			t.windows(add)
		case *GTDT:
			t.windows(add)
		case *IORT:
			t.windows(add)
		case *MCFG:
			for _, a := range t.Allocations {
				const bus = 1 << 20 // bytes

				if a.StartBus <= a.EndBus {
					add("MCFG", a.BaseAddress+uint64(a.StartBus)*bus, (uint64(a.EndBus)-uint64(a.StartBus)+1)*bus,
						"configuration space of segment %d", a.PCISegmentGroup)
				}
			}
		case *HPET:
			if t.BaseAddress.SpaceID == SpaceMemory {
				add("HPET", t.BaseAddress.Address, 1024, "HPET")
			}
		case *SPCR:
			if t.BaseAddress.SpaceID == SpaceMemory {
				add("SPCR", t.BaseAddress.Address, 4, "serial console")
			}
		case *VIOT:
			for _, n := range t.Nodes {
				if m, ok := n.(*VIOTIOMMUMMIO); ok {
					add("VIOT", m.BaseAddress, 0x200, "virtio-iommu")
				}
			}
		case *SRAT:
			for _, e := range t.Structures {
				if m, ok := e.(*MemoryAffinity); ok && m.Flags&SRATEnabled != 0 && m.Length != 0 {
					out = append(out, window{"SRAT", fmt.Sprintf("memory of domain %d", m.ProximityDomain), m.BaseAddress, m.Length, true})
				}
			}
		}
	}

	return out
}

type addWindow func(table string, base, size uint64, format string, args ...any)

func (t *MADT) windows(add addWindow) {
	local, apics := uint64(t.LocalAPICAddress), false
	frames := map[uint64]bool{} // what processors of a GICv2 share

	for _, e := range t.Structures {
		switch e := e.(type) {
		case *GICD:
			add("APIC", e.PhysicalBaseAddress, GICDSize, "GIC distributor")
		case *GICR:
			add("APIC", e.DiscoveryRangeBaseAddress, uint64(e.DiscoveryRangeLength), "GIC redistributors")
		case *GICITS:
			add("APIC", e.PhysicalBaseAddress, GICITSSize, "ITS %d", e.ITSID)
		case *GICMSIFrame:
			add("APIC", e.PhysicalBaseAddress, GICMSIFrameSize, "MSI frame %d", e.MSIFrameID)
		case *GICC:
			add("APIC", e.GICRBaseAddress, GICRStride, "GIC redistributor of processor UID %d", e.ProcessorUID)

			for _, f := range []struct {
				at   uint64
				name string
			}{{e.PhysicalBaseAddress, "CPU interface"}, {e.GICV, "virtual CPU interface"}, {e.GICH, "virtual interface control"}} {
				if !frames[f.at] {
					frames[f.at] = true

					add("APIC", f.at, GICMSIFrameSize, "GIC %s", f.name)
				}
			}
		case *IOAPIC:
			add("APIC", uint64(e.Address), 0x20, "I/O APIC %d", e.ID)
		case *LocalAPICAddressOverride:
			local = e.Address
		case *LocalAPIC, *LocalX2APIC:
			apics = true
		}
	}

	if apics {
		add("APIC", local, 0x1000, "local APIC")
	}
}

func (t *GTDT) windows(add addWindow) {
	const page = 0x1000

	add("GTDT", t.CntControlBase, page, "counter control frame")
	add("GTDT", t.CntReadBase, page, "counter read frame")

	for _, e := range t.PlatformTimers {
		switch e := e.(type) {
		case *GTBlock:
			add("GTDT", e.CntCtlBase, page, "timer block")

			for _, f := range e.Timers {
				add("GTDT", f.CntBase, page, "timer frame %d", f.FrameNumber)
				add("GTDT", f.CntEL0Base, page, "EL0 timer frame %d", f.FrameNumber)
			}
		case *GTWatchdog:
			add("GTDT", e.RefreshFrame, page, "watchdog refresh frame")
			add("GTDT", e.ControlFrame, page, "watchdog control frame")
		}
	}
}

func (t *IORT) windows(add addWindow) {
	const smmuv3 = 0x20000 // bytes

	for _, n := range t.Nodes {
		switch n := n.(type) {
		case *SMMUv2:
			add("IORT", n.BaseAddress, n.Span, "SMMU")
		case *SMMUv3:
			add("IORT", n.BaseAddress, smmuv3, "SMMUv3")
		}
	}
}

// checkWindows wants that no two windows overlap, and none with memory.
func checkWindows(s *Set, r *report) {
	all := s.windows()

	slices.SortStableFunc(all, func(a, b window) int { return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.what, b.what)) })

	var far window // of those before, the one that reaches farthest

	for i, w := range all {
		if w.size > math.MaxUint64-w.base+1 && w.base != 0 {
			r.fault("window-wrap", w.table, "%s goes beyond the last address", w)
		}

		if i > 0 && w.base <= far.last() {
			rule := "window-overlap"
			if w.memory || far.memory {
				rule = "memory-overlap"
			}

			r.fault(rule, w.table, "%s overlaps %s", w, far)
		}

		if i == 0 || w.last() > far.last() {
			far = w
		}
	}
}

// interrupt is a line that something uses alone.
type interrupt struct {
	gsiv        uint32
	table, what string
}

// interrupts are those that tables name, but per-processor ones.
func (s *Set) interrupts() []interrupt {
	var out []interrupt

	add := func(gsiv uint32, table, what string) {
		if gsiv != 0 {
			out = append(out, interrupt{gsiv, table, what})
		}
	}

	for _, t := range s.Tables {
		switch t := t.(type) {
		case *SPCR:
			if t.InterruptType&^SPCRPC8259 != 0 {
				add(t.GlobalSystemInterrupt, "SPCR", "the serial console")
			}
		case *GTDT:
			for _, e := range t.PlatformTimers {
				switch e := e.(type) {
				case *GTBlock:
					for _, f := range e.Timers {
						add(f.PhysicalTimerGSIV, "GTDT", fmt.Sprintf("timer frame %d", f.FrameNumber))
						add(f.VirtualTimerGSIV, "GTDT", fmt.Sprintf("virtual timer frame %d", f.FrameNumber))
					}
				case *GTWatchdog:
					add(e.TimerGSIV, "GTDT", "the watchdog")
				}
			}
		case *IORT:
			for _, n := range t.Nodes {
				switch n := n.(type) {
				case *SMMUv3:
					add(n.EventGSIV, "IORT", "SMMUv3 events")
					add(n.PRIGSIV, "IORT", "SMMUv3 page requests")
					add(n.SyncGSIV, "IORT", "SMMUv3 sync")
				case *PMCG:
					add(n.OverflowInterruptGSIV, "IORT", "performance counters")
				}
			}
		}
	}

	return out
}

// checkInterrupts reports lines that two use.
func checkInterrupts(s *Set, r *report) {
	by := map[uint32]interrupt{}

	for _, i := range s.interrupts() {
		if other, ok := by[i.gsiv]; ok {
			r.warn("interrupt-shared", i.table, "interrupt %d is of %s and of %s", i.gsiv, other.what, i.what)
		}

		by[i.gsiv] = i
	}
}
