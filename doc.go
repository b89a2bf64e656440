// Package vgraft is the root of a library that runs KVM virtual machines inside a Go
// program and lets their monitor be repaired while the guests run. It has no code of its
// own; import the packages below it.
//
// # Packages
//
//   - vmm makes, runs, pauses and ends machines, and defines what a device is.
//   - vmm/vmmtest tests devices without a machine and without KVM.
//   - patch has slots, domains and the engine that applies and reverts patches. It knows
//     nothing of virtual machines; any Go program can use it.
//   - elfdiff compares two builds of a program and makes a payload of what changed, or says
//     why it can't be patched.
//   - examples/hotpatch builds the fix of a device and takes it while its guest runs;
//     examples/daemon does so with a web server; examples/linux boots Linux.
//
// # A repair
//
// A device reaches what may have to be repaired through a slot:
//
//	var throw = patch.NewSlot("example.com/dice.throw", (*Dice).throw)
//
//	func (d *Dice) Read(s patch.Section, off uint64, data []byte) { throw.In(s)(d, data) }
//
// The program that runs the machine binds it anew while the guest goes on:
//
//	m, err := vmm.New(ctx, vmm.Config{
//		Memory:  512 << 20,
//		Boot:    vmm.Linux{Kernel: "vmlinuz", Initrd: "initrd", Cmdline: "console=ttyS0"},
//		Devices: []vmm.Device{vmm.Serial(os.Stdin, os.Stdout), &Dice{}},
//	})
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//
//	if err := m.Start(ctx); err != nil {
//		return err
//	}
//
//	fix, err := patch.New("dice-from-1", patch.Func(throw, (*Dice).throwFixed))
//	if err != nil {
//		return err
//	}
//	_, err = patch.NewEngine(patch.Options{}).Apply(ctx, fix, patch.On(m.Domain()))
//
// This patch is made of a function that is in the program already. One that is made from a
// change of the source comes as a file, which elfdiff wrote and Engine.Upload takes.
//
// # Trust
//
// The guest and its kernel image are hostile: neither may crash the process, reach its
// memory, or hold up another machine. The embedding program is trusted, its devices and
// patches included: a patch runs with all rights of the process, and whoever holds an
// Engine and a Domain may apply one. A device handler that panics ends its own machine
// and no other.
package vgraft
