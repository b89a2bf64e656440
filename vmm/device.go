package vmm

import (
	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
)

// The contract between a machine and its devices. The declarations stand in an
// internal package, so that the devices that come with vmm can implement them without
// importing it; to everyone else these aliases are the types.
type (
	// Device is one emulated device:
	//
	//	Attach(p Platform) error
	//
	// Attach is called once, by New, in the order of Config.Devices: the device claims
	// its windows and lines and keeps what it needs of the platform. An error fails
	// New. Nothing of the guest runs yet.
	//
	// A device may also implement Described, Starter and io.Closer.
	Device = device.Device

	// Described is a device of which the machine's ACPI tables say something:
	//
	//	ACPI() ([]aml.Term, error)
	//
	// ACPI gives what stands in the DSDT, at its root: a Scope of \_SB with a Device in
	// it, as a rule. New calls it once, after the last Attach. An error fails New.
	Described = device.Described

	// Event is something of which a device tells the guest's operating system by ACPI:
	//
	//	Raise(s patch.Section)
	//
	// Raise has the guest run what was given to Platform.Event. It may be called from
	// any goroutine and doesn't block; the section is the caller's, as of IRQ.Set.
	// Several that the guest hasn't come to yet are one. The zero Event is connected to
	// nothing.
	Event = device.Event

	// Handler is what a device does when the guest touches one of its windows. Slots
	// makes one that can be repaired while guests run, Direct one of plain methods.
	//
	// The vCPU thread that exited calls it, inside a section: other vCPUs may call it
	// at the same time, it must not block, and it must not keep data. The offset is
	// relative to the window; len(data) is the width of the access, 1, 2, 4 or 8
	// bytes, and the access lies wholly inside the window. Bytes are little-endian.
	// A read must fill data.
	Handler = device.Handler

	// Accesses are a handler's two functions, for Direct:
	//
	//	Read(s patch.Section, off uint64, data []byte)
	//	Write(s patch.Section, off uint64, data []byte)
	Accesses = device.Accesses

	// Platform is what a machine offers a device while it attaches:
	//
	//	PIO(name string, base, size uint16, h Handler) error
	//	MMIO(name string, base, size uint64, h Handler) error
	//	IRQ(gsi uint32) (IRQ, error)
	//	Place(name string, size uint64, h Handler) (base uint64, err error)
	//	FreeIRQ() (IRQ, error)
	//	Event(body ...aml.Term) (Event, error)
	//	Reserve(size uint64) (gpa uint64, err error)
	//	Unit(kind string) int
	//	CPUs() int
	//	Memory() Memory
	//	Domain() *patch.Domain
	//	Stop(s patch.Section, r ExitReason)
	//	Wake(s patch.Section)
	//	Log() *slog.Logger
	//
	// PIO claims size ports from base, and MMIO size bytes of guest-physical
	// addresses; they must not overlap another claim, nor, for MMIO, RAM. IRQ gives
	// the interrupt line with that number (GSI).
	//
	// For devices that the guest finds by ACPI (see Described): Place claims a window
	// where nobody else is, in whole pages of 4 KiB, and says where; FreeIRQ gives a
	// line that nobody has; Event makes one of the machine's 32 events, with what the
	// guest's operating system runs when it is raised: a Notify as a rule, in a method
	// in which the first Local is taken; Reserve gives RAM, in whole pages, some ten of
	// them, that the guest's operating system is told to leave alone; Unit gives another
	// number for each call with that kind, from 0 on, for names and _UIDs.
	//
	// All those are for Attach only. CPUs is how many vCPUs there are. Memory is the
	// guest's RAM. Domain is where a device's own goroutines register as
	// workers, so that they run patched code like the vCPUs do. Stop asks the machine
	// to end with this reason, in the caller's section, as IRQ.Set: it returns at once,
	// from any goroutine, and the first request wins. Wake, in the same way, wakes a guest
	// that has suspended the machine. Log is the machine's logger and
	// never nil.
	//
	// It is implemented by this package's machines and by vmmtest.Platform. Methods may
	// be added, so embed vmmtest's in a fake rather than write a third.
	Platform = device.Platform

	// IRQ is an interrupt line:
	//
	//	Set(s patch.Section, level bool) error
	//	Number() uint32
	//
	// Set may be called from any goroutine and doesn't block. The section is the
	// caller's: that of the access, or of the worker of a device's own goroutine.
	// Whoever has none uses patch.Domain.Do of Platform.Domain. A line that several
	// devices share is not modelled: one owner, one line. The zero IRQ is connected to
	// nothing. Number is what the guest's ACPI tables call the line.
	IRQ = device.IRQ

	// Memory is guest RAM by guest-physical address:
	//
	//	io.ReaderAt
	//	io.WriterAt
	//	Slice(gpa, n uint64) ([]byte, error)
	//
	// All methods check bounds, copy all or nothing, and may be called from any
	// goroutine; after the machine is closed they return an error that wraps
	// os.ErrClosed. Slice gives n bytes of RAM at gpa themselves, not a copy: the
	// guest changes them at any time, so copy what you check before you check it. It
	// is for devices only, which never outlive the machine.
	Memory = device.Memory

	// Starter is a device that has goroutines of its own:
	//
	//	Start() error
	//	Stop()
	//
	// Start is called by Machine.Start. Stop is called when no vCPU runs any more,
	// before Wait returns: it ends the goroutines and delivers what the guest has
	// already sent, within a few seconds at most. Neither is called twice.
	Starter = device.Starter

	// ExitReason says why a machine ended. Its String method names the reason.
	ExitReason = device.ExitReason
)

// Slots makes a handler of a device and two slots, which are called with the section of
// the access. Where nothing else leads to their functions, they can be repaired while
// guests run.
//
//	var (
//		fifoRead  = patch.NewSlot("example.com/fifo.read", (*FIFO).read)
//		fifoWrite = patch.NewSlot("example.com/fifo.write", (*FIFO).write)
//	)
//
//	func (f *FIFO) Attach(p vmm.Platform) error {
//		return p.MMIO("fifo", base, size, vmm.Slots(f, fifoRead, fifoWrite))
//	}
//
// A nil device or slot is a mistake of the program, and panics.
func Slots[T any](dev *T, read, write *patch.Slot[func(*T, patch.Section, uint64, []byte)]) Handler {
	return device.Slots(dev, read, write)
}

// Direct makes a handler of a device's methods. They are reached through no slot, and so
// can't be repaired themselves, unlike what they call through slots of their own with the
// section that they are given.
func Direct(a Accesses) Handler { return device.Direct(a) }

// The reasons for which a machine ends.
const (
	ExitNone        = device.ExitNone        // it has not ended, or nobody knows
	ExitPowerOff    = device.ExitPowerOff    // the guest powered off
	ExitReset       = device.ExitReset       // the guest asked for a reset
	ExitTripleFault = device.ExitTripleFault // the guest shut a CPU down by a triple fault
	ExitFailed      = device.ExitFailed      // KVM could not run the guest
	ExitClosed      = device.ExitClosed      // the embedder closed the machine
)
