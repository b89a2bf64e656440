package testutil

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vgraft/vgraft/internal/nest"
)

// deadlineReserve is how much earlier the test in the rig must give up, so
// that its own report arrives before this process is ended.
const deadlineReserve = 10 * time.Second

// inRig runs t's top-level test in the nested rig and makes its result t's.
func inRig(t testing.TB, why string) {
	t.Helper()
	name := t.Name()
	if strings.Contains(name, "/") {
		t.Fatalf("testutil: the layer must be stated at the top of the top-level test, not in %s", name)
	}
	if testing.Short() {
		t.Skipf("-short: needs the nested rig (%s)", why)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	timeout := time.Duration(0)
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, ok := d.Deadline(); ok {
			cancel()
			ctx, cancel = context.WithDeadline(t.Context(), end.Add(-deadlineReserve/2))
			timeout = max(time.Until(end)-deadlineReserve, time.Second)
		}
	}
	defer cancel()
	if err := nest.FetchKernels(ctx); err != nil {
		t.Fatal(err) // the rig has no network
	}
	t.Logf("in the nested rig, because %s", why)
	code, said, err := rerun(ctx, t, stallAfter, append([]string{exe}, testArgs(name, timeout)...))
	switch result := testResult(said, name); {
	case err != nil:
		t.Fatal(err)
	case code != 0:
		t.Fatalf("failed in the nested rig, exit code %d", code)
	case result == "SKIP":
		t.Skip("skipped in the nested rig")
	case result != "PASS":
		t.Fatal("the test binary in the nested rig ended well, but reports no result of this test")
	}
}

// The emulated machine, or a guest in it, sometimes stops getting on: its kernel panics, or
// complains of stalls, or, where the emulator is known to hang (see nest.EmulatorMayHang), nobody
// says a word for stallAfter. Then the test is begun anew in another rig. With other
// emulators a test that merely says nothing hangs by itself and has failed; and what
// hangs by itself does so in each rig.
const (
	stallAfter = time.Minute
	rigTries   = 3
)

var (
	errSilent  = errors.New("no output from the nested rig")
	errStalled = errors.New("the nested rig, or a guest in it, stands")
)

// rerun runs the command in a rig of its own, and in another one where that stalled. It may
// say nothing for as long as silence.
func rerun(ctx context.Context, t testing.TB, silence time.Duration, argv []string) (code int, said []byte, err error) {
	code, said, err = runOnce(ctx, t, silence, argv)
	for try := 1; errors.Is(err, errStalled) && try < rigTries; try++ {
		t.Logf("the nested rig stalled; trying again: %v", err)
		code, said, err = runOnce(ctx, t, silence, argv)
	}
	return code, said, err
}

func runOnce(ctx context.Context, t testing.TB, silence time.Duration, argv []string) (code int, said []byte, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(fmt.Errorf("%w for %v", errSilent, silence)) })
	defer watchdog.Stop()
	var b bytes.Buffer
	alive := writerFunc(func(p []byte) (int, error) {
		watchdog.Reset(silence)
		return len(p), nil
	})
	out := io.MultiWriter(&b, t.Output(), alive) // one writer for both streams: written by one goroutine
	code, err = nest.Run(ctx, nest.Config{Stdout: out, Stderr: out}, argv...)
	rig := (*nest.RigError)(nil)
	switch {
	case !errors.As(err, &rig):
	case panicked(rig.Console),
		errors.Is(context.Cause(ctx), errSilent) && (stalled(rig.Console) || nest.EmulatorMayHang(context.WithoutCancel(ctx))):
		err = fmt.Errorf("%w: %w", errStalled, err)
	}
	return code, b.Bytes(), err
}

// stalled says whether a kernel log has the complaint of a processor that stands:
// "rcu: INFO: rcu_preempt detected stalls", "... kthread starved for 68264 jiffies",
// "watchdog: BUG: soft lockup".
func stalled(console string) bool {
	return strings.Contains(console, "detected stalls") || strings.Contains(console, "kthread starved for") ||
		strings.Contains(console, "self-detected stall") || strings.Contains(console, "soft lockup")
}

// panicked says whether the rig's own kernel gave up.
func panicked(console string) bool { return strings.Contains(console, "Kernel panic - not syncing") }

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// testArgs are the arguments for this one test. Flags of the test binary's own
// are passed on, and the part of -run that chooses subtests.
func testArgs(name string, timeout time.Duration) []string {
	run := "^" + regexp.QuoteMeta(name) + "$"
	if f := flag.Lookup("test.run"); f != nil {
		// With | the parts may belong to different tests.
		if _, sub, ok := strings.Cut(f.Value.String(), "/"); ok && !strings.Contains(f.Value.String(), "|") {
			run += "/" + sub
		}
	}
	args := []string{"-test.run=" + run, "-test.v", "-test.count=1"}
	if timeout > 0 {
		args = append(args, "-test.timeout="+timeout.String())
	}
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") {
			args = append(args, fmt.Sprintf("-%s=%s", f.Name, f.Value))
		}
	})
	return append(args, flag.Args()...)
}

// testResult finds what -test.v says about a top-level test: PASS, FAIL, SKIP
// or nothing.
func testResult(output []byte, name string) string {
	m := regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): `+regexp.QuoteMeta(name)+` \(`).FindAllSubmatch(output, -1)
	if m == nil {
		return ""
	}
	return string(m[len(m)-1][1])
}
