package main

import (
	"bytes"
	"context"
	_ "embed" // fix.patch
	"time"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/patch"
)

// fix is the repair, as a maintainer would send it.
//
//go:embed fix.patch
var fix []byte

// made is how a payload came to be. Times are in nanoseconds.
type made struct {
	Event     string   `json:"event"`
	Patch     string   `json:"patch"`
	Changed   []string `json:"changed"` // functions
	Slots     []string `json:"slots"`
	Open      int64    `json:"open_ns"`
	Build     int64    `json:"build_ns"`
	Diff      int64    `json:"diff_ns"`
	Payload   int64    `json:"payload_ns"`
	Upload    int64    `json:"upload_ns"`
	Size      int      `json:"payload_bytes"`
	Meanwhile uint64   `json:"messages_meanwhile"` // of the guest
}

// make makes the payload for this very process, and uploads it.
func (o *operator) make(ctx context.Context) (m made, p *patch.Patch, err error) {
	file, m, err := o.payload(ctx)
	if err != nil {
		return m, nil, err
	}

	began := time.Now()

	taken, err := o.client.Upload(ctx, bytes.NewReader(file))
	if err != nil {
		return m, nil, err
	}

	m.Upload, m.Patch, m.Size = int64(time.Since(began)), taken.Name, len(file)

	status, err := o.engine.Get(taken.Name)

	return m, status.Patch, err
}

func (o *operator) payload(ctx context.Context) ([]byte, made, error) {
	m := made{Event: "made"}

	dir, err := sourceDir(ctx)
	if err != nil {
		return nil, m, err
	}

	lap := time.Now()
	took := func(to *int64) { *to, lap = int64(time.Since(lap)), time.Now() }

	base, err := elfdiff.Open(ctx, "/proc/self/exe", elfdiff.OpenOptions{Dir: dir})
	if err != nil {
		return nil, m, err
	}

	took(&m.Open)

	fixed, err := elfdiff.FromSource(ctx, elfdiff.SourceOptions{
		Base: base, Dir: dir, Patches: []elfdiff.SourcePatch{{Name: "fix.patch", Diff: fix}},
	})
	if err != nil {
		return nil, m, err
	}

	took(&m.Build)

	report, err := elfdiff.Diff(ctx, base, fixed, elfdiff.Options{})
	if err != nil {
		return nil, m, err
	}

	took(&m.Diff)

	m.Changed, m.Slots = report.Changed, report.Slots

	file, err := report.Payload(elfdiff.PayloadOptions{Name: "fifo-bounds"})
	if err != nil {
		return nil, m, err
	}

	if file, err = elfdiff.Sign(file, o.key); err != nil {
		return nil, m, err
	}

	took(&m.Payload)

	return file, m, nil
}
