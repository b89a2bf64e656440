package main

import (
	"encoding/binary"
	"sync"

	"github.com/vgraft/vgraft/patch"
)

// The ports of the first FIFO; that of the next vCPU is portStride further.
const (
	portBase   = 0x1000
	portStride = 8

	portBegin     = 0 // write 8 bits: begin a message
	portDone      = 1 // write 8 bits: this vCPU sends no more
	portNeighbour = 0 // read 32 bits: the register beside the FIFO
	portData      = 4 // write 32 bits: append a word
)

const (
	fifoSize     = 16 // bytes: four words
	messageWords = 5  // what the guest sends
	intact       = 0x600df00d
)

// fifo is the device of one vCPU. Its buffer and the register beside it are one piece
// of memory, like two fields of a struct in C.
type fifo struct {
	accesses accesses

	mu   sync.Mutex // no vCPU has to touch another's FIFO, but which guest can be trusted
	mem  [fifoSize + 4]byte
	pos  int
	last uint32 // word of the stream
	done chan struct{}
	tally
}

// tally is what the device saw.
type tally struct {
	oldWords, newWords uint64 // by the code that took them
	overran, rejected  uint64 // of those
	gaps               uint64 // words that are not the last one's successor
}

// push is the handler with the flaw: as in VENOM, CVE-2015-3456, nobody looks at pos.
// The fifth word lands in the neighbour. At the sixth Go's own check would end the
// machine; C would go on. What repairs it is fix.patch.
func (f *fifo) push(word uint32) {
	f.oldWords++

	if f.pos >= fifoSize {
		f.overran++
	}

	binary.LittleEndian.PutUint32(f.mem[f.pos:], word)
	f.pos += 4
}

// pushSlot is all that it takes to make the handler replaceable.
var pushSlot = patch.NewSlot("github.com/vgraft/vgraft/examples/hotpatch.push", (*fifo).push)
