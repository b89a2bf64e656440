package vmm

import (
	"fmt"

	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/patch"
)

// The slots through which everything of the monitor is reached that a guest can make
// run: what a vCPU thread does with an exit, below that each device's own, and what these
// ask of the machine. They are called inside the section that the thread entered when it
// came out of the guest; those that others call too, a device's goroutine or a method of
// Machine, in a section of whoever that is.
var (
	exitSlot = patch.NewSlot("vmm.exit", (*vcpu).handleExit)
	pioSlot  = patch.NewSlot("vmm.pio", (*vcpu).handlePIO)
	mmioSlot = patch.NewSlot("vmm.mmio", (*vcpu).handleMMIO)
	irqSlot  = patch.NewSlot("vmm.irq", setLine)
	endSlot  = patch.NewSlot("vmm.end", (*Machine).end)
	postSlot = patch.NewSlot("vmm.post", (*vcpu).post)

	callSlot    = patch.NewSlot("vmm.call", (*vcpu).handleCall)
	enterSlot   = patch.NewSlot("vmm.enter", (*vcpu).enter)
	suspendSlot = patch.NewSlot("vmm.suspend", (*Machine).suspend)
	asleepSlot  = patch.NewSlot("vmm.asleep", (*Machine).oneAsleep)
	wakeSlot    = patch.NewSlot("vmm.wake", (*Machine).wake)
)

// Exit is how a machine ended.
type Exit struct {
	Reason ExitReason
	VCPU   int   // whose exit it was; -1 when it was none's
	Err    error // for ExitFailed, what went wrong: an *InternalError, a *PanicError, ...
}

func (e Exit) String() string {
	if e.Err != nil {
		return fmt.Sprintf("%v: %v", e.Reason, e.Err)
	}

	return e.Reason.String()
}

// InternalError is KVM giving up on a guest: an instruction that it can't emulate, a
// state that the hardware refuses to run, an exit that nobody expects.
type InternalError struct {
	VCPU   int
	Reason string   // KVM's name for the exit
	Code   uint64   // KVM's suberror, or the hardware's reason for a failed entry
	Data   []uint64 // what KVM says beside that
}

func (e *InternalError) Error() string {
	return fmt.Sprintf("vCPU %d: %s, code %#x, data %#x", e.VCPU, e.Reason, e.Code, e.Data)
}

// handleExit does what the guest waits for. It says whether the vCPU has ended, and
// how. Nothing in it allocates on the way of an access to a device.
func (c *vcpu) handleExit(s patch.Section, reason kvm.Reason) (Exit, bool) {
	switch reason {
	case kvm.ExitIO:
		pioSlot.In(s)(c, s)
	case kvm.ExitMMIO:
		mmioSlot.In(s)(c, s)
	case kvm.ExitInterrupted:
	case kvm.ExitShutdown:
		return c.exit(ExitTripleFault, nil), true
	case kvm.ExitInternalError:
		code, data := c.kvm.InternalError()
		return c.failed(reason, uint64(code), data), true
	case kvm.ExitSystemEvent:
		return c.systemEvent(s, reason)
	case kvm.ExitHypercall:
		return callSlot.In(s)(c, s)
	case kvm.ExitFailEntry:
		return c.failed(reason, c.kvm.SystemEvent(), nil), true
	case kvm.ExitNoSyndrome:
		syndrome, gpa := c.kvm.NoSyndrome()
		return c.failed(reason, syndrome, []uint64{gpa}), true
	default:
		return c.failed(reason, 0, nil), true
	}

	return Exit{}, false
}

func (c *vcpu) failed(reason kvm.Reason, code uint64, data []uint64) Exit {
	return c.exit(ExitFailed, &InternalError{VCPU: c.id, Reason: reason.KernelName(), Code: code, Data: data})
}

// handlePIO does the guest's port access: one element after the other, for a string
// instruction repeats the access and not the first element.
func (c *vcpu) handlePIO(s patch.Section) {
	port, size, write, data := c.kvm.PIO()

	for ; len(data) > 0; data = data[size:] {
		if e := data[:size:size]; write {
			c.machine.pio.Store(s, uint64(port), e)
		} else {
			c.machine.pio.Load(s, uint64(port), e)
		}
	}
}

// handleMMIO does the guest's access to an address without RAM.
func (c *vcpu) handleMMIO(s patch.Section) {
	if gpa, write, data := c.kvm.MMIO(); write {
		c.machine.mmio.Store(s, gpa, data)
	} else {
		c.machine.mmio.Load(s, gpa, data)
	}
}
