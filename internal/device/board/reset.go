package board

import (
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
)

// Bits of the reset control register at 0xcf9, as in Intel's ICH ("RST_CNT, Reset Control
// Register", ICH9 data sheet 13.7.5).
const (
	rstSystem = 0x02 // SYS_RST: hard rather than INIT
	rstCPU    = 0x04 // RST_CPU: its rising edge resets
	rstFull   = 0x08 // FULL_RST: with a power cycle
	rstMask   = rstSystem | rstCPU | rstFull
)

// resetControl is the register at 0xcf9. Hard, soft and full resets are all the same to
// a machine that ends with them. All methods may be called from any goroutine.
type resetControl struct {
	stop func(patch.Section, device.ExitReason)

	mu    sync.Mutex
	value byte
}

func (h *resetControl) read(_ patch.Section, _ uint64, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()

	clear(data)
	data[0] = h.value
}

func (h *resetControl) write(s patch.Section, _ uint64, data []byte) {
	if h.set(data[0]) {
		h.stop(s, device.ExitReset)
	}
}

// set says whether RST_CPU has risen.
func (h *resetControl) set(v byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	rose := v&^h.value&rstCPU != 0
	h.value = v & rstMask

	return rose
}

// keyboard is the command port of a keyboard controller (i8042) that has no keyboard and
// does nothing but reset the machine, as PCs do through it since the AT. The FADT says
// that there is none; this is for guests that don't ask.
type keyboard struct {
	stop func(patch.Section, device.ExitReason)
}

// keyboardStatus is what makes guests that look for a keyboard give up at once. A bit 0
// (output full) that never falls is no controller to Linux after 16 reads of port 0x60;
// 0 would have it wait half a second for each answer. Bit 1 (input full) must be clear,
// or else a guest that wants to send the reset command first waits for it 65536 times:
// so 0xff, as of an absent port, won't do.
const keyboardStatus = 0x01

// Commands from 0xf0 pulse the output lines whose bit is clear for 6 µs; bit 0 is the
// reset line. 0xfe is the one in use.
const (
	keyboardPulse = 0xf0
	keyboardReset = 0x01 // active low
)

func (*keyboard) read(_ patch.Section, _ uint64, data []byte) {
	clear(data)
	data[0] = keyboardStatus
}

func (h *keyboard) write(s patch.Section, _ uint64, data []byte) {
	if data[0] >= keyboardPulse && data[0]&keyboardReset == 0 {
		h.stop(s, device.ExitReset)
	}
}

// post is the diagnostics port 0x80. Firmware shows its progress there and Linux writes
// to it for a delay. It is claimed so that no such write counts as stray.
type post struct{}

func (*post) read(_ patch.Section, _ uint64, data []byte) {
	for i := range data {
		data[i] = 0xff
	}
}

func (*post) write(patch.Section, uint64, []byte) {}
