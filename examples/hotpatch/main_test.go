package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
)

func TestJSON(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	var out bytes.Buffer

	require.NoError(t, run(t.Context(), []string{"-json", "-flips", "50"}, &out))

	var (
		last   map[string]any
		phases []any
		made   made
	)

	for line := range bytes.Lines(out.Bytes()) {
		last = nil
		require.NoError(t, json.Unmarshal(line, &last), "%s", line)

		if last["event"] == "phase" {
			phases = append(phases, last["phase"])
		}

		if last["event"] == "made" {
			require.NoError(t, json.Unmarshal(line, &made))
		}
	}

	require.Equal(t, []any{"before", "after", "reverted", "repaired"}, phases)
	require.Equal(t, "summary", last["event"])
	require.Equal(t, []string{"main.(*fifo).push"}, made.Changed)
	require.Equal(t, []string{"github.com/vgraft/vgraft/examples/hotpatch.push"}, made.Slots)
	require.Positive(t, made.Meanwhile, "the guest runs while its repair is made")

	var sum summary

	require.NoError(t, json.Unmarshal(out.Bytes()[bytes.LastIndexByte(bytes.TrimSpace(out.Bytes()), '\n')+1:], &sum))
	require.NoError(t, sum.check())
	require.Equal(t, 50, sum.Flips)
	require.Equal(t, 2, sum.VCPUs)
	require.Zero(t, sum.Lost)
	require.Equal(t, 4*sum.Words, sum.Bytes)
	require.Equal(t, sum.Words, sum.OldWords+sum.NewWords)
	require.Positive(t, sum.OldWords)
	require.Positive(t, sum.NewWords)
	require.Positive(t, sum.Apply)
	require.GreaterOrEqual(t, sum.ApplyP99, sum.Apply)
	require.Positive(t, sum.GapApply)
	require.Positive(t, sum.GapControl)
	require.Positive(t, sum.Build)
	require.Positive(t, sum.Diff)
	require.Positive(t, sum.Upload)
	require.Positive(t, sum.Payload)

	for _, key := range []string{"flips", "bytes", "lost", "apply_ns", "stall_ns"} {
		n, ok := last[key].(float64)
		require.True(t, ok && n == float64(int64(n)), "%s: %v", key, last[key])
	}
}

// What people read. What is in it comes from a run, which TestJSON makes: one is slow enough
// where the rig makes it.
func TestOutput(t *testing.T) {
	testutil.Pure(t)

	var out bytes.Buffer

	s := newShow(&out, false)
	s.intro(1, 5)
	s.phase("before", counters{corrupt: 7})
	s.made(made{Patch: "fifo-bounds", Changed: []string{"main.(*fifo).push"}, Slots: []string{"x.push"}, Build: 2e9, Diff: 1e9, Size: 5464, Meanwhile: 9})
	s.transition(patch.Report{Op: patch.OpApply, Swap: 80, Took: 9000}, 200_000, 30_000)
	s.phase("after", counters{intact: 8})
	s.progress(5, 5, func() tally { return tally{} })
	s.endProgress()
	s.summary(summary{Flips: 5, FlipsTook: 1e6})

	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String(), "\r")

	for _, line := range []string{
		`  before    +7 messages: +7 corrupt, +0 intact\n`,
		`  build +2s for`,
		`  diff +1s: main\.\(\*fifo\)\.push\n +through the slot x\.push\n`,
		`  payload +5464 bytes`,
		`  apply +swap 80ns, took 9µs until .* \(request 200µs, longest gap 30µs\)`,
		`  after     +8 messages: +0 corrupt, +8 intact\n`,
		`\n5 flips in `,
		`  lost +0 words\n`,
	} {
		require.Regexp(t, line, out.String())
	}
}

// What the program says where it can't run.
func TestCheckKVM(t *testing.T) {
	testutil.Pure(t)

	path := filepath.Join(t.TempDir(), "kvm")
	err := checkKVM(path)
	require.ErrorContains(t, err, path+" does not exist")
	require.ErrorContains(t, err, "go run ./internal/nest/cmd/nest -- go run ./examples/hotpatch")

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.ErrorContains(t, checkKVM(path), "can't be used")

	require.Contains(t, permit(path), "sudo setfacl -m u:$USER:rw "+path)
	require.Contains(t, permit(path+"x"), "no such file")
}

func TestGaps(t *testing.T) {
	testutil.Pure(t)

	var a accesses

	gap, later := a.gapAt(5)
	require.Zero(t, gap)
	require.False(t, later)

	longest, later := a.longest(5, 6)
	require.Zero(t, longest)
	require.False(t, later)

	for i, at := range []int64{10, 14, 20} {
		a.times[i].Store(at)
	}

	a.count.Store(3)

	for _, c := range []struct {
		from, to, gap int64
		later         bool
	}{{5, 9, 0, true}, {11, 12, 4, true}, {11, 14, 4, true}, {11, 15, 6, true}, {10, 19, 6, true}, {15, 20, 0, false}} {
		longest, later := a.longest(c.from, c.to)
		require.Equal(t, c.gap, longest, "%v", c)
		require.Equal(t, c.later, later, "%v", c)
	}

	for _, c := range []struct {
		instant, gap int64
		later        bool
	}{{9, 0, true}, {10, 4, true}, {13, 4, true}, {14, 6, true}, {20, 0, false}, {21, 0, false}} {
		gap, later := a.gapAt(c.instant)
		require.Equal(t, c.gap, gap, "%d", c.instant)
		require.Equal(t, c.later, later, "%d", c.instant)
	}
}
