package control_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

var (
	alpha = patch.NewSlot("control_test/alpha", func() string { return "alpha" })
	beta  = patch.NewSlot("control_test/beta", func() string { return "beta" })
)

// load makes a file "name" or "name depends" into a patch of alpha. "stubborn" refuses to
// be applied, and "picky" expects what isn't so.
func load(_ context.Context, file []byte) (patch.Spec, func(), error) {
	name, depends, _ := strings.Cut(string(file), " ")

	s := patch.Spec{
		Name: name, ID: id(name), Bindings: []patch.Binding{patch.Func(alpha, func() string { return name })},
		Metadata: map[string]string{"from": "a test"}, Mapped: 4096,
	}

	switch name {
	case "":
		return s, nil, errors.New("an empty file")
	case "stubborn":
		s.Hooks.PreApply = func(context.Context, *patch.Transition) error { return errors.New("not today") }
	case "picky":
		one := 1
		s.Expect = []patch.Expectation{patch.ExpectValue("one", &one, 2)}
	}

	if depends != "" {
		s.Depends = id(depends)
	}

	return s, nil, nil
}

func id(name string) patch.ID { return patch.ID(strings.Repeat("0", 40-2*len(name)) + hexOf(name)) }

func hexOf(s string) string {
	const digits = "0123456789abcdef"

	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}

	return b.String()
}

// rig is an engine with two domains, served.
type rig struct {
	*control.Client
	engine *patch.Engine
	a, b   *patch.Domain
	path   string
	end    func() error // of the server; idempotent
}

func newEngine(t testing.TB) (*patch.Engine, *patch.Domain, *patch.Domain) {
	t.Helper()

	e := patch.NewEngine(patch.Options{Loader: load, AllowUnsigned: true, MaxFile: 1 << 20})
	a, b := patch.NewDomain("a"), patch.NewDomain("b")
	require.NoError(t, e.Attach(t.Context(), a))
	require.NoError(t, e.Attach(t.Context(), b))

	return e, a, b
}

func serve(t testing.TB, o control.Options) *rig {
	t.Helper()

	e, a, b := newEngine(t)
	path := filepath.Join(t.TempDir(), "s")

	l, err := net.Listen("unix", path)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)

	go func() { served <- control.Serve(ctx, e, l, o) }()

	r := &rig{Client: control.Dial(path), engine: e, a: a, b: b, path: path}
	r.end = func() error {
		cancel()
		err := <-served
		served <- err

		return err
	}

	t.Cleanup(func() {
		r.Close()
		require.NoError(t, r.end())
	})

	return r
}

// answers is what alpha says in the domain.
func answers(d *patch.Domain) string {
	w := d.NewWorker("asking")
	defer w.Close()

	sec := w.Enter()
	defer w.Leave()

	return alpha.In(sec)()
}

func file(text string) *strings.Reader { return strings.NewReader(text) }

func everywhere(name string) control.Request {
	return control.Request{Patch: name, Everywhere: true}
}

func on(name string, domains ...string) control.Request {
	return control.Request{Patch: name, Domains: domains}
}
