//go:build linux

package elfdiff_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/internal/payload"
	"github.com/vgraft/vgraft/internal/testutil"
)

// stressTime is how long a process is patched in each of the runs. For more than what CI
// has time for:
//
//	go test ./elfdiff -run TestStress -timeout 24h -stress.time 1h
var stressTime = flag.Duration("stress.time", time.Second, "how long each run of TestStress takes")

// newest is the other version of Go whose programs are patched.
const newest = "go1.27.4"

// emulator runs programs for arm64.
const emulator = "qemu-aarch64-static"

// libraryOfArm64 is where Debian has the dynamic linker that position-independent programs
// ask for.
const libraryOfArm64 = "/usr/aarch64-linux-gnu"

// form is a way of building a program.
type form struct {
	name  string
	flags []string // of go build
	env   []string
	cgo   bool

	profiled bool // built with a profile of itself
	stripped bool // what runs has no symbols, unlike what was compared
	arm64    bool
	go127    bool
}

var static = form{name: "static"}

// forms are those that are built and run.
var forms = []form{
	static,
	{name: "stripped", stripped: true},
	{name: "pie", flags: []string{"-buildmode=pie"}},
	{name: "trimpath", flags: []string{"-trimpath"}},
	{name: "pgo", profiled: true},
	{name: "plain", flags: []string{"-gcflags=all=-N -l"}},
	{name: "external", flags: []string{"-ldflags=-linkmode=external"}, cgo: true},
	{name: "external-pie", flags: []string{"-buildmode=pie", "-ldflags=-linkmode=external"}, cgo: true},
	{name: "race", flags: []string{"-race"}, cgo: true},
	{name: "go1.27", go127: true},
	{name: "go1.27-pie", flags: []string{"-buildmode=pie"}, go127: true},
	{name: "arm64", arm64: true},
	{name: "arm64-pie", flags: []string{"-buildmode=pie"}, arm64: true},
	{name: "arm64-go1.27", arm64: true, go127: true},
}

// quickForms are those of short tests.
var quickForms = []string{"static", "go1.27"}

// checked is the name of the settings that have the collector check itself.
const checked = "checked"

// debug are settings of the runtime that have it notice more, or work in another way.
var debug = []struct {
	name string
	env  []string
}{
	{"default", nil},
	{checked, []string{"GODEBUG=gccheckmark=1,clobberfree=1"}},
	{"collecting", []string{"GOGC=1"}},
	{"stopped", []string{"GODEBUG=gcstoptheworld=1,clobberfree=1", "GOGC=1"}},
	{"cooperative", []string{"GODEBUG=asyncpreemptoff=1"}},
}

// stressed is a program in both versions, and the payload that makes the one the other.
type stressed struct {
	form
	program  string // of the base, as it runs
	file     []byte
	where    string // what the slot of that name gives
	report   *elfdiff.Report
	compared time.Duration
}

func (f form) environ() []string {
	env := slices.Concat(os.Environ(), []string{"GOFLAGS=", "GOWORK=off", "GOENV=off", "GOOS=linux", "GORACE=exitcode=0 log_path=/dev/null"}, f.env)

	set := func(name string, yes bool, a, b string) {
		if !yes {
			a = b
		}

		env = append(env, name+"="+a)
	}

	set("CGO_ENABLED", f.cgo, "1", "0")
	set("GOTOOLCHAIN", f.go127, newest, "local")
	set("GOARCH", f.arm64, "arm64", runtime.GOARCH)

	return env
}

// emulated says whether the form's programs are for another machine than this one.
func (f form) emulated() bool { return f.arm64 && runtime.GOARCH != "arm64" }

// missing is what the form needs and isn't there.
func (f form) missing(t testing.TB) string {
	t.Helper()

	has := func(tool string) bool { _, err := exec.LookPath(tool); return err == nil }

	switch {
	case f.cgo && (!has("gcc") || f.emulated()):
		return "no C compiler"
	case f.stripped && !has("strip"):
		return "no strip"
	case f.emulated() && !has(emulator):
		return "no " + emulator
	case f.emulated() && len(f.flags) > 0 && !has(libraryOfArm64+"/lib/ld-linux-aarch64.so.1"):
		return "no dynamic linker for arm64"
	}

	if out, err := f.goCommand(t.Context(), t.TempDir(), "version").CombinedOutput(); err != nil {
		return fmt.Sprintf("no toolchain: %s", out)
	}

	return ""
}

func (f form) goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(runtime.GOROOT(), "bin", "go"), args...)
	cmd.Dir, cmd.Env = dir, f.environ()

	return cmd
}

// run runs a program of the form.
func (f form) run(t testing.TB, limit time.Duration, program string, env []string, args ...string) (string, error) {
	t.Helper()

	if f.emulated() {
		args = append([]string{program}, args...)
		program = emulator
	}

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()

	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = slices.Concat(f.environ(), []string{"QEMU_LD_PREFIX=" + libraryOfArm64, "GOTRACEBACK=all"}, env)
	cmd.WaitDelay = time.Second

	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}

	return string(out), err
}

// source writes the module of a version, and gives its directory.
func source(t testing.TB, versions ...string) string {
	t.Helper()

	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)

	for _, v := range versions {
		from := filepath.Join("testdata", "stress", v)
		files, err := filepath.Glob(filepath.Join(from, "*.go"))
		require.NoError(t, err)

		more, err := filepath.Glob(filepath.Join(from, "*", "*.go"))
		require.NoError(t, err)

		for _, file := range append(files, more...) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)

			name, err := filepath.Rel(from, file)
			require.NoError(t, err)

			name = filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o777))
			require.NoError(t, os.WriteFile(name, text, 0o666))
		}
	}

	root, err := filepath.Abs("..")
	require.NoError(t, err)

	mod := fmt.Sprintf("module example.com/stress\n\ngo 1.26.3\n\nrequire github.com/vgraft/vgraft v0.0.0\n\nreplace github.com/vgraft/vgraft => %q\n", root)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o666))

	return dir
}

func (f form) build(t testing.TB, dir string, flags ...string) string {
	t.Helper()

	out := filepath.Join(t.TempDir(), "stress")
	args := slices.Concat([]string{"build", "-p", "2", "-o", out}, f.flags, flags, []string{"."})

	text, err := f.goCommand(t.Context(), dir, args...).CombinedOutput()
	require.NoError(t, err, "%s", text)

	return out
}

// make builds both versions and the payload.
func (f form) make(t testing.TB) *stressed {
	t.Helper()

	s := &stressed{form: f}
	dirs := []string{source(t, base), source(t, base, fixed)}

	var flags []string

	if f.profiled {
		profiles := t.TempDir()

		out, err := f.run(t, time.Minute, f.build(t, dirs[0]), nil, "-profiles", profiles, "-time", "1s")
		require.NoError(t, err, "%s", out)

		flags = []string{"-pgo=" + filepath.Join(profiles, "cpu")}
	}

	var builds [2]*elfdiff.Build

	programs := []string{f.build(t, dirs[0], flags...), f.build(t, dirs[1], flags...)}

	for i := range builds {
		var err error
		builds[i], err = elfdiff.Open(t.Context(), programs[i], elfdiff.OpenOptions{Dir: dirs[i], Env: f.environ()})
		require.NoError(t, err)
	}

	start := time.Now()

	var err error
	s.report, err = elfdiff.Diff(t.Context(), builds[0], builds[1], elfdiff.Options{})
	require.NoError(t, err)
	require.Empty(t, s.report.Refusals, describe(s.report))

	s.file, err = s.report.Payload(elfdiff.PayloadOptions{})
	require.NoError(t, err)

	s.compared = time.Since(start)

	// The tests of the features are right in a program that has them from the beginning.
	out, err := f.run(t, time.Minute, programs[1], nil, "-mode", "fresh")
	require.NoError(t, err, "%s", out)
	require.Regexp(t, "^3 good ", out)

	s.where = strings.TrimSpace(strings.SplitN(out, " ", 3)[2])
	s.program = programs[0]

	if f.stripped {
		text, err := exec.CommandContext(t.Context(), "strip", s.program).CombinedOutput()
		require.NoError(t, err, "%s", text)
	}

	return s
}

// outcome is the line that the program ends with.
var outcome = regexp.MustCompile(`(?m)^(OK|BAD) old=(\d+) new=(\d+) failed=(\d+) flips=(\d+) collections=(\d+) dumps=(\d+) seen=(\d+) mapped=(\d+)$`)

// result are the numbers of that line.
type result struct{ old, new, failed, flips, collections, dumps, seen, mapped int }

// patch has the program be patched, and tells what went wrong.
func (s *stressed) patch(t testing.TB, length time.Duration, files []string, env []string, args ...string) (r result, _ error) {
	t.Helper()

	args = append([]string{"-time", length.String(), "-where", s.where, "-payloads", strings.Join(files, ",")}, args...)

	out, err := s.run(t, length+3*time.Minute, s.program, env, args...)

	m := outcome.FindStringSubmatch(out)
	if m == nil {
		return r, fmt.Errorf("it ended without a result: %w\n%.8000s", cmp.Or(err, os.ErrInvalid), out)
	}

	for i, n := range []*int{&r.old, &r.new, &r.failed, &r.flips, &r.collections, &r.dumps, &r.seen, &r.mapped} {
		*n, _ = strconv.Atoi(m[2+i]) // of digits
	}

	if m[1] != "OK" || err != nil {
		return r, fmt.Errorf("%s: %w\n%.8000s", m[0], cmp.Or(err, os.ErrInvalid), out)
	}

	return r, nil
}

// written writes a payload where the program finds it.
func written(t testing.TB, file []byte) string {
	t.Helper()

	name := filepath.Join(t.TempDir(), "payload")
	require.NoError(t, os.WriteFile(name, file, 0o666))

	return name
}

// TestStress patches a program that does everything at once: its functions are called from
// sections and without, by one goroutine that is preempted in the middle of a loop too,
// while garbage is collected, memory given back, stacks are dumped and all profiles written,
// and the patch is applied and reverted as fast as it goes.
func TestStress(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("patches are for amd64 and arm64")
	}

	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			if testing.Short() && !slices.Contains(quickForms, f.name) {
				t.Skip("builds the standard library")
			}

			if why := f.missing(t); why != "" {
				// Where the check command runs, it has installed what is needed. A toolchain it
				// hasn't.
				require.Empty(t, os.Getenv(testutil.LayersEnv), why)
				t.Skip(why)
			}

			if !slices.Contains(quickForms, f.name) {
				t.Parallel() // with other forms: much of it is waiting for links
			}

			f.stress(t)
		})
	}
}

func (f form) stress(t *testing.T) {
	testutil.Stress(t)

	if f.arm64 {
		testutil.Arm64(t)
	}

	s := f.make(t)

	t.Logf("%d functions, %d variables, %d types, %d bytes, compared in %v",
		len(s.report.Functions), len(s.report.Variables), len(s.report.Types), len(s.file), s.compared.Round(time.Millisecond))

	name := written(t, s.file)
	whole := f.name == static.name

	for _, d := range debug {
		if d.name != checked && !whole {
			continue
		}

		t.Run(d.name, func(t *testing.T) {
			profiles := t.TempDir()

			r, err := s.patch(t, *stressTime, []string{name}, d.env, "-profiles", profiles)
			require.NoError(t, err)
			require.Zero(t, r.failed)
			t.Logf("%+v", r)

			if !f.emulated() { // qemu has no signals of the profiler's timers
				checkProfiles(t, f, s.program, profiles)
			}
		})
	}

	if whole {
		t.Run("stacked", func(t *testing.T) { s.stack(t) })
	}

	if slices.Contains(quickForms, f.name) {
		t.Run("controls", func(t *testing.T) { s.controls(t) })
	}
}

// checkProfiles has the tools of Go read what was written, and looks for the payload in it.
func checkProfiles(t *testing.T, f form, program, dir string) {
	t.Helper()

	tool := func(args ...string) string {
		out, err := f.goCommand(t.Context(), dir, append([]string{"tool"}, args...)...).Output()
		require.NoError(t, err, "%v", args)

		return string(out)
	}

	for _, name := range []string{"cpu", "heap", "allocs", "block", "mutex", "goroutine"} {
		top := tool("pprof", "-top", "-nodecount=1000", program, filepath.Join(dir, name))
		require.Contains(t, top, "Type: ", name)

		if name == "cpu" {
			require.Contains(t, top, "stress/lib.whirl", "the payload isn't in the profile")
		}
	}

	// All that there is in a trace is much, and parsed to the end where this is written.
	events := tool("trace", "-d=footprint", filepath.Join(dir, "trace"))
	require.NotEmpty(t, events)
}

// manyLoads is how many payloads are loaded into one process.
const manyLoads = 200

// stack loads hundreds of payloads: the first half are applied on top of each other, and the
// others one after the other.
func (s *stressed) stack(t *testing.T) {
	dir := t.TempDir()

	var names []string

	f, err := payload.Parse(s.file)
	require.NoError(t, err)

	for i := range manyLoads {
		f.Meta.Name = fmt.Sprint("fix-", i)
		file, err := f.Marshal()
		require.NoError(t, err)

		names = append(names, filepath.Join(dir, strconv.Itoa(i)))
		require.NoError(t, os.WriteFile(names[i], file, 0o666))
	}

	start := time.Now()

	r, err := s.patch(t, time.Minute, names, []string{"GODEBUG=clobberfree=1"}, "-mode", "stack", "-workers", "2")
	require.NoError(t, err)
	require.Equal(t, manyLoads, r.flips)
	t.Logf("%+v in %v", r, time.Since(start).Round(time.Millisecond))
}

// control is a payload that is broken on purpose.
type control struct {
	name  string
	spoil func(t testing.TB, m *mutant)
}

// mutant is a payload to be spoiled.
type mutant struct {
	*payload.File
	goVersion string
}

// Offsets in the module record, which are those of emit.
const (
	recordPCHeader = 0
	recordPCLn     = 104
	recordFtab     = 128
)

// masks is where the pointer masks of data and zeroed data are in the module record.
func (m *mutant) masks() []uint64 {
	if strings.HasPrefix(m.goVersion, "go1.27") {
		return []uint64{520, 536}
	}

	return []uint64{544, 560}
}

// points gives the bytes that a field of the module record points to.
func (m *mutant) points(t testing.TB, field uint64) []byte {
	t.Helper()

	at := m.Meta.Module.Addr + field

	for _, r := range m.Relocs {
		if r.Off == at {
			require.Equal(t, payload.RefImage, r.Ref.Kind)

			to := int64(r.Ref.Value) + r.Addend
			require.GreaterOrEqual(t, to, int64(m.Rodata.Addr))

			return m.Rodata.Bytes[uint64(to)-m.Rodata.Addr:]
		}
	}

	require.Failf(t, "no pointer", "in the module record at %d", field)

	return nil
}

// word is a word of the module record.
func (m *mutant) word(field uint64) uint64 {
	return binary.LittleEndian.Uint64(m.Data.Bytes[m.Meta.Module.Addr-m.Data.Addr+field:])
}

var controls = []control{
	{"pointer masks of variables", func(t testing.TB, m *mutant) {
		for _, at := range m.masks() {
			bits := m.word(at) & (1<<32 - 1)
			require.NotZero(t, bits)

			mask := m.points(t, at+8)[:bits/8]
			require.NotEqual(t, make([]byte, len(mask)), mask)
			clear(mask)
		}
	}},
	{"an empty module", func(_ testing.TB, m *mutant) {
		at, n := m.Meta.Module.Addr, m.Meta.Module.Size
		clear(m.Data.Bytes[at-m.Data.Addr:][:n])

		m.Relocs = slices.DeleteFunc(m.Relocs, func(r payload.Reloc) bool { return r.Off >= at && r.Off < at+n })
	}},
	{"function tables", func(t testing.TB, m *mutant) {
		n := m.word(recordFtab+8) - 1
		require.Greater(t, n, uint64(10))

		ftab := m.points(t, recordFtab)[:8*n]

		// Each function gets the record of the next one.
		first := bytes.Clone(ftab[4:8])
		for i := uint64(0); i < n-1; i++ {
			copy(ftab[8*i+4:], ftab[8*i+12:8*i+16])
		}

		copy(ftab[8*n-4:], first)
	}},
	{"lines", func(t testing.TB, m *mutant) {
		// Each function begins a line further down.
		n := m.word(recordFtab+8) - 1
		ftab, funcs := m.points(t, recordFtab), m.points(t, recordPCLn)
		pc := m.points(t, 80)

		for i := range n {
			f := funcs[binary.LittleEndian.Uint32(ftab[8*i+4:]):]
			if at := binary.LittleEndian.Uint32(f[24:]); at != 0 {
				pc[at] += 2 // zigzag, of a small number
			}
		}
	}},
}

// controls shows that the other runs would see payloads that are broken.
func (s *stressed) controls(t *testing.T) {
	for _, c := range controls {
		t.Run(c.name, func(t *testing.T) {
			f, err := payload.Parse(s.file)
			require.NoError(t, err)

			c.spoil(t, &mutant{f, f.Meta.Target.GoVersion})

			file, err := f.Marshal()
			require.NoError(t, err)
			require.NotEqual(t, s.file, file)

			_, err = s.patch(t, 3*time.Second, []string{written(t, file)}, []string{"GODEBUG=clobberfree=1", "GOGC=1"})
			require.Error(t, err, "nobody noticed")
			t.Logf("%.600s", err)
		})
	}
}

// TestStress_unknownVersion has builds refused whose Go version isn't known.
func TestStress_unknownVersion(t *testing.T) {
	for _, v := range []string{"go1.25.9", "go1.28", "go1.28.1", "go1.27rc1", "go1.270.1", "go1.27-custom", "devel go1.27-0123456789", "go2.1", ""} {
		b := &elfdiff.Build{Info: elfdiff.BuildInfo{GoVersion: v}}

		r, err := elfdiff.Diff(t.Context(), b, b, elfdiff.Options{})
		require.NoError(t, err, v)
		require.Len(t, r.Refusals, 1, v)
		require.Equal(t, elfdiff.RefuseGoVersion, r.Refusals[0].Kind, v)
	}
}
