package elfdiff

import (
	"fmt"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// flows follows what functions can make run.
type flows struct {
	*coverage
	methods map[string][]int         // by name and type, of all types that the program has
	named   map[string][]int         // by name
	slots   []int                    // their implementations
	seen    map[*program.Symbol]bool // data
}

// from marks the functions that some can make run.
func (c *coverage) from(o CoverageOptions) ([]bool, error) {
	var roots []int

	for _, n := range o.From {
		found := false

		for i, s := range c.funcs {
			if s.Name == n {
				roots = append(roots, i)
				found = true
			}
		}

		if !found {
			return nil, fmt.Errorf("the program has no function %s", n)
		}
	}

	f := &flows{
		coverage: c, methods: map[string][]int{}, named: map[string][]int{},
		seen: map[*program.Symbol]bool{},
	}

	f.findMethods()

	for _, x := range c.refs.slots {
		if i, ok := c.index[x.impl]; ok {
			f.slots = append(f.slots, i)
		}
	}

	var stop func(int) bool
	if o.Inside {
		stop = func(i int) bool { return !inPackages(packageName(c.funcs[i]), o.Packages) }
	}

	return c.spread(roots, f.more, stop), nil
}

// findMethods lists the methods that interfaces may lead to.
func (f *flows) findMethods() {
	for s := range f.refs.in {
		if !s.Linked || !s.IsType() {
			continue
		}

		for _, m := range s.Methods() {
			for _, r := range []*program.Reloc{m.Ifn, m.Tfn} {
				i, ok := f.index[r.Sym]
				if !ok || !r.Live {
					continue
				}

				short := m.Name[strings.LastIndex(m.Name, ".")+1:]
				f.named[short] = append(f.named[short], i)

				if m.Type.Sym != nil {
					k := short + " " + m.Type.Sym.Name
					f.methods[k] = append(f.methods[k], i)
				}
			}
		}
	}
}

// more is what a function can make run beside what it calls.
func (f *flows) more(i int) (out []int) {
	s := f.funcs[i]

	for _, r := range s.Relocs() {
		switch {
		case r.Type == goobj.CallInd:
			out = append(out, f.slots...) // it may be of any slot: they are kept in fields too
		case r.Sym == nil:
		case r.Type == goobj.UseIfaceMethod:
			out = append(out, f.byInterface(r.Sym, r.Add)...)
		case r.Type == goobj.UseNamedMethod:
			out = append(out, f.named[strings.TrimRight(string(r.Sym.Data), "\x00")]...)
		case r.Marks() || !r.Live:
		case r.Sym.IsText():
			if j, ok := f.index[r.Sym]; ok {
				out = append(out, j)
			}
		default:
			out = append(out, f.dataOf(r.Sym)...)
		}
	}

	if s.Flags&goobj.ReflectMethod != 0 {
		for n, ms := range f.named {
			if program.IsExported(n) {
				out = append(out, ms...)
			}
		}
	}

	return out
}

// byInterface lists the methods that a call of an interface's method may lead to: those of
// that name and type.
func (f *flows) byInterface(iface *program.Symbol, at int64) []int {
	return f.methods[iface.MethodNameAt(at)+" "+iface.MethodTypeAt(at)]
}

// dataOf lists the functions that data leads to: function values and tables of them. Types
// and interface tables are left to those who call their methods. What was looked at before
// isn't again.
func (f *flows) dataOf(s *program.Symbol) (out []int) {
	queue := []*program.Symbol{s}

	for len(queue) > 0 {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]

		if f.seen[s] || s.IsType() || s.IsItab() {
			continue
		}

		f.seen[s] = true

		for _, r := range s.Relocs() {
			if r.Sym == nil || r.Marks() || !r.Live {
				continue
			}

			if i, ok := f.index[r.Sym]; ok {
				out = append(out, i)
			} else {
				queue = append(queue, r.Sym)
			}
		}
	}

	return out
}
