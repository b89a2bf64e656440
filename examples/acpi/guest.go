package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"

	"github.com/vgraft/vgraft/vmm"
)

// cmdlines are the kernel's. On arm64 the console is in the tables.
var cmdlines = map[string]string{"amd64": "console=ttyS0 panic=-1 quiet", "arm64": "panic=-1 quiet"}

// guest is a machine whose console answers commands.
type guest struct {
	machine *vmm.Machine
	keys    *io.PipeWriter

	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

// boot starts a guest, and waits until it takes commands.
func boot(ctx context.Context, linux vmm.Linux, cfg vmm.Config) (_ *guest, err error) {
	if cmdlines[runtime.GOARCH] == "" {
		return nil, fmt.Errorf("no guests on %s", runtime.GOARCH)
	}

	in, keys := io.Pipe()
	g := &guest{keys: keys, news: make(chan struct{}, 1)}

	defer func() {
		if err != nil {
			g.close(&err)
		}
	}()

	linux.Cmdline = cmdlines[runtime.GOARCH]
	cfg.Boot = linux
	cfg.Devices = append(cfg.Devices, vmm.Serial(in, g))

	if g.machine, err = vmm.New(ctx, cfg); err != nil {
		return nil, err
	}

	if err := g.machine.Start(ctx); err != nil {
		return nil, err
	}

	_, err = g.answer(ctx)

	return g, err
}

// close ends the guest, if it runs, and adds to the error of whoever had it.
func (g *guest) close(err *error) {
	errs := []error{*err, g.keys.Close()}

	if g.machine != nil {
		errs = append(errs, g.machine.Close())
	}

	*err = errors.Join(errs...)
}

// Write is the guest's console.
func (g *guest) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.text.Write(bytes.ReplaceAll(p, []byte("\r"), nil))

	select {
	case g.news <- struct{}{}:
	default:
	}

	return len(p), nil
}

// tell types a command.
func (g *guest) tell(command string) error {
	_, err := io.WriteString(g.keys, command+"\n")
	return err
}

// ask types a command, and waits for the answer.
func (g *guest) ask(ctx context.Context, command string) (string, error) {
	if err := g.tell(command); err != nil {
		return "", err
	}

	return g.answer(ctx)
}

// answer is what comes before the next line with "end".
func (g *guest) answer(ctx context.Context) (string, error) {
	for {
		g.mu.Lock()
		before, after, ok := strings.Cut("\n"+g.text.String(), "\nend\n")

		if ok {
			g.text.Reset()
			g.text.WriteString(after)
		}
		g.mu.Unlock()

		if ok {
			return strings.TrimSpace(before), nil
		}

		select {
		case <-g.news:
		case <-ctx.Done():
			return "", fmt.Errorf("the guest doesn't answer: %w; its console: %q", context.Cause(ctx), before)
		}
	}
}
