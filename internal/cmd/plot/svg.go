package main

import (
	"fmt"
	"html"
	"maps"
	"math"
	"slices"
	"strings"
)

// The drawing, in pixels.
const (
	width, height            = 900, 480
	left, right, top, bottom = 70, 20, 50, 50
	lineHeight               = 18 // of the legend, below the drawing
)

// colours of Okabe and Ito, which can be told apart by those who see few colours.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"}

// nines is where a share of the samples is drawn: 0 for none, 1 for 90 %, 2 for 99 %.
func nines(share float64) float64 { return -math.Log10(1 - share) }

// point says that a share of the samples took no longer than so many nanoseconds.
type point struct{ share, ns float64 }

// points are the series as a line. The last sample, which is all of them, is drawn where
// the one before it would be with twice the samples: all would be at infinity.
func (s *series) points() []point {
	var total, seen int64
	for _, c := range s.counts {
		total += c
	}

	var out []point

	for _, ns := range slices.Sorted(maps.Keys(s.counts)) {
		out = append(out, point{float64(seen) / float64(total), ns})
		seen += s.counts[ns]
		out = append(out, point{min(float64(seen)/float64(total), 1-0.5/float64(total)), ns})
	}

	return out
}

func draw(title string, all []*series) string {
	var (
		out    strings.Builder
		low    = math.Inf(1)
		high   = 1.0
		far    = 1.0
		lines  = make([][]point, len(all))
		legend = height + lineHeight*len(all)
	)

	for i, s := range all {
		lines[i] = s.points()

		for _, p := range lines[i] {
			low, high, far = min(low, max(p.ns, 1)), max(high, p.ns), max(far, nines(p.share))
		}
	}

	low, high = math.Floor(math.Log10(low)), max(math.Ceil(math.Log10(high)), math.Floor(math.Log10(low))+1)

	x := func(share float64) float64 { return left + nines(share)/far*(width-left-right) }
	y := func(ns float64) float64 {
		return height - bottom - (math.Log10(max(ns, 1))-low)/(high-low)*(height-top-bottom)
	}

	put := func(format string, a ...any) { fmt.Fprintf(&out, format+"\n", a...) }

	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`, width, legend+10)
	put(`<rect width="100%%" height="100%%" fill="white"/>`)
	put(`<text x="%d" y="28" font-size="16">%s</text>`, left, html.EscapeString(title))

	for e := low; e <= high; e++ {
		at := y(math.Pow(10, e))
		put(`<path d="M%d %.1fH%d" stroke="#ddd"/>`, left, at, width-right)
		put(`<text x="%d" y="%.1f" text-anchor="end">%s</text>`, left-6, at+4, unit(e))
	}

	for n := 0.0; n <= far; n++ {
		at := left + n/far*(width-left-right)
		put(`<path d="M%.1f %dV%d" stroke="#ddd"/>`, at, top, height-bottom)
		put(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, at, height-bottom+18, percent(n))
	}

	put(`<text x="%d" y="%d" text-anchor="middle">share of the samples that took no longer</text>`, (left+width-right)/2, height-bottom+38)

	for i, s := range all {
		colour := colours[i%len(colours)]

		var path strings.Builder

		for j, p := range lines[i] {
			fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[j == 0], x(p.share), y(p.ns))
		}

		put(`<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>`, &path, colour)

		at := height + lineHeight*i
		put(`<path d="M%d %dh20" stroke="%s" stroke-width="3"/>`, left, at, colour)
		put(`<text x="%d" y="%d">%s</text>`, left+28, at+4, html.EscapeString(s.name))
	}

	put(`</svg>`)

	return out.String()
}

// unit is 10^e nanoseconds.
func unit(e float64) string {
	i := int(e)
	units := []string{"ns", "µs", "ms", "s"}
	u := min(i/3, len(units)-1)

	return fmt.Sprintf("%.0f %s", math.Pow(10, float64(i-3*u)), units[u])
}

// percent is so many nines.
func percent(n float64) string {
	switch n {
	case 0:
		return "0 %"
	case 1:
		return "90 %"
	case 2:
		return "99 %"
	}

	return "99." + strings.Repeat("9", int(n)-2) + " %"
}
