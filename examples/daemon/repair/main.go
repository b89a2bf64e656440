// Command repair shows a web server take the fix of a library while it serves: it builds and
// starts the daemon beside it, puts load on it, makes a payload of the library's next version,
// has the daemon take it, takes it out and puts it in again, and counts the requests that failed.
//
//	cd examples/daemon && go run ./repair [-clients N] [-json]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vgraft/vgraft/patch"
)

func main() {
	clients := flag.Int("clients", 8, "how many `clients` ask without a pause")
	asJSON := flag.Bool("json", false, "print one JSON object at the end, and nothing else")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	out := io.Writer(os.Stdout)
	if *asJSON {
		out = io.Discard
	}

	sum, err := run(ctx, *clients, out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "repair:", err)
		os.Exit(1)
	}

	if *asJSON {
		_ = json.NewEncoder(os.Stdout).Encode(sum)
	}
}

// summary is what -json prints. Times are in nanoseconds.
type summary struct {
	Build   int64    `json:"build_ns"`
	Diff    int64    `json:"diff_ns"`
	Payload int      `json:"payload_bytes"`
	Changed []string `json:"changed"`
	Slots   []string `json:"slots"`
	Upload  int64    `json:"upload_ns"`
	Apply   int64    `json:"apply_ns"`  // in the daemon
	Revert  int64    `json:"revert_ns"` // in the daemon
	tally
}

// run tells the story.
func run(ctx context.Context, clients int, out io.Writer) (sum summary, err error) {
	d, err := startDaemon(ctx)
	if err != nil {
		return sum, err
	}
	defer d.stop()

	if err := d.show(ctx, out, "before", flawed); err != nil {
		return sum, err
	}

	load := startLoad(d.url, clients)
	defer load.stop()

	began := time.Now()

	file, err := d.payload(ctx, &sum)
	if err != nil {
		return sum, err
	}

	fmt.Fprintf(out, "\n  build    %v: x/net %s, with the program as it is\n  diff     %v: %v\n           through the slots %v\n  payload  %d bytes; the daemon answered %d requests meanwhile\n\n",
		round(sum.Build), fixedVersion, round(sum.Diff), sum.Changed, sum.Slots, sum.Payload, load.count())

	name, err := d.upload(ctx, file, &sum)
	if err != nil {
		return sum, err
	}

	fmt.Fprintf(out, "  upload   %v, as %q\n", round(sum.Upload), name)

	for _, step := range []struct {
		op   patch.Op
		want string
	}{{patch.OpApply, repaired}, {patch.OpRevert, flawed}, {patch.OpApply, repaired}} {
		took, err := d.transition(ctx, step.op, name)
		if err != nil {
			return sum, err
		}

		*map[patch.Op]*int64{patch.OpApply: &sum.Apply, patch.OpRevert: &sum.Revert}[step.op] = int64(took)
		fmt.Fprintf(out, "  %-8s %v\n", step.op, took)

		if err := d.show(ctx, out, "then", step.want); err != nil {
			return sum, err
		}

		time.Sleep(200 * time.Millisecond) // some load on it
	}

	sum.tally = load.stop()
	fmt.Fprintf(out, "\n  load     %d clients, %d requests in %v: %d failed\n           latency %v at the median, %v at the 99th percentile, %v at most\n",
		clients, sum.Requests, time.Since(began).Round(time.Millisecond), sum.Failed, round(sum.P50), round(sum.P99), round(sum.Longest))

	return sum, sum.check()
}

func round(ns int64) time.Duration { return time.Duration(ns).Round(10 * time.Microsecond) }
