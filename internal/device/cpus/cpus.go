// Package cpus is what ACPI says of a machine's processors: a device for each of them, and
// the method by which a system and its platform agree on what they can do.
//
// It is the one place where the devices are made. What a feature has to say of a processor
// goes into a Scope of device.CPUPath.
package cpus

import (
	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// present is a _STA of a device that is there, works and is to be shown (ACPI 6.5 §6.3.7).
const present = 0xf

// CPUs is the devices of one machine. Make it with New.
type CPUs struct {
	n int // set by Attach, constant after
}

// New makes the devices.
func New() *CPUs { return &CPUs{} }

// Attach asks how many there are.
func (c *CPUs) Attach(p device.Platform) error {
	c.n = p.CPUs()

	return nil
}

// ACPI gives the devices. The _STA of each is a method, for it may have to look.
func (c *CPUs) ACPI() ([]aml.Term, error) {
	// All that a system offers is granted. Without the method Linux uses neither idle
	// states nor performance controls.
	list := []aml.Object{aml.OSC(aml.PlatformOSC, 1, 1<<32-1)}

	for id := range c.n {
		list = append(list, aml.CPU(uint32(id), aml.Method("_STA", 0, aml.Return(aml.Integer(present)))))
	}

	return []aml.Term{aml.Scope(`\_SB`, list...)}, nil
}
