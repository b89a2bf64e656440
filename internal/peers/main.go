// Command peers measures how long a Linux kernel takes to reach userspace under this
// monitor and under others of its kind, on the same kernel, ramdisk and command line:
//
//	go run ./internal/peers [-n 5] [-cpus 1] [-memory 512]
//
// All of them run inside the nested rig (package nest), one after the other in turn, so
// the ratios mean something and the seconds don't: every instruction there is emulated.
// The time is from the start of the monitor's process to the guest's first line from
// /init.
//
// gokvm is installed with the go command, at the version that this module uses parts
// of. What can't be run is listed with the reason.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/nest"
)

// marker is what the guest prints from /init.
const marker = "peers: userspace"

const guestInit = "echo '" + marker + "'\nsleep 1000\n"

// plan is what the outer process has prepared for the one in the rig.
type plan struct {
	Runs           int
	CPUs, Memory   int
	Kernel, Initrd string
	Linux          string // examples/linux
	GoKVM          string // empty if it can't be had
	Note           string // why not
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

	var p plan

	flag.IntVar(&p.Runs, "n", 5, "`runs` of each")
	flag.IntVar(&p.CPUs, "cpus", 1, "vCPUs")
	flag.IntVar(&p.Memory, "memory", 512, "guest memory in `MiB`")
	timeout := flag.Duration("timeout", 20*time.Minute, "give up after this `duration`")
	inner := flag.String("plan", "", "`path` of a plan: used inside the rig")
	flag.Parse()

	if *inner != "" {
		b, err := os.ReadFile(*inner)
		if err != nil {
			return err
		}

		if err := json.Unmarshal(b, &p); err != nil {
			return err
		}

		return measure(ctx, p)
	}

	if p.Runs < 1 || p.CPUs < 1 || p.Memory < 64 {
		return fmt.Errorf("at least one run, one vCPU and 64 MiB are needed")
	}

	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()

	return outside(ctx, p)
}

// outside prepares everything, then starts itself inside the rig.
func outside(ctx context.Context, p plan) error {
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	kernel, err := nest.Kernel(ctx, nest.Cloud)
	if err != nil {
		return err
	}

	initrd, err := nest.GuestInitrd(ctx, guestInit)
	if err != nil {
		return err
	}

	p.Kernel, p.Initrd, p.Linux = kernel.Vmlinuz, filepath.Join(dir, "initrd"), filepath.Join(dir, "linux")
	if err := os.WriteFile(p.Initrd, initrd, 0o644); err != nil {
		return err
	}

	if err := command(ctx, nil, "go", "build", "-o", p.Linux, "github.com/vgraft/vgraft/examples/linux"); err != nil {
		return err
	}

	if p.GoKVM, err = installGoKVM(ctx, dir); err != nil {
		p.Note = err.Error()
	}

	self, err := os.Executable()
	if err != nil {
		return err
	}

	b, err := json.Marshal(p)
	if err != nil {
		return err
	}

	planFile := filepath.Join(dir, "plan")
	if err := os.WriteFile(planFile, b, 0o644); err != nil {
		return err
	}

	code, err := nest.Run(ctx, nest.Config{CPUs: max(2, p.CPUs), Stdout: os.Stdout, Stderr: os.Stderr}, self, "-plan", planFile)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %s in the rig", strconv.Itoa(code))
	}

	return err
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
