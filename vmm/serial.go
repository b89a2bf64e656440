package vmm

import "io"

// Serial is a 16550A serial port at the place of the PC's first, which Linux calls
// ttyS0; on arm64 a PL011, which Linux calls ttyAMA0 and takes for its console unless
// the command line names another. What the guest sends is written to out, and what in gives is what it
// receives. Either may be nil: no input, and output that goes nowhere.
//
// Nothing is lost in either direction when a side is slow: the guest waits for out,
// and in is not read before the guest takes what came before. What was sent when the
// machine ends is written before Wait returns, unless out blocks for seconds.
//
// in is read by a goroutine that ends with the machine. If in is an *os.File or has a
// SetReadDeadline, nothing is read from it after that; a Read of another kind that
// blocks holds its goroutine, until it returns.
func Serial(in io.Reader, out io.Writer) Device {
	return serial(in, out)
}
