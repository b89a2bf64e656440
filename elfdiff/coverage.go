package elfdiff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// CoverageOptions say which functions count. The zero value is all of the program.
type CoverageOptions struct {
	// Packages restricts the count to packages whose import paths begin with one of these,
	// as a whole or up to a slash; empty is all.
	Packages []string

	// From restricts the count to functions that these, named as the linker names them, can
	// make run: over calls, interfaces, and function values that functions on the way make
	// or that variables they use hold; and whoever calls a function value at all may call
	// what any slot was declared with. Another function value, that somebody else stored in
	// a field, isn't followed: name the function here too.
	From []string

	// Inside has From go through functions of Packages alone: what others call back is
	// left out, such as the texts of errors that a logger asks for.
	Inside bool
}

// CoverageReport says which share of a program's functions a fix could reach, and where
// slots are missing.
type CoverageReport struct {
	Program  string   `json:"program"` // build id
	Packages []string `json:"packages,omitempty"`
	From     []string `json:"from,omitempty"`
	Inside   bool     `json:"inside,omitempty"`

	Slots   int      `json:"slots"`             // that the program declares
	Unknown []string `json:"unknown,omitempty"` // functions that declare one in a way that isn't understood

	Share
	ByPackage []PackageCoverage   `json:"byPackage"`
	Reasons   map[RefusalKind]int `json:"reasons,omitempty"`   // of functions that slots don't reach, how many are open in this way
	Roots     []OpenRoot          `json:"roots,omitempty"`     // those that leave most open come first
	Uncovered []UncoveredFunction `json:"uncovered,omitempty"` // functions that slots alone don't reach
}

// Share counts functions, but not what the compiler made to call another one: a fix is
// never of these.
type Share struct {
	Functions   int `json:"functions"`
	BySlots     int `json:"bySlots"`     // of them, those that a fix reaches through slots alone
	ProcessWide int `json:"processWide"` // and those that it reaches with Options.ProcessWide
	Idle        int `json:"idle"`        // not among Functions: linked, but nothing leads there
}

// PackageCoverage is the share of one package.
type PackageCoverage struct {
	Package string `json:"package"`
	Share
}

// OpenRoot is a function that can begin to run in a way that no slot closes. What it calls
// is open for that.
type OpenRoot struct {
	Function    string      `json:"function"`
	Package     string      `json:"package"`
	Kind        RefusalKind `json:"kind"`
	Detail      string      `json:"detail,omitempty"`
	ProcessWide bool        `json:"processWide"` // process-wide words would close it
	Opens       int         `json:"opens"`       // functions that count and that it leaves open, itself too
	Alone       int         `json:"alone"`       // of them, those that nothing else leaves open
}

// UncoveredFunction is one that slots alone don't reach.
type UncoveredFunction struct {
	Function    string        `json:"function"`
	Package     string        `json:"package"`
	Kinds       []RefusalKind `json:"kinds"`
	Path        []string      `json:"path,omitempty"` // of calls, from the nearest root
	ProcessWide bool          `json:"processWide"`    // process-wide words would reach it
}

// Coverage says of every function of a program whether a fix of it could be brought into
// the running process: whether all ways by which it can begin to run lead through slots. It
// is an upper bound, for a fix may need more than that, such as a type that changes.
//
// What ran once, when the program began, is open by nature, and so are goroutines' first
// functions: they count, as not reached.
func Coverage(b *Build, o CoverageOptions) (*CoverageReport, error) {
	p, err := b.link()
	if err != nil {
		return nil, fmt.Errorf("elfdiff: coverage: %w", err)
	}

	slots, unknown := findSlots(p)
	called := map[string]bool{}
	calledMethods(p, called)

	c := newCoverage(p, newReferences(program.NewStack(p), b.Info.optimised(), slots, called))

	if err := c.count(o); err != nil {
		return nil, fmt.Errorf("elfdiff: coverage: %w", err)
	}

	r := &CoverageReport{
		Program: b.Info.BuildID, Packages: o.Packages, From: o.From, Inside: o.Inside,
		Slots: len(slots), Unknown: unknown, Reasons: map[RefusalKind]int{},
	}

	c.report(r)

	return r, nil
}

// coverage works on the functions of a program by their indices.
type coverage struct {
	refs    *references
	funcs   []*program.Symbol
	index   map[*program.Symbol]int
	calls   [][]int       // whom each calls, or does as good as that
	open    [2][][]way    // of each, the ways that stay open: with slots alone, with process-wide words
	alone   []RefusalKind // what keeps a fix from the function itself, and not from what it calls
	entries []int         // functions that anything but a call leads to
	counts  []bool
}

// The levels of openness.
const (
	withSlots = iota
	withWords
)

// newCoverage finds the ways to every function.
func newCoverage(p *program.Program, refs *references) *coverage {
	c := &coverage{refs: refs, index: map[*program.Symbol]int{}}

	for _, s := range p.Symbols {
		if s.Linked && s.IsText() {
			c.funcs = append(c.funcs, s)
		}
	}

	slices.SortFunc(c.funcs, byAddr)

	for i, s := range c.funcs {
		c.index[s] = i
	}

	n := len(c.funcs)
	c.calls, c.alone, c.counts = make([][]int, n), make([]RefusalKind, n), make([]bool, n)
	c.open = [2][][]way{make([][]way, n), make([][]way, n)}

	for i, s := range c.funcs {
		c.waysTo(i, s)
	}

	return c
}

func (c *coverage) waysTo(i int, s *program.Symbol) {
	entered := false

	for _, w := range c.refs.ways(s) {
		if w.caller != nil {
			if j, ok := c.index[w.caller]; ok {
				c.calls[j] = append(c.calls[j], i)
			}

			continue
		}

		entered = true

		if w.slot != "" {
			continue
		}

		c.open[withSlots][i] = append(c.open[withSlots][i], w)

		if w.word == "" || !repeatable(s, w) {
			c.open[withWords][i] = append(c.open[withWords][i], w)
		}
	}

	if entered {
		c.entries = append(c.entries, i)
	}

	switch {
	case isRuntime(s.Package()):
	case s.IsAssembly(): // a caller of what changes would have to be in the payload
		w := way{kind: RefuseAssembly}
		c.open[withSlots][i], c.open[withWords][i] = append(c.open[withSlots][i], w), append(c.open[withWords][i], w)
	case noSplit(s):
		c.alone[i] = RefuseNoSplit
	}
}

// repeatable says whether a word may be overwritten: whoever has a function value must find
// a function of the same signature there.
func repeatable(s *program.Symbol, w way) bool {
	if len(w.holders) == 0 {
		return true
	}

	_, ok := s.Signature()

	return ok
}

// count marks the functions that count.
func (c *coverage) count(o CoverageOptions) error {
	reached := make([]bool, len(c.funcs))

	if len(o.From) > 0 {
		var err error
		if reached, err = c.from(o); err != nil {
			return err
		}
	}

	for i, s := range c.funcs {
		c.counts[i] = (len(o.From) == 0 || reached[i]) && inPackages(packageName(s), o.Packages) && !s.IsWrapper()
	}

	return nil
}

// packageName is the package that a function is declared in. Of what is made of a generic one
// every package that uses it has its own.
func packageName(s *program.Symbol) string {
	name, _, generic := strings.Cut(s.Name, "[")
	if !generic {
		return s.Package()
	}

	at := strings.LastIndex(name, "/") + 1
	last, _, _ := strings.Cut(name[at:], ".")

	if name[:at]+last == "main" {
		return s.Package()
	}

	return name[:at] + strings.ReplaceAll(last, "%2e", ".")
}

func inPackages(pkg string, prefixes []string) bool {
	return len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool {
		p = strings.TrimSuffix(p, "/")
		return pkg == p || strings.HasPrefix(pkg, p+"/")
	})
}

// report fills in the figures.
func (c *coverage) report(r *CoverageReport) {
	live := c.spread(c.entries, nil, nil)
	pkgs := map[string]*Share{}
	slots, words := c.openness(withSlots), c.openness(withWords)

	for i, s := range c.funcs {
		if !c.counts[i] {
			continue
		}

		pkg := packageName(s)

		p := pkgs[pkg]
		if p == nil {
			p = &Share{}
			pkgs[pkg] = p
		}

		if !live[i] {
			p.Idle++
			c.counts[i] = false

			continue
		}

		p.Functions++

		byWords := words.kinds[i] == 0
		if byWords {
			p.ProcessWide++
		}

		if slots.kinds[i] == 0 {
			p.BySlots++
			continue
		}

		u := UncoveredFunction{Function: s.Name, Package: pkg, Kinds: slots.kindsOf(i), Path: c.path(slots, i), ProcessWide: byWords}
		for _, k := range u.Kinds {
			r.Reasons[k]++
		}

		r.Uncovered = append(r.Uncovered, u)
	}

	for _, n := range slices.Sorted(keysOf(pkgs)) {
		p := *pkgs[n]
		r.ByPackage = append(r.ByPackage, PackageCoverage{n, p})
		r.Functions, r.BySlots, r.ProcessWide, r.Idle = r.Functions+p.Functions, r.BySlots+p.BySlots, r.ProcessWide+p.ProcessWide, r.Idle+p.Idle
	}

	r.Roots = c.roots(slots)
}

// roots lists what leaves functions open that count.
func (c *coverage) roots(o *openness) (out []OpenRoot) {
	alone := make([]int, len(c.funcs))

	for i, f := range o.sole {
		if c.counts[i] && f >= 0 {
			alone[f]++
		}
	}

	seen := make([]int, len(c.funcs)) // by the root that was last looked at, from 1 on

	for i, s := range c.funcs {
		ways, n := c.open[withSlots][i], 0

		switch {
		case len(ways) > 0:
			n = c.below(i, seen)
		case c.alone[i] != "" && c.counts[i]:
			ways, n = []way{{kind: c.alone[i]}}, 1
		}

		if n == 0 {
			continue
		}

		out = append(out, OpenRoot{
			Function: s.Name, Package: packageName(s), Kind: ways[0].kind, Detail: ways[0].detail,
			ProcessWide: len(c.open[withWords][i]) == 0 && c.alone[i] == "", Opens: n, Alone: alone[i],
		})
	}

	slices.SortStableFunc(out, func(a, b OpenRoot) int {
		return cmp.Or(cmp.Compare(b.Opens, a.Opens), cmp.Compare(b.Alone, a.Alone), cmp.Compare(a.Function, b.Function))
	})

	return out
}

// below counts what a function leads to by calls, itself too.
func (c *coverage) below(root int, seen []int) (n int) {
	queue := []int{root}
	seen[root] = root + 1

	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]

		if c.counts[i] {
			n++
		}

		for _, j := range c.calls[i] {
			if seen[j] != root+1 {
				seen[j] = root + 1
				queue = append(queue, j)
			}
		}
	}

	return n
}
