package uart

// Offsets of the registers [DS, table II]. The first two are the divisor latch while
// LCR.DLAB is set.
const (
	regData = 0 // RBR on read, THR on write; DLL
	regIER  = 1 // DLM
	regIIR  = 2 // FCR on write
	regLCR  = 3
	regMCR  = 4
	regLSR  = 5
	regMSR  = 6
	regSCR  = 7

	windowSize = 8
)

// Bits of the registers.
const (
	ierRDI  = 0x01 // received data available, or timeout
	ierTHRI = 0x02 // transmitter holding register empty
	ierRLSI = 0x04 // receiver line status
	ierMSI  = 0x08 // modem status
	ierMask = 0x0f

	// Interrupt causes as IIR gives them, in falling priority [DS, table IV].
	iirRLSI    = 0x06
	iirRDI     = 0x04
	iirTimeout = 0x0c
	iirTHRI    = 0x02
	iirMSI     = 0x00
	iirNone    = 0x01
	iirFIFO    = 0xc0 // FIFOs are on

	fcrEnable  = 0x01
	fcrClearRx = 0x02

	lcrDLAB = 0x80

	mcrDTR  = 0x01
	mcrRTS  = 0x02
	mcrOUT1 = 0x04
	mcrOUT2 = 0x08
	mcrLoop = 0x10
	mcrMask = 0x1f

	lsrDR   = 0x01 // data ready
	lsrOE   = 0x02 // overrun
	lsrTHRE = 0x20 // transmitter holding register empty
	lsrTEMT = 0x40 // transmitter empty

	msrDeltas = 0x0f // DCTS, DDSR, TERI, DDCD: the inputs below, shifted right by four
	msrCTS    = 0x10
	msrDSR    = 0x20
	msrRI     = 0x40
	msrDCD    = 0x80
	msrReady  = msrCTS | msrDSR | msrDCD
)

// fifoDepth is the depth of both FIFOs [DS, 8.4].
const fifoDepth = 16

// triggers are the receive levels that FCR bits 7:6 choose [DS, 8.4].
var triggers = [4]int{1, 4, 8, 14}

// registers is what the guest sees of the chip, apart from the bytes on their way to
// the writer. UART.mu guards it.
type registers struct {
	ier, lcr, mcr, scr byte
	dll, dlm           byte
	msr                byte // inputs and their deltas

	fifo    bool // FCR0: the FIFOs are on
	trigger int  // of the receiver, in bytes
	overrun bool // LSR.OE

	// thri is the pending THRE interrupt: it is an event rather than a state, since a
	// read of IIR clears it while the transmitter stays empty [DS, table IV].
	thri bool

	recv [fifoDepth]byte // a ring: n bytes from head
	head int
	n    int
}

// reset brings the registers to what Master Reset gives [DS, table I].
func (r *registers) reset() {
	*r = registers{dll: 12, trigger: triggers[0], msr: msrReady}
}

func (u *UART) readRegister(off uint64) byte {
	switch off {
	case regData:
		if u.lcr&lcrDLAB != 0 {
			return u.dll
		}

		return u.pop()
	case regIER:
		if u.lcr&lcrDLAB != 0 {
			return u.dlm
		}

		return u.ier
	case regIIR:
		v := u.cause()
		if v == iirTHRI {
			u.thri = false
		}

		if u.fifo {
			v |= iirFIFO
		}

		return v
	case regLCR:
		return u.lcr
	case regMCR:
		return u.mcr
	case regLSR:
		v := u.lineStatus()
		u.overrun = false // cleared by this read [DS, 8.6.2]

		return v
	case regMSR:
		v := u.msr
		u.msr &^= msrDeltas // cleared by this read [DS, 8.9]

		return v
	case regSCR:
		return u.scr
	}

	return 0xff // outside the window; no one drives the bus
}

func (u *UART) writeRegister(off uint64, v byte) {
	switch off {
	case regData:
		if u.lcr&lcrDLAB != 0 {
			u.dll = v
			return
		}

		u.send(v)
	case regIER:
		if u.lcr&lcrDLAB != 0 {
			u.dlm = v
			return
		}

		u.enable(v & ierMask)
	case regIIR:
		u.control(v)
	case regLCR:
		u.lcr = v
	case regMCR:
		u.mcr = v & mcrMask
		u.modem()
		u.invite() // RTS may have come, or loopback gone
	case regSCR:
		u.scr = v
	}
	// LSR is for factory tests, and MSR holds inputs: writes are ignored.
}

// pending is the causes that are enabled and present, as bits of IER.
func (u *UART) pending() byte {
	var v byte

	if u.overrun {
		v |= ierRLSI
	}

	if u.n > 0 {
		v |= ierRDI
	}

	if u.thri {
		v |= ierTHRI
	}

	if u.msr&msrDeltas != 0 {
		v |= ierMSI
	}

	return v & u.ier
}

// cause is the pending interrupt of the highest priority, as in IIR [DS, table IV].
func (u *UART) cause() byte {
	switch v := u.pending(); {
	case v&ierRLSI != 0:
		return iirRLSI
	case v&ierRDI != 0 && u.fifo && u.n < u.trigger:
		// Fewer bytes than the trigger level make the timeout interrupt, at once: no
		// more bytes come in the four character times for which the chip would wait,
		// since a FIFO-full arrives in one go.
		return iirTimeout
	case v&ierRDI != 0:
		return iirRDI
	case v&ierTHRI != 0:
		return iirTHRI
	case v&ierMSI != 0:
		return iirMSI
	}

	return iirNone
}

// lineStatus is LSR without its side effect.
func (u *UART) lineStatus() byte {
	var v byte

	if u.n > 0 {
		v |= lsrDR
	}

	if u.overrun {
		v |= lsrOE
	}

	// A byte that was accepted counts as sent. THRE promises what a driver takes it
	// for: that a FIFO-full may be written without looking again.
	if u.mcr&mcrLoop != 0 || u.queue.room() >= fifoDepth {
		v |= lsrTHRE | lsrTEMT
	}

	return v
}

// enable is a write to IER. Enabling the THRE interrupt while the register is empty
// makes one: that is how a driver starts to send, and it tests that this works.
func (u *UART) enable(v byte) {
	if (v^u.ier)&ierTHRI != 0 {
		u.thri = v&ierTHRI != 0 && u.lineStatus()&lsrTHRE != 0
	}

	u.ier = v
}

// control is a write to FCR [DS, 8.4]. Clearing the transmit FIFO does nothing: LSR
// says already that all its bytes are gone, and losing them then would be a lie.
func (u *UART) control(v byte) {
	fifo := v&fcrEnable != 0

	if fifo != u.fifo || (fifo && v&fcrClearRx != 0) {
		u.head, u.n = 0, 0
	}

	u.fifo = fifo
	u.trigger = triggers[0]

	if fifo {
		u.trigger = triggers[v>>6]
	}

	u.invite()
}

// modem computes the modem inputs and notes what changed [DS, 8.7 and 8.9]. In loopback
// they are the outputs, in the order DSR=DTR, CTS=RTS, RI=OUT1, DCD=OUT2.
func (u *UART) modem() {
	now := byte(msrReady)

	if u.mcr&mcrLoop != 0 {
		now = 0

		for _, wire := range [...]struct{ out, in byte }{
			{mcrDTR, msrDSR}, {mcrRTS, msrCTS}, {mcrOUT1, msrRI}, {mcrOUT2, msrDCD},
		} {
			if u.mcr&wire.out != 0 {
				now |= wire.in
			}
		}
	}

	was := u.msr &^ msrDeltas
	changed := was ^ now
	changed &^= now & msrRI // TERI tells of the trailing edge only

	u.msr = now | u.msr&msrDeltas | changed>>4
}

// depth is what the receiver holds.
func (u *UART) depth() int {
	if u.fifo {
		return fifoDepth
	}

	return 1
}

// push puts a byte into the receiver. When it is full, the byte in the shift register
// is lost and the FIFO keeps its own; without a FIFO, the new byte replaces the old
// [DS, 8.6.2].
func (u *UART) push(v byte) {
	if u.n == u.depth() {
		u.overrun = true

		if u.fifo {
			return
		}

		u.n = 0
	}

	u.recv[(u.head+u.n)%fifoDepth] = v
	u.n++
}

// pop is a read of RBR. An empty receiver gives 0.
func (u *UART) pop() byte {
	if u.n == 0 {
		return 0
	}

	v := u.recv[u.head]
	u.head = (u.head + 1) % fifoDepth
	u.n--
	u.invite()

	return v
}

// send is a write to THR. The THRE interrupt falls, and rises again when there is
// room for more: at once in loopback and while the writer is busy with earlier bytes,
// and otherwise when the transmitter's goroutine takes this one, so that a byte sent on
// its own makes one interrupt and a FIFO-full hardly more.
func (u *UART) send(v byte) {
	u.thri = false

	if u.mcr&mcrLoop != 0 {
		u.push(v)
		u.thri = true

		return
	}

	u.queue.put(v)

	if u.queue.writing {
		u.thri = u.queue.room() >= fifoDepth
		return
	}

	wake(u.sent)
}

// open says that the far end may send.
func (u *UART) open() bool { return u.mcr&(mcrRTS|mcrLoop) == mcrRTS }

// invite wakes the receiver's goroutine when the guest has taken all it had.
func (u *UART) invite() {
	if u.n == 0 && u.open() {
		wake(u.room)
	}
}
