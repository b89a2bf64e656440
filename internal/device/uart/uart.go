// Package uart is the serial port of the board: a 16550A at COM1, with FIFOs and
// interrupts, between a guest and an io.Reader and io.Writer of the embedder.
//
// The registers follow the data sheet "PC16550D Universal Asynchronous
// Receiver/Transmitter with FIFOs" (National Semiconductor, 1995), cited below as
// [DS, section]. Four things differ from the chip, on purpose:
//
//   - Time. A byte takes no time on the wire and the divisor latch is only stored.
//     The pace is set by the host's side: the transmitter asks for more when its bytes
//     were taken for writing, and the receiver gets its next FIFO-full when the guest
//     has emptied the last.
//   - Interrupts. The I/O APIC takes ISA interrupt 4 by its edge. On the chip, a cause
//     that comes while another holds the line makes no edge, and a driver must look
//     until it finds no cause. On a line without end a driver doesn't get there, and
//     Linux gives up after 512 looks. So here every new cause makes an edge.
//   - The far end obeys RTS. It sends only while MCR.RTS is set and loopback is off,
//     as with hardware flow control. Until a guest opens the port, its driver probes
//     it and clears the FIFOs several times over; without the rule, the first bytes of
//     a piped input would end there. A guest that polls must set RTS too, as serial
//     drivers do.
//   - Overruns. The far end never sends more than the FIFO takes, so that LSR.OE is
//     seen in loopback only.
//
// The modem inputs of a port that isn't in loopback say: connected and ready (DCD, DSR
// and CTS set, RI clear). MCR.OUT2 doesn't gate the interrupt. Parity and framing
// errors and breaks don't occur.
package uart

import (
	"errors"
	"io"
	"log/slog"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// Everything that the guest, or a byte from the host, can make run.
var (
	read        = patch.NewSlot("vmm/uart.read", (*UART).read)
	write       = patch.NewSlot("vmm/uart.write", (*UART).write)
	transmit    = patch.NewSlot("vmm/uart.transmit", (*UART).transmit)
	transmitted = patch.NewSlot("vmm/uart.transmitted", (*UART).transmitted)
	demand      = patch.NewSlot("vmm/uart.demand", (*UART).demand)
	receive     = patch.NewSlot("vmm/uart.receive", (*UART).receive)
)

// UART is one serial port. Make it with New. Its slots are called by vCPU threads
// inside a section, any number at a time; Attach, Start and Stop by the
// machine, once each and in this order; Dropped by anyone.
type UART struct {
	in  io.Reader
	out io.Writer

	// Set by Attach, constant after.
	irq    device.IRQ
	log    *slog.Logger
	domain *patch.Domain

	// sent and room wake the two goroutines. They hold one token each: a wake-up says
	// "look again", and looking once is enough for any number of them.
	sent chan struct{} // a byte is waiting for the writer
	room chan struct{} // the receiver may take bytes

	stop chan struct{} // closed by Stop
	tx   *transmitter  // nil before Start
	rx   *receiver     // nil without an input

	mu sync.Mutex // guards what follows; leaf: nothing but IRQ.Set is called with it held
	registers
	queue    queue
	asserted byte  // the causes that hold the interrupt line up, as IER bits
	fault    error // of the interrupt line, the first one
}

// New makes a serial port that gives the guest what it reads from in, and writes to
// out what the guest sends. A nil in is a line on which nothing ever arrives; a nil
// out discards.
//
// Reads are made by a goroutine of the port, of at most 16 bytes, and only when the
// guest is ready to take them, so that what the guest doesn't take stays with the
// reader. Stop lets go at once of an *os.File such as os.Stdin, of any other in with a
// SyscallConn, and of one with a working SetReadDeadline. With another reader the
// goroutine ends when the Read that is under way returns, and what that Read gives is
// lost. The reader is never closed. An error, io.EOF included, ends the input for good.
//
// Writes are made by another goroutine, one for all the bytes that have gathered. A
// writer that blocks makes the guest wait, never the vCPU. After its first error no
// write is tried again: the guest goes on, and Dropped counts what is lost.
func New(in io.Reader, out io.Writer) *UART {
	if out == nil {
		out = io.Discard
	}

	u := &UART{
		in:   in,
		out:  out,
		sent: make(chan struct{}, 1),
		room: make(chan struct{}, 1),
		stop: make(chan struct{}),
	}
	u.registers.reset()
	u.queue.init()

	return u
}

// Attach claims COM1's ports and interrupt line.
func (u *UART) Attach(p device.Platform) error {
	irq, err := p.IRQ(layout.IRQCOM1)
	if err != nil {
		return err
	}

	u.irq, u.log, u.domain = irq, p.Log(), p.Domain()

	return p.PIO("uart", layout.PortCOM1, windowSize, device.Slots(u, read, write))
}

// ACPI says where it is.
func (u *UART) ACPI() ([]aml.Term, error) {
	return []aml.Term{aml.Scope(`\_SB`, aml.Device("COM1",
		aml.Name("_HID", aml.EISAID("PNP0501")),
		aml.Name("_UID", aml.One),
		aml.Name("_CRS", aml.ResourceTemplate(
			aml.IO{Min: layout.PortCOM1, Max: layout.PortCOM1, Align: 1, Length: windowSize},
			aml.IRQ{Lines: []uint8{layout.IRQCOM1}, NoFlags: true}))))}, nil
}

// Start starts the goroutines that read from and write to the host.
func (u *UART) Start() error {
	rx, err := u.newReceiver()
	if err != nil {
		return err
	}

	u.rx, u.tx = rx, u.newTransmitter()

	go u.tx.run()

	if u.rx != nil {
		go u.rx.run()
	}

	return nil
}

// Stop writes what the guest has sent and ends the goroutines. A writer that blocks is
// given up after two seconds, and what it didn't take counts as dropped.
func (u *UART) Stop() {
	if u.tx == nil {
		return // never started
	}

	close(u.stop)

	if u.rx != nil {
		u.rx.wait()
	}

	u.tx.wait()

	u.mu.Lock()
	fault := u.fault
	u.mu.Unlock()

	if fault != nil {
		u.log.Warn("uart: interrupt line", "err", fault)
	}
}

// Dropped is the number of bytes that the guest sent and no Write took: after an error
// of the writer, or because the guest didn't wait for room.
func (u *UART) Dropped() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()

	return u.queue.dropped
}

// read and write split wide accesses into bytes in ascending order, as the ISA bridge
// does for an 8-bit device.
func (u *UART) read(s patch.Section, off uint64, data []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()

	for i := range data {
		data[i] = u.readRegister(off + uint64(i))
		u.update(s)
	}
}

func (u *UART) write(s patch.Section, off uint64, data []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()

	for i, v := range data {
		u.writeRegister(off+uint64(i), v)
		u.update(s)
	}
}

// update brings the interrupt line to what the registers say. It runs after each
// access, so that the line really falls when the last cause is cleared; and for a new
// cause it rises anew, whatever it was before. Called with mu held.
func (u *UART) update(s patch.Section) {
	was, now := u.asserted, u.pending()
	if now == was {
		return
	}

	u.asserted = now

	if was != 0 && (now == 0 || now&^was != 0) {
		u.drive(s, false)
	}

	if now&^was != 0 {
		u.drive(s, true)
	}
}

func (u *UART) drive(s patch.Section, level bool) {
	// The guest can't mend an interrupt line, and must not be able to fill a log.
	if err := u.irq.Set(s, level); err != nil && u.fault == nil {
		u.fault = err
	}
}

// wake puts a token into a channel that holds one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// errStopped ends a wait because Stop was called.
var errStopped = errors.New("uart: stopped")
