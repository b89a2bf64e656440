package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/vgraft/vgraft/internal/nest"
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

// arch is what is measured on an architecture.
type arch struct {
	console string // as Linux calls the first serial port
	rigCPUs int    // at least; more would only slow down the arm64 rig
	tiny    func() ([]byte, error)
	others  func(context.Context, tools) []monitor
}

// arches are by the name that Go has for them.
var arches = map[string]arch{
	"amd64": {
		console: "ttyS0", rigCPUs: 2, tiny: tinyPVH,
		others: func(ctx context.Context, t tools) []monitor {
			return []monitor{
				gokvm(ctx, t.dir),
				t.monitor("QEMU microvm", "-M", "microvm"),
				t.monitor("QEMU pc", "-M", "pc"),
			}
		},
	},
	"arm64": {
		console: "ttyAMA0", rigCPUs: 1, tiny: tinyImage,
		others: func(_ context.Context, t tools) []monitor {
			return []monitor{
				t.monitor("QEMU virt, device tree", "-M", "virt"),
				t.monitor("QEMU virt, UEFI and ACPI", "-M", "virt", "-bios", t.qemu.UEFI),
			}
		},
	},
}

// monitor is a program that runs guests.
type monitor struct {
	name  string
	argv  []string // what doesn't depend on the guest; nil if it can't be had
	note  string   // why it can't
	flags flags
}

// flags are what a monitor calls that which all of them are told.
type flags struct{ kernel, initrd, cmdline, cpus, memory, unit string }

// runner is one monitor with one guest.
func (m monitor) runner(o options, g guest) *runner {
	r := &runner{Goal: g.goal, Name: m.name, Says: g.says, Left: o.runs, note: m.note}
	if m.argv == nil {
		return r
	}

	f := m.flags

	r.Argv = append(slices.Clone(m.argv), f.kernel, g.kernel, f.cmdline, g.cmdline,
		f.cpus, strconv.Itoa(o.cpus), f.memory, strconv.Itoa(o.memory)+f.unit)
	if g.initrd != "" {
		r.Argv = append(r.Argv, f.initrd, g.initrd)
	}

	return r
}

// ours is this module's monitor.
func ours(path string) monitor {
	return monitor{
		name: "vgraft", argv: []string{path},
		flags: flags{kernel: "-kernel", initrd: "-initrd", cmdline: "-cmdline", cpus: "-cpus", memory: "-memory"},
	}
}

// tools are what the others are made with.
type tools struct {
	dir  string // for what has to be built
	qemu nest.EmulatorFiles
}

// monitor is QEMU as one machine.
func (t tools) monitor(name string, machine ...string) monitor {
	argv := append(slices.Clone(t.qemu.Argv), "-accel", "kvm", "-cpu", "host",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio")

	return monitor{
		name: name, argv: append(argv, machine...),
		flags: flags{kernel: "-kernel", initrd: "-initrd", cmdline: "-append", cpus: "-smp", memory: "-m"},
	}
}

// gokvm builds gokvm's own program. It has more dependencies than we have, so it is built
// as a module of its own.
func gokvm(ctx context.Context, dir string) monitor {
	const module = "github.com/bobuhiro11/gokvm"

	m := monitor{
		name:  "gokvm",
		flags: flags{kernel: "-k", initrd: "-i", cmdline: "-p", cpus: "-c", memory: "-m", unit: "M"},
	}

	version, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil {
		m.note = fmt.Sprintf("go list -m %s: %v", module, err)
		return m
	}

	v := string(version[:max(0, len(version)-1)])
	if err := command(ctx, []string{"GOBIN=" + dir}, "go", "install", module+"@"+v); err != nil {
		m.note = err.Error()
		return m
	}

	m.argv = []string{filepath.Join(dir, "gokvm"), "boot"}

	return m
}
