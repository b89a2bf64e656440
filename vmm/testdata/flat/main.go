// Command flat runs a guest that reads a word from a port again and again, with one string
// instruction of one byte at a time, and tells what it got.
package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/testdata/served"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

const (
	wordAt   = 0x40000
	portWord = 0x5000 // read: the next letter of "word"
	portTell = 0x5004 // write: what the guest has got
)

// word is a device of two ports.
type word struct {
	mu    sync.Mutex
	next  int
	last  string
	count int
}

func (w *word) Attach(p vmm.Platform) error { return p.PIO("word", portWord, 8, vmm.Direct(w)) }

func (w *word) Read(_ patch.Section, _ uint64, data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()

	for i := range data {
		data[i] = "word"[w.next%4]
		w.next++
	}
}

func (w *word) Write(_ patch.Section, _ uint64, data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.last = string(data)
	w.count++
}

func (w *word) read() (last string, count int) {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.last, w.count
}

func main() {
	ctx := context.Background()
	w := &word{}

	code := new(vmmtest.Code).
		Mov(vmmtest.RBX, wordAt).
		Label("again").
		Mov(vmmtest.RAX, 0).Store(4, vmmtest.RBX, vmmtest.RAX).
		Mov(vmmtest.RDI, wordAt).Mov(vmmtest.RCX, 4).Mov(vmmtest.RDX, portWord).RepIns(1).
		Load(4, vmmtest.RAX, vmmtest.RBX).Mov(vmmtest.RDX, portTell).OutDX(4).
		Jmp("again")

	m, err := vmm.New(ctx, vmm.Config{Memory: 4 << 20, Boot: vmm.Flat{Code: code.Bytes()}, Devices: []vmm.Device{w}})
	served.Check(err)

	served.Check(m.Start(ctx))

	// What was under way counts for nobody.
	served.Main(m.Domain(), func(string) string {
		_, before := w.read()
		for {
			if last, now := w.read(); now >= before+2 {
				return fmt.Sprintf("%d %q", now, last)
			}
		}
	})

	served.Check(m.Close())
}
