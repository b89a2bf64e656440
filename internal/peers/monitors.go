package main

import (
	"strconv"
	"time"
)

// runner is one monitor with one guest.
type runner struct {
	Goal string   // what the guest does at the end of the time
	Name string   // the monitor's
	Argv []string // nil if it can't be had
	Says string   // by the guest, at the end of the time
	Left int      // runs to be done

	note   string // why it wasn't measured, or not to the end
	times  []time.Duration
	silent int // rigs that fell silent during a run of it
}

// monitors are the programs.
type monitors struct {
	options
	linux string // examples/linux
	gokvm string // empty if it can't be had
	note  string // why not
}

// runners are all monitors with one guest, our own first. The initrd may be empty.
func (m monitors) runners(goal, says, kernel, initrd string) []*runner {
	cpus, memory := strconv.Itoa(m.cpus), strconv.Itoa(m.memory)

	const cmdline = "console=ttyS0 quiet"

	with := func(name, initrdFlag string, argv ...string) *runner {
		if initrd != "" {
			argv = append(argv, initrdFlag, initrd)
		}

		return &runner{Goal: goal, Name: name, Argv: argv, Says: says, Left: m.runs}
	}

	qemu := func(machine string) *runner {
		return with("QEMU "+machine, "-initrd",
			"qemu-system-x86_64", "-M", machine, "-accel", "kvm", "-cpu", "host",
			"-m", memory, "-smp", cpus, "-kernel", kernel, "-append", cmdline,
			"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio")
	}

	gokvm := &runner{Goal: goal, Name: "gokvm", note: m.note}
	if m.gokvm != "" {
		gokvm = with("gokvm", "-i", m.gokvm, "boot", "-k", kernel, "-c", cpus, "-m", memory+"M", "-p", cmdline)
	}

	return []*runner{
		with("vgraft", "-initrd", m.linux, "-kernel", kernel, "-cpus", cpus, "-memory", memory, "-cmdline", cmdline),
		gokvm,
		qemu("microvm"),
		qemu("pc"),
	}
}
