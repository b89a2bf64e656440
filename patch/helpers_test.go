package patch_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// Three slots that most tests share: each tells who answered.
var (
	alpha = patch.NewSlot("patch_test/alpha", func() string { return "alpha" })
	beta  = patch.NewSlot("patch_test/beta", func() string { return "beta" })
	gamma = patch.NewSlot("patch_test/gamma", func() string { return "gamma" })
)

func says(s string) func() string { return func() string { return s } }

// fix is a patch of the given slots; what it binds says "<slot>/<patch>".
func fix(t testing.TB, name string, slots ...*patch.Slot[func() string]) *patch.Patch {
	t.Helper()

	var bindings []patch.Binding
	for _, s := range slots {
		bindings = append(bindings, patch.Func(s, says(s.Declared()()+"/"+name)))
	}

	p, err := patch.New(name, bindings...)
	require.NoError(t, err)

	return p
}

// answers is what the three slots say in one section of the domain.
func answers(d *patch.Domain) string {
	w := d.NewWorker("asking")
	defer w.Close()

	sec := w.Enter()
	defer w.Leave()

	return fmt.Sprint(alpha.In(sec)(), " ", beta.In(sec)(), " ", gamma.In(sec)())
}

// shape is the state that tests change the version of.
const shape = "patch_test/shape"

// errInjected is what tests make hooks and steps fail with.
var errInjected = errors.New("injected")

const declared = "alpha beta gamma"

func apply(t testing.TB, p *patch.Patch, ds ...*patch.Domain) patch.Report {
	t.Helper()

	r, err := patch.NewEngine(patch.Options{}).Apply(t.Context(), p, patch.On(ds...))
	require.NoError(t, err)

	return r
}

func revert(t testing.TB, p *patch.Patch, ds ...*patch.Domain) patch.Report {
	t.Helper()

	r, err := patch.NewEngine(patch.Options{}).Revert(t.Context(), p, patch.On(ds...))
	require.NoError(t, err)

	return r
}

func names(ps []*patch.Patch) []string {
	out := []string{}
	for _, p := range ps {
		out = append(out, p.Name())
	}

	return out
}

// uniqueName is for slots that a test declares when it runs, perhaps many times.
func uniqueName(t testing.TB) string {
	return fmt.Sprintf("patch_test/%s.%d", t.Name(), declarations.Add(1))
}

var declarations atomic.Int64

// untilSwap is a context whose deadline passes at the very moment when the domain gets
// a new view: a transition that has to wait for a worker then finds that it is late, with
// no clock involved.
func untilSwap(t testing.TB, d *patch.Domain) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 1<<62)
	t.Cleanup(cancel)

	late := make(chan struct{})
	close(late)

	return &swapContext{Context: ctx, domain: d, before: d.Generation(), late: late}
}

type swapContext struct {
	context.Context
	domain *patch.Domain
	before uint64
	late   chan struct{}
}

func (c *swapContext) Done() <-chan struct{} {
	if c.domain.Generation() != c.before {
		return c.late
	}

	return c.Context.Done()
}

func (c *swapContext) Err() error {
	if c.domain.Generation() != c.before {
		return context.DeadlineExceeded
	}

	return c.Context.Err()
}
