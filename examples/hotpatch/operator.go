package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// operator is both ends of a socket: the engine that is served there, and the one who makes
// patches and brings them.
type operator struct {
	engine *patch.Engine
	client *control.Client
	domain string             // of the guest
	key    ed25519.PrivateKey // which the engine trusts
	close  func() error
}

// newOperator serves an engine for the domain, on a socket of this user's alone.
func newOperator(ctx context.Context, d *patch.Domain) (*operator, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}

	engine := patch.NewEngine(patch.Options{TrustedKeys: []ed25519.PublicKey{public}})
	if err := engine.Attach(ctx, d); err != nil {
		return nil, err
	}

	l, path, err := listen()
	if err != nil {
		return nil, err
	}

	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)

	go func() { ended <- control.Serve(ctx, engine, l, control.Options{}) }()

	client := control.Dial(path)

	return &operator{engine: engine, client: client, domain: d.Name(), key: private, close: func() error {
		client.Close()
		cancel()

		return errors.Join(<-ended, os.RemoveAll(filepath.Dir(path)))
	}}, nil
}

// listen makes a socket in a directory of its own: of temporary files, or, where their file
// system has no sockets, of shared memory.
func listen() (l net.Listener, path string, err error) {
	for _, parent := range []string{"", "/dev/shm"} {
		dir, mkErr := os.MkdirTemp(parent, "hotpatch-")
		if mkErr != nil {
			return nil, "", errors.Join(err, mkErr)
		}

		path = filepath.Join(dir, "socket")

		if l, err = control.Listen(path, 0o600); err == nil {
			return l, path, nil
		}

		os.RemoveAll(dir)
	}

	return nil, "", err
}

// transition applies or reverts, through the socket.
func (o *operator) transition(ctx context.Context, op patch.Op, name string) (patch.Report, error) {
	r := control.Request{Patch: name, Domains: []string{o.domain}}

	if op == patch.OpRevert {
		return o.client.Revert(ctx, r)
	}

	return o.client.Apply(ctx, r)
}
