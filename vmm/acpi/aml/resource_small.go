package aml

import (
	"bytes"
	"math/bits"
	"slices"
)

// IRQ says which of the interrupts 0 to 15 may be used (§6.4.2.1). Where all flags are false it
// is edge-triggered, active high and exclusive, and NoFlags leaves them out.
type IRQ struct {
	Lines                          []uint8
	Level, ActiveLow, Shared, Wake bool
	NoFlags                        bool
}

func (i IRQ) put(b []byte) []byte {
	b = le16(append(b, 0x23-bit(i.NoFlags, 0)), mask16(i.Lines))
	if i.NoFlags {
		return b
	}

	return append(b, bit(!i.Level, 0)|bit(i.ActiveLow, 3)|bit(i.Shared, 4)|bit(i.Wake, 5))
}

func mask16(list []uint8) (m uint16) {
	for _, l := range list {
		m |= 1 << (l & 15)
	}

	return m
}

func unmask(m uint16) (list []uint8) {
	for ; m != 0; m &= m - 1 {
		list = append(list, uint8(bits.TrailingZeros16(m)))
	}

	return list
}

func checkLines(what string, list []uint8, top uint8) error {
	for i, l := range list {
		if l > top || slices.Contains(list[:i], l) {
			return mistake("%s %d: want 0 to %d, each once", what, l, top)
		}
	}

	return nil
}

func (i IRQ) check() error {
	if i.NoFlags && (i.Level || i.ActiveLow || i.Shared || i.Wake) {
		return mistake("IRQ with flags and without")
	}

	return checkLines("IRQ", i.Lines, 15)
}

// DMA says which of the ISA channels 0 to 7 may be used (§6.4.2.2). Type is 0 for compatibility
// and 1 to 3 for A, B and F; Transfer 0 to 2 for 8 bits, both and 16 bits.
type DMA struct {
	Channels       []uint8
	Type, Transfer uint8
	BusMaster      bool
}

func (d DMA) put(b []byte) []byte {
	return append(b, 0x2a, byte(mask16(d.Channels)), d.Type&3<<5|bit(d.BusMaster, 2)|d.Transfer&3)
}

func (d DMA) check() error {
	if d.Type > 3 || d.Transfer > 2 {
		return mistake("DMA type %d, transfer %d", d.Type, d.Transfer)
	}

	return checkLines("DMA channel", d.Channels, 7)
}

// StartDependent begins one of several sets of resources (§6.4.2.3). Priorities are 0, good, to
// 2; NoPriority leaves them out.
type StartDependent struct {
	Compatibility, Performance uint8
	NoPriority                 bool
}

func (s StartDependent) put(b []byte) []byte {
	if s.NoPriority {
		return append(b, 0x30)
	}

	return append(b, 0x31, s.Compatibility&3|s.Performance&3<<2)
}

func (s StartDependent) check() error {
	if s.Compatibility > 2 || s.Performance > 2 {
		return mistake("priorities %d and %d, want 0 to 2", s.Compatibility, s.Performance)
	}

	return nil
}

// EndDependent ends the last of the sets (§6.4.2.4).
type EndDependent struct{}

func (EndDependent) put(b []byte) []byte { return append(b, 0x38) }
func (EndDependent) check() error        { return nil }

// IO is a range of ports that begins between Min and Max (§6.4.2.5). The device decodes 16 bits
// of addresses, or only 10.
type IO struct {
	Min, Max      uint16
	Align, Length uint8
	Decode10      bool
}

func (i IO) put(b []byte) []byte {
	return append(le16(le16(append(b, 0x47, bit(!i.Decode10, 0)), i.Min), i.Max), i.Align, i.Length)
}

func (i IO) check() error {
	return checkRange("IO", uint64(i.Min), uint64(i.Max), uint64(i.Align), uint64(i.Length), 1<<16)
}

// checkRange checks what begins between two addresses that may be chosen.
func checkRange(what string, low, high, align, length, limit uint64) error {
	switch {
	case low > high:
		return mistake("%s: minimum %#x is above the maximum %#x", what, low, high)
	case length == 0:
		return mistake("%s at %#x has no length", what, low)
	case high+length > limit:
		return mistake("%s: %#x bytes at %#x end above %#x", what, length, high, limit)
	case align > 1 && (low%align != 0 || high%align != 0):
		return mistake("%s: %#x and %#x aren't multiples of %#x", what, low, high, align)
	}

	return nil
}

// FixedIO is a range of ports of a device that decodes 10 bits (§6.4.2.6).
type FixedIO struct {
	Base   uint16
	Length uint8
}

func (f FixedIO) put(b []byte) []byte { return append(le16(append(b, 0x4b), f.Base), f.Length) }

func (f FixedIO) check() error {
	return checkRange("FixedIO", uint64(f.Base), uint64(f.Base), 1, uint64(f.Length), 1<<10)
}

// FixedDMA is a request line and a channel of a DMA controller (§6.4.2.7). Width is 0 to 5 for 8
// to 256 bits.
type FixedDMA struct {
	Request, Channel uint16
	Width            uint8
}

func (f FixedDMA) put(b []byte) []byte {
	return append(le16(le16(append(b, 0x55), f.Request), f.Channel), f.Width)
}

func (f FixedDMA) check() error {
	if f.Width > 5 {
		return mistake("FixedDMA width %d, want 0 to 5", f.Width)
	}

	return nil
}

// VendorResource is data of the vendor's: up to 7 bytes, or, if Long, up to 65535 (§6.4.2.8,
// §6.4.3.2).
type VendorResource struct {
	Data []byte
	Long bool
}

func (v VendorResource) put(b []byte) []byte {
	if v.Long {
		return large(b, 0x84, v.Data)
	}

	return append(append(b, 0x70|byte(len(v.Data)&7)), v.Data...)
}

func (v VendorResource) check() error {
	if !v.Long && len(v.Data) > 7 || len(v.Data) > 0xffff {
		return mistake("%d bytes of vendor data", len(v.Data))
	}

	return nil
}

func decodeSmall(tag byte, body []byte) Resource {
	r := reader{b: body}

	switch tag {
	case 0x4:
		i := IRQ{Lines: unmask(r.u16()), NoFlags: len(body) == 2}
		if f := r.u8(); !i.NoFlags {
			i.Level, i.ActiveLow, i.Shared, i.Wake = f&1 == 0, f&8 != 0, f&16 != 0, f&32 != 0
		}

		return i
	case 0x5:
		d := DMA{Channels: unmask(uint16(r.u8()))}
		f := r.u8()
		d.Type, d.BusMaster, d.Transfer = f>>5&3, f&4 != 0, f&3

		return d
	case 0x6:
		f := r.u8()

		return StartDependent{Compatibility: f & 3, Performance: f >> 2 & 3, NoPriority: len(body) == 0}
	case 0x7:
		return EndDependent{}
	case 0x8:
		return IO{Decode10: r.u8()&1 == 0, Min: r.u16(), Max: r.u16(), Align: r.u8(), Length: r.u8()}
	case 0x9:
		return FixedIO{Base: r.u16(), Length: r.u8()}
	case 0xa:
		return FixedDMA{Request: r.u16(), Channel: r.u16(), Width: r.u8()}
	case 0xe:
		return VendorResource{Data: bytes.Clone(body)}
	}

	return nil
}
