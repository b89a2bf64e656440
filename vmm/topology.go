package vmm

import "github.com/vgraft/vgraft/vmm/acpi"

// Topology is how the vCPUs of a machine, those that may come included, are to each
// other. All of them have caches of their own, first and second level, and each socket
// has one of the third.
type Topology struct {
	Sockets  int // default 1
	Clusters int // in each socket; default 1
	Cores    int // in each cluster; default is what makes Config.MaxCPUs in all

	// Caches are those that the guest is told of. The default is what the host says of
	// its first processor, or else 64 KiB for data, 64 KiB for code, 1 MiB and 32 MiB.
	Caches Caches
}

// complete gives the topology of that many vCPUs without zeros. It says whether there is
// such a one.
func (t Topology) complete(cpus int) (Topology, bool) {
	t.Sockets, t.Clusters = max(t.Sockets, 1), max(t.Clusters, 1)

	// Each is small enough for the product.
	if t.Sockets > cpus || t.Clusters > cpus || t.Cores > cpus {
		return t, false
	}

	if t.Cores == 0 {
		t.Cores = cpus / (t.Sockets * t.Clusters)
	}

	if t.Caches == (Caches{}) {
		t.Caches = usualCaches
	}

	return t, t.Cores > 0 && t.Sockets*t.Clusters*t.Cores == cpus && t.Caches.valid()
}

func (t Topology) valid(cpus int) bool {
	_, ok := t.complete(cpus)

	return t.Sockets >= 0 && t.Clusters >= 0 && t.Cores >= 0 && ok
}

// node is a cache in the table, with a number that no other one has.
func (c Cache) node(id *uint32, kind uint8, next uint32) *acpi.CacheNode {
	*id++

	n := &acpi.CacheNode{
		CacheID:          *id,
		Flags:            acpi.CacheIDValid | acpi.CacheSizeValid | acpi.CacheAllocationValid | acpi.CacheTypeValid | acpi.CacheWritePolicyValid,
		NextLevelOfCache: next,
		Size:             c.Size, NumberOfSets: c.sets(), Associativity: c.Ways, LineSize: c.Line,
		Attributes: kind | acpi.CacheAllocate | acpi.CacheWriteBack,
	}

	for flag, known := range map[uint32]bool{
		acpi.CacheSetsValid:          n.NumberOfSets != 0,
		acpi.CacheAssociativityValid: n.Associativity != 0,
		acpi.CacheLineSizeValid:      n.LineSize != 0,
	} {
		if known {
			n.Flags |= flag
		}
	}

	return n
}

// pptt makes the table. Linux counts levels as it goes up from a processor: those that a
// node lists, and the next levels of these, come behind those of the nodes below. So a
// cache is either listed or is a next level, and never both.
func (t Topology) pptt() *acpi.PPTT {
	p := &acpi.PPTT{Header: header(3)}
	id, caches := uint32(0), uint32(0)

	for range t.Sockets {
		pkg := &acpi.ProcessorNode{Flags: acpi.PPTTPhysicalPackage | acpi.PPTTIdentical}
		if t.Caches.L3 != (Cache{}) {
			pkg.PrivateResources = []uint32{p.Add(t.Caches.L3.node(&caches, acpi.CacheUnified, 0))}
		}

		socket := p.Add(pkg)

		for range t.Clusters {
			parent := socket
			if t.Clusters > 1 {
				parent = p.Add(&acpi.ProcessorNode{Flags: acpi.PPTTIdentical, Parent: socket})
			}

			for range t.Cores {
				second := p.Add(t.Caches.L2.node(&caches, acpi.CacheUnified, 0))
				data := p.Add(t.Caches.L1Data.node(&caches, acpi.CacheData, second))
				code := p.Add(t.Caches.L1Code.node(&caches, acpi.CacheInstruction, second))

				p.Add(&acpi.ProcessorNode{
					Flags: acpi.PPTTProcessorValid | acpi.PPTTLeaf, Parent: parent, ACPIProcessorID: id,
					PrivateResources: []uint32{data, code},
				})

				id++
			}
		}
	}

	return p
}
