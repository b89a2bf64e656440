package vmm_test

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/vmm"
)

// bootDeadline is for one guest, on a busy machine: usually it needs 2 or 3 seconds.
const bootDeadline = 120 * time.Second

// guest is a machine with its console in the test's hands.
type guest struct {
	t     *testing.T
	m     *vmm.Machine
	ctx   context.Context
	keys  *io.PipeWriter
	start time.Time

	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{} // one token: there is more text
}

// boot starts a machine, which is closed when the test ends.
func boot(t *testing.T, cfg vmm.Config) *guest {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), bootDeadline)
	in, keys := io.Pipe()
	g := &guest{t: t, ctx: ctx, keys: keys, news: make(chan struct{}, 1), start: time.Now()}
	cfg.Devices = append(cfg.Devices, vmm.Serial(in, g))

	t.Cleanup(func() {
		cancel()
		require.NoError(t, keys.Close())

		if g.m != nil {
			require.NoError(t, g.m.Close())
		}

		if t.Failed() {
			s := g.output()
			t.Logf("end of the console:\n%s", s[max(0, len(s)-8000):])
		}
	})

	m, err := vmm.New(ctx, cfg)
	require.NoError(t, err)

	g.m = m
	require.NoError(t, m.Start(ctx))

	return g
}

// Write takes what the guest sends.
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

// output is all that the guest has sent.
func (g *guest) output() string {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.text.String()
}

// until waits for the output to be as it should.
func (g *guest) until(what string, ok func(string) bool) {
	g.t.Helper()

	for !ok(g.output()) {
		select {
		case <-g.news:
		case <-g.ctx.Done():
			g.t.Fatalf("no %s on the console: %v; machine is %v", what, context.Cause(g.ctx), g.m.State())
		}
	}
}

// expect waits for a line.
func (g *guest) expect(line string) {
	g.t.Helper()
	g.until(strconv.Quote(line), func(s string) bool { return strings.Contains("\n"+s, "\n"+line+"\n") })

	if line == "ready" {
		g.t.Logf("ready after %.2f s; guest's uptime in userspace: %s", time.Since(g.start).Seconds(), g.value("uptime="))
	}
}

// value is the rest of the line that begins so.
func (g *guest) value(prefix string) string {
	g.t.Helper()

	_, v, ok := strings.Cut("\n"+g.output(), "\n"+prefix)
	require.True(g.t, ok, "no line with %s", prefix)

	v, _, _ = strings.Cut(v, "\n")

	return v
}

// send types a line.
func (g *guest) send(line string) {
	g.t.Helper()

	_, err := io.WriteString(g.keys, line+"\n")
	require.NoError(g.t, err)
}

func (g *guest) wait() vmm.Exit {
	g.t.Helper()

	e, err := g.m.Wait(g.ctx)
	require.NoError(g.t, err)

	return e
}
