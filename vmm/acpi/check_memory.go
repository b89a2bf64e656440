package acpi

import (
	"maps"
	"slices"
)

// domains are the proximity domains of the SRAT's enabled structures.
func (s *Set) domains() map[uint32]bool {
	out := map[uint32]bool{}

	for _, t := range All[*SRAT](s) {
		for _, e := range t.Structures {
			switch e := e.(type) {
			case *APICAffinity:
				if e.Flags&SRATEnabled != 0 {
					out[e.ProximityDomain] = true
				}
			case *X2APICAffinity:
				if e.Flags&SRATEnabled != 0 {
					out[e.ProximityDomain] = true
				}
			case *GICCAffinity:
				if e.Flags&SRATEnabled != 0 {
					out[e.ProximityDomain] = true
				}
			case *MemoryAffinity:
				if e.Flags&SRATEnabled != 0 {
					out[e.ProximityDomain] = true
				}
			case *InitiatorAffinity:
				if e.Flags&SRATEnabled != 0 {
					out[e.ProximityDomain] = true
				}
			case *PortAffinity:
				if e.Flags&SRATEnabled != 0 {
					out[e.ProximityDomain] = true
				}
			}
		}
	}

	return out
}

// checkAffinity compares the SRAT with the MADT, and its ranges of memory with each other.
func checkAffinity(s *Set, r *report) {
	var (
		uids   = map[uint32]bool{}
		apics  = map[uint64]bool{}
		itss   = map[uint32]bool{}
		_, has = First[*MADT](s)
	)

	for _, p := range s.processors() {
		if p.apic {
			apics[p.id] = true
		} else {
			uids[p.uid] = true
		}
	}

	for _, t := range All[*MADT](s) {
		for _, e := range t.Structures {
			if i, ok := e.(*GICITS); ok {
				itss[i.ITSID] = true
			}
		}
	}

	for _, t := range All[*SRAT](s) {
		placed := map[any]bool{}
		once := func(what any, ok bool, format string, args ...any) {
			if has && !ok {
				r.fault("srat-madt", "SRAT", format+" is not in the MADT", args...)
			}

			if placed[what] {
				r.fault("srat-twice", "SRAT", format+" is there twice", args...)
			}

			placed[what] = true
		}

		for _, e := range t.Structures {
			switch e := e.(type) {
			case *GICCAffinity:
				if e.Flags&SRATEnabled != 0 {
					once(e.ProcessorUID, uids[e.ProcessorUID], "processor UID %d", e.ProcessorUID)
				}
			case *APICAffinity:
				if e.Flags&SRATEnabled != 0 {
					once(uint64(e.APICID), apics[uint64(e.APICID)], "APIC id %d", e.APICID)
				}
			case *X2APICAffinity:
				if e.Flags&SRATEnabled != 0 {
					once(uint64(e.X2APICID), apics[uint64(e.X2APICID)], "APIC id %d", e.X2APICID)
				}
			case *ITSAffinity:
				once([1]uint32{e.ITSID}, itss[e.ITSID], "ITS %d", e.ITSID)
			}
		}

		missing(s, r, placed)
	}
}

// missing reports processors that the SRAT forgets.
func missing(s *Set, r *report, placed map[any]bool) {
	for _, p := range s.processors() {
		key := any(p.uid)
		if p.apic {
			key = p.id
		}

		if p.enabled && !placed[key] {
			r.warn("srat-missing", "SRAT", "processor UID %d has no proximity domain", p.uid)
		}
	}
}

// checkDistances compares the SLIT with the SRAT, and itself.
func checkDistances(s *Set, r *report) {
	const self = 10

	domains := s.domains()

	for _, t := range All[*SLIT](s) {
		n := int(t.Localities)

		for _, d := range slices.Sorted(maps.Keys(domains)) {
			if uint64(d) >= t.Localities {
				r.fault("slit-size", "SLIT", "proximity domain %d is not among its %d localities", d, n)
			}
		}

		if len(domains) > 0 && n > int(slices.Max(slices.Collect(maps.Keys(domains))))+1 {
			r.warn("slit-size", "SLIT", "%d localities, but only %d proximity domains", n, len(domains))
		}

		if len(t.Entries) != n*n {
			r.fault("slit-size", "SLIT", "%d entries for %d localities", len(t.Entries), n)
			continue
		}

		for i := range n {
			for j := range n {
				switch d := t.Distance(i, j); {
				case i == j && d != self:
					r.fault("slit-distance", "SLIT", "locality %d is %d from itself, which must be %d", i, d, self)
				case i != j && d <= self:
					r.fault("slit-distance", "SLIT", "locality %d is %d from %d, which must be above %d", i, d, j, self)
				case i < j && d != t.Distance(j, i):
					r.warn("slit-distance", "SLIT", "%d from locality %d to %d, but %d back", d, i, j, t.Distance(j, i))
				}
			}
		}
	}
}

// checkHeterogeneous compares the HMAT with the SRAT.
func checkHeterogeneous(s *Set, r *report) {
	domains := s.domains()
	want := func(d uint32, what string) {
		if !domains[d] {
			r.fault("hmat-domain", "HMAT", "%s domain %d is not in the SRAT", what, d)
		}
	}

	for _, t := range All[*HMAT](s) {
		for _, e := range t.Structures {
			switch e := e.(type) {
			case *MemoryProximity:
				want(e.MemoryProximityDomain, "memory")

				if e.Flags&HMATInitiatorValid != 0 {
					want(e.InitiatorProximityDomain, "initiator")
				}
			case *LocalityInformation:
				for _, d := range e.Initiators {
					want(d, "initiator")
				}

				for _, d := range e.Targets {
					want(d, "target")
				}
			case *MemorySideCache:
				want(e.MemoryProximityDomain, "memory")
			}
		}
	}
}
