package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// The emulated machine itself stops at times, and then no bound that is kept inside it is
// of use. Each run tells when it begins and ends, so a rig that says nothing for longer
// than a run may take is dead.
const (
	rigBoot    = 2 * time.Minute
	rigSilence = bootDeadline + 30*time.Second
	rigsMost   = 5
	silentMost = 2 // rigs that one runner may take along
)

var errSilent = errors.New("the rig fell silent")

// plan is what a rig is to do. All runners are in it, so that indices mean the same
// inside and outside.
type plan struct{ Runners []*runner }

// event is a line from the rig: a run begins, or has ended. Round 0 is the first in the
// rig: it fills the caches and doesn't count.
type event struct {
	Runner, Round int
	Took          time.Duration // 0 at the beginning
	Err           string
}

// measure has the runners run in a rig, and in further ones while rigs fall silent.
// Whatever error it gives, what was measured until then is in the runners.
func measure(ctx context.Context, all []*runner, rig func(context.Context, plan, io.Writer) error) error {
	for range rigsMost {
		if !slices.ContainsFunc(all, (*runner).runs) {
			return nil
		}

		last, err := watch(ctx, all, rig)

		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || !errors.Is(err, errSilent):
			return err
		case last == nil: // before the first run
			continue
		}

		fmt.Fprintf(os.Stderr, "peers: %v during a run of %s\n", errSilent, last.Name)

		if last.silent++; last.silent == silentMost {
			last.note = fmt.Sprintf("%d rigs fell silent during its runs", silentMost)
		}
	}

	return fmt.Errorf("%w, as did the %d before", errSilent, rigsMost-1)
}

// watch runs one rig until it is done or falls silent, and says which runner was the last.
func watch(ctx context.Context, all []*runner, rig func(context.Context, plan, io.Writer) error) (last *runner, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	p := plan{}
	for _, r := range all {
		r := *r
		if r.note != "" {
			r.Left = 0
		}

		p.Runners = append(p.Runners, &r)
	}

	watchdog := time.AfterFunc(rigBoot+rigSilence, func() { cancel(errSilent) })
	defer watchdog.Stop()

	out := &events{took: func(e event) {
		watchdog.Reset(rigSilence)

		if e.Runner < 0 || e.Runner >= len(all) {
			return
		}

		last = all[e.Runner]
		last.took(e)
	}}

	// Its writer is used by one goroutine, which has ended when it returns.
	if err = rig(ctx, p, out); err != nil && errors.Is(context.Cause(ctx), errSilent) {
		err = errors.Join(errSilent, err)
	}

	return last, err
}

// runs says whether there is something left to do.
func (r *runner) runs() bool { return r.Argv != nil && r.note == "" && r.Left > 0 }

// took notes the end of a run.
func (r *runner) took(e event) {
	switch {
	case e.Err != "":
		r.note = e.Err
		fmt.Fprintf(os.Stderr, "peers: %s, %s: %s\n", r.Name, r.Goal, e.Err)
	case e.Took > 0 && e.Round > 0:
		r.times = append(r.times, e.Took)
		r.Left--
	}
}

// events decodes lines of JSON as they come.
type events struct {
	rest []byte
	took func(event)
}

func (w *events) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)

	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}

		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return 0, fmt.Errorf("from the rig: %q: %w", line, err)
		}

		w.took(e)
		w.rest = rest
	}
}
