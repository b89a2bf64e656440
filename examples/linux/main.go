// Command linux boots a Linux kernel with its console on the terminal:
//
//	linux -kernel vmlinuz -initrd initrd.img [-cmdline "console=ttyS0 quiet"] [-memory 512] [-cpus 2] [-timeout 1m]
//	linux ... -socket /run/vm.sock -trust keys.pem
//
// With a socket its monitor can be repaired while the guest runs: see patchctl and elfdiff.
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

func main() { os.Exit(run()) }

func run() int {
	boot := vmm.Linux{}
	flag.StringVar(&boot.Kernel, "kernel", "", "`path` of a bzImage or an ELF vmlinux")
	flag.StringVar(&boot.Initrd, "initrd", "", "`path` of the initial ramdisk")
	flag.StringVar(&boot.Cmdline, "cmdline", "console=ttyS0", "kernel command `line`")
	memory := flag.Uint64("memory", 512, "guest memory in `MiB`")
	cpus := flag.Int("cpus", 1, "`number` of vCPUs")
	timeout := flag.Duration("timeout", 0, "end the guest after this `duration`; 0 is never")
	op := operation{}
	flag.StringVar(&op.socket, "socket", "", "`path` of a socket for patchctl; empty is none")
	flag.StringVar(&op.trust, "trust", "", "`file` of public keys, whose patches are taken")
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

	exit, err := runGuest(ctx, vmm.Config{Memory: *memory << 20, CPUs: *cpus, Boot: boot}, op)
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
func runGuest(ctx context.Context, cfg vmm.Config, op operation) (_ vmm.Exit, err error) {
	ctx, hangUp := context.WithCancelCause(ctx)
	defer hangUp(nil)

	console := &escape{in: os.Stdin, quit: func() { hangUp(errors.New("ended by Ctrl-a x")) }}
	cfg.Devices = []vmm.Device{vmm.Serial(console, os.Stdout)}

	m, err := vmm.New(ctx, cfg)
	if err != nil {
		return vmm.Exit{}, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()

	stop, err := op.serve(ctx, m.Domain())
	if err != nil {
		return vmm.Exit{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	if err := m.Start(ctx); err != nil {
		return vmm.Exit{}, err
	}

	return m.Wait(ctx)
}
