package main

import (
	"context"
	"errors"
	"os"

	"github.com/vgraft/vgraft/patch"
)

// repair is a payload that changes what the guest reads of its battery.
type repair struct {
	payload string // path; empty is none
	trust   string // path of the public keys
}

// steps apply the payload and take it back, while the guest looks at its battery again and
// again.
func (r repair) steps(ctx context.Context, g *guest) []step {
	if r.payload == "" {
		return nil
	}

	var (
		engine *patch.Engine
		fix    *patch.Patch
	)

	upload := func() (err error) {
		engine, fix, err = r.upload(ctx)
		return err
	}
	apply := func() error { _, err := engine.Apply(ctx, fix, patch.On(g.machine.Domain())); return err }
	revert := func() error { _, err := engine.Revert(ctx, fix, patch.On(g.machine.Domain())); return err }

	return []step{
		{upload, "battery, with a payload loaded", "look"},
		{apply, "battery, after Apply", "changed"},
		{nil, "battery, patched", "look"},
		{revert, "battery, after Revert", "changed"},
	}
}

// upload has an engine take the payload.
func (r repair) upload(ctx context.Context) (_ *patch.Engine, _ *patch.Patch, err error) {
	pem, err := os.ReadFile(r.trust)
	if err != nil {
		return nil, nil, err
	}

	keys, err := patch.ReadPublicKeys(pem)
	if err != nil {
		return nil, nil, err
	}

	file, err := os.Open(r.payload)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()

	engine := patch.NewEngine(patch.Options{TrustedKeys: keys})
	fix, err := engine.Upload(ctx, file)

	return engine, fix, err
}
