package board

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/vgraft/vgraft/patch"
)

// TimerFrequency is the rate of the power management timer (ACPI 6.5, §4.8.2.1).
const TimerFrequency = 3_579_545

// pmTimer is the power management timer: 32 bits, read-only. It is the one thing of ACPI's
// fixed hardware that is left. Hardware-reduced ACPI has none, so systems need not look for
// it; Linux does, and where there is no kvm-clock it has nothing else by which to find out
// the rate of the TSC: it takes such a machine for one without a PIT.
type pmTimer struct {
	now func() time.Duration
}

// ticks is the timer, without an end.
func (h *pmTimer) ticks() uint64 {
	d := max(h.now(), 0)
	// 128 bits in between: in 64, the product would overflow after an hour. The high
	// word is below 2^63 · 2^22 / 2^64, so that the division can't overflow either.
	hi, lo := bits.Mul64(uint64(d), TimerFrequency)
	q, _ := bits.Div64(hi, lo, uint64(time.Second))

	return q
}

func (h *pmTimer) read(_ patch.Section, off uint64, data []byte) {
	var b [4]byte

	binary.LittleEndian.PutUint32(b[:], uint32(h.ticks()))
	clear(data)

	if off < uint64(len(b)) {
		copy(data, b[off:])
	}
}

func (h *pmTimer) write(patch.Section, uint64, []byte) {}
