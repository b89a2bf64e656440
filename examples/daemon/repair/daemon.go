package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

const (
	daemonPath   = "github.com/vgraft/vgraft/examples/daemon"
	fixedVersion = "v0.13.0"
)

// The comment that shows the flaw, and what the daemon makes of it: script that runs in the
// reader's browser, or text.
const (
	comment  = `<svg><style>&lt;img src=x onerror=alert(1)&gt;</style></svg>`
	flawed   = `<html><head></head><body><svg><style><img src=x onerror=alert(1)></style></svg></body></html>`
	repaired = `<html><head></head><body><svg><style>&lt;img src=x onerror=alert(1)&gt;</style></svg></body></html>`
)

// daemon is the process that is repaired.
type daemon struct {
	dir    string // temporary
	source string // of its module
	url    string // that shows the flaw
	client *control.Client
	key    ed25519.PrivateKey // which it trusts
	cmd    *exec.Cmd
}

// startDaemon builds the daemon, as anybody would, and starts it.
func startDaemon(ctx context.Context) (_ *daemon, err error) {
	d := &daemon{}
	defer func() {
		if err != nil {
			d.stop()
		}
	}()

	if d.dir, err = os.MkdirTemp("", "daemon-"); err != nil {
		return nil, err
	}

	if d.source, err = goCommand(ctx, "list", "-m", "-f", "{{.Dir}}", daemonPath); err != nil {
		return nil, err
	}

	if _, err := goCommand(ctx, "build", "-o", d.program(), daemonPath); err != nil {
		return nil, err
	}

	socket, trust := filepath.Join(d.dir, "socket"), filepath.Join(d.dir, "trust.pem")
	if err := d.newKey(trust); err != nil {
		return nil, err
	}

	d.client = control.Dial(socket)
	d.cmd = exec.CommandContext(ctx, d.program(), "-socket", socket, "-trust", trust)
	d.cmd.Stderr = os.Stderr

	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}

	if err := d.cmd.Start(); err != nil {
		d.cmd = nil
		return nil, err
	}

	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the daemon didn't start: %w", err)
	}

	d.url = "http://" + strings.TrimSpace(strings.TrimPrefix(line, "listening on ")) + "/?comment=" + url.QueryEscape(comment)

	return d, nil
}

func (d *daemon) program() string { return filepath.Join(d.dir, "daemon") }

// newKey makes a key to sign with, and the file that has the daemon trust it.
func (d *daemon) newKey(trust string) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}

	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}

	d.key = private

	return os.WriteFile(trust, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}

func (d *daemon) stop() {
	if d.cmd != nil {
		d.client.Close()
		_ = d.cmd.Process.Signal(os.Interrupt)
		_ = d.cmd.Wait() // the demonstration has ended, whatever it says
	}

	os.RemoveAll(d.dir)
}

// show asks once, and holds that the answer is what it should be.
func (d *daemon) show(ctx context.Context, out io.Writer, when, want string) error {
	got, err := ask(ctx, http.DefaultClient, d.url)
	if err != nil {
		return err
	}

	fmt.Fprintf(out, "  %-8s %s\n", when, got)

	if got != want {
		return fmt.Errorf("%s: the daemon answered %s, and not %s", when, got, want)
	}

	return nil
}

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

// goCommand runs the go command in the working directory, which must be in the module.
func goCommand(ctx context.Context, args ...string) (string, error) {
	var problems strings.Builder

	c := exec.CommandContext(ctx, "go", args...)
	c.Stderr = &problems

	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, &problems)
	}

	return strings.TrimSpace(string(out)), nil
}
