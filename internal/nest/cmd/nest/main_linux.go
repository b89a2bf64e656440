// Command nest runs a command under a full, emulated KVM host whose files are
// this machine's; see package nest.
//
//	nest [-cpu model] [-c cpus] [-m MiB] [-t duration] [-count] [-kernels] [--] CMD ARG...
//
// Its exit code is the command's own; 125 says that nest itself failed. It
// serves as go test's -exec program, which boots once for a whole package:
//
//	go build -o nest ./internal/nest/cmd/nest
//	go test -exec "$PWD/nest --" ./vmm
//	go test -exec "go run github.com/vgraft/vgraft/internal/nest/cmd/nest" ./vmm
//
// A CMD that is a program for arm64 gets an arm64 machine. Such a program is to be
// linked statically: this machine has no libraries for it.
//
//	GOARCH=arm64 CGO_ENABLED=0 go test -exec "$PWD/nest -kernels --" ./vmm
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/nest"
)

// exitFailure is what env(1) and timeout(1) return for their own failures.
const exitFailure = 125

func main() { os.Exit(run()) }

func run() int {
	cpu := flag.String("cpu", "", "`model` of the processors, as QEMU calls it")
	kernels := flag.Bool("kernels", false, "have the kernels that guests boot in the cache first: the rig has no network")
	cpus := flag.Int("c", 0, "emulated `processors`; 0 means 2, of arm64 1")
	memory := flag.Int("m", 4096, "memory in `MiB`")
	timeout := flag.Duration("t", 30*time.Minute, "kill everything after this `duration`; 0 means never")
	count := flag.Bool("count", false, "a clock that counts instructions, one a nanosecond")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: nest [-cpu model] [-c cpus] [-m MiB] [-t duration] [-count] [-kernels] [--] CMD ARG...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		return exitFailure
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	if *timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *timeout)
		defer cancel()
	}
	if *kernels {
		if err := nest.FetchKernelsFor(ctx, flag.Arg(0)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitFailure
		}
	}
	cfg := nest.Config{CPU: *cpu, CPUs: *cpus, MemoryMiB: *memory, Count: *count, Stdout: os.Stdout, Stderr: os.Stderr}
	if sameFile(os.Stdout, os.Stderr) {
		cfg.Stderr = os.Stdout // keeps the order of what is written to both
	}
	code, err := nest.Run(ctx, cfg, flag.Args()...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailure
	}
	return code
}

// sameFile reports whether both lead to one pipe, terminal or file.
func sameFile(a, b *os.File) bool {
	ia, errA := a.Stat()
	ib, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(ia, ib)
}
