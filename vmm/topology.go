package vmm

import "github.com/vgraft/vgraft/vmm/acpi"

// Topology is how the vCPUs of a machine, those that may come included, are to each
// other. All of them have caches of their own, first and second level, and each socket
// has one of the third.
type Topology struct {
	Sockets  int // default 1
	Clusters int // in each socket; default 1
	Cores    int // in each cluster; default is what makes Config.MaxCPUs in all
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

	return t, t.Cores > 0 && t.Sockets*t.Clusters*t.Cores == cpus
}

func (t Topology) valid(cpus int) bool {
	_, ok := t.complete(cpus)

	return t.Sockets >= 0 && t.Clusters >= 0 && t.Cores >= 0 && ok
}

const cacheLine = 64

// cache is a cache of a size in KiB, with the number that no other one has.
func cache(id *uint32, kib uint32, ways uint8, kind uint8, next uint32) *acpi.CacheNode {
	*id++

	return &acpi.CacheNode{
		CacheID: *id,
		Flags: acpi.CacheSizeValid | acpi.CacheSetsValid | acpi.CacheAssociativityValid | acpi.CacheAllocationValid |
			acpi.CacheTypeValid | acpi.CacheWritePolicyValid | acpi.CacheLineSizeValid | acpi.CacheIDValid,
		NextLevelOfCache: next,
		Size:             kib << 10, NumberOfSets: kib << 10 / cacheLine / uint32(ways), Associativity: ways,
		Attributes: kind | acpi.CacheAllocate | acpi.CacheWriteBack, LineSize: cacheLine,
	}
}

// pptt makes the table. Linux counts levels as it goes up from a processor: those that a
// node lists, and the next levels of these, come behind those of the nodes below. So a
// cache is either listed or is a next level, and never both.
func (t Topology) pptt() *acpi.PPTT {
	p := &acpi.PPTT{Header: header(3)}
	id, caches := uint32(0), uint32(0)

	for range t.Sockets {
		third := p.Add(cache(&caches, 32<<10, 16, acpi.CacheUnified, 0))
		socket := p.Add(&acpi.ProcessorNode{
			Flags: acpi.PPTTPhysicalPackage | acpi.PPTTIdentical, PrivateResources: []uint32{third},
		})

		for range t.Clusters {
			parent := socket
			if t.Clusters > 1 {
				parent = p.Add(&acpi.ProcessorNode{Flags: acpi.PPTTIdentical, Parent: socket})
			}

			for range t.Cores {
				second := p.Add(cache(&caches, 1<<10, 8, acpi.CacheUnified, 0))
				data := p.Add(cache(&caches, 64, 4, acpi.CacheData, second))
				code := p.Add(cache(&caches, 64, 4, acpi.CacheInstruction, second))

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
