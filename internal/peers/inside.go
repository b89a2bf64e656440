package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// bootDeadline is for one run, on a machine that has other things to do as well.
const bootDeadline = 4 * time.Minute

// inside does, in the rig, what the plan says: all runners in turn. It prints an event as
// each run begins and ends.
func inside(ctx context.Context, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}

	var p plan
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}

	events := json.NewEncoder(os.Stdout)

	for round, left := 0, true; left; round++ {
		left = false

		for i, r := range p.Runners {
			if r.Argv == nil || r.Left == 0 || round > r.Left {
				continue
			}

			left = true

			if err := events.Encode(event{Runner: i, Round: round}); err != nil {
				return err
			}

			end := event{Runner: i, Round: round}

			if end.Took, err = boot(ctx, r.Argv, r.Says); ctx.Err() != nil {
				return context.Cause(ctx)
			} else if err != nil {
				end.Err, r.Left = err.Error(), 0
			}

			if err := events.Encode(end); err != nil {
				return err
			}
		}
	}

	return nil
}

// boot starts a monitor and times it until the guest has said something. The process
// doesn't outlive it.
func boot(ctx context.Context, argv []string, says string) (time.Duration, error) {
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

	seen, found := readTo(out, says)
	took := time.Since(start)
	late := ctx.Err() // before we cancel it ourselves

	cancel()
	_ = c.Wait() // killed, or its output says why it ended

	if !found {
		text := append(stderr.Bytes(), seen...)
		return 0, errors.Join(late, fmt.Errorf("no %q in %.1f s: %q", says, took.Seconds(), text[max(0, len(text)-300):]))
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
