package vmm_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// A hundred machines, one after the other, leave nothing.
func TestMany(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	n := 100
	if testing.Short() {
		n = 20
	}

	for range n {
		m, e := run(t, config(powerOff(), vmm.Serial(strings.NewReader("x"), nil)))
		require.Equal(t, vmm.ExitPowerOff, e.Reason)
		require.NoError(t, m.Close())
	}
}

// proc is a value of /proc/self/status, in bytes.
func proc(t testing.TB, key string) int64 {
	t.Helper()

	b, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)

	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 10, 64)
			require.NoError(t, err)

			return n << 10
		}
	}

	t.Fatal("no " + key)

	return 0
}

func TestMany_notResident(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	_, _ = run(t, config(powerOff())) // what the first machine of a process costs once

	before := proc(t, "VmRSS")
	cfg := config(counting())
	cfg.Memory = 4 << 30
	m := start(t, cfg)
	moved(t, m, dataAt)

	grown := proc(t, "VmRSS") - before
	t.Logf("a machine of 4 GiB made the process grow by %d KiB", grown>>10)

	limit := int64(4 << 20)
	if runtime.GOARCH == "arm64" {
		limit *= 2 // it touches three huge pages
	}

	require.Less(t, grown, limit)
}

// rssEnv makes the test binary the child of TestMany_overhead: the number of machines.
const rssEnv = "VGRAFT_TEST_RSS"

// What machines cost beside their guests' RAM, in a process that does nothing else: this
// test binary once more, since what came before in this process would count.
func TestMany_overhead(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	if s := os.Getenv(rssEnv); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		overheadChild(t, n)

		return
	}

	if raceEnabled {
		return // the detector's shadow memory is not ours
	}

	rss := map[int]int64{}

	for _, n := range []int{0, 1, 20} {
		cmd := exec.CommandContext(within(t), os.Args[0], "-test.run=^TestMany_overhead$", "-test.v")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", rssEnv, n), testutil.LayersEnv+"=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)

		_, v, ok := strings.Cut(string(out), "rss=")
		require.True(t, ok, "%s", out)
		t.Logf("%d machines: %s", n, out)
		v, _, _ = strings.Cut(v, "\n")
		rss[n], err = strconv.ParseInt(v, 10, 64)
		require.NoError(t, err)
	}

	first := rss[1] - rss[0]
	each := (rss[20] - rss[1]) / 19
	t.Logf("RSS without guests' RAM: %d KiB with no machine (test binary), +%d KiB for the first, +%d KiB for each further",
		rss[0]>>10, first>>10, each>>10)
	require.Less(t, first, int64(8<<20))
	require.Less(t, each, int64(512<<10))
}

func overheadChild(t *testing.T, n int) {
	for range n {
		m := start(t, config(counting()))
		moved(t, m, dataAt)
		require.NoError(t, m.Pause(within(t))) // or the next ones hardly get to run
	}

	runtime.GC()
	debug.FreeOSMemory()
	guests := guestRSS(t)
	require.Equal(t, n > 0, guests > 0)
	fmt.Printf("guests=%d KiB\nrss=%d\n", guests>>10, proc(t, "VmRSS")-guests)
}

// guestRSS is how much of the guests' RAM is resident: of mappings without swap
// reservation (VmFlags nr), which the Go runtime never makes, of a multiple of its size
// (neighbours are merged), which the heaps of the C library don't have.
func guestRSS(t *testing.T) (sum int64) {
	f, err := os.Open("/proc/self/smaps")
	require.NoError(t, err)
	defer f.Close()

	var (
		kb  int64
		fit bool
	)

	for s := bufio.NewScanner(f); s.Scan(); {
		var lo, hi int64

		if n, _ := fmt.Sscanf(s.Text(), "%x-%x ", &lo, &hi); n == 2 {
			fit = (hi-lo)%ramSize == 0
		}

		_, _ = fmt.Sscanf(s.Text(), "Rss: %d kB", &kb)

		if flags, ok := strings.CutPrefix(s.Text(), "VmFlags:"); ok && fit && strings.Contains(flags+" ", " nr ") {
			sum += kb << 10
		}
	}

	return sum
}
