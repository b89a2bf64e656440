package testutil

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
)

// leakPatience is how long goroutines and the kernel get to finish.
const leakPatience = 5 * time.Second

// NoLeaks fails t when it ends with more than it started with: goroutines,
// open files, or mappings of the kinds a monitor makes (guest memory, kvm_run
// pages, memfds). Call it first, so that it looks last, after t's other
// cleanups. As others' goroutines can't be told apart, t must not run in
// parallel with other tests; t.Parallel panics after NoLeaks.
func NoLeaks(t testing.TB) {
	t.Helper()
	noLeaks(t, leakPatience)
}

func noLeaks(t testing.TB, patience time.Duration) {
	t.Helper()
	t.Setenv("VGRAFT_NOLEAKS", "1") // makes t.Parallel panic
	before, err := takeInventory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var leaks []string
		for start, wait := time.Now(), time.Millisecond; ; wait *= 2 {
			after, err := takeInventory()
			if err != nil {
				t.Error(err)
				return
			}
			if leaks = after.since(before); len(leaks) == 0 {
				return
			}
			if time.Since(start) > patience {
				break
			}
			time.Sleep(min(wait, 100*time.Millisecond))
		}
		t.Errorf("%d leaks:\n%s", len(leaks), strings.Join(leaks, "\n"))
	})
}

// inventory is what a process has at one moment.
type inventory struct {
	goroutines map[string]string // id, unique in a process → stack
	files      map[string]string // descriptor → what it is open on
	mappings   map[string]mapping
}

// mapping sums the mappings of one kind. Neighbours may be merged by the
// kernel, so sizes say more than numbers.
type mapping struct{ count, bytes int64 }

func takeInventory() (inv inventory, err error) {
	// The runtime keeps the files of its poller, which it opens at the first use.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	inv.goroutines = goroutines()
	if inv.files, err = openFiles(); err != nil {
		return inv, err
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	inv.mappings = mappings(smaps)
	return inv, err
}

// since describes what is there now and was not before.
func (inv inventory) since(before inventory) []string {
	var leaks []string
	for id, stack := range inv.goroutines {
		if _, ok := before.goroutines[id]; !ok {
			leaks = append(leaks, stack)
		}
	}
	for fd, target := range inv.files {
		if before.files[fd] != target {
			leaks = append(leaks, fmt.Sprintf("file descriptor %s: %s", fd, target))
		}
	}
	for kind, m := range inv.mappings {
		if b := before.mappings[kind]; m.bytes > b.bytes {
			leaks = append(leaks, fmt.Sprintf("mappings of %s: %d with %d bytes, were %d with %d", kind, m.count, m.bytes, b.count, b.bytes))
		}
	}
	sort.Strings(leaks)
	return leaks
}

var goroutineHeader = regexp.MustCompile(`^goroutine (\d+) `)

// foreignGoroutines are stack lines of goroutines that belong to the runtime or
// the testing package: a test neither starts nor ends them.
var foreignGoroutines = []string{
	"created by testing.", // other tests' and the alarm of -test.timeout
	"created by runtime.",
	"created by os/signal.",
	"os/signal.signal_recv",
	"testing.(*M).",
	"testing.tRunner(",
	"runtime.ReadTrace(",
}

// goroutines returns the stacks of all goroutines but the caller's and foreign ones.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := map[string]string{}
	for i, stack := range strings.Split(string(buf), "\n\n") {
		m := goroutineHeader.FindStringSubmatch(stack)
		if i == 0 || m == nil { // the caller's comes first
			continue
		}
		foreign := false
		for _, mark := range foreignGoroutines {
			foreign = foreign || strings.Contains(stack, mark)
		}
		if !foreign {
			all[m[1]] = stack
		}
	}
	return all
}

// openFiles returns the link of each descriptor.
func openFiles() (map[string]string, error) {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // the descriptor that read the directory
		}
		files[e.Name()] = target
	}
	return files, nil
}

// smapsHeader matches "7f00-7f80 rw-s 00000000 00:0f 1052   anon_inode:kvm-vcpu:0".
var smapsHeader = regexp.MustCompile(`^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)$`)

// area is a private anonymous mapping without swap reservation.
type area struct {
	lo, hi     uint64
	accessible bool
}

// mappings sums the mappings in a smaps file that can be ours. Guest memory
// shows as a memfd, as shared anonymous memory, or as private anonymous memory
// without swap reservation (VmFlags nr). The Go runtime has only that of which
// the kernel makes random numbers, and which it may drop (dp); the C library
// has its heaps; and the race detector more and more of it, which leaves
// nothing to see there.
func mappings(smaps []byte) map[string]mapping {
	const lazy = "private anonymous memory without reservation"
	sums := map[string]mapping{}
	add := func(kind string, lo, hi uint64) {
		m := sums[kind]
		sums[kind] = mapping{m.count + 1, m.bytes + int64(hi-lo)}
	}
	var lazies []area
	var last area
	unnamed := false
	for line := range bytes.Lines(smaps) {
		text := strings.TrimRight(string(line), "\n")
		if h := smapsHeader.FindStringSubmatch(text); h != nil {
			lo, _ := strconv.ParseUint(h[1], 16, 64)
			hi, _ := strconv.ParseUint(h[2], 16, 64)
			last, unnamed = area{lo, hi, !strings.HasPrefix(h[3], "---")}, h[4] == ""
			if name := h[4]; strings.HasPrefix(name, "anon_inode:kvm") || strings.HasPrefix(name, "/memfd:") || strings.HasPrefix(name, "/dev/zero") {
				add(name, lo, hi)
			}
		} else if flags, ok := strings.CutPrefix(text, "VmFlags:"); ok && unnamed && !raceEnabled {
			if flags += " "; strings.Contains(flags, " nr ") && !strings.Contains(flags, " dp ") {
				lazies = append(lazies, last)
			}
		}
	}
	for i := 0; i < len(lazies); i++ {
		if i+1 < len(lazies) && isHeap(lazies[i], lazies[i+1]) {
			i++
			continue
		}
		add(lazy, lazies[i].lo, lazies[i].hi)
	}
	return sums
}

// isHeap reports whether two neighbours are a heap of a thread in the C
// library: 64 MiB, aligned to its size, of which the first part is in use.
// With cgo, every new thread may bring one.
func isHeap(used, rest area) bool {
	const size = 64 << 20
	return used.lo%size == 0 && used.accessible && !rest.accessible && used.hi == rest.lo && rest.hi == used.lo+size
}
