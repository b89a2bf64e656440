package elfdiff_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
)

// TestPairs compares two builds of each program in testdata/pairs, and has a process of the
// older one take the patch. A pair tells what must come of it:
//
//	want: safe                 a payload, and with it the answers of the fixed program
//	want: right                either that, or a refusal of any kind
//	want: unloadable TEXT      a payload, and the process refuses to load it with an error that has the text
//	want: nothing              no change at all
//	want: refuse KIND SYMBOL   a refusal; KIND may be a|b, SYMBOL may be *. All lines must come true.
//	options: process-wide      and entries: what the author allows
//	redirects: SYMBOL SYMBOL   the functions whose entries are redirected, all of them
//	accept: ID ID              refusals that the author takes upon themselves: elfdiff.Options.Accept
//	before: name arg; name arg calls made before the patch is applied
//	calls: name arg; name arg  calls whose answers are compared, each made of a fresh process too
//	same: yes                  the answers of base and fixed are the same
//	stateful: yes              an answer depends on the calls before: they are made once
//	flags-base:, flags-fixed:  of go build; flags: is both
//	env-base:, env-fixed:      NAME=value, of go build; env: is both
//	needs: cgo                 left out where there is no C compiler
//	slow: yes                  builds the standard library anew: left out unless VGRAFT_SLOW is set
//
// What is above these lines says what the pair is about. Where it wants a refusal, it says
// what would happen in a process that is patched all the same.
func TestPairs(t *testing.T) {
	pairs := slices.DeleteFunc(readPairs(t), func(p *pair) bool { return !asked(t, p.name) })
	builds := buildPairs(t, pairs)

	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			checkPair(t, p, builds)
		})
	}
}

// asked says whether -run asks for a subtest, so that only what will run is built.
func asked(t *testing.T, name string) bool {
	t.Helper()

	_, sub, ok := strings.Cut(flag.Lookup("test.run").Value.String(), "/")
	if !ok {
		return true
	}

	matched, err := regexp.MatchString(sub, name)
	require.NoError(t, err)

	return matched
}

func checkPair(t *testing.T, p *pair, b *builds) {
	t.Helper()

	was, is := fresh(t, b.program(base, p), p), fresh(t, b.program(fixed, p), p)

	if p.same || p.outcome == "nothing" {
		require.Equal(t, was, is, "the pair says that the answers are the same")
	} else {
		require.NotEqual(t, was, is, "the pair shows no difference")
	}

	report, err := elfdiff.Diff(t.Context(), b.open(t, base, p), b.open(t, fixed, p),
		elfdiff.Options{ProcessWide: p.processWide, Entries: p.entries, Accept: strings.Fields(p.own(strings.Join(p.accept, " ")))})
	require.NoError(t, err)

	found := describe(report)

	if p.redirects != nil {
		var entries []string
		for _, e := range report.Entries {
			entries = append(entries, strings.ReplaceAll(e, p.path(), module))
		}

		require.ElementsMatch(t, p.redirects, entries, found)
	}

	switch p.outcome {
	case "nothing":
		require.Empty(t, report.Changed, found)
		require.Empty(t, report.Refusals, found)
	case "refuse":
		require.NotEmpty(t, report.Refusals, "UNSOUND: not refused.\n%s", p.comment)

		_, err := report.Payload(elfdiff.PayloadOptions{})
		require.Error(t, err, "UNSOUND: refused, with a payload.\n%s", p.comment)

		for _, w := range p.refusals {
			require.True(t, slices.ContainsFunc(report.Refusals, func(r elfdiff.Refusal) bool { return p.meets(w, r) }),
				"no refusal %s of %s, but%s", w.kinds, w.symbol, found)
		}
	case "right":
		if len(report.Refusals) == 0 {
			checkPatched(t, p, b, report, was, is)
		}
	default:
		require.Empty(t, report.Refusals, "refused:%s\n%s", found, p.comment)
		checkPatched(t, p, b, report, was, is)
	}
}

func describe(r *elfdiff.Report) string {
	var s strings.Builder
	for _, r := range r.Refusals {
		fmt.Fprintf(&s, "\n\t%s %s: %s %v", r.Kind, r.Symbol, r.Detail, r.Path)
	}

	return s.String()
}

// meets says whether a refusal is one that the pair wants: of one of the kinds, and about
// the symbol, or on the way to it.
func (p *pair) meets(w want, r elfdiff.Refusal) bool {
	symbol := p.own(w.symbol)

	kinds := strings.Split(w.kinds, "|")
	outside := len(r.Path) > 1 && slices.Contains(kinds, "caller") // whatever way leads to the caller

	return (outside || slices.Contains(kinds, string(r.Kind))) &&
		(w.symbol == "*" || strings.Contains(r.Symbol, symbol) || strings.Contains(r.Detail, symbol) ||
			slices.ContainsFunc(r.Path, func(s string) bool { return strings.Contains(s, symbol) }))
}

// checkPatched has a process of the base program take the payload, while its garbage
// collector runs all the time and overwrites what it frees.
func checkPatched(t *testing.T, p *pair, b *builds, report *elfdiff.Report, was, is []string) {
	t.Helper()

	content, err := report.Payload(elfdiff.PayloadOptions{})
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "payload")
	require.NoError(t, os.WriteFile(file, content, 0o666))

	proc := start(t, b.program(base, p), "GOGC=1", "GODEBUG=clobberfree=1")

	for _, c := range p.before {
		proc.call(c)
	}

	proc.ok("gc")

	if p.outcome == "unloadable" {
		answer := proc.ask("load " + file)
		require.Contains(t, answer, "error: ", "UNSOUND: the payload was loaded.\n%s", p.comment)
		require.Contains(t, answer, p.why)
		require.Equal(t, was, proc.calls(p.calls), "the refused payload has changed something")
		proc.end()

		return
	}

	proc.ok("load " + file)

	if !p.stateful {
		require.Equal(t, was, proc.calls(p.calls), "loading the payload has changed something")
	}

	proc.ok("apply")
	require.Equal(t, is, proc.calls(p.calls), "UNSOUND: the patched process, and the fixed program.\n%s", p.comment)

	if !p.stateful {
		proc.ok("gc")
		require.Equal(t, is, proc.calls(p.calls), "UNSOUND: the patched process after collecting garbage.\n%s", p.comment)
	}

	proc.ok("revert")

	if !p.stateful {
		require.Equal(t, was, proc.calls(p.calls), "the process after the revert, and the base program")
		proc.ok("apply")
		proc.ok("gc")
		require.Equal(t, is, proc.calls(p.calls), "the process patched for the second time")
		proc.ok("revert")
	}

	proc.ok("gc")
	proc.end()
}

// fresh is what a new process of a program answers.
func fresh(t *testing.T, program string, p *pair) []string {
	t.Helper()

	proc := start(t, program)
	for _, c := range p.before {
		proc.call(c)
	}

	answers := proc.calls(p.calls)

	if !p.stateful {
		require.Equal(t, answers, proc.calls(p.calls), "answers depend on the calls before: say stateful")
	}

	proc.end()

	return answers
}
