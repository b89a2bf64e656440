package devicetest

import (
	"encoding/binary"
	"fmt"

	"github.com/vgraft/vgraft/patch"
)

// VCPU plays a virtual CPU: it reaches the windows of a platform, each access in a
// section of its own. It is for one goroutine at a time.
type VCPU struct {
	p      *Platform
	worker *patch.Worker
}

// NewVCPU makes a vCPU. Close it when done.
func (p *Platform) NewVCPU() *VCPU {
	return &VCPU{p: p, worker: p.domain.NewWorker("vcpu")}
}

// Close ends the vCPU.
func (c *VCPU) Close() { c.worker.Close() }

// In reads a port. Width is 1, 2 or 4. A port that no device claims is a mistake of the
// test, and panics.
func (c *VCPU) In(port uint16, width int) uint32 { return uint32(c.load(false, uint64(port), width)) }

// Out writes a port.
func (c *VCPU) Out(port uint16, width int, v uint32) { c.store(false, uint64(port), width, uint64(v)) }

// Load reads device memory. Width is 1, 2, 4 or 8.
func (c *VCPU) Load(gpa uint64, width int) uint64 { return c.load(true, gpa, width) }

// Store writes device memory.
func (c *VCPU) Store(gpa uint64, width int, v uint64) { c.store(true, gpa, width, v) }

func (c *VCPU) load(mmio bool, addr uint64, width int) uint64 {
	w, off := c.p.find(mmio, addr, width)

	var buf [8]byte

	c.Read(w, off, buf[:width:width])

	return binary.LittleEndian.Uint64(buf[:])
}

func (c *VCPU) store(mmio bool, addr uint64, width int, v uint64) {
	w, off := c.p.find(mmio, addr, width)

	var buf [8]byte

	binary.LittleEndian.PutUint64(buf[:], v)
	c.Write(w, off, buf[:width:width])
}

// Read is an access to a window, in a section.
func (c *VCPU) Read(w Window, off uint64, data []byte) {
	s := c.worker.Enter()
	defer c.worker.Leave()

	w.Handler.Load(s, off, data)
}

// Write is an access to a window, in a section.
func (c *VCPU) Write(w Window, off uint64, data []byte) {
	s := c.worker.Enter()
	defer c.worker.Leave()

	w.Handler.Store(s, off, data)
}

func (p *Platform) find(mmio bool, addr uint64, width int) (Window, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()

	for _, w := range p.windows {
		if w.MMIO == mmio && addr >= w.Base && addr-w.Base+uint64(width) <= w.Size {
			return w, addr - w.Base
		}
	}

	panic(fmt.Sprintf("devicetest: no window holds %d bytes at %#x", width, addr))
}
