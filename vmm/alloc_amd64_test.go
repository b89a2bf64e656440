package vmm_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// accesses are guests that do nothing but one kind of access to the device that
// counter makes.
var accesses = map[string]func() *vmmtest.Code{
	"out": func() *vmmtest.Code {
		return code().Mov(vmmtest.RDX, portAt).Label("again").OutDX(1).Jmp("again")
	},
	"in": func() *vmmtest.Code {
		return code().Mov(vmmtest.RDX, portAt).Label("again").InDX(1).Jmp("again")
	},
	"outs": func() *vmmtest.Code {
		return code().Mov(vmmtest.RDX, portAt).Label("again").
			Mov(vmmtest.RSI, dataAt).Mov(vmmtest.RCX, 16).RepOuts(4).Jmp("again")
	},
	"store": func() *vmmtest.Code {
		return code().Mov(vmmtest.RBX, mmioAt).Label("again").Store(4, vmmtest.RBX, vmmtest.RAX).Jmp("again")
	},
	"load": func() *vmmtest.Code {
		return code().Mov(vmmtest.RBX, mmioAt).Label("again").Load(4, vmmtest.RAX, vmmtest.RBX).Jmp("again")
	},
}

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
	m := create(t, config(accesses[access](), counter(func() { *n++ })))

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

	for access := range accesses {
		t.Run(access, func(t *testing.T) {
			e, n := exited(t, access)

			require.Zero(t, testing.AllocsPerRun(1000, func() { e.Handle() }))
			require.GreaterOrEqual(t, *n, 1000, "the device was reached")
		})
	}
}
