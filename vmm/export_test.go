package vmm

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/vgraft/vgraft/internal/bus"
	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// Exited is the first vCPU of a machine that was never started, run by the test itself
// until it came out of the guest to access a device. It stands there, and its exit can
// be handled any number of times.
type Exited struct {
	c      *vcpu
	reason kvm.Reason
}

// RunToAccess enters the guest of a new machine, until it exits. Everything that is done with the
// result is done on the calling goroutine, locked to its thread, and before m.Close.
func RunToAccess(m *Machine) (*Exited, error) {
	c := m.vcpus[0]

	reason, err := c.kvm.Run()
	for errors.Is(err, kvm.ErrInterrupted) { // by the signals of the Go runtime
		reason, err = c.kvm.Run()
	}

	if err != nil {
		return nil, err
	}

	if !slices.Contains([]kvm.Reason{kvm.ExitIO, kvm.ExitMMIO}, reason) {
		return nil, fmt.Errorf("the guest's first exit is %v", reason)
	}

	c.worker = m.domain.NewWorker("test")

	return &Exited{c, reason}, nil
}

// Handle does with the exit what the vCPU's thread does: see vcpu.loop.
func (e *Exited) Handle() bool {
	s := e.c.worker.Enter()
	_, ended := exitSlot.In(s)(e.c, s, e.reason)
	e.c.worker.Leave()

	return ended
}

// Turn is a whole turn of vcpu.loop: KVM_RUN, which must succeed, and Handle.
func (e *Exited) Turn() bool {
	reason, err := e.c.kvm.Run()
	if err != nil {
		return true
	}

	e.reason = reason

	return e.Handle()
}

// Close gives up the vCPU, and leaves the machine to be closed.
func (e *Exited) Close() { e.c.worker.Close() }

// CountControl is a patch of the slots by which devices and others reach a machine. Each
// calls count with its name and then does what it was declared to do.
func CountControl(name string, count func(slot string)) (*patch.Patch, error) {
	return patch.New(name,
		patch.Func(irqSlot, func(m any, gsi uint32, level bool) error {
			count(irqSlot.Name())
			return irqSlot.Declared()(m, gsi, level)
		}),
		patch.Func(endSlot, func(m *Machine, s patch.Section, e Exit) {
			count(endSlot.Name())
			endSlot.Declared()(m, s, e)
		}),
		patch.Func(postSlot, func(c *vcpu, o order) {
			count(postSlot.Name())
			postSlot.Declared()(c, o)
		}))
}

// Windows lists what devices have claimed, of memory and of ports.
func Windows(m *Machine) (memory, ports []bus.Window) { return m.mmio.Windows(), m.pio.Windows() }

// VirtSet makes the ACPI tables of a machine on arm64, on any host.
func VirtSet(cpus int, pmu bool, devices []Device) (*acpi.Set, error) {
	return VirtSetOf(Config{CPUs: cpus, MaxCPUs: cpus}, pmu, devices)
}

// VirtSetOf makes those of a configuration.
func VirtSetOf(c Config, pmu bool, devices []Device) (*acpi.Set, error) {
	return virtTables{cfg: c, ram: []Range{{Base: 1 << 30, Size: c.Memory}}, pmu: pmu, devices: devices}.set()
}

// PCSet makes the ACPI tables of a machine on amd64, on any host.
func PCSet(cpus int, devices []Device) (*acpi.Set, error) {
	return PCSetOf(Config{CPUs: cpus, MaxCPUs: cpus}, devices)
}

// PCSetOf makes those of a configuration.
func PCSetOf(c Config, devices []Device) (*acpi.Set, error) {
	return pcTables(c, []Range{{Size: c.Memory}}, devices)
}

// UsualCaches are those that a machine has whose host doesn't say.
var UsualCaches = usualCaches

// ReadCaches reads those of a host.
func ReadCaches(dir fs.FS) (Caches, error) { return readCaches(dir) }

// VirtHotplug and PCHotplug are what a machine of that configuration says to its processors.
var (
	VirtHotplug = virtHotplug
	PCHotplug   = pcHotplug
)
