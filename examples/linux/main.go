// Command linux boots a Linux kernel with its console on the terminal:
//
//	linux -kernel vmlinuz -initrd initrd.img [-cmdline "console=ttyS0 quiet"] [-memory 512] [-cpus 2] [-timeout 1m]
//
// The guest's power-off or reset ends it with exit code 0, the timeout with 124,
// anything else with 1 and the reason on the standard error. Ctrl-a x ends it too;
// Ctrl-a twice sends one Ctrl-a to the guest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/vmm"
)

// Exit codes; exitTimeout is timeout(1)'s.
const (
	exitFailure = 1
	exitTimeout = 124
)

const howToRunInRig = `to try it in the emulated KVM host that the tests use, from the repository:
	go build -o nest ./internal/nest/cmd/nest && go build ./examples/linux
	./nest -- ./linux -kernel ...`

func main() { os.Exit(run()) }

func run() int {
	boot := vmm.Linux{}
	flag.StringVar(&boot.Kernel, "kernel", "", "`path` of a bzImage or an ELF vmlinux")
	flag.StringVar(&boot.Initrd, "initrd", "", "`path` of the initial ramdisk")
	flag.StringVar(&boot.Cmdline, "cmdline", "console=ttyS0", "kernel command `line`")
	memory := flag.Uint64("memory", 512, "guest memory in `MiB`")
	cpus := flag.Int("cpus", 1, "`number` of vCPUs")
	timeout := flag.Duration("timeout", 0, "end the guest after this `duration`; 0 is never")
	flag.Parse()

	if boot.Kernel == "" || flag.NArg() > 0 {
		flag.Usage()
		return exitFailure
	}

	if err := checkHost(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailure
	}

	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()

	if *timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *timeout)
		defer cancel()
	}

	restore := rawTerminal(os.Stdin)
	defer restore()

	exit, err := runGuest(ctx, vmm.Config{Memory: *memory << 20, CPUs: *cpus, Boot: boot})
	restore() // before anything is printed

	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Fprintln(os.Stderr, "linux: timed out after", *timeout)
		return exitTimeout
	case err != nil:
		fmt.Fprintln(os.Stderr, "linux:", err)
		return exitFailure
	case exit.Reason == vmm.ExitPowerOff || exit.Reason == vmm.ExitReset:
		return 0
	}

	fmt.Fprintln(os.Stderr, "linux:", exit)
	return exitFailure
}

// runGuest runs a machine with its console on the standard streams to its end.
func runGuest(ctx context.Context, cfg vmm.Config) (_ vmm.Exit, err error) {
	ctx, hangUp := context.WithCancelCause(ctx)
	defer hangUp(nil)

	console := &escape{in: os.Stdin, quit: func() { hangUp(errors.New("ended by Ctrl-a x")) }}
	cfg.Devices = []vmm.Device{vmm.Serial(console, os.Stdout)}

	m, err := vmm.New(ctx, cfg)
	if err != nil {
		return vmm.Exit{}, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()

	if err := m.Start(ctx); err != nil {
		return vmm.Exit{}, err
	}

	return m.Wait(ctx)
}

// checkHost says what this host lacks, and what to do about it.
func checkHost() error {
	switch host, err := vmm.Probe(""); {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("linux: no KVM here: %w\n%s", err, howToRunInRig)
	case err != nil:
		return fmt.Errorf("linux: %w", err)
	case !host.NativeRing0:
		return fmt.Errorf("linux: this host's KVM emulates guest ring 0, in which no Linux boots\n%s", howToRunInRig)
	}

	return nil
}
