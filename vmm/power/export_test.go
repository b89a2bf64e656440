package power

import (
	"time"

	"github.com/vgraft/vgraft/patch"
)

// Bases are the windows of a feature, which the guest finds in its tables.
func (b *Battery) Base() uint64     { return b.base }
func (a *ACAdapter) Base() uint64   { return a.base }
func (z *ThermalZone) Base() uint64 { return z.base }
func (p *Performance) Base() uint64 { return p.base }

// SetClock has the counters follow another clock. For before Attach.
func (p *Performance) SetClock(now func() time.Duration) { p.now = now }

// HalfFull is a repair of what the guest reads of batteries: half of everything remains.
func HalfFull() (*patch.Patch, error) {
	return patch.New("half", patch.Func(batteryRead, func(b *Battery, s patch.Section, off uint64, data []byte) {
		b.mu.Lock()
		full, was := b.info.LastFull, b.state.Remaining
		b.state.Remaining = full / 2
		b.mu.Unlock()

		batteryRead.Declared()(b, s, off, data)

		b.mu.Lock()
		b.state.Remaining = was
		b.mu.Unlock()
	}))
}
