package acpi

import "bytes"

// Interface types of the SPCR, and subtypes of serial ports in the DBG2 (Debug Port Table 2,
// table 3).
const (
	Serial16550    = 0x0
	Serial16450    = 0x1
	SerialPL011    = 0x3
	SerialSBSA32   = 0xd // SBSA generic UART, 32-bit accesses only; deprecated
	SerialSBSA     = 0xe // SBSA generic UART
	SerialDCC      = 0xf
	Serial16550GAS = 0x12
)

// Bits of SPCR.InterruptType.
const (
	SPCRPC8259  = 1 << 0
	SPCRIOAPIC  = 1 << 1
	SPCRIOSAPIC = 1 << 2
	SPCRGIC     = 1 << 3
	SPCRPLIC    = 1 << 4
)

// Values of SPCR.BaudRate.
const (
	SPCRBaudAsIs   = 0 // nobody sets it: as the port is
	SPCRBaud9600   = 3
	SPCRBaud19200  = 4
	SPCRBaud57600  = 6
	SPCRBaud115200 = 7
)

// Other values in the SPCR.
const (
	SPCRTerminalANSI = 3      // TerminalType
	SPCRNoPCI        = 0xffff // PCIDeviceID and PCIVendorID
)

// SPCR names the serial console (Serial Port Console Redirection Table). Revision 2 has 80
// bytes; 3 uses UARTClockFrequency; 4 adds PreciseBaudRate and the name.
type SPCR struct {
	Header

	InterfaceType         uint8 // Serial*
	BaseAddress           GAS
	InterruptType         uint8 // SPCR*
	IRQ                   uint8 // of the 8259
	GlobalSystemInterrupt uint32
	BaudRate              uint8 // SPCRBaud*
	Parity                uint8
	StopBits              uint8
	FlowControl           uint8
	TerminalType          uint8
	Language              uint8
	PCIDeviceID           uint16 // SPCRNoPCI
	PCIVendorID           uint16
	PCIBus                uint8
	PCIDevice             uint8
	PCIFunction           uint8
	PCIFlags              uint32
	PCISegment            uint8
	UARTClockFrequency    uint32 // Hz; revision 3

	PreciseBaudRate uint32 // revision 4
	NamespaceString string // revision 4; "." if there is no device

	reserved [3]byte
}

// Signature is "SPCR".
func (t *SPCR) Signature() string { return "SPCR" }

// MarshalBinary gives the table's bytes.
func (t *SPCR) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *SPCR) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *SPCR) walk(c *codec) {
	const nameAt = 88

	c.fields(&t.InterfaceType, t.reserved[:], &t.BaseAddress, &t.InterruptType, &t.IRQ, &t.GlobalSystemInterrupt, &t.BaudRate,
		&t.Parity, &t.StopBits, &t.FlowControl, &t.TerminalType, &t.Language, &t.PCIDeviceID, &t.PCIVendorID, &t.PCIBus,
		&t.PCIDevice, &t.PCIFunction, &t.PCIFlags, &t.PCISegment, &t.UARTClockFrequency)

	if t.Revision < 4 {
		return
	}

	length, offset := c.fit16(len(t.NamespaceString)+1), uint16(nameAt)
	c.fields(&t.PreciseBaudRate, &length, &offset)
	c.name(&t.NamespaceString, int(length))
}

// name is a string with its NUL: n bytes, which count for reading only.
func (c *codec) name(p *string, n int) {
	if c.writing {
		c.b = append(append(c.b, *p...), 0)
		return
	}

	if b := c.take(n); len(b) == 0 || bytes.IndexByte(b, 0) != len(b)-1 {
		c.fail(ErrLayout, "a name doesn't end with its only NUL")
	} else {
		*p = string(b[:len(b)-1])
	}
}

// Port types of the DBG2, and subtypes of other ports than serial ones.
const (
	DBG2Serial   = 0x8000
	DBG2IEEE1394 = 0x8001
	DBG2USB      = 0x8002
	DBG2Net      = 0x8003
)

// DBG2 lists debug ports (Debug Port Table 2).
type DBG2 struct {
	Header

	Devices []DBG2Device
}

// DBG2Device is a debug port: *DBG2Port, or *RawStructure for an arrangement that
// this package would not write, whose Type is the port's revision.
type DBG2Device interface {
	structure
	dbg2() uint16
}

// DBG2Port is a debug port.
type DBG2Port struct {
	NamespaceString string // "." if there is no device
	PortType        uint16 // DBG2Serial etc.
	PortSubtype     uint16 // Serial* for a serial port
	Registers       []GAS
	Sizes           []uint32 // in bytes, one for each register
	OEMData         []byte

	reserved uint16
}

// Signature is "DBG2".
func (t *DBG2) Signature() string { return "DBG2" }

// MarshalBinary gives the table's bytes.
func (t *DBG2) MarshalBinary() ([]byte, error) { return marshal(t) }

// UnmarshalBinary reads the table.
func (t *DBG2) UnmarshalBinary(b []byte) error { return unmarshal(t, b) }

func (t *DBG2) walk(c *codec) {
	offset, count := uint32(44), c.fit32(len(t.Devices))
	c.fields(&offset, &count)

	if !c.writing {
		c.seek(offset)
	}

	list(c, frame16, &t.Devices, c.count(count, 3), DBG2Device.dbg2, newDBG2)
}

func newDBG2(revision uint16) DBG2Device {
	if revision != 0 {
		return nil
	}

	return &DBG2Port{}
}

func (*DBG2Port) dbg2() uint16       { return 0 }
func (r *RawStructure) dbg2() uint16 { return r.Type }

func (s *DBG2Port) walk(c *codec) {
	const headSize, gasSize = 22, 12

	n := len(s.Registers)
	if c.writing && (n != len(s.Sizes) || n > 0xff) {
		c.fail(ErrValue, "%d registers with %d sizes", n, len(s.Sizes))
		return
	}

	registers := uint8(n)
	nameAt := headSize + n*(gasSize+4)
	nameLen := c.fit16(len(s.NamespaceString) + 1)
	name, dataLen, data := c.fit16(nameAt), c.fit16(len(s.OEMData)), uint16(0)
	base, size := uint16(headSize), uint16(headSize+n*gasSize)

	if len(s.OEMData) > 0 {
		data = c.fit16(nameAt + int(nameLen))
	}

	c.fields(&registers, &nameLen, &name, &dataLen, &data, &s.PortType, &s.PortSubtype, &s.reserved, &base, &size)
	repeat(c, &s.Registers, int(registers), gasSize, func(g *GAS) { c.fields(g) })
	c.u32s(&s.Sizes, int(registers))
	c.name(&s.NamespaceString, int(nameLen))
	c.blob(&s.OEMData, int(dataLen))
}
