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
)

// Device is one emulated device.
//
// Attach is called once, by New, in the order of Config.Devices: the device claims
// its windows and lines and keeps what it needs of the platform. An error fails New.
// Nothing of the guest runs yet.
//
// A device may also implement Starter and io.Closer.
type Device interface {
	Attach(p Platform) error
}

// Handler is what a device does when the guest touches one of its windows. The vCPU
// thread that exited calls it, inside a section: other vCPUs may call it at the same
// time, it must not block, and it must not keep data. The offset is relative to the
// window; len(data) is the width of the access, 1, 2, 4 or 8 bytes, and the access
// lies wholly inside the window. Bytes are little-endian. Read must fill data.
//
// To make a handler repairable while guests run, let it do nothing but call a slot:
//
//	var fifoWrite = patch.NewSlot("example.com/fifo.write", (*FIFO).write)
//
//	func (f *FIFO) Write(s patch.Section, off uint64, data []byte) { fifoWrite.In(s)(f, s, off, data) }
//
// Slots makes such a handler of two slots.
type Handler interface {
	Read(s patch.Section, off uint64, data []byte)
	Write(s patch.Section, off uint64, data []byte)
}

// Platform is what a machine offers a device while it attaches. It is implemented by
// the machines of package vmm and by vmmtest.Platform. Methods may be added, so embed
// vmmtest's in a fake rather than write a third.
//
// PIO, MMIO and IRQ are for Attach only. The other methods may be called at any time
// from any goroutine.
type Platform interface {
	// PIO claims size ports from base, and MMIO size bytes of guest-physical
	// addresses. They must not overlap another claim, nor, for MMIO, RAM.
	PIO(name string, base, size uint16, h Handler) error
	MMIO(name string, base, size uint64, h Handler) error

	// IRQ gives the interrupt line with that number (GSI).
	IRQ(gsi uint32) (IRQ, error)

	// Memory is the guest's RAM.
	Memory() Memory

	// Domain is where a device's own goroutines register as workers, so that they
	// run patched code like the vCPUs do.
	Domain() *patch.Domain

	// Stop asks the machine to end with this reason. It returns at once, from any
	// goroutine; the first request wins. For the power button of the guest's side:
	// power-off and reset ports.
	Stop(r ExitReason)

	// Log is the machine's logger. It is never nil.
	Log() *slog.Logger
}

// IRQ is an interrupt line. Set may be called from any goroutine and doesn't block.
// A line that several devices share is not modelled: one owner, one line.
type IRQ interface {
	Set(level bool) error
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
