//go:build linux

package elfdiff_test

import (
	"cmp"
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
