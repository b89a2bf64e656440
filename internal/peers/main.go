// Command peers measures this monitor and others of its kind with the same guests: how
// long it takes from the start of the monitor's process to the guest's first instruction,
// and how long until a Linux kernel has reached userspace:
//
//	go run ./internal/peers [-n 5] [-cpus 1] [-memory 512]
//
// All of them run inside the nested rig (package nest), one after the other in turn, so
// the ratios mean something and the seconds don't: every instruction there is emulated.
//
// The first guest is a PVH executable of five instructions that writes a byte to the
// serial port. Its time ends when that byte comes out of the monitor, so all that a
// monitor does before is in it: firmware too, where it has one. The time of the second
// ends with the first line from /init.
//
// gokvm is installed with the go command, at the version that this module uses parts
// of. What can't be run is listed with the reason. A rig that falls silent is replaced by
// another one, which does the runs that are left.
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
	"time"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/nest"
)

// marker is what the guest prints from /init.
const marker = "peers: userspace"

const guestInit = "echo '" + marker + "'\nsleep 1000\n"

// options are those of the command line.
type options struct {
	runs         int
	cpus, memory int
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

	flag.IntVar(&o.runs, "n", 5, "`runs` of each")
	flag.IntVar(&o.cpus, "cpus", 1, "vCPUs")
	flag.IntVar(&o.memory, "memory", 512, "guest memory in `MiB`")
	timeout := flag.Duration("timeout", 20*time.Minute, "report what there is after this `duration`")
	inner := flag.String("plan", "", "`path` of a plan: used inside the rig")
	flag.Parse()

	if *inner != "" {
		return inside(ctx, *inner)
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

	all, err := prepare(ctx, dir, o)
	if err != nil {
		return err
	}

	self, err := os.Executable()
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

		cfg := nest.Config{CPUs: max(2, o.cpus), BootTimeout: rigBoot, Stdout: out, Stderr: os.Stderr}

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

// prepare makes the guests and the monitors.
func prepare(ctx context.Context, dir string, o options) ([]*runner, error) {
	initrd, err := nest.GuestInitrd(ctx, guestInit)
	if err != nil {
		return nil, err
	}

	tiny, err := tinyGuest()
	if err != nil {
		return nil, err
	}

	linux, err := nest.Kernel(ctx, nest.Cloud)
	if err != nil {
		return nil, err
	}

	file := func(name string) string { return filepath.Join(dir, name) }

	for name, b := range map[string][]byte{"initrd": initrd, "tiny": tiny} {
		if err := os.WriteFile(file(name), b, 0o644); err != nil {
			return nil, err
		}
	}

	m := monitors{options: o, linux: file("linux")}
	if err := command(ctx, nil, "go", "build", "-o", m.linux, "github.com/vgraft/vgraft/examples/linux"); err != nil {
		return nil, err
	}

	if m.gokvm, err = installGoKVM(ctx, dir); err != nil {
		m.note = err.Error()
	}

	return append(
		m.runners("the guest's first instruction", tinySays, file("tiny"), ""),
		m.runners("Linux userspace", marker, linux.Vmlinuz, file("initrd"))...,
	), nil
}

// installGoKVM builds gokvm's own program. It has more dependencies than we have, so it
// is built as a module of its own.
func installGoKVM(ctx context.Context, dir string) (string, error) {
	const module = "github.com/bobuhiro11/gokvm"

	version, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", module, err)
	}

	v := string(version[:max(0, len(version)-1)])
	if err := command(ctx, []string{"GOBIN=" + dir}, "go", "install", module+"@"+v); err != nil {
		return "", err
	}

	return filepath.Join(dir, "gokvm"), nil
}

func command(ctx context.Context, env []string, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), env...)

	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", argv, err, out)
	}

	return nil
}
