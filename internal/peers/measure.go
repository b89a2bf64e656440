package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// bootDeadline is for one guest.
const bootDeadline = 60 * time.Second

// peer is one monitor and how to boot the guest with it.
type peer struct {
	name  string
	argv  []string
	note  string // why it wasn't measured, or not to the end
	times []time.Duration
}

func peers(p plan) []*peer {
	cpus, memory := strconv.Itoa(p.CPUs), strconv.Itoa(p.Memory)

	const cmdline = "console=ttyS0 quiet"

	qemu := func(machine string) *peer {
		return &peer{name: "QEMU " + machine, argv: []string{
			"qemu-system-x86_64", "-M", machine, "-accel", "kvm", "-cpu", "host",
			"-m", memory, "-smp", cpus, "-kernel", p.Kernel, "-initrd", p.Initrd, "-append", cmdline,
			"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		}}
	}

	gokvm := &peer{name: "gokvm", note: p.Note}
	if p.GoKVM != "" {
		gokvm.argv = []string{p.GoKVM, "boot", "-k", p.Kernel, "-i", p.Initrd, "-c", cpus, "-m", memory + "M", "-p", cmdline}
	}

	return []*peer{
		{name: "vgraft", argv: []string{
			p.Linux, "-kernel", p.Kernel, "-initrd", p.Initrd, "-cpus", cpus, "-memory", memory, "-cmdline", cmdline,
		}},
		gokvm,
		qemu("microvm"),
		qemu("pc"),
	}
}

// measure runs all peers in turn, and prints the table.
func measure(ctx context.Context, p plan) error {
	all := peers(p)

	// The first round fills the caches and doesn't count.
	for round := range p.Runs + 1 {
		for _, peer := range all {
			if peer.argv == nil || peer.note != "" {
				continue
			}

			d, err := boot(ctx, peer.argv)

			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err != nil:
				peer.note = err.Error()
				fmt.Fprintf(os.Stderr, "%s: %v\n", peer.name, err)
			case round > 0:
				peer.times = append(peer.times, d)
			}
		}
	}

	report(os.Stdout, all)

	return nil
}

// report prints a line for each peer, with ratios to the first.
func report(w io.Writer, all []*peer) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "monitor\truns\tmedian s\tmin\tmax\tratio\t")

	for _, p := range all {
		if len(p.times) == 0 {
			fmt.Fprintf(t, "%s\t0\t-\t-\t-\t-\t%.200s\n", p.name, p.note)
			continue
		}

		ratio := median(p.times).Seconds() / max(median(all[0].times), 1).Seconds()
		fmt.Fprintf(t, "%s\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.200s\n", p.name, len(p.times), median(p.times).Seconds(),
			slices.Min(p.times).Seconds(), slices.Max(p.times).Seconds(), ratio, p.note)
	}

	t.Flush()
}

// median of what may be empty.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}

	d = slices.Sorted(slices.Values(d))

	return (d[(len(d)-1)/2] + d[len(d)/2]) / 2
}

// boot starts a monitor and times it up to the marker. The process doesn't outlive it.
func boot(ctx context.Context, argv []string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, bootDeadline)
	defer cancel()

	var stderr bytes.Buffer

	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Stderr = &stderr
	c.WaitDelay = time.Second

	// A pipe that stays open: at the end of input QEMU goes on, but gokvm doesn't.
	in, err := c.StdinPipe()
	if err != nil {
		return 0, err
	}
	defer in.Close()

	out, err := c.StdoutPipe()
	if err != nil {
		return 0, err
	}

	start := time.Now()

	if err := c.Start(); err != nil {
		return 0, err
	}

	seen, found := readTo(out, marker)
	took := time.Since(start)
	late := ctx.Err() // before we cancel it ourselves

	cancel()
	_ = c.Wait() // killed, or its output says why it ended

	if !found {
		text := append(stderr.Bytes(), seen...)
		return 0, errors.Join(late, fmt.Errorf("no userspace in %.1f s: %q", took.Seconds(), text[max(0, len(text)-300):]))
	}

	return took, nil
}

// readTo reads up to and including the text.
func readTo(r io.Reader, text string) (seen []byte, found bool) {
	buf := make([]byte, 4096)

	for {
		n, err := r.Read(buf)

		seen = append(seen, buf[:n]...)
		if bytes.Contains(seen, []byte(text)) {
			return seen, true
		}

		if err != nil {
			return seen, false
		}
	}
}
