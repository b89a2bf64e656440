package main

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
)

// fifos is the vmm.Device, and the handler of its window.
type fifos []*fifo

func newFIFOs(cpus int) fifos {
	d := make(fifos, cpus)
	for i := range d {
		d[i] = &fifo{done: make(chan struct{})}
	}

	return d
}

func (d fifos) Attach(p vmm.Platform) error {
	return p.PIO("fifos", portBase, uint16(len(d)*portStride), vmm.Direct(d))
}

func (d fifos) Read(_ patch.Section, off uint64, data []byte) {
	f := d[off/portStride]
	f.accesses.note()

	f.mu.Lock()
	defer f.mu.Unlock()

	for i := range data {
		data[i] = 0xff
	}

	if off%portStride == portNeighbour {
		copy(data, f.mem[fifoSize:])
	}
}

func (d fifos) Write(s patch.Section, off uint64, data []byte) {
	f := d[off/portStride]
	f.accesses.note()

	f.mu.Lock()
	defer f.mu.Unlock()

	switch port := off % portStride; {
	case port == portBegin:
		f.pos = 0
		binary.LittleEndian.PutUint32(f.mem[fifoSize:], intact)
	case port == portDone:
		select {
		case <-f.done: // said before
		default:
			close(f.done)
		}
	case port == portData && len(data) == 4:
		word := binary.LittleEndian.Uint32(data)
		if word != f.last+1 {
			f.gaps++
		}

		f.last = word
		pushSlot.In(s)(f, word)
	}
}

// start starts a guest that uses the device, with a vCPU for each FIFO.
func start(ctx context.Context, code []byte, d fifos) (*vmm.Machine, error) {
	m, err := vmm.New(ctx, vmm.Config{
		Name: "hotpatch", Memory: 4 << 20, CPUs: len(d),
		Boot: vmm.Flat{Code: code}, Devices: []vmm.Device{d},
	})
	if err != nil {
		return nil, err
	}

	if err := m.Start(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}

	return m, nil
}

// seen adds up what all FIFOs saw.
func (d fifos) seen() (t tally) {
	for _, f := range d {
		f.mu.Lock()
		t.oldWords += f.oldWords
		t.newWords += f.newWords
		t.overran += f.overran
		t.rejected += f.rejected
		t.gaps += f.gaps
		f.mu.Unlock()
	}

	return t
}
