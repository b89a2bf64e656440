package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// payload makes the signed payload: what changes when the library has its next version.
func (d *daemon) payload(ctx context.Context, sum *summary) ([]byte, error) {
	began := time.Now()

	base, err := elfdiff.Open(ctx, d.program(), elfdiff.OpenOptions{Dir: d.source})
	if err != nil {
		return nil, err
	}

	fixed, err := elfdiff.FromSource(ctx, elfdiff.SourceOptions{
		Base: base, Dir: d.source, Modules: []string{"golang.org/x/net@" + fixedVersion},
	})
	if err != nil {
		return nil, err
	}

	built := time.Now()

	report, err := elfdiff.Diff(ctx, base, fixed, elfdiff.Options{})
	if err != nil {
		return nil, err
	}

	file, err := report.Payload(elfdiff.PayloadOptions{Name: "CVE-2023-3978"})
	if err != nil {
		return nil, errors.Join(err, report.WriteText(os.Stderr))
	}

	if file, err = elfdiff.Sign(file, d.key); err != nil {
		return nil, err
	}

	sum.Build, sum.Diff, sum.Payload = int64(built.Sub(began)), int64(time.Since(built)), len(file)
	sum.Changed, sum.Slots = report.Changed, report.Slots

	return file, nil
}

func (d *daemon) upload(ctx context.Context, file []byte, sum *summary) (string, error) {
	began := time.Now()
	p, err := d.client.Upload(ctx, bytes.NewReader(file))
	sum.Upload = int64(time.Since(began))

	return p.Name, err
}

// transition gives how long it took in the daemon.
func (d *daemon) transition(ctx context.Context, op patch.Op, name string) (time.Duration, error) {
	do := d.client.Apply
	if op == patch.OpRevert {
		do = d.client.Revert
	}

	r, err := do(ctx, control.Request{Patch: name, Everywhere: true})

	return r.Took, err
}
