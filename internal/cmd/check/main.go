// Command check is the test command of the repository: it installs the Debian packages
// that the tests need, where it may, then runs the linters of the Go distribution and
// all tests, the sensitive ones once more under the race detector, every benchmark
// once, and in the end holds that each layer of tests really ran.
//
//	go run ./internal/cmd/check
//
// It needs no KVM: what the machine can't do is done in the nested rig.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/testutil/layers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()

	if err := check(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

// steps are run in this order; the first that fails ends the check.
var steps = []struct {
	name string
	env  []string
	argv []string
}{
	{"vet", nil, []string{"go", "vet", "./..."}},
	{"vet for arm64", []string{"GOARCH=arm64"}, []string{"go", "vet", "./..."}},
	{"vet for where there are no guests", []string{"GOARCH=riscv64"}, []string{"go", "vet", "./vmm/..."}},
	{"vet for where there is no KVM", []string{"GOOS=darwin"}, []string{"go", "vet", "./vmm/acpi/...", "./elfdiff/..."}},
	// The tests that boot machines share two processors: one package at a time is as
	// fast as two, and steadier.
	{"tests", nil, []string{"go", "test", "-p", "1", "-timeout", "30m", "./..."}},
	// What differs on arm64, in an emulated machine, and once more where KVM works without
	// the host in the hypervisor's mode.
	{"tests on arm64", []string{"GOARCH=arm64", "CGO_ENABLED=0"}, append([]string{"go", "test", "-p", "1", "-timeout", "20m", "-exec", nestHere + " -kernels --"}, onARM...)},
	{"tests on arm64 without VHE", []string{"GOARCH=arm64", "CGO_ENABLED=0"}, []string{"go", "test", "-p", "1", "-timeout", "20m", "-exec", nestHere + " -cpu cortex-a72 --", "./internal/kvm", "./vmm"}},
	{"tests of the plain page tables", nil, []string{"go", "test", "-tags", "vgraft_plaintables", "./internal/boot"}},
	{"tests with the race detector", []string{"CGO_ENABLED=1"}, []string{"go", "test", "-race", "-short", "-p", "1", "-timeout", "20m", "./patch/...", "./vmm/...", "./internal/bus", "./internal/device/...", "./internal/guestmem"}},
	{"benchmarks, once each", nil, []string{"go", "test", "-run", "^$", "-bench", ".", "-benchtime", "1x", "-short", "-p", "1", "-timeout", "10m", "./patch/...", "./vmm/...", "./internal/..."}},
}

// nestHere is replaced by the path of the nested rig's command, built for this machine:
// go run would build it for the one that tests are for.
const nestHere = "{nest}"

// onARM are the packages whose tests run on arm64 too.
var onARM = []string{"./internal/kvm", "./internal/guestmem", "./internal/boot", "./internal/device/ged", "./internal/device/pl011", "./internal/device/pl031", "./vmm", "./vmm/power", "./examples/acpi"}

func check(ctx context.Context) error {
	if err := install(ctx); err != nil {
		return err
	}

	dir, err := os.MkdirTemp("", "vgraft-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	nest := filepath.Join(dir, "nest")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", nest, "./internal/nest/cmd/nest").CombinedOutput(); err != nil {
		return fmt.Errorf("building the nested rig: %w: %s", err, out)
	}

	ran := filepath.Join(dir, "layers")

	for _, s := range steps {
		start := time.Now()
		fmt.Printf("== %s: %s\n", s.name, strings.Join(append(s.env, s.argv...), " "))

		argv := slices.Clone(s.argv)
		for i := range argv {
			argv[i] = strings.ReplaceAll(argv[i], nestHere, nest)
		}

		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = append(append(os.Environ(), layers.Env+"="+ran), s.env...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr

		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}

		fmt.Printf("== %s: passed in %v\n", s.name, time.Since(start).Round(time.Second))
	}

	return accounted(ran)
}

// accounted fails if a layer of tests did not run: a green result must not mean that
// nothing was tested.
func accounted(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("no test said in which layer it ran: %w", err)
	}

	count := map[string]int{}
	for line := range bytes.Lines(b) {
		layer, _, _ := strings.Cut(string(line), " ")
		count[layer]++
	}

	var errs []error

	for _, l := range layers.All {
		fmt.Printf("== layer %s: %d tests ran\n", l, count[l])

		if count[l] == 0 {
			errs = append(errs, fmt.Errorf("no test of layer %s ran", l))
		}
	}

	return errors.Join(errs...)
}
