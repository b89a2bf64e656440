// Package pl011 is the serial port of machines on arm64: the registers of Arm's PL011, of
// which the "SBSA Generic UART" is the part that every system's driver uses.
//
// [DS] below is the "PrimeCell UART (PL011) Technical Reference Manual" (Arm, DDI 0183).
// It is a face only: behind it works the 16550A of package uart, with all that is said
// there of the host's side, so that every access to a register here is one or two to a
// register there. It differs from the chip, on purpose, in what that one does, and in
// this:
//
//   - Receive and transmit interrupts are levels: they last as long as there are bytes to
//     read, or room for half a FIFO of them. On the chip they come when the FIFO passes
//     a mark; drivers must cope with either, and clearing them does nothing here.
//   - The far end sends only while one of the receive interrupts is enabled. Until a
//     driver opens the port, it empties the FIFO, and the first bytes of a piped input
//     would end there.
//
// The enable bits, baud rate and word length are only stored.
package pl011

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/uart"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// What the guest can make run, beside the slots of package uart.
var (
	read  = patch.NewSlot("vmm/pl011.read", (*PL011).read)
	write = patch.NewSlot("vmm/pl011.write", (*PL011).write)
)

// PL011 is one serial port. Make it with New. Its slots are called by vCPU threads inside
// a section, any number at a time; Attach, Start and Stop by the machine, once each and
// in this order; Dropped by anyone.
type PL011 struct {
	*chip
	port device.Handler // the 16550A's registers; set by Attach

	mu    sync.Mutex // guards what follows; held over accesses to port, which has its own below it
	regs  [fileSize / 4]uint32
	imsc  uint32
	modem byte    // what MCR was last set to
	one   [1]byte // for an access to port, so that it allocates nothing
}

// chip is uart.UART by another name, so that it isn't exported as a field.
type chip = uart.UART

// New makes a serial port that gives the guest what it reads from in, and writes to out
// what the guest sends. See uart.New.
func New(in io.Reader, out io.Writer) *PL011 {
	p := &PL011{chip: uart.New(in, out)}
	p.regs[regCR/4] = crReset
	p.regs[regIFLS/4] = iflsReset

	return p
}

// Attach claims the window and the interrupt line.
func (p *PL011) Attach(m device.Platform) error {
	if err := p.chip.Attach(&socket{m, p}); err != nil {
		return err
	}

	return m.MMIO("pl011", arm64.UART, arm64.UARTSize, device.Slots(p, read, write))
}

// Console is where ACPI has it, for systems to take it for their console.
func (*PL011) Console() string { return `\_SB.COM0` }

// ACPI says where it is.
func (p *PL011) ACPI() ([]aml.Term, error) {
	return []aml.Term{aml.Scope(`\_SB`, aml.Device("COM0",
		aml.Name("_HID", aml.String("ARMH0011")),
		aml.Name("_CID", aml.String("ARMHB000")),
		aml.Name("_UID", aml.Zero),
		aml.Name("_CRS", aml.ResourceTemplate(
			aml.Memory32Fixed{Base: arm64.UART, Length: arm64.UARTSize, Writable: true},
			aml.Interrupt{GSIs: []uint32{arm64.SPI + arm64.IRQUART}}))))}, nil
}

// socket is the platform that the chip behind is plugged into.
type socket struct {
	device.Platform
	p *PL011
}

func (s *socket) PIO(_ string, _, _ uint16, h device.Handler) error {
	s.p.port = h

	return nil
}

func (s *socket) IRQ(uint32) (device.IRQ, error) { return s.Platform.IRQ(arm64.IRQUART) }

// Registers [DS, table 3-1]. Those without a name here read as 0.
const (
	regDR   = 0x00
	regFR   = 0x18
	regILPR = 0x20
	regIBRD = 0x24
	regFBRD = 0x28
	regLCRH = 0x2c
	regCR   = 0x30
	regIFLS = 0x34
	regIMSC = 0x38
	regRIS  = 0x3c
	regMIS  = 0x40

	fileSize = 0x48
	regID    = 0xfe0
)

// Bits of the registers.
const (
	frCTS  = 1 << 0
	frDSR  = 1 << 1
	frDCD  = 1 << 2
	frBusy = 1 << 3
	frRXFE = 1 << 4 // receiver empty
	frTXFF = 1 << 5 // transmitter full
	frTXFE = 1 << 7

	intRX   = 1 << 4
	intTX   = 1 << 5
	intRT   = 1 << 6 // bytes, but fewer than would make intRX
	intMask = 0x7ff

	crReset   = 0x300 // both directions enabled
	iflsReset = 0x12
)

// identity is what the last eight registers say: part 011, designed by Arm, revision r1p5,
// a PrimeCell.
var identity = [8]byte{0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1}

// Registers of the 16550A and their bits.
const (
	portData = 0
	portIER  = 1
	portFCR  = 2
	portMCR  = 4
	portLSR  = 5

	ierRDI  = 0x01
	ierTHRI = 0x02

	mcrRTS  = 0x02
	lsrDR   = 0x01
	lsrTHRE = 0x20
	fcrFIFO = 0xc1 // on; an interrupt for 14 bytes, or at once for fewer
)

func (p *PL011) get(s patch.Section, port uint64) byte {
	p.port.Load(s, port, p.one[:])

	return p.one[0]
}

func (p *PL011) put(s patch.Section, port uint64, v byte) {
	p.one[0] = v
	p.port.Store(s, port, p.one[:])
}

// read gives each register that the access touches once.
func (p *PL011) read(s patch.Section, off uint64, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()

	var word [4]byte

	for i := range data {
		at := off + uint64(i)
		if i == 0 || at%4 == 0 {
			binary.LittleEndian.PutUint32(word[:], p.readRegister(s, at&^3))
		}

		data[i] = word[at%4]
	}
}

// write gives each register that the access touches what is written of it, and zeros.
func (p *PL011) write(s patch.Section, off uint64, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()

	var word [4]byte

	for i, v := range data {
		at := off + uint64(i)
		word[at%4] = v

		if at%4 == 3 || i == len(data)-1 {
			p.writeRegister(s, at&^3, binary.LittleEndian.Uint32(word[:]))
			word = [4]byte{}
		}
	}
}

func (p *PL011) readRegister(s patch.Section, reg uint64) uint32 {
	switch reg {
	case regDR:
		return uint32(p.get(s, portData))
	case regFR:
		return p.flags(s)
	case regIMSC:
		return p.imsc
	case regRIS:
		return p.raised(s)
	case regMIS:
		return p.raised(s) & p.imsc
	case regILPR, regIBRD, regFBRD, regLCRH, regCR, regIFLS:
		return p.regs[reg/4]
	}

	if reg >= regID && reg < regID+4*uint64(len(identity)) {
		return uint32(identity[(reg-regID)/4])
	}

	return 0
}

func (p *PL011) flags(s patch.Section) uint32 {
	v := uint32(frCTS | frDSR | frDCD)
	lsr := p.get(s, portLSR)

	if lsr&lsrDR == 0 {
		v |= frRXFE
	}

	// The 16550A says that it is empty as long as a whole FIFO may be sent.
	if lsr&lsrTHRE == 0 {
		return v | frTXFF | frBusy
	}

	return v | frTXFE
}

// raised is the interrupts that there would be if all were enabled.
func (p *PL011) raised(s patch.Section) uint32 {
	var v uint32

	lsr := p.get(s, portLSR)
	if lsr&lsrDR != 0 {
		v |= intRX | intRT
	}

	if lsr&lsrTHRE != 0 {
		v |= intTX
	}

	return v
}

func (p *PL011) writeRegister(s patch.Section, reg uint64, v uint32) {
	switch reg {
	case regDR:
		p.put(s, portData, byte(v))
	case regIMSC:
		p.enable(s, v&intMask)
	case regILPR, regIBRD, regFBRD, regLCRH, regCR, regIFLS:
		p.regs[reg/4] = v & 0xffff
	}
}

// enable is a write to IMSC.
func (p *PL011) enable(s patch.Section, v uint32) {
	p.imsc = v

	var ier, modem byte

	if v&(intRX|intRT) != 0 {
		ier |= ierRDI
		modem = mcrRTS
	}

	if v&intTX != 0 {
		ier |= ierTHRI
	}

	// The FIFOs first: turning them on empties them.
	if modem != p.modem {
		p.modem = modem
		if modem != 0 {
			p.put(s, portFCR, fcrFIFO)
		}

		p.put(s, portMCR, modem)
	}

	p.put(s, portIER, ier)
}
