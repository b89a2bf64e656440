package elfdiff

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// covered is a program with a function for each way that there is.
const covered = `package main

import "github.com/vgraft/vgraft/patch"

var slot = patch.NewSlot("slot", bySlot)

//go:noinline
func bySlot(n int) int { return below(n) + both(n) }

//go:noinline
func below(n int) int { return n + 1 }

//go:noinline
func both(n int) int { return n + 2 }

//go:noinline
func byMain(n int) int { return both(n) + n }

//go:noinline
func byValue(n int) int { return belowValue(n) }

//go:noinline
func belowValue(n int) int { return n * 3 }

//go:noinline
func byGo(c chan int) { c <- belowGo() }

//go:noinline
func belowGo() int { return 1 }

var values = map[string]func(int) int{"": byValue}

type shape interface{ Area() int }

type square int

//go:noinline
func (s square) Area() int { return int(s) * belowArea(int(s)) }

//go:noinline
func belowArea(n int) int { return n + 7 }

var shapes = []shape{square(1)}

var count = start()

//go:noinline
func start() int { return 4 }

//go:noinline
func closure(n int) func() int { return func() int { n++; return n } }

//go:noinline
func enter(n int) int { return slot.Get()(n) + shapes[0].Area() }

func main() {
	c := make(chan int)
	go byGo(c)
	println(enter(1), byMain(2), values[""](3), <-c, count, closure(1)())
}
`

func coveredBuild(t *testing.T) *Build {
	t.Helper()

	root, err := filepath.Abs("..")
	require.NoError(t, err)

	b, _ := open(t, map[string]string{
		"go.mod":  fmt.Sprintf("module example.com/program\n\ngo 1.26.3\n\nrequire github.com/vgraft/vgraft v0.0.0\n\nreplace github.com/vgraft/vgraft => %q\n", root),
		"main.go": covered,
	})

	return b
}

func TestCoverage(t *testing.T) {
	b := coveredBuild(t)

	cover := func(t *testing.T, o CoverageOptions) (*CoverageReport, map[string]string) {
		t.Helper()

		r, err := Coverage(b, o)
		require.NoError(t, err)

		open := map[string]string{}

		for _, u := range r.Uncovered {
			what := fmt.Sprint(u.Kinds)
			if len(u.Path) > 0 {
				what += " " + u.Path[0]
			}

			if u.ProcessWide {
				what += " words"
			}

			open[u.Function] = what
		}

		require.Len(t, r.Uncovered, r.Functions-r.BySlots)

		return r, open
	}

	own := []string{"example.com/program"}

	t.Run("a package", func(t *testing.T) {
		r, open := cover(t, CoverageOptions{Packages: own})

		require.Equal(t, map[string]string{
			"main.square.Area":   "[interface-table method-table] words",
			"main.belowArea":     "[interface-table method-table] main.square.Area words",
			"main.belowGo":       "[goroutine] main.main.gowrap1",
			"main.byGo":          "[goroutine] main.main.gowrap1",
			"main.byValue":       "[function-value] words",
			"main.belowValue":    "[function-value] main.byValue words",
			"main.closure.func1": "[closure]",
			"main.both":          "[caller] main.main",
			"main.byMain":        "[caller] main.main",
			"main.closure":       "[caller] main.main",
			"main.enter":         "[caller] main.main",
			"main.main":          "[caller]",
			"main.init":          "[initialiser]",
			"main.start":         "[initialiser] main.init",
		}, open)

		// main.bySlot and main.below.
		require.Equal(t, Share{Functions: 16, BySlots: 2, ProcessWide: 6}, r.Share)
		require.Equal(t, []PackageCoverage{{own[0], r.Share}}, r.ByPackage)
		require.Equal(t, 1, r.Slots)
		require.Empty(t, r.Unknown)
		require.Equal(t, map[RefusalKind]int{
			RefuseInterfaceTable: 2, RefuseMethodTable: 2, RefuseGoroutine: 2, RefuseFunctionValue: 2,
			RefuseClosure: 1, RefuseCaller: 5, RefuseInitialiser: 2,
		}, r.Reasons)

		roots := map[string][]int{}
		for _, x := range r.Roots {
			if x.Package == own[0] {
				roots[x.Function] = []int{x.Opens, x.Alone}
			}
		}

		require.Equal(t, map[string][]int{
			"main.main": {5, 5}, "main.main.gowrap1": {2, 2}, "main.init": {2, 2}, "main.byValue": {2, 2},
			"main.square.Area": {2, 0}, "main.(*square).Area": {2, 0}, "main.closure.func1": {1, 1},
		}, roots)
	})

	t.Run("from a function", func(t *testing.T) {
		r, open := cover(t, CoverageOptions{Packages: own, From: []string{"main.enter"}})

		// Over the slot, and the interface.
		require.Equal(t, []string{"main.belowArea", "main.both", "main.enter", "main.square.Area"}, slices.Sorted(keysOf(open)))
		require.Equal(t, Share{Functions: 6, BySlots: 2, ProcessWide: 4}, r.Share)

		r, _ = cover(t, CoverageOptions{Packages: own, From: []string{"main.bySlot", "main.belowGo"}})
		require.Equal(t, Share{Functions: 4, BySlots: 2, ProcessWide: 2}, r.Share)

		// Inside another package there is nothing to follow.
		r, _ = cover(t, CoverageOptions{Packages: []string{"sync"}, From: []string{"main.enter"}, Inside: true})
		require.Zero(t, r.Share)

		r, _ = cover(t, CoverageOptions{Packages: []string{"sync"}, From: []string{"main.main"}})
		require.NotZero(t, r.Functions)

		_, err := Coverage(b, CoverageOptions{From: []string{"main.nobody"}})
		require.ErrorContains(t, err, "main.nobody")
	})

	t.Run("all", func(t *testing.T) {
		r, _ := cover(t, CoverageOptions{})

		var sum Share
		for _, p := range r.ByPackage {
			sum.Functions, sum.BySlots, sum.ProcessWide, sum.Idle = sum.Functions+p.Functions, sum.BySlots+p.BySlots, sum.ProcessWide+p.ProcessWide, sum.Idle+p.Idle

			if p.Package == "runtime" {
				require.Less(t, p.ProcessWide, 10, "generic functions of it that others instantiate")
			}
		}

		require.Equal(t, sum, r.Share)
		require.GreaterOrEqual(t, r.ProcessWide, r.BySlots)
		require.Greater(t, r.Functions, 1000)

		for i, x := range r.Roots {
			require.LessOrEqual(t, x.Alone, x.Opens)
			require.True(t, i == 0 || x.Opens <= r.Roots[i-1].Opens)
		}
	})

	t.Run("text and JSON", func(t *testing.T) {
		r, _ := cover(t, CoverageOptions{Packages: own})

		var s strings.Builder
		require.NoError(t, r.WriteText(&s))

		for _, want := range []string{
			"16 functions, 1 slots", "     2,  12.5 %, through slots\n", "     6,  37.5 %, with process-wide words too\n",
			"       5 caller\n", "       5      5  caller main.main\n", "       2      2  function-value main.byValue\n",
		} {
			require.Contains(t, s.String(), want)
		}

		text, err := json.Marshal(r)
		require.NoError(t, err)

		var back CoverageReport
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, *r, back)
	})
}

func TestCoverage_prefixes(t *testing.T) {
	for want, prefixes := range map[string][]string{"a b/c b/c/d": nil, "b/c b/c/d": {"b/c"}, "a b/c/d": {"a", "b/c/d/"}} {
		var got []string

		for _, p := range []string{"a", "b/c", "b/c/d"} {
			if inPackages(p, prefixes) {
				got = append(got, p)
			}
		}

		require.Equal(t, want, strings.Join(got, " "))
	}

	require.False(t, inPackages("b/cd", []string{"b/c"}))
	require.EqualValues(t, 100, Share{}.Percent())
	require.EqualValues(t, 25, Share{Functions: 4, BySlots: 1}.Percent())
}
