package aml

import (
	"bytes"
	"slices"
)

// Interrupt are interrupts by their global numbers, GSIs (§6.4.3.6). Where all flags are false
// they are level-triggered, active high and exclusive.
type Interrupt struct {
	GSIs                          []uint32
	Edge, ActiveLow, Shared, Wake bool
	Producer                      bool // hands them out: rare
	Source                        Source
}

func (i Interrupt) put(b []byte) []byte {
	body := []byte{
		bit(!i.Producer, 0) | bit(i.Edge, 1) | bit(i.ActiveLow, 2) | bit(i.Shared, 3) | bit(i.Wake, 4),
		byte(len(i.GSIs)),
	}

	for _, g := range i.GSIs {
		body = le32(body, g)
	}

	return large(b, 0x89, i.Source.put(body))
}

func (i Interrupt) check() error {
	if len(i.GSIs) == 0 || len(i.GSIs) > 255 {
		return mistake("%d interrupts, want 1 to 255", len(i.GSIs))
	}

	return i.Source.check()
}

func decodeInterrupt(r *reader) Resource {
	f := r.u8()
	i := Interrupt{Producer: f&1 == 0, Edge: f&2 != 0, ActiveLow: f&4 != 0, Shared: f&8 != 0, Wake: f&16 != 0}

	for n := r.u8(); n > 0; n-- {
		i.GSIs = append(i.GSIs, r.u32())
	}

	i.Source = decodeSource(r)

	return i
}

// Register is a register in an address space (§6.4.3.7). AccessSize is 0 for undefined, and 1 to
// 4 for 8 to 64 bits; for FFixedHW and PCC it has other meanings.
type Register struct {
	Space                     Space
	Width, Offset, AccessSize uint8 // bits
	Address                   uint64
}

func (g Register) put(b []byte) []byte {
	return large(b, 0x82, le64([]byte{byte(g.Space), g.Width, g.Offset, g.AccessSize}, g.Address))
}

func (g Register) check() error {
	if g.AccessSize > 4 && g.Space != FFixedHW && g.Space != PCC && g.Space < 0x80 {
		return mistake("access size %d of a register", g.AccessSize)
	}

	return nil
}

// Pull is the resistor at a GPIO pin.
type Pull uint8

// Kinds of resistors. Numbers from 128 are the vendor's.
const (
	PullDefault Pull = iota
	PullUp
	PullDown
	PullNone
)

// GPIO are pins of a GPIO controller (§6.4.3.8.1), as interrupts (GpioInt) or for input and
// output (GpioIo).
type GPIO struct {
	IO         bool // GpioIo
	Controller string
	Index      uint8 // of the controller's resources: 0
	Pins       []uint16
	Pull       Pull
	Debounce   uint16 // GpioInt: in units of 10 µs
	Drive      uint16 // GpioIo: in units of 10 µA
	Edge       bool   // GpioInt
	Polarity   uint8  // GpioInt: 0 active high, 1 low, 2 both edges
	Restrict   uint8  // GpioIo: 0 none, 1 input only, 2 output only, 3 none and to be preserved
	Shared     bool
	Wake       bool
	Producer   bool
	Vendor     []byte
}

const gpioPins = 0x17 // where the pins begin

func (g GPIO) put(b []byte) []byte {
	flags := bit(g.Shared, 3) | bit(g.Wake, 4)
	if g.IO {
		flags |= g.Restrict & 3
	} else {
		flags |= bit(g.Edge, 0) | g.Polarity&3<<1
	}

	name := gpioPins + 2*len(g.Pins)
	vendor := name + len(g.Controller) + 1

	body := []byte{1, bit(g.IO, 0), bit(!g.Producer, 0), 0, flags, 0, byte(g.Pull)}
	body = le16(le16(le16(body, g.Drive), g.Debounce), gpioPins)
	body = le16(le16(le16(append(body, g.Index), uint16(name)), uint16(vendor)), uint16(len(g.Vendor)))

	for _, p := range g.Pins {
		body = le16(body, p)
	}

	return large(b, 0x8c, append(append(append(body, g.Controller...), 0), g.Vendor...))
}

func (g GPIO) check() error {
	switch {
	case len(g.Pins) == 0 || len(g.Pins) > 4096:
		return mistake("%d GPIO pins, want 1 to 4096", len(g.Pins))
	case !g.IO && len(g.Pins) != 1:
		return mistake("GpioInt with %d pins, want 1", len(g.Pins))
	case g.Pull > PullNone && g.Pull < 128, g.Polarity > 2, g.Restrict > 3:
		return mistake("GPIO pull %d, polarity %d, restriction %d", g.Pull, g.Polarity, g.Restrict)
	case g.IO && (g.Edge || g.Polarity != 0), !g.IO && (g.Restrict != 0 || g.Drive != 0):
		return mistake("GPIO flags of the other kind")
	case len(g.Vendor) > 4096:
		return mistake("%d bytes of vendor data", len(g.Vendor))
	}

	for i, p := range g.Pins {
		if slices.Contains(g.Pins[:i], p) {
			return mistake("GPIO pin %d twice", p)
		}
	}

	return checkPath(g.Controller)
}

func decodeGPIO(d []byte) Resource {
	r := reader{b: d[3:]}
	r.u8()

	g := GPIO{IO: r.u8()&1 != 0, Producer: r.u16()&1 == 0}

	f := r.u16()
	g.Shared, g.Wake = f&8 != 0, f&16 != 0

	if g.IO {
		g.Restrict = uint8(f & 3)
	} else {
		g.Edge, g.Polarity = f&1 != 0, uint8(f>>1&3)
	}

	g.Pull, g.Drive, g.Debounce = Pull(r.u8()), r.u16(), r.u16()
	pins := r.u16()
	g.Index = r.u8()
	name, vendor, length := int(r.u16()), int(r.u16()), int(r.u16())

	if pins != gpioPins || name < gpioPins || name > vendor || vendor+length > len(d) {
		return nil
	}

	for p := (reader{b: d[gpioPins:name]}); len(p.b) > 0; {
		g.Pins = append(g.Pins, p.u16())
	}

	text := reader{b: d[name:vendor]}
	g.Controller = text.text()

	if length > 0 {
		g.Vendor = bytes.Clone(d[vendor : vendor+length])
	}

	return g
}

// Serial is a device's connection to a serial bus (§6.4.3.8.2): one of I2C, SPI and UART.
type Serial struct {
	Controller      string
	Index           uint8
	Shared          bool // more than one device may use the connection
	DeviceInitiated bool
	Producer        bool
	Bus             SerialBus
	Vendor          []byte
	Revision1       bool // the format from before ACPI 6.0
}

// SerialBus is what is particular to a bus.
type SerialBus interface {
	bus() (kind uint8, flags uint16, data []byte)
}

// I2C is an address on the bus, of 7 bits or 10.
type I2C struct {
	Speed   uint32 // Hz
	Address uint16
	Ten     bool
}

// SPI is a chip select.
type SPI struct {
	Speed        uint32 // Hz
	Select       uint16
	Bits         uint8 // of a word
	ClockHigh    bool
	SecondPhase  bool
	ThreeWires   bool
	SelectIsHigh bool
}

// UART is how the other end talks.
type UART struct {
	Baud      uint32
	RX, TX    uint16 // bytes of the FIFOs
	DataBits  uint8  // 5 to 9
	StopBits  uint8  // 0 none, 1 one, 2 one and a half, 3 two
	Parity    uint8  // 0 none, 1 even, 2 odd, 3 mark, 4 space
	Flow      uint8  // 0 none, 1 hardware, 2 XON and XOFF
	Lines     uint8  // bit 7 RTS, 6 CTS, 5 DTR, 4 DSR, 3 RI, 2 DCD
	BigEndian bool
}

func (i I2C) bus() (uint8, uint16, []byte) {
	return 1, uint16(bit(i.Ten, 0)), le16(le32(nil, i.Speed), i.Address)
}

func (s SPI) bus() (uint8, uint16, []byte) {
	data := append(le32(nil, s.Speed), s.Bits, bit(s.SecondPhase, 0), bit(s.ClockHigh, 0))

	return 2, uint16(bit(s.ThreeWires, 0) | bit(s.SelectIsHigh, 1)), le16(data, s.Select)
}

func (u UART) bus() (uint8, uint16, []byte) {
	flags := u.Flow&3 | u.StopBits&3<<2 | (u.DataBits-5)&7<<4 | bit(u.BigEndian, 7)

	return 3, uint16(flags), append(le16(le16(le32(nil, u.Baud), u.RX), u.TX), u.Parity, u.Lines)
}

func (s Serial) put(b []byte) []byte {
	kind, flags, data := s.Bus.bus()
	revision := 2 - bit(s.Revision1, 0)

	body := le16([]byte{revision, s.Index, kind, bit(s.DeviceInitiated, 0) | bit(!s.Producer, 1) | bit(s.Shared, 2)}, flags)
	body = append(le16(append(body, 1), uint16(len(data)+len(s.Vendor))), data...)

	return large(b, 0x8e, append(append(append(body, s.Vendor...), s.Controller...), 0))
}

func (s Serial) check() error {
	switch b := s.Bus.(type) {
	case I2C:
		if b.Address >= 1<<10 || !b.Ten && b.Address >= 1<<7 {
			return mistake("I2C address %#x", b.Address)
		}
	case SPI:
		if b.Bits == 0 {
			return mistake("SPI words of no bits")
		}
	case UART:
		if b.DataBits < 5 || b.DataBits > 9 || b.StopBits > 3 || b.Parity > 4 || b.Flow > 2 || b.Lines&3 != 0 {
			return mistake("UART %+v", b)
		}
	default:
		return mistake("serial connection to no bus of I2C, SPI, UART")
	}

	if len(s.Vendor) > 4096 || s.Shared && s.Revision1 {
		return mistake("%d bytes of vendor data, or shared in revision 1", len(s.Vendor))
	}

	return checkPath(s.Controller)
}

func decodeSerial(r *reader) Resource {
	s := Serial{Revision1: r.u8() == 1, Index: r.u8()}
	kind, general, flags := r.u8(), r.u8(), r.u16()
	s.DeviceInitiated, s.Producer, s.Shared = general&1 != 0, general&2 == 0, general&4 != 0
	r.u8()

	length := int(r.u16())
	if length > len(r.b) {
		return nil
	}

	data := reader{b: r.b[:length]}
	path := reader{b: r.b[length:]}
	f := uint8(flags)

	switch kind {
	case 1:
		s.Bus = I2C{Speed: data.u32(), Address: data.u16(), Ten: f&1 != 0}
	case 2:
		p := SPI{Speed: data.u32(), Bits: data.u8(), ThreeWires: f&1 != 0, SelectIsHigh: f&2 != 0}
		p.SecondPhase, p.ClockHigh, p.Select = data.u8() != 0, data.u8() != 0, data.u16()
		s.Bus = p
	case 3:
		u := UART{Baud: data.u32(), RX: data.u16(), TX: data.u16(), Parity: data.u8(), Lines: data.u8()}
		u.Flow, u.StopBits, u.DataBits, u.BigEndian = f&3, f>>2&3, f>>4&7+5, f&0x80 != 0
		s.Bus = u
	default:
		return nil
	}

	if len(data.b) > 0 {
		s.Vendor = bytes.Clone(data.b)
	}

	s.Controller = path.text()

	return s
}
