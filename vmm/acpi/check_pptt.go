package acpi

// maxDepth is how many levels a tree of processors, or of caches, can have: far more than
// any has, and little enough to follow from every leaf of a hostile table.
const maxDepth = 32

// tree is a PPTT with its offsets resolved.
type tree struct {
	table     *PPTT
	nodes     map[uint32]PPTTStructure
	order     []*ProcessorNode
	at        map[*ProcessorNode]uint32
	hasChild  map[uint32]bool
	cyclic    map[*ProcessorNode]bool
	cacheLoop map[uint32]bool
}

func newTree(t *PPTT) *tree {
	x := &tree{
		table: t, nodes: map[uint32]PPTTStructure{}, at: map[*ProcessorNode]uint32{}, hasChild: map[uint32]bool{},
		cyclic: map[*ProcessorNode]bool{}, cacheLoop: map[uint32]bool{},
	}

	for i, at := range t.Offsets() {
		x.nodes[at] = t.Structures[i]

		if p, ok := t.Structures[i].(*ProcessorNode); ok {
			x.order, x.at[p] = append(x.order, p), at
			x.hasChild[p.Parent] = true
		}
	}

	return x
}

// parent is the node above; nil at the root, and for a reference to nowhere.
func (x *tree) parent(p *ProcessorNode) *ProcessorNode {
	up, _ := x.nodes[p.Parent].(*ProcessorNode)

	return up
}

// leaf says whether a node has none below it.
func (x *tree) leaf(p *ProcessorNode) bool { return !x.hasChild[x.at[p]] }

// checkTopology looks at the tree of processors in the PPTT, and compares it with the MADT.
func checkTopology(s *Set, r *report) {
	for _, t := range All[*PPTT](s) {
		x := newTree(t)

		for _, p := range x.order {
			x.references(r, p)
			x.ancestors(r, p)
		}

		x.uids(s, r)
	}
}

// references looks at where a node points to.
func (x *tree) references(r *report, p *ProcessorNode) {
	at := x.at[p]

	if p.Parent != 0 && x.parent(p) == nil {
		r.fault("pptt-reference", "PPTT", "node %#x: parent %#x is no processor node", at, p.Parent)
	}

	seen := map[uint32]bool{}

	for _, c := range p.PrivateResources {
		switch x.nodes[c].(type) {
		case *CacheNode, *PPTTID:
		default:
			r.fault("pptt-reference", "PPTT", "node %#x: private resource %#x is no cache", at, c)
		}

		if seen[c] {
			r.fault("pptt-cache-twice", "PPTT", "node %#x lists resource %#x twice", at, c)
		}

		seen[c] = true
	}

	if x.table.Revision < 2 {
		return
	}

	if flagged := p.Flags&PPTTLeaf != 0; flagged != x.leaf(p) {
		r.fault("pptt-leaf", "PPTT", "node %#x: leaf flag %v, yet leaf %v", at, flagged, !flagged)
	}
}

// ancestors goes up from a node.
func (x *tree) ancestors(r *report, p *ProcessorNode) {
	var packages, steps int

	for n := p; n != nil; n = x.parent(n) {
		if steps++; steps > maxDepth {
			x.cyclic[p] = true
			r.fault("pptt-cycle", "PPTT", "node %#x is its own ancestor, or below one that is, or deeper than %d levels", x.at[p], maxDepth)

			return
		}

		if n.Flags&PPTTPhysicalPackage != 0 {
			packages++
		}
	}

	if x.leaf(p) && packages != 1 {
		r.warn("pptt-package", "PPTT", "node %#x is in %d physical packages", x.at[p], packages)
	}

	if p.Flags&PPTTThread != 0 && !x.leaf(p) {
		r.fault("pptt-leaf", "PPTT", "node %#x is a thread, but not a leaf", x.at[p])
	}
}

// uids compares the leaves with the MADT's processors.
func (x *tree) uids(s *Set, r *report) {
	leaves := map[uint32]bool{}

	for _, p := range x.order {
		if !x.leaf(p) || x.cyclic[p] {
			continue
		}

		if p.Flags&PPTTProcessorValid == 0 {
			r.fault("pptt-uid", "PPTT", "leaf %#x has no processor UID", x.at[p])
			continue
		}

		if leaves[p.ACPIProcessorID] {
			r.fault("pptt-uid", "PPTT", "processor UID %d is there twice", p.ACPIProcessorID)
		}

		leaves[p.ACPIProcessorID] = true
	}

	if _, ok := First[*MADT](s); !ok {
		return
	}

	processors := map[uint32]bool{}

	for _, p := range s.processors() {
		if !p.enabled {
			continue
		}

		if processors[p.uid] = true; !leaves[p.uid] {
			r.fault("pptt-madt", "PPTT", "processor UID %d of the MADT has no leaf", p.uid)
		}
	}

	for _, p := range x.order {
		if x.leaf(p) && p.Flags&PPTTProcessorValid != 0 && !processors[p.ACPIProcessorID] {
			r.fault("pptt-madt", "PPTT", "leaf with processor UID %d, which is not in the MADT", p.ACPIProcessorID)
		}
	}
}

// checkCaches looks at the caches in the PPTT: alone, and as each leaf reaches them.
func checkCaches(s *Set, r *report) {
	for _, t := range All[*PPTT](s) {
		x := newTree(t)
		caches := x.caches(r)

		for _, p := range x.order {
			if x.leaf(p) {
				x.reached(r, p, caches)
			}
		}
	}
}

// caches looks at each cache, and says whether there is any.
func (x *tree) caches(r *report) bool {
	ids := map[uint32]bool{}
	found := false

	for _, at := range x.table.Offsets() {
		c, ok := x.nodes[at].(*CacheNode)
		if !ok {
			continue
		}

		found = true

		if _, ok := x.nodes[c.NextLevelOfCache].(*CacheNode); c.NextLevelOfCache != 0 && !ok {
			r.fault("pptt-reference", "PPTT", "cache %#x: next level %#x is no cache", at, c.NextLevelOfCache)
		}

		steps := 0
		for n := c; n != nil && steps <= maxDepth; steps++ {
			n, _ = x.nodes[n.NextLevelOfCache].(*CacheNode)
		}

		if steps > maxDepth {
			x.cacheLoop[at] = true
			r.fault("pptt-cycle", "PPTT", "cache %#x is its own next level, or before one that is", at)
		}

		const geometry = CacheSizeValid | CacheSetsValid | CacheAssociativityValid | CacheLineSizeValid
		if size := uint64(c.NumberOfSets) * uint64(c.Associativity) * uint64(c.LineSize); c.Flags&geometry == geometry && size != uint64(c.Size) {
			r.fault("pptt-cache-size", "PPTT", "cache %#x has %d bytes, but sets, ways and lines make %d", at, c.Size, size)
		}

		if c.Flags&CacheIDValid == 0 {
			continue
		}

		if x.table.Revision < ppttCacheIDRevision || c.CacheID == 0 || ids[c.CacheID] {
			r.fault("pptt-cache-id", "PPTT", "cache %#x: id %d is zero, there twice, or in a table older than revision 3", at, c.CacheID)
		}

		ids[c.CacheID] = true
	}

	return found
}

// reached goes the way on which Linux counts levels: at each node up from the leaf, every
// resource starts at the level behind those below, and goes on to its next levels. A cache
// must come out at one level, and a level must have one cache for data and one for
// instructions.
func (x *tree) reached(r *report, leaf *ProcessorNode, caches bool) {
	var (
		levels = map[uint32]int{}
		types  = map[int]map[string]uint32{}
		level  int
	)

	for n, steps := leaf, 0; n != nil && steps <= maxDepth; n, steps = x.parent(n), steps+1 {
		deepest := level

		for _, at := range n.PrivateResources {
			if x.cacheLoop[at] {
				return
			}

			l := level
			for c, ok := x.nodes[at].(*CacheNode); ok; c, ok = x.nodes[at].(*CacheNode) {
				l++
				x.place(r, leaf, at, c, l, levels, types)
				at = c.NextLevelOfCache
			}

			deepest = max(deepest, l)
		}

		level = deepest
	}

	if caches && len(levels) == 0 {
		r.warn("pptt-cache-none", "PPTT", "leaf %#x reaches no cache, though there are some", x.at[leaf])
	}
}

func (x *tree) place(r *report, leaf *ProcessorNode, at uint32, c *CacheNode, level int, levels map[uint32]int, types map[int]map[string]uint32) {
	if l, ok := levels[at]; ok {
		if l != level {
			r.fault("pptt-cache-twice", "PPTT", "leaf %#x reaches cache %#x as level %d and as level %d", x.at[leaf], at, l, level)
		}

		return
	}

	levels[at] = level

	if types[level] == nil {
		types[level] = map[string]uint32{}
	}

	if c.Flags&CacheTypeValid == 0 {
		return
	}

	kinds := []string{"data", "instruction"}

	switch c.Attributes >> cacheTypeShift & cacheTypeMask {
	case CacheData >> cacheTypeShift:
		kinds = kinds[:1]
	case CacheInstruction >> cacheTypeShift:
		kinds = kinds[1:]
	}

	for _, k := range kinds {
		if other, ok := types[level][k]; ok {
			r.fault("pptt-cache-level", "PPTT", "leaf %#x has two %s caches of level %d, %#x and %#x", x.at[leaf], k, level, other, at)
			return
		}

		types[level][k] = at
	}
}
