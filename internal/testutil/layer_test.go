package testutil

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/nest"
)

// failEnv makes TestFailsInRig do what its name says.
const failEnv = "VGRAFT_TESTUTIL_FAIL"

func TestLinuxGuest(t *testing.T) {
	layers := os.Getenv(LayersEnv)
	if layers == "" {
		layers = filepath.Join(t.TempDir(), "layers")
		t.Setenv(LayersEnv, layers) // handed on to the rig
	}
	if LinuxGuest(t) {
		require.NoError(t, ring0())
		require.True(t, KVM(t))
		return
	}
	got, err := os.ReadFile(layers)
	require.NoError(t, err)
	require.Contains(t, string(got), "linux github.com/vgraft/vgraft/internal/testutil/TestLinuxGuest\n")
}

func TestProgram(t *testing.T) {
	require.Equal(t, "out\nerr\n", Program(t, runtime.GOARCH, "sh", "-c", "[ -c /dev/kvm ] && echo out && echo err >&2"))
}

// TestFailingProgram is a victim of TestFailurePropagates.
func TestFailingProgram(t *testing.T) {
	if os.Getenv(failEnv) == "" {
		t.Skip("runs only as a part of TestFailurePropagates")
	}
	Program(t, runtime.GOARCH, "sh", "-c", "exit 3")
}

// TestFailsInRig is a victim of TestFailurePropagates.
func TestFailsInRig(t *testing.T) {
	if os.Getenv(failEnv) == "" {
		t.Skip("runs only as a part of TestFailurePropagates")
	}
	if !LinuxGuest(t) {
		return
	}
	t.Error("a deliberate failure")
}

func TestFailurePropagates(t *testing.T) {
	if testing.Short() || nest.Inside() {
		t.Skip("boots the nested rig")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^(TestFailsInRig|TestFailingProgram)$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), failEnv+"=1", Ring0Env+"=")
	if ring0() == nil {
		t.Skip("this machine needs no rig")
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "output: %s", out)
	require.Contains(t, string(out), "a deliberate failure")
	require.Contains(t, string(out), "failed in the nested rig, exit code 1")
	require.Contains(t, string(out), "--- FAIL: TestFailsInRig")
	require.Contains(t, string(out), "sh failed in the nested rig, exit code 3")
	require.Contains(t, string(out), "--- FAIL: TestFailingProgram")
}

func TestRing0_environment(t *testing.T) {
	if testing.Short() {
		t.Skip("needs /dev/kvm")
	}
	if !KVM(t) {
		return
	}
	// The verdict is kept for the life of a process, so each is asked of a new one.
	exe, err := os.Executable()
	require.NoError(t, err)
	verdict := func(value string) string {
		cmd := exec.Command(exe, "-test.run=^TestRing0Verdict$", "-test.v")
		cmd.Env = append(os.Environ(), Ring0Env+"="+value)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err)
		return string(out)
	}
	require.Contains(t, verdict("native"), "verdict: <nil>")
	require.Contains(t, verdict("emulated"), "verdict: VGRAFT_RING0 says")
	require.Contains(t, verdict("maybe"), `verdict: VGRAFT_RING0 is "maybe"`)
}

// TestRing0Verdict tells what the probe finds; see TestRing0_environment.
func TestRing0Verdict(t *testing.T) {
	start := time.Now()
	err := ring0()
	t.Logf("verdict: %v", err)
	t.Logf("took %v", time.Since(start))
}

func TestAccount(t *testing.T) {
	layers := filepath.Join(t.TempDir(), "layers")
	t.Setenv(LayersEnv, layers)
	t.Run("passes", func(t *testing.T) { Pure(t) })
	t.Run("skips", func(t *testing.T) { Pure(t); t.Skip("on purpose") })
	failed := &recorder{TB: t, name: "TestX", failed: true}
	Pure(failed)
	failed.finish()
	passed := &recorder{TB: t, name: "TestY"}
	Pure(passed)
	passed.finish()
	got, err := os.ReadFile(layers)
	require.NoError(t, err)
	require.Equal(t, "pure github.com/vgraft/vgraft/internal/testutil/TestAccount/passes\n"+
		"pure github.com/vgraft/vgraft/internal/testutil/TestY\n", string(got))
}

func TestTestArgs(t *testing.T) {
	run := flag.Lookup("test.run").Value.String()
	t.Cleanup(func() { require.NoError(t, flag.Set("test.run", run)) })
	for _, c := range []struct{ run, want string }{
		{"", "-test.run=^TestA$"},
		{"TestA", "-test.run=^TestA$"},
		{"TestA/one/two", "-test.run=^TestA$/one/two"},
		{"TestA/one|TestB/two", "-test.run=^TestA$"},
	} {
		require.NoError(t, flag.Set("test.run", c.run))
		args := testArgs("TestA", time.Minute)
		require.Equal(t, []string{c.want, "-test.v", "-test.count=1", "-test.timeout=1m0s"}, args)
	}
}

func TestTestResult(t *testing.T) {
	const out = "=== RUN   TestA\n=== RUN   TestA/x\n    --- FAIL: TestA (0.0s)\n--- PASS: TestAB (0.00s)\n--- SKIP: TestA (0.01s)\nPASS\n"
	require.Equal(t, "SKIP", testResult([]byte(out), "TestA"))
	require.Equal(t, "PASS", testResult([]byte(out), "TestAB"))
	require.Equal(t, "", testResult([]byte("testing: warning: no tests to run\nPASS\n"), "TestA"))
}

func TestStalled(t *testing.T) {
	for console, want := range map[string]bool{
		"rcu: \trcu_preempt kthread starved for 68264 jiffies! g1297": true,
		"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:":       true,
		"Linux version 6.1\nrcu: Hierarchical SRCU implementation.":   false,
		"": false,
	} {
		if got := stalled(console); got != want {
			t.Errorf("stalled(%q) = %v", console, got)
		}
	}
}

func TestPanicked(t *testing.T) {
	for console, want := range map[string]bool{
		"[    5.819549] Kernel panic - not syncing: corrupted stack end detected inside scheduler": true,
		"Linux version 6.1\nnest: insmod /modules/x.ko failed":                                     false,
	} {
		if got := panicked(console); got != want {
			t.Errorf("panicked(%q) = %v", console, got)
		}
	}
}
