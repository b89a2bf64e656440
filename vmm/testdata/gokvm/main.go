// Command gokvm runs a machine of that monitor, which has no slots of its own: they are where
// its embedder calls it. The guest writes to a port now and then, and the vCPU's thread gets signals
// meanwhile. The command says how often the guest has written, and how often the monitor came
// back from it for nothing, for a signal, while the guest wrote for another while.
package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/bobuhiro11/gokvm/machine"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/testdata/served"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

const port = 0x5000

// What is called of gokvm.
var (
	newMachine = patch.NewSlot("vmm/testdata/gokvm.New", machine.New)
	loadLinux  = patch.NewSlot("vmm/testdata/gokvm.LoadLinux", (*machine.Machine).LoadLinux)
	runOnce    = patch.NewSlot("vmm/testdata/gokvm.RunOnce", (*machine.Machine).RunOnce)
)

// device counts what a guest writes.
type device struct{ count atomic.Uint64 }

func (*device) IOPort() uint64            { return port }
func (*device) Size() uint64              { return 4 }
func (*device) Read(uint64, []byte) error { return nil }

func (d *device) Write(uint64, []byte) error {
	d.count.Add(1)
	return nil
}

// running is a machine that runs for as long as the process lives.
type running struct {
	device
	turns, signals atomic.Uint64
}

func start() *running {
	m, err := newMachine.Get()("/dev/kvm", 1, machine.MinMemSize)
	served.Check(err)

	r := &running{}
	m.AddDevice(&r.device)
	served.Check(loadLinux.Get()(m, guest(), nil, ""))

	tid := make(chan int)

	go func() {
		runtime.LockOSThread()
		tid <- unix.Gettid()

		for {
			goOn, err := runOnce.Get()(m, 0)
			if served.Check(err); !goOn {
				return
			}

			r.turns.Add(1)
		}
	}()

	go func(tid int) {
		for {
			served.Check(unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)) // which Go programs take for nothing
			r.signals.Add(1)
			time.Sleep(100 * time.Microsecond)
		}
	}(<-tid)

	return r
}

// watch gives how often the guest has written, and how often it was left for nothing while it
// wrote, and while there were many signals. One turn may be under way at each end.
func (r *running) watch() (writes, idle uint64) {
	await(&r.count, 2) // the turn that was under way has ended

	turns, before := r.turns.Load(), r.count.Load()

	await(&r.signals, 300)
	await(&r.count, 2)

	idle = r.turns.Load() - turns
	writes = r.count.Load()

	return writes, idle - min(idle, writes-before)
}

// await waits until something has been counted n times more.
func await(count *atomic.Uint64, n uint64) {
	for end := count.Load() + n; count.Load() < end; {
		time.Sleep(time.Millisecond)
	}
}

// guest is an ELF file whose code is entered at its first byte.
func guest() io.ReaderAt {
	code := new(vmmtest.Code).
		Label("again").Mov(vmmtest.RBX, 200_000). // so that signals meet it in the guest
		Label("pass").Dec(vmmtest.RBX).Jnz("pass").
		Out(4, port, 0).Jmp("again").Bytes()

	const headers = 64 + 56 // Ehdr, Phdr

	var b bytes.Buffer

	served.Check(binary.Write(&b, binary.LittleEndian, elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Entry: vmm.FlatBase, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64,
	}))
	served.Check(binary.Write(&b, binary.LittleEndian, elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
		Off: headers, Vaddr: vmm.FlatBase, Paddr: vmm.FlatBase,
		Filesz: uint64(len(code)), Memsz: uint64(len(code)),
	}))
	b.Write(code)

	return bytes.NewReader(b.Bytes())
}

func main() {
	log.SetOutput(io.Discard) // gokvm logs what it loads

	r := start()

	served.Main(patch.Default(), func(string) string {
		writes, idle := r.watch()

		return fmt.Sprint(writes, " ", idle)
	})
}
