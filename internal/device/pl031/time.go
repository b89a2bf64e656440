package pl031

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/vgraft/vgraft/patch"
)

// The clock has a second window, by which the EFI services that we give a guest read and
// set it (see internal/boot): a register with the time as EFI has it, in which the numbers
// of a date stand side by side, and one with what came of setting it. So their code, which
// the guest runs, has nothing to compute.

// What the guest can make run.
var (
	timeRead  = patch.NewSlot("vmm/pl031.time.read", (*Clock).readTime)
	timeWrite = patch.NewSlot("vmm/pl031.time.write", (*Clock).writeTime)
)

// The registers, of 64 bits each. A write of the first one sets the clock.
const (
	regTime   = 0x0 // the first half of EFI_TIME: see efiTime
	regStatus = 0x8 // an EFI_STATUS: of the last write
	timeBytes = 0x10
)

// efiInvalidParameter is what SetTime answers to a time that isn't one, or that the clock
// can't have (UEFI specification 2.10, appendix D).
const efiInvalidParameter = 1<<63 | 2

// efiTime is the first half of EFI_TIME (§8.3.1); the other one is 0: no nanoseconds, and UTC.
func efiTime(t time.Time) uint64 {
	return uint64(t.Year()) | uint64(t.Month())<<16 | uint64(t.Day())<<24 |
		uint64(t.Hour())<<32 | uint64(t.Minute())<<40 | uint64(t.Second())<<48
}

// seconds is the count of the clock at a time, and whether there is such a one.
func seconds(efi uint64) (uint32, bool) {
	part := func(shift int) int { return int(efi >> shift & 0xff) }
	t := time.Date(int(efi&0xffff), time.Month(part(16)), part(24), part(32), part(40), part(48), 0, time.UTC)

	// Date takes the 31st of February for a day in March.
	const all = 1<<56 - 1

	n := t.Unix()

	return uint32(n), efiTime(t) == efi&all && n >= 0 && n <= math.MaxUint32
}

func (c *Clock) readTime(s patch.Section, off uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.refresh(s)

	var b [timeBytes]byte

	binary.LittleEndian.PutUint64(b[regTime:], efiTime(time.Unix(int64(c.count()), 0).UTC()))
	binary.LittleEndian.PutUint64(b[regStatus:], c.status)
	clear(data)

	if off < timeBytes {
		copy(data, b[off:])
	}
}

// writeTime takes accesses of the whole register only.
func (c *Clock) writeTime(s patch.Section, off uint64, data []byte) {
	if off != regTime || len(data) != 8 {
		return
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	n, ok := seconds(binary.LittleEndian.Uint64(data))
	if !ok {
		c.status = efiInvalidParameter
		return
	}

	c.status = 0
	c.set(regLoad, n)
	c.refresh(s)
}
