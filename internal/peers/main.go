// Command peers measures this monitor and others of its kind with the same guests: how
// long it takes from the start of the monitor's process to the guest's first instruction,
// and how long until a Linux kernel has reached userspace:
//
//	go run ./internal/peers [-arch arm64] [-n 5] [-cpus 1] [-memory 512] [-count]
//
// All of them run inside the nested rig (package nest), one after the other in turn, so
// the ratios mean something and the seconds don't: every instruction there is emulated.
// On a machine that does other things at the same time not even the ratios may: with -count
// the times are numbers of instructions, the rig's kernel's among them, whatever else the
// machine does.
//
// The first guest is a kernel of five instructions that writes a byte to the serial port.
// Its time ends when that byte comes out of the monitor, so all that a monitor does before
// is in it: firmware too, where it has one. The time of the second ends with the first
// line from /init.
//
// gokvm is installed with the go command, at the version that this module uses parts
// of. QEMU is this machine's own; for another architecture it is Debian's newest stable
// one, and runs from the cache (see package nest). What can't be run is listed with the
// reason. A rig that falls silent is replaced by another one, which does the runs that
// are left.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/nest"
)

// marker is what the guest prints from /init.
const marker = "peers: userspace"

const guestInit = "echo '" + marker + "'\n/bin/busybox sleep 1000\n"

// options are those of the command line.
type options struct {
	arch         string
	runs         int
	cpus, memory int
	count        bool
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()

	var o options

	flag.StringVar(&o.arch, "arch", runtime.GOARCH, "`architecture` of the rig: amd64 or arm64")
	flag.IntVar(&o.runs, "n", 5, "`runs` of each")
	flag.IntVar(&o.cpus, "cpus", 1, "vCPUs")
	flag.IntVar(&o.memory, "memory", 512, "guest memory in `MiB`")
	flag.BoolVar(&o.count, "count", false, "a clock that counts instructions, one a nanosecond")
	timeout := flag.Duration("timeout", 30*time.Minute, "report what there is after this `duration`")
	inner := flag.String("plan", "", "`path` of a plan: used inside the rig")
	flag.Parse()

	if *inner != "" {
		return inside(ctx, *inner)
	}

	if _, ok := arches[o.arch]; !ok {
		return fmt.Errorf("nothing is known of %q", o.arch)
	}

	if o.runs < 1 || o.cpus < 1 || o.memory < 64 {
		return fmt.Errorf("at least one run, one vCPU and 64 MiB are needed")
	}

	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()

	return outside(ctx, o)
}

// outside prepares everything, has it measured in rigs, and prints the tables.
func outside(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	self, all, err := prepare(ctx, dir, o)
	if err != nil {
		return err
	}

	rig := func(ctx context.Context, p plan, out io.Writer) error {
		b, err := json.Marshal(p)
		if err != nil {
			return err
		}

		file := filepath.Join(dir, "plan")
		if err := os.WriteFile(file, b, 0o644); err != nil {
			return err
		}

		cfg := nest.Config{CPUs: max(arches[o.arch].rigCPUs, o.cpus), BootTimeout: rigBoot, Count: o.count, Stdout: out, Stderr: os.Stderr}

		code, err := nest.Run(ctx, cfg, self, "-plan", file)
		if err == nil && code != 0 {
			err = fmt.Errorf("exit code %d in the rig", code)
		}

		return err
	}

	err = measure(ctx, all, rig)
	report(os.Stdout, all) // what there is, also after an error

	return err
}

// prepare makes the guests and the monitors, and this program for the rig.
func prepare(ctx context.Context, dir string, o options) (self string, all []*runner, err error) {
	a := arches[o.arch]
	file := func(name string) string { return filepath.Join(dir, name) }

	initrd, err := nest.GuestInitrdFor(ctx, o.arch, guestInit)
	if err != nil {
		return "", nil, err
	}

	tiny, err := a.tiny()
	if err != nil {
		return "", nil, err
	}

	for name, b := range map[string][]byte{"initrd": initrd, "tiny": tiny} {
		if err := os.WriteFile(file(name), b, 0o644); err != nil {
			return "", nil, err
		}
	}

	linux, err := nest.KernelFor(ctx, o.arch, nest.Cloud)
	if err != nil {
		return "", nil, err
	}

	qemu, err := nest.Emulator(ctx, o.arch)
	if err != nil {
		return "", nil, err
	}

	if err := command(ctx, []string{"GOARCH=" + o.arch, "CGO_ENABLED=0"}, "go", "build", "-o", dir,
		"github.com/vgraft/vgraft/examples/linux", "github.com/vgraft/vgraft/internal/peers"); err != nil {
		return "", nil, err
	}

	monitors := append([]monitor{ours(file("linux"))}, a.others(ctx, tools{dir, qemu})...)
	cmdline := "console=" + a.console + " quiet"

	for _, g := range []guest{
		{goal: "the guest's first instruction", says: tinySays, kernel: file("tiny"), cmdline: cmdline},
		{goal: "Linux userspace", says: marker, kernel: linux.Vmlinuz, initrd: file("initrd"), cmdline: cmdline},
	} {
		for _, m := range monitors {
			all = append(all, m.runner(o, g))
		}
	}

	return file("peers"), all, nil
}

func command(ctx context.Context, env []string, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), env...)

	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", argv, err, out)
	}

	return nil
}
