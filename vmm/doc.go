// Package vmm runs KVM virtual machines inside a Go program, and lets their monitor be
// repaired while the guests run.
//
//	m, err := vmm.New(ctx, vmm.Config{
//		Memory:  512 << 20,
//		CPUs:    2,
//		Boot:    vmm.Linux{Kernel: "vmlinuz", Initrd: "initrd", Cmdline: "console=ttyS0"},
//		Devices: []vmm.Device{vmm.Serial(os.Stdin, os.Stdout)},
//	})
//	if err != nil {
//		return err // every mistake in the Config at once
//	}
//	defer m.Close()
//
//	if err := m.Start(ctx); err != nil {
//		return err
//	}
//	exit, err := m.Wait(ctx)
//
// # Life of a machine
//
// New acquires everything and checks everything; Start lets the guest run; Pause and
// Resume stop and continue it; Wait says how it ended; Close gives everything back.
// State has the diagram. Many machines live in one process and share nothing.
//
// # Life of an exit
//
// Each vCPU is one operating system thread. When the guest does something that KVM
// leaves to us, the thread enters a section of the machine's patch.Domain, and in it
// calls the slot that handles exits. That finds the device whose window was touched
// and calls its Handler, which is made of slots again. What the device then asks of the
// machine, to drive an interrupt line or to end, are slots too, and it passes the section
// on to them. All of one exit is done by one version of the monitor.
//
// # Repair
//
// Machine.Domain is where patches of this one machine are applied; see package patch.
// The guest isn't stopped, nor told.
//
// # What comes and goes
//
// A machine may begin with less than it can have: Config.MaxCPUs and MaxMemory say how much
// that is, and AddCPU, RemoveCPU, AddMemory and RemoveMemory change it while the guest runs. Its
// operating system is asked by ACPI, and its answer is theirs.
//
// A guest may suspend the machine (suspend to RAM), which is then Suspended and uses no
// processor; Wake, the power button, a button of package power, or what the guest has chosen
// lets it go on: an interrupt on arm64, the clock's alarm on amd64. There this is the state S3
// of ACPI, in which the vCPUs keep what they have: they go on where they stopped.
//
// A guest that suspends to idle instead only waits, which the machine doesn't see. On amd64
// Linux isn't woken from that by a button, nor by the clock's alarm, but by input of the serial
// port, if the guest has written "enabled" to /sys/class/tty/ttyS0/power/wakeup before.
//
// # Devices
//
// Device is small; a useful one is twenty lines. Package vmmtest has what its author
// needs for tests, tiny guests included.
//
// # Trust
//
// The guest is hostile: whatever it does ends in an answer of a device, in all ones
// read from where nobody is, or in an Exit of its own machine, never in a panic of the
// process. A handler of the embedder's own that panics ends its machine alone.
//
// The package prints nothing, takes no signal, starts no process, and keeps no state
// but the declarations of its slots.
package vmm
