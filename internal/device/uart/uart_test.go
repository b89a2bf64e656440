package uart

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/layout"
)

func TestDevice(t *testing.T) {
	devicetest.TestDevice(t, func() device.Device {
		return New(strings.NewReader(strings.Repeat("input ", 100)), &bytes.Buffer{})
	})
	devicetest.TestDevice(t, func() device.Device { return New(nil, nil) })
}

// port is the guest's side of a UART under test.
type port struct {
	t    testing.TB
	cpu  *devicetest.VCPU
	line *devicetest.Line
}

func attach(t testing.TB, u *UART) *port {
	t.Helper()

	p := devicetest.NewPlatform(t)
	require.NoError(t, u.Attach(p))

	cpu := p.NewVCPU()
	t.Cleanup(cpu.Close)

	return &port{t: t, cpu: cpu, line: p.Line(layout.IRQCOM1)}
}

func (p *port) in(reg uint16) byte     { return byte(p.cpu.In(layout.PortCOM1+reg, 1)) }
func (p *port) out(reg uint16, v byte) { p.cpu.Out(layout.PortCOM1+reg, 1, uint32(v)) }

// The registers after Master Reset.
func TestUART_reset(t *testing.T) {
	p := attach(t, New(nil, nil))

	require.EqualValues(t, 0, p.in(regIER))
	require.EqualValues(t, iirNone, p.in(regIIR))
	require.EqualValues(t, 0, p.in(regLCR))
	require.EqualValues(t, 0, p.in(regMCR))
	require.EqualValues(t, lsrTHRE|lsrTEMT, p.in(regLSR))
	require.EqualValues(t, msrDCD|msrDSR|msrCTS, p.in(regMSR))
	require.False(t, p.line.Level())
	require.Zero(t, p.line.Sets())
}

// What Linux' 8250 driver does to find out what it has before it.
func TestUART_autoconfig(t *testing.T) {
	p := attach(t, New(nil, nil))

	// Is there a UART? The low half of IER holds what is written, the high half doesn't.
	p.out(regIER, 0)
	require.Zero(t, p.in(regIER)&0x0f)
	p.out(regIER, 0x0f)
	require.EqualValues(t, 0x0f, p.in(regIER))
	p.out(regIER, 0)

	// Loopback: RTS and OUT2 come back as CTS and DCD.
	mcr := p.in(regMCR)
	p.out(regMCR, mcrLoop|mcrRTS|mcrOUT2)
	require.EqualValues(t, msrCTS|msrDCD, p.in(regMSR)&0xf0)
	p.out(regMCR, mcr)

	// No enhanced feature register behind LCR 0xbf: what is read there isn't 0.
	p.out(regLCR, 0xbf)
	require.NotZero(t, p.in(regIIR))
	p.out(regLCR, 0)

	// A 16550A says that its FIFOs work with both top bits.
	p.out(regIIR, fcrEnable)
	require.EqualValues(t, 3, p.in(regIIR)>>6)

	// Not a 16650: with DLAB, offset 2 isn't a readable 0 either.
	p.out(regLCR, lcrDLAB)
	require.NotZero(t, p.in(regIIR))

	// Not a 16750: no 64-byte FIFO behind FCR bit 5.
	p.out(regIIR, 0)
	p.out(regIIR, fcrEnable|0x20)
	require.EqualValues(t, 6, p.in(regIIR)>>5)
	p.out(regLCR, 0)

	// Not an XScale: no UUE bit in IER.
	p.out(regIER, 0x40)
	require.Zero(t, p.in(regIER)&0x40)

	// The scratch register tells a 16450 from an 8250.
	for _, v := range []byte{0xa5, 0x5a} {
		p.out(regSCR, v)
		require.Equal(t, v, p.in(regSCR))
	}

	// Start-up: enabling the THRE interrupt makes one, each time anew.
	rises := p.line.Rises()

	for range 2 {
		p.out(regIER, ierTHRI)
		require.True(t, p.line.Level())
		require.EqualValues(t, iirTHRI, p.in(regIIR)&0x0f)
		require.False(t, p.line.Level(), "reading IIR clears it")
		require.EqualValues(t, iirNone, p.in(regIIR)&0x0f)
		p.out(regIER, 0)
	}

	require.Equal(t, rises+2, p.line.Rises())
}

func TestUART_divisor(t *testing.T) {
	p := attach(t, New(nil, nil))

	p.out(regIER, ierRLSI)
	p.out(regLCR, lcrDLAB|0x03)
	p.cpu.Out(layout.PortCOM1, 2, 0x1234) // a word is two bytes to an 8-bit device
	require.EqualValues(t, 0x34, p.in(regData))
	require.EqualValues(t, 0x12, p.in(regIER))
	require.EqualValues(t, 0x1234, p.cpu.In(layout.PortCOM1, 2))
	p.out(regLCR, 0x03)
	require.EqualValues(t, ierRLSI, p.in(regIER))
	require.EqualValues(t, 0x03, p.in(regLCR))
}

// All causes at once come one by one, in the order of their priority.
func TestUART_priority(t *testing.T) {
	p := attach(t, New(nil, nil))

	p.out(regMCR, mcrLoop)
	p.in(regMSR)
	p.out(regIIR, fcrEnable|0x40) // trigger level 4
	p.out(regIER, ierMask)
	p.in(regIIR)
	require.EqualValues(t, iirFIFO|iirNone, p.in(regIIR))

	for i := range byte(fifoDepth + 1) {
		p.out(regData, i)
	}

	p.out(regMCR, mcrLoop|mcrDTR)

	iir := func() byte {
		v := p.in(regIIR)
		require.EqualValues(t, iirFIFO, v&0xf0)

		return v & 0x0f
	}

	require.EqualValues(t, iirRLSI, iir())
	require.EqualValues(t, lsrOE|lsrDR|lsrTHRE|lsrTEMT, p.in(regLSR))
	require.EqualValues(t, lsrDR|lsrTHRE|lsrTEMT, p.in(regLSR))

	for i := range byte(fifoDepth) {
		want := byte(iirRDI)
		if fifoDepth-i < 4 {
			want = iirTimeout
		}

		require.Equal(t, want, iir())
		require.Equal(t, i, p.in(regData))
	}

	require.True(t, p.line.Level())
	require.EqualValues(t, iirTHRI, iir())
	require.EqualValues(t, iirMSI, iir())
	require.True(t, p.line.Level())
	require.EqualValues(t, msrDSR|msrDSR>>4, p.in(regMSR)&^msrRI)
	require.False(t, p.line.Level())
	require.EqualValues(t, iirNone, iir())
}

// A new cause makes an edge even while another holds the line.
func TestUART_edges(t *testing.T) {
	p := attach(t, New(nil, nil))
	p.out(regMCR, mcrLoop)
	p.in(regMSR)
	p.out(regIER, ierRDI|ierMSI)

	p.out(regMCR, mcrLoop|mcrDTR)
	require.Equal(t, 1, p.line.Rises())
	p.out(regMCR, mcrLoop)
	require.Equal(t, 1, p.line.Rises(), "the same cause")
	p.out(regData, 1)
	require.Equal(t, 2, p.line.Rises())
	require.Equal(t, 3, p.line.Sets())
	p.in(regMSR)
	require.Equal(t, 3, p.line.Sets(), "one of two causes is gone")
	p.in(regData)
	require.False(t, p.line.Level())
	require.Equal(t, 4, p.line.Sets())
}

// TERI tells of the trailing edge of RI only.
func TestUART_ring(t *testing.T) {
	p := attach(t, New(nil, nil))

	p.out(regMCR, mcrLoop)
	p.in(regMSR)
	p.out(regMCR, mcrLoop|mcrOUT1)
	require.EqualValues(t, msrRI, p.in(regMSR))
	p.out(regMCR, mcrLoop)
	require.EqualValues(t, msrRI>>4, p.in(regMSR))
	require.EqualValues(t, 0, p.in(regMSR))
}

func TestUART_loopbackOverrun(t *testing.T) {
	p := attach(t, New(nil, nil))
	p.out(regMCR, mcrLoop)

	// Without FIFOs the new byte replaces the old.
	p.out(regData, 1)
	p.out(regData, 2)
	require.EqualValues(t, lsrOE|lsrDR, p.in(regLSR)&0x1f)
	require.EqualValues(t, 2, p.in(regData))
	require.EqualValues(t, 0, p.in(regLSR)&0x1f)

	// Switching FIFOs on, off, or clearing them empties the receiver.
	for _, fcr := range [][2]byte{{0, fcrEnable}, {fcrEnable, 0}, {fcrEnable, fcrEnable | fcrClearRx}} {
		p.out(regIIR, fcr[0])
		p.out(regData, 3)
		require.EqualValues(t, lsrDR, p.in(regLSR)&0x1f)
		p.out(regIIR, fcr[1])
		require.Zero(t, p.in(regLSR)&0x1f)
		require.Zero(t, p.in(regData))
	}

	// Loopback bytes never leave.
	p.out(regMCR, 0)
}

func FuzzUART(f *testing.F) {
	f.Add([]byte{0x81, 0x01, 0x82, 0xc7, 0x84, 0x12, 0x80, 0x41, 0x00, 0x05, 0x02})

	f.Fuzz(func(t *testing.T, ops []byte) {
		u := New(nil, nil)
		p := attach(t, u)

		for len(ops) > 1 {
			reg, v := uint16(ops[0]&7), ops[1]

			switch width := 1 << (ops[0] >> 3 & 3); {
			case int(reg)+width > windowSize:
			case width == 8:
				h := handler(u)
				h.Load(section, uint64(reg), make([]byte, width))
			case ops[0]&0x80 != 0:
				p.cpu.Out(layout.PortCOM1+reg, width, uint32(v)*0x01010101)
			default:
				p.cpu.In(layout.PortCOM1+reg, width)
			}

			if ops[0]&0x60 == 0x60 { // the other end does something
				u.receive(section, bytes.Repeat(ops[:1], int(v&31)))
				u.transmitted(u.transmit(section), 0, nil)
			}

			ops = ops[2:]

			checkInvariants(t, u, p)
		}
	})
}

func checkInvariants(t *testing.T, u *UART, p *port) {
	t.Helper()

	require.Equal(t, u.cause() != iirNone, p.line.Level(), "the line follows the registers")
	require.LessOrEqual(t, u.n, u.depth())
	require.GreaterOrEqual(t, u.n, 0)
	require.LessOrEqual(t, len(u.queue.fill), batch)
	require.Zero(t, u.ier&^ierMask)
	require.Zero(t, u.mcr&^mcrMask)

	if u.mcr&mcrLoop == 0 {
		require.EqualValues(t, msrReady, u.msr&^msrDeltas)
	}
}

func BenchmarkWrite(b *testing.B) {
	u := New(nil, nil)
	p := attach(b, u)
	require.NoError(b, u.Start())

	defer u.Stop()

	p.out(regIIR, fcrEnable)

	h, data := handler(u), []byte{'x'}

	b.ReportAllocs()

	for b.Loop() {
		h.Store(section, regData, data)
	}
}

func BenchmarkReadLSR(b *testing.B) {
	u := New(nil, nil)
	attach(b, u)

	h, data := handler(u), [1]byte{}

	b.ReportAllocs()

	for b.Loop() {
		h.Load(section, regLSR, data[:])
	}
}

func TestUART_noAllocations(t *testing.T) {
	u := New(nil, nil)
	attach(t, u)

	h, data := handler(u), []byte{'x'}
	require.Zero(t, testing.AllocsPerRun(1000, func() { h.Store(section, regData, data) }))
}

// handler is what Attach claims the ports with.
func handler(u *UART) device.Handler { return device.Slots(u, read, write) }
