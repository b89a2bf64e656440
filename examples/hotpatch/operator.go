package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	_ "embed" // fix.patch
	"errors"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// fix is the repair, as a maintainer would send it.
//
//go:embed fix.patch
var fix []byte

// operator is both ends of a socket: the engine that is served there, and the one who makes
// patches and brings them.
type operator struct {
	engine *patch.Engine
	client *control.Client
	domain string             // of the guest
	key    ed25519.PrivateKey // which the engine trusts
	close  func()
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

	return &operator{engine: engine, client: client, domain: d.Name(), key: private, close: func() {
		client.Close()
		cancel()
		<-ended
		os.RemoveAll(filepath.Dir(path))
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

// transition applies or reverts, through the socket.
func (o *operator) transition(ctx context.Context, op patch.Op, name string) (patch.Report, error) {
	r := control.Request{Patch: name, Domains: []string{o.domain}}

	if op == patch.OpRevert {
		return o.client.Revert(ctx, r)
	}

	return o.client.Apply(ctx, r)
}
