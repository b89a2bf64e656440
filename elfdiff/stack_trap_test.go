package elfdiff_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
)

// layered are the versions of the programs of TestStack_traps: each has the files of the one
// before it, but for those that it names.
var layered = []string{"base", "fix1", "fix2"}

// parseLayered reads a file of testdata/stacks. Its lines are those of pairs, about the second
// fix on top of the first, and
//
//	between: name arg; name arg calls made when the first fix is applied
func parseLayered(name, text string) (p *pair, between []call, _ error) {
	p = &pair{name: name, flags: map[string][]string{}, env: map[string][]string{}, files: map[string]map[string]string{}}
	head, rest, _ := strings.Cut("\n"+text, "\n-- ")

	for line := range strings.SplitSeq(head, "\n") {
		switch m := header.FindStringSubmatch(line); {
		case line == "":
		case m == nil:
			p.comment += line + "\n"
		case m[1] == "between":
			between = parseCalls(m[2])
		default:
			if err := p.header(m[1], m[2]); err != nil {
				return nil, nil, fmt.Errorf("%s: %s: %w", name, line, err)
			}
		}
	}

	for i, v := range layered {
		if p.files[v] = map[string]string{}; i > 0 {
			maps.Copy(p.files[v], p.files[layered[i-1]])
		}

		for file := range strings.SplitSeq(rest, "\n-- ") {
			head, content, _ := strings.Cut(file, " --\n")
			if n, ok := strings.CutPrefix(head, v+"/"); ok {
				p.files[v][n] = strings.TrimSuffix(content, "\n") + "\n"
			}
		}
	}

	if p.comment == "" || p.outcome == "" || len(p.calls) == 0 || p.files["base"]["main.go"] == "" {
		return nil, nil, fmt.Errorf("%s: it lacks something", name)
	}

	return p, between, nil
}

// TestStack_traps compares programs with two fixes, of which the second is made for a process
// that has the first, in ways that only matter there.
func TestStack_traps(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	names, err := filepath.Glob("testdata/stacks/*.txt")
	require.NoError(t, err)

	var pairs []*pair

	between := map[*pair][]call{}

	for _, name := range names {
		if strings.HasSuffix(name, ".go.txt") {
			continue
		}

		text, err := os.ReadFile(name)
		require.NoError(t, err)

		p, calls, err := parseLayered(strings.TrimSuffix(filepath.Base(name), ".txt"), string(text))
		require.NoError(t, err)

		pairs, between[p] = append(pairs, p), calls
	}

	b := &builds{dir: t.TempDir(), objects: map[string]map[string][]object{}}

	for _, v := range layered {
		b.objects[v] = map[string][]object{}

		for _, p := range pairs {
			b.write(t, v, p)
		}

		b.module(t, v)
		b.build(t, v, pairs)
	}

	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			checkLayered(t, p, b, between[p])
		})
	}
}

func checkLayered(t *testing.T, p *pair, b *builds, between []call) {
	t.Helper()

	o := elfdiff.Options{ProcessWide: p.processWide, Entries: p.entries}
	base, first, second := b.open(t, "base", p), b.open(t, "fix1", p), b.open(t, "fix2", p)

	r, err := elfdiff.Diff(t.Context(), base, first, o)
	require.NoError(t, err)
	require.Empty(t, r.Refusals, "the first fix:%s", describe(r))

	lower, err := r.Payload(elfdiff.PayloadOptions{Name: "first"})
	require.NoError(t, err)

	o.Stack = []elfdiff.Layer{{Payload: lower, Build: first}}

	r, err = elfdiff.Diff(t.Context(), base, second, o)
	require.NoError(t, err)

	if p.outcome == "refuse" {
		require.NotEmpty(t, r.Refusals, "UNSOUND: not refused.\n%s", p.comment)

		for _, w := range p.refusals {
			require.True(t, slices.ContainsFunc(r.Refusals, func(x elfdiff.Refusal) bool { return p.meets(w, x) }),
				"no refusal %s of %s, but%s", w.kinds, w.symbol, describe(r))
		}

		return
	}

	if p.outcome == "right" && len(r.Refusals) > 0 {
		t.Logf("refused:%s", describe(r))
		return
	}

	require.Empty(t, r.Refusals, "refused:%s\n%s", describe(r), p.comment)

	upper, err := r.Payload(elfdiff.PayloadOptions{Name: "second"})
	require.NoError(t, err)

	checkLayers(t, p, b, between, lower, upper)
}

// checkLayers has a process take both payloads, and compares what it answers with what the
// programs do.
func checkLayers(t *testing.T, p *pair, b *builds, between []call, files ...[]byte) {
	t.Helper()

	var answers [][]string

	for _, v := range layered {
		proc := start(t, b.program(v, p))

		for _, c := range slices.Concat(p.before, between) {
			proc.call(c)
		}

		answers = append(answers, proc.calls(p.calls))
		proc.end()
	}

	switch p.name {
	case "kept-by-replaced-repointed": // the fixed programs never have what the base has kept
		answers = [][]string{{`g x: "x1x1"`}, {`g x: "x1x1"`}, {`g x: "x2x2"`}}
	case "hook-below": // nor do they run hooks
		answers = [][]string{{`f x: "x"`, `g x: "xg"`}, {`f x: "x1"`, `g x: "xg"`}, {`f x: "x1"`, `g x: "xgg"`}}
	}

	proc := start(t, b.program("base", p), "GOGC=1", "GODEBUG=clobberfree=1")

	for _, c := range p.before {
		proc.call(c)
	}

	is := func(version int) {
		t.Helper()
		require.Equal(t, answers[version], proc.calls(p.calls), "UNSOUND: %s\n%s", layered[version], p.comment)
		proc.ok("gc")
	}

	for i, content := range files {
		file := filepath.Join(t.TempDir(), layered[i+1])
		require.NoError(t, os.WriteFile(file, content, 0o666))
		proc.ok("load " + file)
		proc.ok("apply")

		if i == 0 {
			for _, c := range between {
				proc.call(c)
			}
		}

		is(i + 1)
	}

	proc.ok("revert 2")
	is(1)
	proc.ok("apply 2")
	is(2)
	proc.ok("revert 2")
	proc.ok("revert 1")
	is(0)
	proc.end()
}
