package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

var greet = patch.NewSlot("patchctl_test/greet", func() string { return "baseline" })

// ids of the patches that files name.
var ids = map[string]patch.ID{"hello": "a1", "bye": "b2", "world": "c3", "nop": "d4", "stubborn": "e5"}

// served is an engine with domains a and b. Its files are names of patches; the names
// tell what they do.
type served struct {
	t      testing.TB
	a, b   *patch.Domain
	socket string
	hooks  []string // that ran, in their order
}

func (s *served) load(_ context.Context, file []byte) (patch.Spec, func(), error) {
	name := strings.TrimSpace(string(file))
	spec := patch.Spec{Name: name, ID: ids[name], Bindings: []patch.Binding{patch.Func(greet, func() string { return name })}}

	switch name {
	case "hello": // has data, which applying it changes
		counter := new(int)
		spec.Owned = []patch.Owned{patch.Own("counter", counter)}
		spec.Hooks.Load = func(context.Context) error { s.hooks = append(s.hooks, "load"); return nil }
		spec.Hooks.Unload = func(context.Context) { s.hooks = append(s.hooks, "unload") }
		spec.Hooks.PostApply = func(context.Context, *patch.Transition, error) { *counter++ }
		spec.Metadata = map[string]string{"advisory": "\x1b[31mred"}
	case "bye":
		spec.Depends = ids["hello"]
	case "stubborn":
		spec.Hooks.PreApply = func(context.Context, *patch.Transition) error { return errors.New("not today") }
	case "world", "nop":
	default:
		return spec, nil, errors.New("no patch at all")
	}

	return spec, nil, nil
}

func serve(t testing.TB, o control.Options) *served {
	t.Helper()

	s := &served{t: t, a: patch.NewDomain("a"), b: patch.NewDomain("b"), socket: filepath.Join(t.TempDir(), "s")}

	e := patch.NewEngine(patch.Options{AllowUnsigned: true, Loader: s.load})
	require.NoError(t, e.Attach(t.Context(), s.a))
	require.NoError(t, e.Attach(t.Context(), s.b))

	l, err := net.Listen("unix", s.socket)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)

	go func() { done <- control.Serve(ctx, e, l, o) }()

	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})

	return s
}

// terminal is a writer that says it is one.
type terminal struct{ bytes.Buffer }

func (*terminal) Stat() (fs.FileInfo, error) { return os.Stat("/dev/null") }

// ctl runs the tool as on a terminal: a line of words, with what comes in at the end.
func (s *served) ctl(line, in string) (code int, out, errs string) {
	var (
		o terminal
		e bytes.Buffer
	)

	code = run(s.t.Context(), strings.Fields(line), s.socket, strings.NewReader(in), &o, &e)

	return code, o.String(), e.String()
}

// want runs the tool and wants an exit code, and a text on one of its outputs.
func (s *served) want(code int, line, in, text string) {
	s.t.Helper()

	got, out, errs := s.ctl(line, in)
	require.Equal(s.t, code, got, "%s: %s%s", line, out, errs)
	require.Contains(s.t, out+errs, text, line)
	require.Equal(s.t, code == exitOK, errs == "", "%s: %s", line, errs)
}

func (s *served) greets(a, b string) {
	s.t.Helper()

	for d, want := range map[*patch.Domain]string{s.a: a, s.b: b} {
		w := d.NewWorker("asking")
		sec := w.Enter()
		require.Equal(s.t, want, greet.In(sec)(), "%s", d)
		w.Leave()
		w.Close()
	}
}
