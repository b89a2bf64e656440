package elfdiff

import (
	"cmp"
	"io"
	"slices"
)

// topRoots is how many roots the text names; the JSON has all.
const topRoots = 25

// Percent is the share that slots alone reach, from 0 to 100; that of nothing is 100.
func (s Share) Percent() float64 { return percent(s.BySlots, s.Functions) }

func percent(n, of int) float64 {
	if of == 0 {
		return 100
	}

	return 100 * float64(n) / float64(of)
}

// WriteText writes the report for people.
func (r *CoverageReport) WriteText(w io.Writer) error {
	p := &printer{w: w}

	p.list("only packages", r.Packages)
	p.list("only what these can make run", r.From)

	if r.Inside {
		p.f("by calls inside these packages\n")
	}

	p.f("%d functions, %d slots. A fix could reach\n", r.Functions, r.Slots)
	p.f("  %6d, %5.1f %%, through slots\n", r.BySlots, percent(r.BySlots, r.Functions))
	p.f("  %6d, %5.1f %%, with process-wide words too\n", r.ProcessWide, percent(r.ProcessWide, r.Functions))
	p.f("%d more are linked, but nothing leads there\n", r.Idle)
	p.list("slots declared in a way that isn't understood, in", r.Unknown)

	p.f("packages: functions, through slots, with words\n")

	for _, x := range r.ByPackage {
		p.f("  %-60s %6d %5.1f %% %5.1f %%\n", x.Package, x.Functions, x.Percent(), percent(x.ProcessWide, x.Functions))
	}

	r.reasons(p)
	r.roots(p)

	return p.err
}

func (r *CoverageReport) reasons(p *printer) {
	if len(r.Reasons) == 0 {
		return
	}

	p.f("why slots don't reach the others, of which one may have several reasons:\n")

	kinds := slices.SortedFunc(keysOf(r.Reasons), func(a, b RefusalKind) int {
		return cmp.Or(cmp.Compare(r.Reasons[b], r.Reasons[a]), cmp.Compare(a, b))
	})

	for _, k := range kinds {
		p.f("  %6d %s\n", r.Reasons[k], k)
	}
}

// roots names the roots that somebody can do something about.
func (r *CoverageReport) roots(p *printer) {
	n := 0

	for _, x := range r.Roots {
		if x.Kind == RefuseRuntime || x.Kind == RefuseAssembly || x.Kind == RefuseInitialiser {
			continue
		}

		if n == 0 {
			p.f("where a slot would help; functions that are open for it, and for nothing else:\n")
		}

		if n++; n > topRoots {
			p.f("  and more, of %d open roots in all\n", len(r.Roots))
			return
		}

		p.f("  %6d %6d  %s %s\n", x.Opens, x.Alone, x.Kind, x.Function)

		if x.Detail != "" {
			p.f("                 %s\n", x.Detail)
		}
	}
}
