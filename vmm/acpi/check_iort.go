package acpi

// head is what all nodes have; nil for a raw one.
func head(n IORTNode) *IORTHead {
	switch n := n.(type) {
	case *ITSGroup:
		return &n.IORTHead
	case *NamedComponent:
		return &n.IORTHead
	case *RootComplex:
		return &n.IORTHead
	case *SMMUv2:
		return &n.IORTHead
	case *SMMUv3:
		return &n.IORTHead
	case *PMCG:
		return &n.IORTHead
	case *ReservedMemory:
		return &n.IORTHead
	default:
		return nil
	}
}

// checkRemapping looks at the IORT, and compares it with the MADT and the MCFG.
func checkRemapping(s *Set, r *report) {
	for _, t := range All[*IORT](s) {
		nodes, offsets := map[uint32]IORTNode{}, t.Offsets()
		for i, at := range offsets {
			nodes[at] = t.Nodes[i]
		}

		ids := map[uint32]bool{}

		for i, n := range t.Nodes {
			h := head(n)
			if h == nil {
				continue
			}

			mappings(r, offsets[i], n, h, nodes)

			if h.Identifier != 0 && ids[h.Identifier] {
				r.fault("iort-identifier", "IORT", "identifier %d is there twice", h.Identifier)
			}

			ids[h.Identifier] = true

			if p, ok := n.(*PMCG); ok && nodes[p.NodeReference] == nil {
				r.fault("iort-reference", "IORT", "node %#x counts events of %#x, which is no node", offsets[i], p.NodeReference)
			}
		}

		translationServices(s, r, t)
		segments(s, r, t)
	}
}

// mappings looks at where a node sends ids.
func mappings(r *report, at uint32, n IORTNode, h *IORTHead, nodes map[uint32]IORTNode) {
	if _, ok := n.(*ITSGroup); ok && len(h.Mappings) > 0 {
		r.fault("iort-mapping", "IORT", "node %#x is a group of ITS, and maps ids", at)
	}

	for i, m := range h.Mappings {
		switch to := nodes[m.OutputReference].(type) {
		case nil:
			r.fault("iort-reference", "IORT", "node %#x: mapping %d leads to %#x, which is no node", at, i, m.OutputReference)
		case *ITSGroup, *RawStructure:
		case *SMMUv2, *SMMUv3:
			switch n.(type) {
			case *SMMUv2, *SMMUv3, *PMCG:
				r.fault("iort-mapping", "IORT", "node %#x: mapping %d leads from an SMMU to an SMMU", at, i)
			}
		default:
			if _, ok := n.(*ReservedMemory); !ok {
				r.fault("iort-mapping", "IORT", "node %#x: mapping %d leads to %T, which translates nothing", at, i, to)
			}
		}

		if m.Flags&IORTSingleMapping != 0 {
			continue
		}

		last := uint64(m.InputBase) + uint64(m.NumIDs)
		if last > 0xffffffff || uint64(m.OutputBase)+uint64(m.NumIDs) > 0xffffffff {
			r.fault("iort-range", "IORT", "node %#x: mapping %d goes beyond the last id", at, i)
		}

		for j, o := range h.Mappings[:min(i, maxCompared)] {
			if o.Flags&IORTSingleMapping == 0 && uint64(o.InputBase) <= last && uint64(m.InputBase) <= uint64(o.InputBase)+uint64(o.NumIDs) {
				r.fault("iort-range", "IORT", "node %#x: mappings %d and %d have ids in common", at, j, i)
			}
		}
	}
}

// maxCompared is with how many others a mapping is compared, for hostile tables.
const maxCompared = 1024

// translationServices compares the ITS with the MADT's.
func translationServices(s *Set, r *report, t *IORT) {
	known := map[uint32]bool{}

	madts := All[*MADT](s)
	for _, m := range madts {
		for _, e := range m.Structures {
			if i, ok := e.(*GICITS); ok {
				known[i.ITSID] = true
			}
		}
	}

	for _, n := range t.Nodes {
		g, ok := n.(*ITSGroup)
		if !ok || len(madts) == 0 {
			continue
		}

		for _, id := range g.Identifiers {
			if !known[id] {
				r.fault("iort-its", "IORT", "ITS %d is not in the MADT", id)
			}
		}
	}
}

// segments compares the root complexes with the MCFG's.
func segments(s *Set, r *report, t *IORT) {
	mcfg, ok := First[*MCFG](s)
	if !ok {
		return
	}

	has, roots := map[uint32]bool{}, map[uint32]bool{}
	for _, a := range mcfg.Allocations {
		has[uint32(a.PCISegmentGroup)] = true
	}

	for _, n := range t.Nodes {
		rc, ok := n.(*RootComplex)
		if !ok {
			continue
		}

		if !has[rc.PCISegmentNumber] {
			r.fault("iort-segment", "IORT", "PCI segment %d is not in the MCFG", rc.PCISegmentNumber)
		}

		if roots[rc.PCISegmentNumber] {
			r.warn("iort-segment", "IORT", "PCI segment %d has two root complexes", rc.PCISegmentNumber)
		}

		roots[rc.PCISegmentNumber] = true
	}

	for _, a := range mcfg.Allocations {
		if !roots[uint32(a.PCISegmentGroup)] {
			r.warn("iort-segment", "IORT", "PCI segment %d of the MCFG has no root complex: no MSI from there", a.PCISegmentGroup)
		}
	}
}

// checkVIOT looks at where the VIOT's nodes point to.
func checkVIOT(s *Set, r *report) {
	for _, t := range All[*VIOT](s) {
		at, nodes := viotFirstNode, map[int]VIOTNode{}

		for _, n := range t.Nodes {
			nodes[at] = n
			at += structureSize(frameV, t.Revision, n, n.viot())
		}

		output := func(i int, to uint16) {
			switch nodes[int(to)].(type) {
			case *VIOTIOMMUPCI, *VIOTIOMMUMMIO:
			default:
				r.fault("viot-reference", "VIOT", "node %d: output %#x is no IOMMU", i, to)
			}
		}

		for i, n := range t.Nodes {
			switch n := n.(type) {
			case *VIOTPCIRange:
				output(i, n.OutputNode)

				if n.BDFStart > n.BDFEnd || n.PCISegmentStart > n.PCISegmentEnd {
					r.fault("viot-range", "VIOT", "node %d ends before it starts", i)
				}
			case *VIOTMMIOEndpoint:
				output(i, n.OutputNode)
			}
		}
	}
}
