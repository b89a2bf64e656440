// Package device is the contract between a machine and its emulated devices: what a
// device implements, what it is offered, and for what reasons a machine ends.
//
// Package vmm re-exports every name as an alias; the declarations stand here so that
// the devices below this directory need not import vmm, which imports them. The
// package must stay free of KVM: a device sees memory, lines and windows, no more.
package device

import (
	"io"
	"log/slog"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// Device is one emulated device.
//
// Attach is called once, by New, in the order of Config.Devices: the device claims
// its windows and lines and keeps what it needs of the platform. An error fails New.
// Nothing of the guest runs yet.
//
// A device may also implement Described, Starter and io.Closer.
type Device interface {
	Attach(p Platform) error
}

// Platform is what a machine offers a device while it attaches. It is implemented by
// the machines of package vmm and by vmmtest.Platform. Methods may be added, so embed
// vmmtest's in a fake rather than write a third.
//
// PIO, MMIO, IRQ, Place, FreeIRQ, Event, Reserve and Unit are for Attach only. The other
// methods may be called at any time from any goroutine.
type Platform interface {
	// PIO claims size ports from base, and MMIO size bytes of guest-physical
	// addresses. They must not overlap another claim, nor, for MMIO, RAM.
	PIO(name string, base, size uint16, h Handler) error
	MMIO(name string, base, size uint64, h Handler) error

	// IRQ gives the interrupt line with that number (GSI).
	IRQ(gsi uint32) (IRQ, error)

	// Place claims size bytes of guest-physical addresses, in whole pages of 4 KiB, where
	// nobody else is, and says where. FreeIRQ gives an interrupt line that nobody has. For
	// devices that the guest finds by ACPI: see Described.
	Place(name string, size uint64, h Handler) (base uint64, err error)
	FreeIRQ() (IRQ, error)

	// Event makes an event of ACPI: when it is raised, the guest's operating system runs
	// the body, a Notify as a rule, in a method in which the first Local is taken. A
	// machine has 32.
	Event(body ...aml.Term) (Event, error)

	// Reserve gives size bytes of RAM, in whole pages of 4 KiB, that the guest's operating
	// system is told to leave alone. There are some ten pages.
	Reserve(size uint64) (gpa uint64, err error)

	// Unit gives another number for each call with that kind, from 0 on: for names and
	// _UIDs in ACPI.
	Unit(kind string) int

	// CPUs is how many vCPUs there are.
	CPUs() int

	// Memory is the guest's RAM.
	Memory() Memory

	// Domain is where a device's own goroutines register as workers, so that they
	// run patched code like the vCPUs do.
	Domain() *patch.Domain

	// Stop asks the machine to end with this reason, in the caller's section: see IRQ.
	// It returns at once, from any goroutine; the first request wins. For the power
	// button of the guest's side: power-off and reset ports.
	Stop(s patch.Section, r ExitReason)

	// Wake wakes a guest that has suspended the machine; else it does nothing. It returns
	// at once, in the caller's section: see IRQ. For what the guest expects to be woken
	// by: a button, an alarm.
	Wake(s patch.Section)

	// Log is the machine's logger. It is never nil.
	Log() *slog.Logger
}

// IRQ is an interrupt line. A line that several devices share is not modelled: one
// owner, one line. It is a slot and what to call it with, rather than an interface, so
// that nothing stands between the device and the slot. The zero IRQ is connected to
// nothing: setting it does nothing.
type IRQ struct {
	set    *patch.Slot[SetLine]
	owner  any
	gsi    uint32
	number uint32
}

// SetLine drives the interrupt line with that number (GSI) of its owner, a machine say.
type SetLine = func(owner any, gsi uint32, level bool) error

// NewIRQ makes a line of a slot. The number is the one that ACPI has for it. It is for
// those who implement Platform.
func NewIRQ(set *patch.Slot[SetLine], owner any, gsi, number uint32) IRQ {
	return IRQ{set, owner, gsi, number}
}

// Number is what the guest's ACPI tables call the line. On arm64 that isn't its GSI.
func (l IRQ) Number() uint32 { return l.number }

// Set drives the line. It may be called from any goroutine and doesn't block. The section
// is the caller's: that of the access, or of the worker of a device's own goroutine.
// Whoever has none uses patch.Domain.Do of Platform.Domain; with the zero Section the
// line can't be repaired.
func (l IRQ) Set(s patch.Section, level bool) error {
	if l.set == nil {
		return nil
	}

	return l.set.In(s)(l.owner, l.gsi, level)
}

// Memory is guest RAM by guest-physical address. All methods check bounds, copy all
// or nothing, and may be called from any goroutine; after the machine is closed they
// return an error that wraps os.ErrClosed.
type Memory interface {
	io.ReaderAt
	io.WriterAt

	// Slice gives n bytes of RAM at gpa themselves, not a copy. The guest changes
	// them at any time: copy what you check before you check it. For devices only,
	// which never outlive the machine.
	Slice(gpa, n uint64) ([]byte, error)
}

// Starter is a device that has goroutines of its own. Start is called by
// Machine.Start. Stop is called when no vCPU runs any more, before Wait returns: it
// ends the goroutines and delivers what the guest has already sent, within a few
// seconds at most. Neither is called twice.
type Starter interface {
	Start() error
	Stop()
}

// ExitReason says why a machine ended.
type ExitReason int

// The reasons for which a machine ends.
const (
	ExitNone        ExitReason = iota // it has not ended, or nobody knows
	ExitPowerOff                      // the guest powered off
	ExitReset                         // the guest asked for a reset
	ExitTripleFault                   // the guest shut a CPU down by a triple fault
	ExitFailed                        // KVM could not run the guest: internal error, failed entry, unknown exit
	ExitClosed                        // the embedder closed the machine
)

var exitNames = [...]string{
	ExitNone:        "none",
	ExitPowerOff:    "power-off",
	ExitReset:       "reset",
	ExitTripleFault: "triple fault",
	ExitFailed:      "failed",
	ExitClosed:      "closed",
}

// String names the reason.
func (r ExitReason) String() string {
	if r < 0 || int(r) >= len(exitNames) {
		return "unknown"
	}

	return exitNames[r]
}
