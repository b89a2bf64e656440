package vmm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// BenchmarkExit is the cost of an exit to a device of the embedder's that counts.
// pio and mmio are the full loop, guest and kernel included. handle is the part of
// userspace alone: the same prepared exit again and again, without KVM_RUN.
// handle/run-eintr is a KVM_RUN that doesn't get to the guest, for comparison with
// monitors whose handler can't be called without one.
func BenchmarkExit(b *testing.B) {
	if !testutil.KVM(b) {
		return
	}

	b.Run("pio/vgraft", func(b *testing.B) { benchLoop(b, "out") })
	b.Run("mmio/vgraft", func(b *testing.B) { benchLoop(b, "store") })
	b.Run("handle/pio/vgraft", func(b *testing.B) { benchHandle(b, "out") })
	b.Run("handle/mmio/vgraft", func(b *testing.B) { benchHandle(b, "store") })
	b.Run("handle/run-eintr", benchReenter)
}

// benchLoop times b.N accesses. The first one waits for the clock, and the last one
// until the machine is to be closed.
func benchLoop(b *testing.B, access string) {
	var (
		n                = 0
		ready, begin     = make(chan struct{}), make(chan struct{})
		finished, ending = make(chan struct{}), make(chan struct{})
	)

	start(b, config(accesses[access](), counter(func() {
		switch n++; n {
		case 1:
			close(ready)
			<-begin
		case b.N + 1:
			close(finished)
			<-ending
		}
	})))
	b.Cleanup(func() { close(ending) })

	<-ready
	b.ReportAllocs()
	b.ResetTimer()
	close(begin)
	<-finished
	b.StopTimer()
}

func benchHandle(b *testing.B, access string) {
	e, n := exited(b, access)

	b.ReportAllocs()

	done := 0
	for b.Loop() {
		e.Handle()
		done++
	}

	require.Equal(b, done, *n)
}

func benchReenter(b *testing.B) {
	e, _ := exited(b, "out")
	e.Break()
	require.True(b, e.Reenter())
	b.ReportAllocs()

	broken := true
	for b.Loop() {
		broken = e.Reenter() && broken
	}

	require.True(b, broken)
}

// BenchmarkCreate is the cost of a machine with 512 MiB: of New and Close, and of the
// way from New to the guest's first exit and back.
func BenchmarkCreate(b *testing.B) {
	if !testutil.KVM(b) {
		return
	}

	b.Run("new/vgraft", func(b *testing.B) { benchCreate(b, false) })
	b.Run("exit/vgraft", func(b *testing.B) { benchCreate(b, true) })
}

func benchCreate(b *testing.B, run bool) {
	b.ReportAllocs()

	for b.Loop() {
		first, seen := make(chan struct{}), false

		cfg := config(accesses["out"](), counter(func() {
			if !seen {
				seen = true
				close(first)
			}
		}))
		cfg.Memory = 512 << 20

		m, err := vmm.New(b.Context(), cfg)
		require.NoError(b, err)

		if run {
			require.NoError(b, m.Start(b.Context()))
			<-first
		}

		require.NoError(b, m.Close())
	}
}
