package vmm_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bobuhiro11/gokvm/kvm"
	"github.com/bobuhiro11/gokvm/machine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// benchTurn is ours.
func benchTurn(b *testing.B, access string) {
	e, n := exited(b, access)

	timeTurns(b, n, func() bool { return !e.Turn() })
}

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
	m := newGokvm(b, machine.MinMemSize, accesses["store"](), func() {})
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
	m := newGokvm(b, machine.MinMemSize, accesses[access](), func() { *n++ })
	b.Cleanup(func() { closeGokvm(b, m) })

	for *n == 0 {
		goOn, err := m.RunOnce(0)
		require.NoError(b, err)
		require.True(b, goOn)
	}

	return m, n
}

// timeTurns times turns of a vCPU's loop, and as many system calls like the one in each,
// and reports the difference: all that the monitor does itself. KVM_RUN is skipped, so
// the same exit is handled in all turns. Both are timed in short spans by turns, so that
// what else the machine does hits them alike; the median is of the spans' differences.
func timeTurns(b *testing.B, handled *int, turn func() bool) {
	b.Helper()

	const span = 2000

	was, differences := *handled, make([]float64, 0, b.N/span+1)

	onThreadWithoutRun(b, func() {
		good := true

		b.ReportAllocs()
		b.ResetTimer()

		for left := b.N; left > 0; left -= span {
			n := min(span, left)

			begin := time.Now()

			for range n {
				good = turn() && good
			}

			turned := time.Since(begin)
			begin = time.Now()

			for range n {
				good = bareTurn() && good
			}

			differences = append(differences, float64(turned-time.Since(begin))/float64(n))
		}

		b.StopTimer()
		assert.True(b, good)
	})

	require.Equal(b, b.N, *handled-was)

	slices.Sort(differences)
	b.ReportMetric(differences[len(differences)/2], "ns/op") // instead of both together
}

// bareTurn is a turn in which nothing is handled. It is called as the others are, through
// a variable: just after a system call that takes as long as half of what is measured.
var bareTurn = func() bool {
	skippedRun()
	return true
}
