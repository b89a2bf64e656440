package cmos

import "github.com/vgraft/vgraft/internal/layout"

// size is the bytes that the index reaches: 14 of the clock and 114 of RAM.
const size = 128

// Bytes of the RAM in which a PC's firmware says how much memory there is. The guest
// can't write them, so that no guest can lie to what it starts next.
const (
	baseLow    = 0x15 // KiB below 1 MiB, two bytes
	extLow     = 0x17 // KiB above 1 MiB, two bytes, at most 64 MiB
	extCopy    = 0x30 // the same again
	above16M   = 0x34 // 64 KiB blocks from 16 MiB to the hole, two bytes
	above4G    = 0x5b // 64 KiB blocks above 4 GiB, three bytes
	sumFirst   = 0x10 // the bytes under the checksum, which the guest keeps up
	sumLast    = 0x2d
	sumHigh    = 0x2e
	sumLow     = 0x2f
	extCopyEnd = extCopy + 2
)

func isMemorySize(i byte) bool {
	return i >= baseLow && i < extLow+2 ||
		i >= extCopy && i < extCopyEnd ||
		i >= above16M && i < above16M+2 ||
		i >= above4G && i < above4G+3
}

// describe fills in the sizes. A field that is too small for the truth says as much as
// it can.
func (c *CMOS) describe(memory uint64) {
	const (
		kib = 1 << 10
		mib = 1 << 20
	)

	low := min(memory, layout.HoleStart)
	high := memory - low

	c.put(baseLow, 2, min(low, 640*kib)/kib)
	c.put(extLow, 2, (max(low, mib)-mib)/kib)
	c.put(extCopy, 2, (max(low, mib)-mib)/kib)
	c.put(above16M, 2, (max(low, 16*mib)-16*mib)/(64*kib))
	c.put(above4G, 3, high/(64*kib))

	var sum uint16
	for _, v := range c.ram[sumFirst : sumLast+1] {
		sum += uint16(v)
	}

	c.ram[sumHigh], c.ram[sumLow] = byte(sum>>8), byte(sum)
}

// put stores the low n bytes of v, or as many ones if it doesn't fit, little-endian.
func (c *CMOS) put(at, n int, v uint64) {
	v = min(v, 1<<(8*n)-1)

	for i := range n {
		c.ram[at+i] = byte(v >> (8 * i))
	}
}
