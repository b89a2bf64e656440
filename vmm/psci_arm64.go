package vmm

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/patch"
)

// takeCalls has the calls by which a guest turns vCPUs on and off come to us: KVM would
// turn on one that isn't the guest's yet. And only who knows which are off can answer
// a guest that wants to suspend. Other calls stay with KVM.
func (m *Machine) takeCalls() error {
	err := firstError(
		func() error { return m.vm.ForwardCalls(cpus.PSCICPUOff, 3) },
		func() error { return m.vm.ForwardCalls(cpus.PSCICPUOn|cpus.PSCI64, 2) },
	)

	switch {
	case errors.Is(err, unix.ENXIO) && m.cfg.MaxCPUs > m.cfg.CPUs:
		return fmt.Errorf("%w: vCPUs that come later: %w", ErrNotSupported, err)
	case errors.Is(err, unix.ENXIO):
		return nil // Linux before 6.4: KVM answers them all
	case err != nil:
		return fmt.Errorf("calls of PSCI: %w", err)
	}

	m.chips.psci = true

	// Without it the guest is told that it can't be suspended.
	_ = m.vm.Enable(kvm.CapSystemSuspend)

	return nil
}

// handleCall answers a call of PSCI.
func (c *vcpu) handleCall(s patch.Section) (Exit, bool) {
	call := cpus.Call{Caller: c.id, Function: c.kvm.Hypercall()}

	for i := range call.Args {
		v, err := c.kvm.Reg(kvm.RegX(i + 1))
		if err != nil {
			return c.exit(ExitFailed, err), true
		}

		call.Args[i] = v
	}

	o := c.machine.cpus.PSCI(call, c.machine.inRAM)
	if o.TurnOff {
		c.off = true

		return Exit{}, false
	}

	if o.TurnOn {
		postSlot.In(s)(c.machine.vcpus[o.Target], order{what: toStart, entry: &entry{o.Entry, o.Context}})
	}

	return c.answer(o.Answer)
}

// answer gives the guest what its call gives.
func (c *vcpu) answer(v int64) (Exit, bool) {
	if err := c.kvm.SetReg(kvm.RegX(0), uint64(v)); err != nil {
		return c.exit(ExitFailed, err), true
	}

	return Exit{}, false
}

// inRAM says whether an instruction can be there.
func (m *Machine) inRAM(gpa uint64) bool {
	_, err := m.mem.Slice(gpa, 4)

	return err == nil
}

// suspend is a guest that wants to sleep: SYSTEM_SUSPEND of PSCI, whose arguments are
// still in the registers (Arm DEN0022F, §5.20). KVM then waits for an interrupt.
func (c *vcpu) suspend() (Exit, bool) {
	var args [2]uint64

	for i := range args {
		v, err := c.kvm.Reg(kvm.RegX(i + 1))
		if err != nil {
			return c.exit(ExitFailed, err), true
		}

		args[i] = v
	}

	switch {
	case !c.machine.cpus.Alone(c.id):
		return c.answer(cpus.PSCIDenied)
	case args[0]%4 != 0 || !c.machine.inRAM(args[0]):
		return c.answer(cpus.PSCIInvalidAddress)
	}

	if err := c.kvm.SetMPState(kvm.Suspended); err != nil {
		return c.exit(ExitFailed, err), true
	}

	c.fallAsleep(entry{args[0], args[1]})

	return Exit{}, false
}

// regCLIDR says which caches there are (Arm Architecture Reference Manual, D24.2.27).
var regCLIDR = kvm.RegSystem(3, 1, 0, 0, 1)

// levels is what it says of the caches of Topology: two of the first level, which must be
// cleaned for processors to see what others wrote, and one of each other.
func (c Caches) levels() uint64 {
	const (
		split, unified = 3, 4
		two            = split<<0 | unified<<3 | 1<<21 | 1<<27
	)

	if c.L3 == (Cache{}) {
		return two | 2<<24
	}

	return two | unified<<6 | 3<<24
}

// init resets a vCPU to what KVM begins with. Of caches KVM makes up as few as it can,
// and Linux believes that rather than ACPI; before Linux 6.3 that can't be changed.
func (c *vcpu) init() error {
	if err := c.kvm.Init(c.machine.chips.kind); err != nil {
		return err
	}

	_ = c.kvm.SetReg(regCLIDR, c.machine.cfg.Topology.Caches.levels())

	return nil
}

// reset has a vCPU begin anew. All but what the guest asked for is as after a reset.
func (c *vcpu) reset(e entry) error {
	return firstError(
		c.init,
		func() error { return c.kvm.SetReg(kvm.RegPC, e.pc) },
		func() error { return c.kvm.SetReg(kvm.RegX(0), e.context) },
	)
}

// faultReset is the kind of reset, a vendor's own, by which the vectors of Flat guests
// say that something faulted.
const faultReset = 0x8000_0001

// systemEvent is the end of a guest by PSCI, or its sleep.
func (c *vcpu) systemEvent(_ patch.Section, reason kvm.Reason) (Exit, bool) {
	switch event := c.kvm.Event(); event {
	case kvm.EventShutdown:
		return c.exit(ExitPowerOff, nil), true
	case kvm.EventReset:
		// X1 is the kind, if it was SYSTEM_RESET2.
		if kind, err := c.kvm.Reg(kvm.RegX(1)); err == nil && uint32(kind) == faultReset && c.kvm.IsReset2() {
			return c.exit(ExitTripleFault, nil), true
		}

		return c.exit(ExitReset, nil), true
	case kvm.EventSuspend:
		return c.suspend()
	case kvm.EventWakeUp:
		c.wakeUp()

		return Exit{}, false
	default:
		return c.failed(reason, uint64(event), nil), true
	}
}
