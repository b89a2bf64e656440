package vmm_test

import (
	"errors"
	"testing"

	"github.com/bobuhiro11/gokvm/kvm"
	"github.com/bobuhiro11/gokvm/machine"
	"github.com/stretchr/testify/require"
)

var exits = []exit{{"pio", "out"}, {"mmio", "store"}}

// benchExitOfOthers is gokvm, which handles the same guests.
func benchExitOfOthers(b *testing.B) {
	b.Run("turn/pio/gokvm", benchTurnGokvm)
	b.Run("turn/mmio/gokvm", refusedByGokvm)
}

func benchCreateOfOthers(b *testing.B) { b.Run("first/gokvm", benchFirstGokvm) }

// benchTurnGokvm is that of gokvm, for the same guest.
func benchTurnGokvm(b *testing.B) {
	m, n := gokvmExited(b, "out")

	timeTurns(b, n, func() bool {
		goOn, err := m.RunOnce(0)
		return goOn && err == nil
	})
}

// refusedByGokvm shows why there is no time to compare with: gokvm handles no MMIO. To it
// such an exit is an error, which ends the vCPU. What is reported instead of a time is how
// many it handles.
func refusedByGokvm(b *testing.B) {
	m := newGokvm(b, machine.MinMemSize, guestThat("store"), func() {})
	b.Cleanup(func() { closeGokvm(b, m) })

	handled := 0

	for b.Loop() {
		goOn, err := m.RunOnce(0)
		if goOn { // after a signal of the Go runtime
			continue
		}

		require.Equal(b, kvm.EXITMMIO, kvm.ExitType(m.RunData()[0].ExitReason))

		if !errors.Is(err, kvm.ErrUnexpectedExitReason) {
			handled++
		}
	}

	b.ReportMetric(0, "ns/op") // not shown
	b.ReportMetric(float64(handled)/float64(b.N), "handled/op")
}

// gokvmExited is what exited is, for gokvm.
func gokvmExited(b *testing.B, access string) (*machine.Machine, *int) {
	b.Helper()

	n := new(int)
	m := newGokvm(b, machine.MinMemSize, guestThat(access), func() { *n++ })
	b.Cleanup(func() { closeGokvm(b, m) })

	for *n == 0 {
		goOn, err := m.RunOnce(0)
		require.NoError(b, err)
		require.True(b, goOn)
	}

	return m, n
}

// benchFirstGokvm runs the guest on this goroutine, which spares gokvm the thread that its
// own StartVCPU would make.
func benchFirstGokvm(b *testing.B) {
	b.ReportAllocs()

	for b.Loop() {
		seen := false
		m := newGokvm(b, createMemory, guestThat("out"), func() { seen = true })

		for !seen {
			_, err := m.RunOnce(0)
			require.NoError(b, err)
		}

		b.StopTimer()
		closeGokvm(b, m)
		b.StartTimer()
	}
}
