package main

import (
	"context"
	"crypto/ed25519"
	"os"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// operation is how operators reach the monitor.
type operation struct {
	socket string // path; empty is not at all
	trust  string // path of the public keys; empty trusts nobody
}

// serve serves an engine for the domain until stop is called, or the context ends.
func (o operation) serve(ctx context.Context, d *patch.Domain) (stop func() error, err error) {
	if o.socket == "" {
		return func() error { return nil }, nil
	}

	var keys []ed25519.PublicKey

	if o.trust != "" {
		file, err := os.ReadFile(o.trust)
		if err != nil {
			return nil, err
		}

		if keys, err = patch.ReadPublicKeys(file); err != nil {
			return nil, err
		}
	}

	engine := patch.NewEngine(patch.Options{TrustedKeys: keys})
	if err := engine.Attach(ctx, d); err != nil {
		return nil, err
	}

	l, err := control.Listen(o.socket, 0o600)
	if err != nil {
		return nil, err
	}

	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)

	go func() { ended <- control.Serve(ctx, engine, l, control.Options{}) }()

	return func() error {
		cancel()
		return <-ended
	}, nil
}
