package elfdiff_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
)

// TestPairs compares two builds of each program in testdata/pairs, and has a process of the
// older one take the patch. A pair tells what must come of it:
//
//	want: safe                 a payload, and with it the answers of the fixed program
//	want: right                either that, or a refusal of any kind
//	want: nothing              no change at all
//	want: refuse KIND SYMBOL   a refusal; KIND may be a|b, SYMBOL may be *. All lines must come true.
//	options: process-wide
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
	pairs := readPairs(t)
	builds := buildPairs(t, pairs)

	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			checkPair(t, p, builds)
		})
	}
}

// TestPairs_parse has the parser refuse what would make a pair check less than it says.
func TestPairs_parse(t *testing.T) {
	const good = "About it.\nwant: safe\ncalls: f x\n-- base/main.go --\na\n-- fixed/main.go --\nb\n"

	_, err := parsePair("good", good)
	require.NoError(t, err)

	for _, c := range []struct{ old, new, want string }{
		{"want: safe", "", "no want"},
		{"want: safe", "want: sound", "want: sound"},
		{"want: safe", "want: refuse caller", "want: refuse caller"},
		{"want: safe", "want: refuse colour *", "colour"},
		{"want: safe", "want: safe\nwant: refuse caller *", "want"},
		{"About it.\n", "", "comment"},
		{"calls: f x\n", "", "no calls"},
		{"calls:", "call:", "call:"},
		{"base/main.go", "main.go", "main.go"},
		{"fixed/main.go", "fixed/../main.go", "main.go"},
		{"-- fixed/main.go --\nb\n", "", "fixed"},
	} {
		require.Contains(t, good, c.old)

		text := strings.Replace(good, c.old, c.new, 1)
		_, err := parsePair("bad", text)
		require.ErrorContains(t, err, c.want, "%s", text)
	}
}

// The two builds of a pair.
const (
	base  = "base"
	fixed = "fixed"
)

var sides = []string{base, fixed}

type call struct{ name, arg string }

type want struct{ kinds, symbol string }

type pair struct {
	name, comment string

	outcome     string // safe, right, nothing, refuse
	refusals    []want
	processWide bool
	accept      []string

	before, calls  []call
	same, stateful bool

	cgo, slow bool
	flags     map[string][]string // by side
	env       map[string][]string

	files map[string]map[string]string // by side and name
}

// kinds are those of elfdiff.RefusalKind.
var kinds = strings.Fields(`toolchain flags go-version build-id runtime assembly nosplit cgo type-layout type-methods
	local-type variable-type variable-value initialiser new-variable package-init caller goroutine closure method-value
	function-value interface-table method-table dictionary signature slot pruned variable-pruned relocation linkname`)

func readPairs(t *testing.T) []*pair {
	t.Helper()

	names, err := filepath.Glob("testdata/pairs/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, names)

	var pairs []*pair

	for i, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)

		p, err := parsePair(strings.TrimSuffix(filepath.Base(name), ".txt"), string(text))
		require.NoError(t, err)

		switch {
		case p.cgo && noCgo():
			t.Logf("%s: left out: no C compiler", p.name)
		case p.slow && os.Getenv("VGRAFT_SLOW") == "":
			t.Logf("%s: left out: slow", p.name)
		case testing.Short() && i%10 != 0:
		default:
			pairs = append(pairs, p)
		}
	}

	return pairs
}

func noCgo() bool {
	_, err := exec.LookPath("gcc")

	return err != nil || os.Getenv("CGO_ENABLED") == "0"
}

var header = regexp.MustCompile(`^([a-z-]+): *(.*)$`)

func parsePair(name, text string) (*pair, error) {
	p := &pair{
		name:  name,
		flags: map[string][]string{},
		env:   map[string][]string{},
		files: map[string]map[string]string{base: {}, fixed: {}},
	}

	head, files, _ := strings.Cut("\n"+text, "\n-- ")

	for line := range strings.SplitSeq(head, "\n") {
		m := header.FindStringSubmatch(line)

		switch {
		case line == "":
		case m == nil:
			p.comment += line + "\n"
		default:
			if err := p.header(m[1], m[2]); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, line, err)
			}
		}
	}

	if err := p.addFiles(files); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	switch {
	case p.comment == "":
		return nil, fmt.Errorf("%s: no comment", name)
	case p.outcome == "":
		return nil, fmt.Errorf("%s: no want", name)
	case len(p.calls) == 0:
		return nil, fmt.Errorf("%s: no calls", name)
	}

	return p, nil
}

func (p *pair) header(key, value string) error {
	both := func(m map[string][]string) { m[base], m[fixed] = strings.Fields(value), strings.Fields(value) }

	switch {
	case key == "want":
		return p.want(value)
	case key == "before":
		p.before = parseCalls(value)
	case key == "calls":
		p.calls = parseCalls(value)
	case key == "flags":
		both(p.flags)
	case key == "env":
		both(p.env)
	case key == "flags-base" || key == "flags-fixed":
		p.flags[strings.TrimPrefix(key, "flags-")] = strings.Fields(value)
	case key == "env-base" || key == "env-fixed":
		p.env[strings.TrimPrefix(key, "env-")] = strings.Fields(value)
	case key == "options" && value == "process-wide":
		p.processWide = true
	case key == "accept":
		p.accept = strings.Fields(value)
	case key == "needs" && value == "cgo":
		p.cgo = true
	case key == "slow" && value == "yes":
		p.slow = true
	case key == "same" && value == "yes":
		p.same = true
	case key == "stateful" && value == "yes":
		p.stateful = true
	default:
		return errors.New("unknown line")
	}

	return nil
}

func (p *pair) want(value string) error {
	outcome, rest, _ := strings.Cut(value, " ")

	switch {
	case !slices.Contains([]string{"safe", "right", "nothing", "refuse"}, outcome):
		return errors.New("unknown want")
	case p.outcome != "" && (p.outcome != "refuse" || outcome != "refuse"):
		return errors.New("a second want")
	}

	p.outcome = outcome

	if outcome != "refuse" {
		return nil
	}

	kind, symbol, ok := strings.Cut(rest, " ")
	if !ok {
		return errors.New("no symbol")
	}

	for k := range strings.SplitSeq(kind, "|") {
		if !slices.Contains(kinds, k) {
			return fmt.Errorf("unknown kind %s", k)
		}
	}

	p.refusals = append(p.refusals, want{kind, symbol})

	return nil
}

func parseCalls(s string) (calls []call) {
	for c := range strings.SplitSeq(s, ";") {
		name, arg, _ := strings.Cut(strings.TrimSpace(c), " ")
		calls = append(calls, call{name, arg})
	}

	return calls
}

// addFiles takes the rest of the file, from behind the first "-- " on. What base has and
// fixed doesn't name, fixed has too; what consists of the line DELETED it hasn't.
func (p *pair) addFiles(text string) error {
	for file := range strings.SplitSeq(text, "\n-- ") {
		head, content, ok := strings.Cut(file, " --\n")
		side, name, _ := strings.Cut(head, "/")

		if !ok || p.files[side] == nil || !filepath.IsLocal(name) || path.Clean(name) != name {
			return fmt.Errorf("a file called %q", head)
		}

		p.files[side][name] = strings.TrimSuffix(content, "\n") + "\n"
	}

	if p.files[base]["main.go"] == "" {
		return errors.New("no base/main.go")
	}

	if len(p.files[fixed]) == 0 && slices.Equal(p.flags[base], p.flags[fixed]) && slices.Equal(p.env[base], p.env[fixed]) {
		return errors.New("nothing is fixed")
	}

	inherited := maps.Clone(p.files[base])
	maps.Copy(inherited, p.files[fixed])
	maps.DeleteFunc(inherited, func(_, content string) bool { return content == "DELETED\n" })
	p.files[fixed] = inherited

	return nil
}

// module is the main module of all pairs; each is a directory of it, so that one run of the
// go command builds many.
const module = "example.com/pair"

func (p *pair) path() string { return module + "/" + p.name }

// own is a text of the pair, with its import paths as they are where it is built.
func (p *pair) own(s string) string { return strings.ReplaceAll(s, module, p.path()) }

// builds is where the programs and their objects are.
type builds struct {
	dir     string
	objects map[string]map[string][]object // by side and name of the pair

	cache sync.Map // of the files of objects, by path: most are in every program
}

type object struct{ pkg, file string }

func (b *builds) program(side string, p *pair) string {
	return filepath.Join(b.dir, "bin", side, p.name)
}

// buildPairs builds all programs: those with the same flags in one go.
func buildPairs(t *testing.T, pairs []*pair) *builds {
	t.Helper()

	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("patches are for linux on amd64 and arm64")
	}

	b := &builds{dir: t.TempDir(), objects: map[string]map[string][]object{}}
	start := time.Now()

	for _, side := range sides {
		b.objects[side] = map[string][]object{}
		groups := map[string][]*pair{}

		for _, p := range pairs {
			b.write(t, side, p)

			key := fmt.Sprint(p.flags[side], p.env[side])
			groups[key] = append(groups[key], p)
		}

		b.module(t, side)

		for _, key := range slices.Sorted(maps.Keys(groups)) {
			b.build(t, side, groups[key])
		}
	}

	t.Logf("%d pairs built in %v", len(pairs), time.Since(start).Round(time.Second/10))

	return b
}

// write writes the sources of one side of a pair.
func (b *builds) write(t *testing.T, side string, p *pair) {
	t.Helper()

	harness, err := os.ReadFile("testdata/harness.go.txt")
	require.NoError(t, err)

	files := maps.Clone(p.files[side])
	files["harness.go"] = string(harness)

	for name, content := range files {
		file := filepath.Join(b.dir, side, p.name, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
		require.NoError(t, os.WriteFile(file, []byte(p.own(content)), 0o666))
	}
}

func (b *builds) module(t *testing.T, side string) {
	t.Helper()

	root, err := filepath.Abs("..")
	require.NoError(t, err)

	mod := fmt.Sprintf("module %s\n\ngo 1.26.3\n\nrequire github.com/vgraft/vgraft v0.0.0\n\nreplace github.com/vgraft/vgraft => %q\n", module, root)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, side, "go.mod"), []byte(mod), 0o666))
}

// build builds pairs of the same flags, and notes which objects each program consists of.
func (b *builds) build(t *testing.T, side string, pairs []*pair) {
	t.Helper()

	var packages []string
	for _, p := range pairs {
		packages = append(packages, "./"+p.name)
	}

	bin := filepath.Join(b.dir, "bin", side) + "/"
	require.NoError(t, os.MkdirAll(bin, 0o777))

	b.goCommand(t, side, pairs[0], []string{"build", "-p", "2", "-o", bin}, packages)
	out := b.goCommand(t, side, pairs[0], []string{"list", "-export", "-deps", "-json=ImportPath,Export,Deps"}, packages)

	type listed struct {
		ImportPath, Export string
		Deps               []string
	}

	all := map[string]listed{}

	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed

		err := d.Decode(&l)
		if errors.Is(err, io.EOF) {
			break
		}

		require.NoError(t, err)

		all[l.ImportPath] = l
	}

	for _, p := range pairs {
		deps := slices.Sorted(slices.Values(append(slices.Clone(all[p.path()].Deps), p.path())))

		for _, dep := range deps {
			if file := all[dep].Export; file != "" { // unsafe has none
				b.objects[side][p.name] = append(b.objects[side][p.name], object{dep, file})
			}
		}
	}
}

func (b *builds) goCommand(t *testing.T, side string, like *pair, args, packages []string) []byte {
	t.Helper()

	args = slices.Concat(args, []string{"-trimpath"}, like.flags[side], packages)

	cmd := exec.CommandContext(t.Context(), filepath.Join(runtime.GOROOT(), "bin", "go"), args...)
	cmd.Dir = filepath.Join(b.dir, side)
	cmd.Env = slices.Concat(os.Environ(), []string{"GOFLAGS=", "GOWORK=off"}, like.env[side])

	var problems bytes.Buffer
	cmd.Stderr = &problems

	out, err := cmd.Output()
	require.NoError(t, err, "%v\n%s", cmd, problems.String())

	return out
}

// open gives a program to elfdiff.
func (b *builds) open(t *testing.T, side string, p *pair) *elfdiff.Build {
	t.Helper()

	elf, err := os.ReadFile(b.program(side, p))
	require.NoError(t, err)

	var objects []elfdiff.Object

	for _, o := range b.objects[side][p.name] {
		content, ok := b.cache.Load(o.file)
		if !ok {
			data, err := os.ReadFile(o.file)
			require.NoError(t, err)

			content = data
			if !strings.HasPrefix(o.pkg, module) {
				b.cache.Store(o.file, data)
			}
		}

		objects = append(objects, elfdiff.Object{Package: o.pkg, Archive: content.([]byte)})
	}

	build, err := elfdiff.NewBuild(elf, objects)
	require.NoError(t, err)

	return build
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
		elfdiff.Options{ProcessWide: p.processWide, Accept: strings.Fields(p.own(strings.Join(p.accept, " ")))})
	require.NoError(t, err)

	found := describe(report)

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
	proc.ok("load " + file)

	if !p.stateful {
		require.Equal(t, was, proc.calls(p), "loading the payload has changed something")
	}

	proc.ok("apply")
	require.Equal(t, is, proc.calls(p), "UNSOUND: the patched process, and the fixed program.\n%s", p.comment)

	if !p.stateful {
		proc.ok("gc")
		require.Equal(t, is, proc.calls(p), "UNSOUND: the patched process after collecting garbage.\n%s", p.comment)
	}

	proc.ok("revert")

	if !p.stateful {
		require.Equal(t, was, proc.calls(p), "the process after the revert, and the base program")
		proc.ok("apply")
		proc.ok("gc")
		require.Equal(t, is, proc.calls(p), "the process patched for the second time")
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

	answers := proc.calls(p)

	if !p.stateful {
		require.Equal(t, answers, proc.calls(p), "answers depend on the calls before: say stateful")
	}

	proc.end()

	return answers
}

// process is a program that runs, and does what it is told by lines.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string
	stderr bytes.Buffer
}

func start(t *testing.T, program string, env ...string) *process {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)

	p := &process{t: t, cmd: exec.CommandContext(ctx, program), lines: make(chan string)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = &p.stderr

	in, err := p.cmd.StdinPipe()
	require.NoError(t, err)

	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())

	p.in = in

	go func() {
		defer close(p.lines)

		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()

	return p
}

// ask gives the answer to a line.
func (p *process) ask(line string) string {
	p.t.Helper()

	_, _ = fmt.Fprintln(p.in, line) // where that fails, so does reading

	answer, ok := <-p.lines
	if !ok {
		err := p.cmd.Wait()
		p.t.Fatalf("UNSOUND: the process died of %q: %v\n%s", line, err, p.stderr.String())
	}

	return answer
}

func (p *process) call(c call) string {
	p.t.Helper()

	return p.ask("call " + c.name + " " + c.arg)
}

// calls are the answers to all calls of the pair.
func (p *process) calls(of *pair) (answers []string) {
	p.t.Helper()

	for _, c := range of.calls {
		answers = append(answers, c.name+" "+c.arg+": "+p.call(c))
	}

	return answers
}

func (p *process) ok(line string) {
	p.t.Helper()
	require.Equal(p.t, "ok", p.ask(line), "%s\n%s", line, &p.stderr)
}

// end has the process end by itself.
func (p *process) end() {
	p.t.Helper()
	require.NoError(p.t, p.in.Close())

	_, more := <-p.lines
	require.False(p.t, more)
	require.NoError(p.t, p.cmd.Wait(), "%s", &p.stderr)
}
