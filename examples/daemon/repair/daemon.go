package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

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
