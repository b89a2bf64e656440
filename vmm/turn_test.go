//go:build amd64 || arm64

package vmm_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// benchTurn is ours.
func benchTurn(b *testing.B, access string) {
	e, n := exited(b, access)

	timeTurns(b, n, func() bool { return !e.Turn() })
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
