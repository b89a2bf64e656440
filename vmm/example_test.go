package vmm_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
)

// Dice is a device of one byte; each read is a throw.
type Dice struct{}

var throw = patch.NewSlot("example.com/dice.throw", (*Dice).throw)

func (d *Dice) Attach(p vmm.Platform) error { return p.MMIO("dice", 0xd000_0000, 1, vmm.Direct(d)) }

func (d *Dice) Read(s patch.Section, _ uint64, data []byte) { throw.In(s)(d, data) }
func (d *Dice) Write(patch.Section, uint64, []byte)         {}

// throw has a bug: it gives 0 to 5.
func (d *Dice) throw(data []byte) { data[0] = byte(rand.IntN(6)) }

func (d *Dice) throwFixed(data []byte) { data[0] = byte(1 + rand.IntN(6)) }

// Repair makes the dice of one machine give 1 to 6. Its guest isn't stopped.
func Repair(ctx context.Context, m *vmm.Machine) error {
	fix, err := patch.New("dice-from-1", patch.Func(throw, (*Dice).throwFixed))
	if err != nil {
		return err
	}

	_, err = patch.NewEngine(patch.Options{}).Apply(ctx, fix, patch.On(m.Domain()))

	return err
}

// A machine with a device of the embedder's, which is repaired while the guest runs.
// It needs KVM and a kernel, so that it is compiled and not run.
func Example() {
	ctx := context.Background()

	m, err := vmm.New(ctx, vmm.Config{
		Memory:  512 << 20,
		CPUs:    2,
		Boot:    vmm.Linux{Kernel: "vmlinuz", Initrd: "initrd", Cmdline: "console=ttyS0"},
		Devices: []vmm.Device{vmm.Serial(os.Stdin, os.Stdout), &Dice{}},
	})
	if err != nil {
		log.Fatal(err) // every mistake in the Config at once
	}
	defer m.Close()

	if err := m.Start(ctx); err != nil {
		log.Print(err)
		return
	}

	if err := Repair(ctx, m); err != nil {
		log.Print(err)
		return
	}

	exit, err := m.Wait(ctx)
	fmt.Println(exit, err)
}
