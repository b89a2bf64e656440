package vmm

import (
	"errors"

	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/patch"
)

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

// CheckOneTooMany is the check of this host for one CPU more than it allows, which may be
// more than a Config may ask for.
func CheckOneTooMany() (limit int, err error) {
	sys, err := kvm.Open("/dev/kvm")
	if err != nil {
		return 0, err
	}

	defer func() { err = errors.Join(err, sys.Close()) }()

	if limit, err = hostCPUs(sys); err != nil {
		return 0, err
	}

	return limit, checkHost(sys, limit+1)
}
