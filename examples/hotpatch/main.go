// Command hotpatch repairs a device of a virtual machine while its guest uses it. It builds
// itself once more from its source with fix.patch applied, makes a payload of the
// difference, signs it and loads it into itself, through the socket that an operator would
// use. Then it takes the repair out and puts it in again, a thousand times, and counts what
// gets lost.
//
//	go run ./examples/hotpatch [-flips N] [-cpus N] [-json]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/vgraft/vgraft/patch"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)

	err := run(ctx, os.Args[1:], os.Stdout)
	interrupted := ctx.Err() != nil

	cancel()

	var child *exec.ExitError

	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &child) && child.Exited():
		os.Exit(child.ExitCode()) // it has said why
	case interrupted:
		fmt.Fprintln(os.Stderr, "hotpatch: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "hotpatch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("hotpatch", flag.ContinueOnError)
	flips := flags.Int("flips", 1000, "how often to apply or revert while the guest runs")
	cpus := flags.Int("cpus", 2, "vCPUs of the guest")
	asJSON := flags.Bool("json", false, "print one JSON object per line")

	if err := flags.Parse(args); err != nil {
		return err
	}

	if *flips < 0 || *cpus < 1 || flags.NArg() > 0 {
		return errors.New("-flips must not be negative, -cpus at least 1, and there are no other arguments")
	}

	code, err := guestCode()
	if err != nil {
		return err
	}

	if err := checkKVM("/dev/kvm"); err != nil {
		return err
	}

	if stripped() {
		return runBuilt(ctx, args, out)
	}

	device := newFIFOs(*cpus)

	m, err := start(ctx, code, device)
	if err != nil {
		return err
	}
	defer m.Close()

	// Nothing below goes on without the guest.
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)

	go func() {
		if exit, err := m.Wait(ctx); err == nil {
			end(fmt.Errorf("the guest has ended: %v", exit))
		}
	}()

	op, err := newOperator(ctx, m.Domain())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, op.close()) }()

	s := story{
		show:     newShow(out, *asJSON),
		guest:    guest{m.Memory(), *cpus},
		device:   device,
		operator: op,
		target:   patch.On(m.Domain()),
		other:    patch.On(patch.NewDomain("elsewhere")),
	}
	s.show.intro(*cpus, *flips)

	err = s.tell(ctx, *flips)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause // whatever failed, failed for that
	}

	return err
}
