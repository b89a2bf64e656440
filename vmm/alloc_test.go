package vmm_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// counter is a device with ports and a window that calls count for each access.
func counter(count func()) *device {
	f := func(uint64, []byte) { count() }

	return &device{port: portAt, ports: 8, mmio: mmioAt, size: 4096, read: f, write: f}
}

// exited is a vCPU with a prepared exit, and the number of accesses that its device
// has seen.
func exited(t testing.TB, access string) (*vmm.Exited, *int) {
	t.Helper()

	n := new(int)
	m := create(t, config(guestThat(access), counter(func() { *n++ })))

	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)

	e, err := vmm.RunToAccess(m)
	require.NoError(t, err)
	t.Cleanup(e.Close)

	return e, n
}

// TestExit_doesNotAllocate covers all that is ours between two KVM_RUN: the section,
// the dispatch of the exit, the bus, and the call of the device.
func TestExit_doesNotAllocate(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	for _, a := range accesses() {
		t.Run(a.name, func(t *testing.T) {
			e, n := exited(t, a.name)

			require.Zero(t, testing.AllocsPerRun(1000, func() { e.Handle() }))
			require.GreaterOrEqual(t, *n, 1000, "the device was reached")
		})
	}
}
