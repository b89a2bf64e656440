//go:build amd64 || arm64

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
// turn is userspace alone too, measured in a way that serves other monitors as well: a
// turn of the vCPU's loop, less the system call in it (see timeTurns).
func BenchmarkExit(b *testing.B) {
	if !testutil.KVM(b) {
		return
	}

	for _, of := range []struct {
		what  string
		bench func(b *testing.B, access string)
	}{{"", benchLoop}, {"handle/", benchHandle}, {"turn/", benchTurn}} {
		for _, e := range exits {
			b.Run(of.what+e.name+"/vgraft", func(b *testing.B) { of.bench(b, e.access) })
		}
	}

	benchExitOfOthers(b)
}

// exit is a kind of exit, and an access that makes it.
type exit struct{ name, access string }

// benchLoop times b.N accesses. The first one waits for the clock, and the last one
// until the machine is to be closed.
func benchLoop(b *testing.B, access string) {
	var (
		n                = 0
		ready, begin     = make(chan struct{}), make(chan struct{})
		finished, ending = make(chan struct{}), make(chan struct{})
	)

	start(b, config(guestThat(access), counter(func() {
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

// BenchmarkCreate is the cost of a machine with 512 MiB. new is New and Close, first the
// way from New to the guest's first exit, that of its second instruction.
func BenchmarkCreate(b *testing.B) {
	if !testutil.KVM(b) {
		return
	}

	b.Run("new/vgraft", benchCreate)
	b.Run("first/vgraft", benchFirst)

	benchCreateOfOthers(b)
}

const createMemory = 512 << 20

func benchCreate(b *testing.B) {
	cfg := config(guestThat(exits[0].access), counter(func() {}))
	cfg.Memory = createMemory

	b.ReportAllocs()

	for b.Loop() {
		m, err := vmm.New(b.Context(), cfg)
		require.NoError(b, err)
		require.NoError(b, m.Close())
	}
}

func benchFirst(b *testing.B) {
	b.ReportAllocs()

	for b.Loop() {
		first, seen := make(chan struct{}), false

		cfg := config(guestThat(exits[0].access), counter(func() {
			if !seen {
				seen = true
				close(first)
			}
		}))
		cfg.Memory = createMemory

		m, err := vmm.New(b.Context(), cfg)
		require.NoError(b, err)
		require.NoError(b, m.Start(b.Context()))
		<-first

		b.StopTimer()
		require.NoError(b, m.Close())
		b.StartTimer()
	}
}
