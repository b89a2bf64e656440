package testutil

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// recorder is a testing.TB whose end is in the caller's hand.
type recorder struct {
	testing.TB
	name     string
	failed   bool
	errors   []string
	cleanups []func()
}

func (r *recorder) Name() string          { return r.name }
func (r *recorder) Failed() bool          { return r.failed }
func (r *recorder) Skipped() bool         { return false }
func (r *recorder) Setenv(string, string) {}
func (r *recorder) Cleanup(f func())      { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, a ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, a...))
}

func (r *recorder) finish() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

func TestNoLeaks_finds(t *testing.T) {
	r := &recorder{TB: t}
	noLeaks(r, 50*time.Millisecond)

	stop := make(chan struct{})
	go leakyGoroutine(stop)
	f, err := os.Open("/dev/null")
	require.NoError(t, err)
	shared, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	require.NoError(t, err)
	lazy, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	require.NoError(t, err)
	fd, err := unix.MemfdCreate("guest-ram", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	require.NoError(t, unix.Ftruncate(fd, 1<<20))
	ram, err := unix.Mmap(fd, 0, 1<<20, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	require.NoError(t, unix.Close(fd))
	r.finish()

	close(stop)
	require.NoError(t, f.Close())
	for _, m := range [][]byte{shared, lazy, ram} {
		require.NoError(t, unix.Munmap(m))
	}
	require.Len(t, r.errors, 1)
	found := r.errors[0]
	require.Contains(t, found, "leakyGoroutine")
	require.Contains(t, found, ": /dev/null")
	require.Contains(t, found, "mappings of /memfd:guest-ram (deleted): 1 with 1048576 bytes, were 0 with 0")
	require.Contains(t, found, "mappings of /dev/zero (deleted)")
	want := 5
	if raceEnabled {
		want-- // the detector's own mappings hide private ones
	} else {
		require.Contains(t, found, "private anonymous memory without reservation")
	}
	require.True(t, strings.HasPrefix(found, fmt.Sprintf("%d leaks:\n", want)), found)
}

func leakyGoroutine(stop chan struct{}) { <-stop }

func TestNoLeaks_settles(t *testing.T) {
	r := &recorder{TB: t}
	noLeaks(r, 10*time.Second)
	go time.Sleep(50 * time.Millisecond)
	f, err := os.Open("/dev/null")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	heap := make([][]byte, 200) // what the Go heap maps is no leak
	for i := range heap {
		heap[i] = make([]byte, 1<<20)
	}
	r.finish()
	require.Empty(t, r.errors)
}

func TestNoLeaks_kvm(t *testing.T) {
	if !KVM(t) {
		return
	}
	NoLeaks(t)
	_ = probeRing0() // makes a VM and a vCPU, and must leave nothing
}

func TestMappings(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own mappings hide private ones")
	}
	const smaps = `00400000-00500000 r-xp 00000000 fe:00 1 /bin/x
VmFlags: rd ex nr
7f0000000000-7f0000021000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me nr sd
7f0000021000-7f0004000000 ---p 00000000 00:00 0
VmFlags: mr mw me nr sd
7f0004000000-7f0008000000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me nr sd
7f0010000000-7f0010100000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me sd
7f0018000000-7f0018001000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me nr wf dd dp
7f0020000000-7f0020001000 rw-s 00000000 00:0f 1052                       anon_inode:kvm-vcpu:0
VmFlags: rd wr
`
	require.Equal(t, map[string]mapping{
		"private anonymous memory without reservation": {1, 64 << 20},
		"anon_inode:kvm-vcpu:0":                        {1, 4096},
	}, mappings([]byte(smaps)))
}
