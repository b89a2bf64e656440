package elfdiff

import (
	"math/bits"
	"slices"
)

// openness is what flows down along calls from functions with an open way.
type openness struct {
	names  []RefusalKind // the kinds there are, by bit
	kinds  []uint64      // of each function, how it is open; 0 is that it isn't
	sole   []int         // the one root that leaves it open, noRoot or manyRoots
	parent []int         // who calls it, on the shortest way from a root; noRoot is that it is one
}

const (
	noRoot    = -1
	manyRoots = -2
)

// bit of a kind.
func (o *openness) bit(k RefusalKind) uint64 {
	i := slices.Index(o.names, k)
	if i < 0 {
		i = len(o.names)
		o.names = append(o.names, k)
	}

	return 1 << i
}

func (o *openness) kindsOf(i int) (out []RefusalKind) {
	for b := o.kinds[i]; b != 0; b &= b - 1 {
		out = append(out, o.names[bits.TrailingZeros64(b)])
	}

	slices.Sort(out)

	return out
}

// openness follows the ways that are open at a level. Every function comes into the queue
// once for each kind, and twice for its roots at most.
func (c *coverage) openness(level int) *openness {
	n := len(c.funcs)
	o := &openness{kinds: make([]uint64, n), sole: make([]int, n), parent: make([]int, n)}

	var queue []int

	for i := range n {
		o.sole[i], o.parent[i] = noRoot, noRoot

		for _, w := range c.open[level][i] {
			o.kinds[i] |= o.bit(w.kind)
			o.sole[i] = i
		}

		if o.kinds[i] != 0 {
			queue = append(queue, i)
		}
	}

	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]

		for _, j := range c.calls[i] {
			if o.flow(i, j) {
				queue = append(queue, j)
			}
		}
	}

	for i, k := range c.alone {
		if k == "" {
			continue
		}

		o.kinds[i] |= o.bit(k)

		if o.sole[i] == noRoot {
			o.sole[i] = i
		} else {
			o.sole[i] = manyRoots
		}
	}

	return o
}

// flow has j, which i calls, be as open as i. It says whether that is new.
func (o *openness) flow(i, j int) bool {
	kinds, sole := o.kinds[i]|o.kinds[j], o.sole[j]

	switch {
	case sole == noRoot:
		sole, o.parent[j] = o.sole[i], i
	case sole != o.sole[i]:
		sole = manyRoots
	}

	if kinds == o.kinds[j] && sole == o.sole[j] {
		return false
	}

	o.kinds[j], o.sole[j] = kinds, sole

	return true
}

// path leads from the nearest root to a function.
func (c *coverage) path(o *openness, i int) (out []string) {
	for ; i != noRoot; i = o.parent[i] {
		out = append(out, c.funcs[i].Name)
	}

	slices.Reverse(out)

	if len(out) == 1 {
		return nil
	}

	return out
}

// spread gives all that is reached over calls, and over more where there is more. It goes
// through all functions but those that stop it.
func (c *coverage) spread(from []int, more func(i int) []int, stop func(i int) bool) []bool {
	seen := make([]bool, len(c.funcs))

	var queue []int

	add := func(is []int) {
		for _, i := range is {
			if !seen[i] {
				seen[i] = true
				queue = append(queue, i)
			}
		}
	}

	add(from)

	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]

		if stop != nil && stop(i) {
			continue
		}

		add(c.calls[i])

		if more != nil {
			add(more(i))
		}
	}

	return seen
}
