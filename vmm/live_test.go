package vmm_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
)

// storm is machines whose vCPUs do nothing but write to a ledger each.
type storm struct {
	t        *testing.T
	engine   *patch.Engine
	machines []*vmm.Machine
	ledgers  []*ledger
}

func newStorm(t *testing.T, machines int) *storm {
	s := &storm{t: t, engine: patch.NewEngine(patch.Options{})}
	for range machines {
		s.add()
	}

	return s
}

// add starts one more machine, attached to the engine.
func (s *storm) add() *vmm.Machine {
	cpus := 2
	if runtime.GOARCH == "arm64" {
		cpus = 1 // of which an emulated host has two
	}

	l := &ledger{}
	cfg := config(writing(int32(cpus), ways()[0]), l)
	cfg.CPUs, cfg.Name = cpus, string(rune('a'+len(s.machines)))

	m := create(s.t, cfg)
	require.NoError(s.t, s.engine.Attach(s.t.Context(), m.Domain()))
	require.NoError(s.t, m.Start(s.t.Context()))

	s.machines, s.ledgers = append(s.machines, m), append(s.ledgers, l)

	return m
}

func (s *storm) domains() (ds []*patch.Domain) {
	for _, m := range s.machines {
		ds = append(ds, m.Domain())
	}

	return ds
}

// see waits until every vCPU of each machine has written anew, and holds that the version
// given for the machine handled it.
func (s *storm) see(want ...version) {
	s.t.Helper()

	for i, l := range s.ledgers {
		for cpu := range s.machines[i].CPUs() {
			n := &l.lines[cpu]
			count := func() uint64 { return n.byOld.Load() + n.byPatch.Load() }
			was := count()

			// The first may have been under way.
			soon(s.t, fmt.Sprintf("vCPU %d of machine %d does not get on", cpu, i), func() bool { return count() >= was+2 })
			require.EqualValues(s.t, want[i], n.last.Load(), "machine %d", i)
		}
	}
}

// end stops the guests, and holds that every word was handled, once and by one version.
func (s *storm) end() {
	s.t.Helper()

	for i, m := range s.machines {
		_, err := m.Memory().WriteAt([]byte{1}, stopAt)
		require.NoError(s.t, err)
		require.Equal(s.t, vmm.ExitPowerOff, wait(s.t, m).Reason)

		for cpu := range s.ledgers[i].lines {
			n := &s.ledgers[i].lines[cpu]
			require.Zero(s.t, n.wrong, "lost or repeated")
			require.Zero(s.t, n.mixed, "neither wholly the one nor the other")
			require.EqualValues(s.t, word(s.t, m, sentAt+8*int64(cpu)), n.next)
		}
	}
}

// handlers is a patch that handles words as the version.
func (s *storm) handlers(name string, v version, spec patch.Spec) *patch.Patch {
	s.t.Helper()

	spec.Name = name
	spec.Bindings = []patch.Binding{
		patch.Func(ledgerFirst, func(_ *ledger, n *line) { n.first = v }),
		patch.Func(ledgerSecond, func(_ *ledger, n *line) { n.second = v }),
	}

	p, err := spec.New()
	require.NoError(s.t, err)

	return p
}

// The life of patches, under vCPUs that storm what is patched.
func TestLive(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	const one, two, three = patched, patched + 1, patched + 2

	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		t.Run(mode.String(), func(t *testing.T) {
			on := func(ds ...*patch.Domain) patch.Target {
				on := patch.On(ds...)
				on.Mode = mode

				return on
			}

			t.Run("stack and replace", func(t *testing.T) {
				s := newStorm(t, 2)
				d := s.machines[0].Domain()
				ctx := within(t)

				p := s.handlers("one", one, patch.Spec{})
				q := s.handlers("two", two, patch.Spec{Depends: p.ID()})
				r := s.handlers("three", three, patch.Spec{})

				_, err := s.engine.Apply(ctx, q, on(d))
				require.ErrorIs(t, err, patch.ErrDepends)
				s.see(old, old)

				_, err = s.engine.Apply(ctx, p, on(d))
				require.NoError(t, err)
				s.see(one, old)

				_, err = s.engine.Apply(ctx, q, on(d))
				require.NoError(t, err)
				s.see(two, old)

				_, err = s.engine.Revert(ctx, p, on(d))
				require.ErrorIs(t, err, patch.ErrNotTop)
				s.see(two, old)

				report, err := s.engine.Replace(ctx, r, on(d))
				require.NoError(t, err)
				require.Equal(t, []string{"two", "one"}, report.Removed)
				require.Equal(t, mode, report.Mode)
				s.see(three, old)

				_, err = s.engine.Revert(ctx, r, on(d))
				require.NoError(t, err)
				s.see(old, old)
				s.end()
			})

			t.Run("veto", func(t *testing.T) {
				s := newStorm(t, 2)
				no := errors.New("no")
				posts := 0

				p := s.handlers("one", one, patch.Spec{Hooks: patch.Hooks{
					PreApply: func(_ context.Context, tr *patch.Transition) error {
						if tr.Domain == s.machines[1].Domain() {
							return no
						}

						return nil
					},
					PostApply: func(_ context.Context, _ *patch.Transition, err error) {
						require.ErrorIs(t, err, no)
						posts++
					},
				}})

				_, err := s.engine.Apply(within(t), p, on(s.domains()...))
				require.ErrorIs(t, err, no)
				require.Equal(t, 1, posts)
				s.see(old, old)
				s.end()
			})

			t.Run("a late handler", func(t *testing.T) {
				s := newStorm(t, 1)
				entered, release := make(chan struct{}, 2), make(chan struct{})

				slow, err := patch.New("slow", patch.Func(ledgerSecond, func(_ *ledger, n *line) {
					n.second = old

					select {
					case entered <- struct{}{}:
					default:
					}

					<-release
				}))
				require.NoError(t, err)

				_, err = s.engine.Apply(within(t), slow, patch.On(s.domains()...))
				require.NoError(t, err)
				<-entered

				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()

				var late *patch.TimeoutError

				_, err = s.engine.Apply(ctx, s.handlers("one", one, patch.Spec{}), on(s.domains()...))
				require.ErrorAs(t, err, &late)
				require.Contains(t, []string{"a/vcpu0", "a/vcpu1"}, late.Worker)
				require.Equal(t, "vmm_test/ledger.second", late.Slot)
				require.Len(t, s.machines[0].Domain().Applied(), 1)

				close(release)
				s.see(old)

				_, err = s.engine.Apply(within(t), s.handlers("two", two, patch.Spec{}), on(s.domains()...))
				require.NoError(t, err)
				s.see(two)
				s.end()
			})

			t.Run("canary and everywhere", func(t *testing.T) {
				s := newStorm(t, 3)
				ill := errors.New("ill")

				everywhere := patch.Everywhere()
				everywhere.Mode = mode

				watch := patch.Watch{For: 20 * time.Millisecond, Every: 5 * time.Millisecond, Timeout: patience}

				watch.Health = func(_ context.Context, d *patch.Domain) error {
					if d == s.machines[1].Domain() {
						return ill
					}

					return nil
				}

				_, err := s.engine.ApplyCanary(within(t), s.handlers("one", one, patch.Spec{}), everywhere, patch.Canary{Watch: watch})
				require.ErrorIs(t, err, ill)
				s.see(old, old, old)

				watch.Health = func(context.Context, *patch.Domain) error { return nil }

				_, err = s.engine.ApplyCanary(within(t), s.handlers("two", two, patch.Spec{}), everywhere, patch.Canary{Watch: watch})
				require.NoError(t, err)
				s.see(two, two, two)

				s.add()
				s.see(two, two, two, two)
				s.end()
			})
		})
	}
}
