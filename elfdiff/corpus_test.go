package elfdiff_test

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
)

var (
	corpusAll    = flag.Bool("corpus.all", false, "TestCorpus: take all entries, not only those of CI")
	corpusUpdate = flag.Bool("corpus.update", false, "TestCorpus: record what came of each entry in "+outcomesFile)
)

const (
	corpusDir    = "testdata/corpus/"
	outcomesFile = corpusDir + "outcomes.txt"
)

// TestCorpus patches programs that use public modules with the fixes that these modules
// really had, nearly all of them of security flaws: each entry of testdata/corpus is one
// fix, and a program that shows the flaw. Two adjacent versions of the module are got from
// the Go module proxy, for nothing of them is in this repository: without network the test
// fails. It is about what people's fixes are like, which pairs can't tell; what is sound
// is for TestPairs. Lines of an entry:
//
//	id: CVE-... GO-...           what the flaw is known as
//	module: path                 the module that has it
//	vulnerable:, fixed: version  of the module; nothing else differs between the builds
//	flaw: text                   what is wrong
//	calls: name arg; name arg    calls whose answers are compared; a "; " is between two
//	diff: text                   how much the two versions differ: information only
//	pin: replace                 take the module's version by replace, not by require: something else requires a newer one
//	part: FILE FILE:1,3          what of the release is the fix: files of the module, or hunks of them, as diff -U0 counts them
//	why: text                    what makes what the author has written, or accepted, as good as the release
//	accept: SYMBOL SYMBOL        what the patch's author would accept: elfdiff.Options.Accept
//	ci: yes                      part of the list that runs without -corpus.all
//
// Files follow as in pairs, with go.mod for the requirements of other modules. Two are what
// the author of the patch would write: a file named fixed/x.go is for the fixed program
// alone, a hook, say; fix.diff is a patch of the vulnerable version of the module. With it,
// or with part:, the fixed version is only for the answers.
//
// What comes of an entry is recorded in outcomes.txt, and must stay so. Each is tried in
// this order:
//
//	slots    a patch of the release, through slots alone
//	words    one that needs data words too (Options.ProcessWide, here and below)
//	part     one of part: alone, of which nobody has written a line
//	custom   one of what its author has written or accepted
//	hook     the same, with functions that run when the patch is applied
//	refused  with the kinds of the last refusals
func TestCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("builds many modules, and gets them from the network")
	}

	entries := readCorpus(t)
	outcomes := readOutcomes(t)
	results := &corpusResults{got: map[string]string{}}
	start := time.Now()

	t.Cleanup(func() {
		if *corpusUpdate {
			results.write(t, outcomes, entries)
		}

		t.Logf("%s, in %v", results, time.Since(start).Round(time.Second))
	})

	for _, e := range entries {
		if !e.ci && !*corpusAll {
			continue
		}

		t.Run(e.name, func(t *testing.T) {
			t.Parallel()

			got := e.try(t)
			results.add(e.name, got)

			if !*corpusUpdate {
				require.Equal(t, outcomes[e.name], got, "what came of it has changed: if that is right, record it with -corpus.update")
			}
		})
	}
}

// TestCorpus_parse reads all entries, also where there is no network, and has the parser
// refuse what would make one check less than it says.
func TestCorpus_parse(t *testing.T) {
	entries := readCorpus(t)

	for name := range readOutcomes(t) {
		require.True(t, slices.ContainsFunc(entries, func(e *entry) bool { return e.name == name }), "%s is of no entry: %s", outcomesFile, name)
	}

	const good = "id: CVE-1\nmodule: m\nvulnerable: v1.0.0\nfixed: v1.0.1\nflaw: x\ncalls: f x\n-- main.go --\npackage main\n"

	_, err := parseEntry("good", good)
	require.NoError(t, err)

	for _, c := range []struct{ old, new, want string }{
		{"id: CVE-1\n", "", "no id"},
		{"module: m\n", "", "no module"},
		{"vulnerable: v1.0.0\n", "", "no vulnerable"},
		{"v1.0.1", "v1.0.0", "same version"},
		{"flaw: x\n", "", "no flaw"},
		{"calls: f x\n", "", "no calls"},
		{"calls:", "call:", "call"},
		{"flaw:", "pin: exclude\nflaw:", "pin"},
		{"flaw:", "part: ../x.go\nflaw:", "../x.go"},
		{"flaw:", "part: x.go:0\nflaw:", "no hunk"},
		{"flaw:", "accept: slot:x\nflaw:", "why"},
		{"-- main.go --\npackage main\n", "", "no main.go"},
		{"main.go --", "../main.go --", "../main.go"},
	} {
		require.Contains(t, good, c.old)

		text := strings.Replace(good, c.old, c.new, 1)
		_, err := parseEntry("bad", text)
		require.ErrorContains(t, err, c.want, "%s", text)
	}
}

// entry is a file of the corpus.
type entry struct {
	name    string
	head    map[string]string
	replace bool // the version of the module is taken by replace
	accept  []string
	part    []hunks
	ci      bool
	calls   []call
	files   map[string]string
}

func readCorpus(t *testing.T) (entries []*entry) {
	t.Helper()

	names, err := filepath.Glob(corpusDir + "*.txt")
	require.NoError(t, err)

	for _, name := range names {
		if name == outcomesFile {
			continue
		}

		text, err := os.ReadFile(name)
		require.NoError(t, err)

		e, err := parseEntry(strings.TrimSuffix(filepath.Base(name), ".txt"), string(text))
		require.NoError(t, err)

		entries = append(entries, e)
	}

	require.NotEmpty(t, entries)

	return entries
}

func parseEntry(name, text string) (*entry, error) {
	e := &entry{name: name, head: map[string]string{}, files: map[string]string{}}
	head, files, _ := strings.Cut("\n"+text, "\n-- ")

	for line := range strings.SplitSeq(strings.TrimSpace(head), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		if err := e.header(key, value); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, line, err)
		}
	}

	for file := range strings.SplitSeq(files, "\n-- ") {
		file, content, ok := strings.Cut(file, " --\n")
		if ok && !filepath.IsLocal(file) {
			return nil, fmt.Errorf("%s: a file called %q", name, file)
		}

		e.files[file] = strings.TrimSuffix(content, "\n") + "\n"
	}

	for _, key := range []string{"id", "module", "vulnerable", "fixed", "flaw", "calls"} {
		if e.head[key] == "" {
			return nil, fmt.Errorf("%s: no %s", name, key)
		}
	}

	if e.head["vulnerable"] == e.head["fixed"] {
		return nil, fmt.Errorf("%s: twice the same version", name)
	}

	if e.byHand() && e.head["why"] == "" {
		return nil, fmt.Errorf("%s: no why", name)
	}

	if e.files["main.go"] == "" {
		return nil, fmt.Errorf("%s: no main.go", name)
	}

	return e, nil
}

func (e *entry) header(key, value string) error {
	e.head[key] = value

	switch {
	case slices.Contains([]string{"id", "module", "vulnerable", "fixed", "flaw", "diff", "why"}, key):
	case key == "calls":
		for c := range strings.SplitSeq(value, "; ") { // an argument may have a ";" of its own
			name, arg, _ := strings.Cut(c, " ")
			e.calls = append(e.calls, call{name, arg})
		}
	case key == "accept":
		e.accept = strings.Fields(value)
	case key == "part":
		var err error
		e.part, err = parsePart(value)

		return err
	case key == "pin" && value == "replace":
		e.replace = true
	case key == "ci" && value == "yes":
		e.ci = true
	default:
		return errors.New("unknown line")
	}

	return nil
}

// byHand says whether the author of the patch has done something for it.
func (e *entry) byHand() bool {
	return len(e.accept) > 0 || e.files[fixDiff] != "" || slices.ContainsFunc(slices.Collect(maps.Keys(e.files)), isHook)
}

func isHook(file string) bool { return strings.HasPrefix(file, "fixed/") }

// try gives the outcome of an entry, as in outcomes.txt.
func (e *entry) try(t *testing.T) string {
	t.Helper()

	was, is := e.build(t, e.head["vulnerable"]), e.build(t, e.head["fixed"])
	wasSaid, isSaid := e.answers(t, was), e.answers(t, is)
	require.NotEqual(t, wasSaid, isSaid, "the entry shows no difference")

	base, release := e.open(t, was), e.open(t, is)

	var kinds []string

	for _, attempt := range []struct {
		outcome  string
		sensible bool
		options  elfdiff.Options
	}{
		{"slots", true, elfdiff.Options{}},
		{"words", true, elfdiff.Options{ProcessWide: true}},
		{"part", len(e.part) > 0 && !e.byHand(), elfdiff.Options{ProcessWide: true}},
		{"custom", e.byHand(), elfdiff.Options{ProcessWide: true, Accept: e.accept}},
	} {
		if !attempt.sensible {
			continue
		}

		fix := release
		if attempt.outcome == "part" || attempt.outcome == "custom" {
			fix = e.repaired(t, base, was, is, attempt.outcome == "custom")
		}

		report, err := elfdiff.Diff(t.Context(), base, fix, attempt.options)
		require.NoError(t, err)

		if len(report.Refusals) == 0 {
			e.patch(t, was, report, wasSaid, isSaid)

			switch {
			case len(report.Hooks) > 0:
				return "hook"
			case fix != release:
				e.checkAlone(t, fix, isSaid)
			}

			return attempt.outcome
		}

		t.Logf("%s:%s", attempt.outcome, describe(report))

		_, err = report.Payload(elfdiff.PayloadOptions{})
		require.Error(t, err, "UNSOUND: refused, with a payload")

		kinds = nil
		for _, r := range report.Refusals {
			kinds = append(kinds, string(r.Kind))
		}
	}

	slices.Sort(kinds)

	return "refused:" + strings.Join(slices.Compact(kinds), ",")
}

// patch has a process of the vulnerable program take the payload.
func (e *entry) patch(t *testing.T, program string, report *elfdiff.Report, was, is []string) {
	t.Helper()

	content, err := report.Payload(elfdiff.PayloadOptions{})
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "payload")
	require.NoError(t, os.WriteFile(file, content, 0o666))

	proc := start(t, program, "GOGC=20", "GODEBUG=clobberfree=1")
	proc.ok("load " + file)
	proc.ok("apply")
	require.Equal(t, is, e.ask(proc), "UNSOUND: the patched process, and the fixed program")
	proc.ok("gc")
	require.Equal(t, is, e.ask(proc), "UNSOUND: the patched process after collecting garbage")
	proc.ok("revert")
	require.Equal(t, was, e.ask(proc), "the process after the revert, and the vulnerable program")
	proc.end()
	t.Logf("a payload of %d bytes, for %d changes", len(content), len(report.Changed))
}

// answers are those of a new process. They must not depend on what was asked before.
func (e *entry) answers(t *testing.T, program string) []string {
	t.Helper()

	proc := start(t, program)
	defer proc.end()

	answers := e.ask(proc)
	require.Equal(t, answers, e.ask(proc), "answers depend on the calls before")

	return answers
}

func (e *entry) ask(proc *process) (answers []string) {
	proc.t.Helper()

	for _, c := range e.calls {
		answers = append(answers, c.name+" "+c.arg+": "+proc.call(c))
	}

	return answers
}

// build builds the program with one version of the module, in a directory of its own.
func (e *entry) build(t *testing.T, version string) (program string) {
	t.Helper()

	root, err := filepath.Abs("..")
	require.NoError(t, err)

	harness, err := os.ReadFile("testdata/harness.go.txt")
	require.NoError(t, err)

	mod := fmt.Sprintf("module %s\n\ngo 1.26.3\n\nrequire github.com/vgraft/vgraft v0.0.0\n\nreplace github.com/vgraft/vgraft => %q\n\n", module, root)
	mod += fmt.Sprintf("require %s %s\n", e.head["module"], version)

	if e.replace {
		mod += fmt.Sprintf("replace %[1]s => %[1]s %[2]s\n", e.head["module"], version)
	}

	mod += e.files["go.mod"]
	dir := t.TempDir()

	e.write(t, dir, func(name string) bool { return !isHook(name) && name != fixDiff })

	for name, content := range map[string]string{"harness.go": string(harness), "go.mod": mod} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666))
	}

	program = filepath.Join(dir, "program")

	// -mod=mod has the go command write go.sum, and check it with the checksum database.
	goIn(t, dir, "build", "-mod=mod", "-trimpath", "-p", "2", "-o", program, ".")

	used := goIn(t, dir, "list", "-m", "-f", "{{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}", e.head["module"])
	require.Equal(t, version, strings.TrimSpace(used), "the version of the module, after what the others require")

	return program
}

func goIn(t *testing.T, dir string, args ...string) string {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), filepath.Join(runtime.GOROOT(), "bin", "go"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")

	var problems bytes.Buffer
	cmd.Stderr = &problems

	out, err := cmd.Output()
	require.NoError(t, err, "%v\n%s", cmd, problems.String())

	return string(out)
}

func (e *entry) open(t *testing.T, program string) *elfdiff.Build {
	t.Helper()

	b, err := elfdiff.Open(t.Context(), program, elfdiff.OpenOptions{
		Dir: filepath.Dir(program),
		Env: append(os.Environ(), "GOFLAGS=", "GOWORK=off"),
	})
	require.NoError(t, err)

	return b
}

// readOutcomes reads what came of the entries before, by name.
func readOutcomes(t *testing.T) map[string]string {
	t.Helper()

	text, err := os.ReadFile(outcomesFile)
	require.NoError(t, err)

	outcomes := map[string]string{}

	for line := range strings.Lines(string(text)) {
		name, outcome, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}

		verdict, _, _ := strings.Cut(outcome, ":")
		require.Contains(t, corpusOutcomes, verdict, "%s: %s", outcomesFile, line)
		outcomes[name] = outcome
	}

	return outcomes
}

// corpusOutcomes are what may come of an entry.
var corpusOutcomes = []string{"slots", "words", "part", "custom", "hook", "refused"}

// corpusResults are what came of the entries in this run.
type corpusResults struct {
	mu  sync.Mutex
	got map[string]string // by name
}

func (r *corpusResults) add(name, outcome string) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.got[name] = outcome
}

// String is one line of counts. An entry counts for each of the kinds that it was refused for.
func (r *corpusResults) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()

	verdicts, kinds := map[string]int{}, map[string]int{}

	for _, outcome := range r.got {
		verdict, list, refused := strings.Cut(outcome, ":")
		verdicts[verdict]++

		if refused {
			for k := range strings.SplitSeq(list, ",") {
				kinds[k]++
			}
		}
	}

	most := slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(kinds[b], kinds[a]), cmp.Compare(a, b))
	})

	var refusals []string
	for _, k := range most {
		refusals = append(refusals, fmt.Sprint(k, " ", kinds[k]))
	}

	return fmt.Sprintf("%d real fixes: as released, %d patched with slots alone, %d with words; %d with the release's changes that are the fix; "+
		"%d with changes by hand, %d with a hook; %d refused (%s)",
		len(r.got), verdicts["slots"], verdicts["words"], verdicts["part"], verdicts["custom"], verdicts["hook"], verdicts["refused"], strings.Join(refusals, ", "))
}

// write records the outcomes of this run, and keeps those of entries that weren't in it.
func (r *corpusResults) write(t *testing.T, old map[string]string, entries []*entry) {
	t.Helper()

	r.mu.Lock()
	defer r.mu.Unlock()

	var out strings.Builder

	out.WriteString("# What comes of each entry: slots, words, part, custom, hook, or refused:kind,kind\n")
	out.WriteString("# Made by go test ./elfdiff -run TestCorpus -corpus.all -corpus.update\n")

	for _, e := range entries {
		if outcome := cmp.Or(r.got[e.name], old[e.name]); outcome != "" {
			fmt.Fprintf(&out, "%s %s\n", e.name, outcome)
		}
	}

	require.NoError(t, os.WriteFile(outcomesFile, []byte(out.String()), 0o666))
}
