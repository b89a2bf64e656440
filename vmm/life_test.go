package vmm_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// A fix that is applied everywhere reaches the machines that run, those made later, and
// waits for none that is gone.
func TestMachine_underAnEngine(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	engine := patch.NewEngine(patch.Options{})

	p, err := patch.New("fix", patch.Func(answerRead, func(answer) byte { return 'B' }))
	require.NoError(t, err)

	made := func(name string) *vmm.Machine {
		cfg := config(spin())
		cfg.Name = name

		m, err := vmm.New(t.Context(), cfg)
		require.NoError(t, err)
		require.NoError(t, engine.Attach(t.Context(), m.Domain()))
		require.NoError(t, m.Start(t.Context()))

		return m
	}

	one, two := made("one"), made("two")
	require.NoError(t, two.Close())

	r, err := engine.Apply(t.Context(), p, patch.Everywhere())
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, r.Domains)

	three := made("three")
	require.Equal(t, []*patch.Patch{p}, three.Domain().Applied())

	_, err = engine.Apply(t.Context(), p, patch.On(two.Domain()))
	require.ErrorIs(t, err, patch.ErrClosed)

	require.NoError(t, one.Close())
	require.NoError(t, three.Close())

	_, err = engine.Revert(t.Context(), p, patch.Everywhere())
	require.NoError(t, err, "of the machines to come")
	require.NoError(t, engine.Unload(t.Context(), p), "no machine has it any more")
}

// ending is a guest that ends by itself.
type ending struct {
	name  string
	guest *vmmtest.Code
	want  vmm.ExitReason
}

func TestLife_ends(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	for _, tt := range endings() {
		t.Run(tt.name, func(t *testing.T) {
			m, e := run(t, config(tt.guest))
			require.Equal(t, tt.want, e.Reason, e)
			require.Equal(t, vmm.Stopped, m.State())
			require.NoError(t, e.Err)
			require.Equal(t, e, wait(t, m), "the same answer again")

			require.NoError(t, m.Close())
			require.Equal(t, e, wait(t, m), "and after Close")
		})
	}
}

func TestLife_states(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	ctx := within(t)
	m := create(t, config(counting()))
	states := m.States()
	next := func() vmm.State {
		select {
		case s := <-states:
			return s
		case <-ctx.Done():
			t.Fatal("no new state")
			return 0
		}
	}

	is := func(want vmm.State, err error) {
		t.Helper()

		var state *vmm.StateError

		require.ErrorIs(t, err, vmm.ErrState)
		require.ErrorAs(t, err, &state)
		require.Equal(t, want, state.State)
		require.Equal(t, want == vmm.Closed, errors.Is(err, os.ErrClosed))
		require.Equal(t, want, m.State())
	}

	require.Equal(t, vmm.Created, next())
	is(vmm.Created, m.Pause(ctx))
	is(vmm.Created, m.Resume(ctx))

	require.NoError(t, m.Start(ctx))
	require.Equal(t, vmm.Running, next())
	is(vmm.Running, m.Start(ctx))
	is(vmm.Running, m.Resume(ctx))
	moved(t, m, dataAt)

	for range 20 {
		require.NoError(t, m.Pause(ctx))
		require.Equal(t, vmm.Paused, next())
		is(vmm.Paused, m.Pause(ctx))
		is(vmm.Paused, m.Start(ctx))

		stands := word(t, m, dataAt)

		time.Sleep(time.Millisecond)
		require.Equal(t, stands, word(t, m, dataAt))

		require.NoError(t, m.Resume(ctx))
		require.Equal(t, vmm.Running, next())
		moved(t, m, dataAt)
	}

	require.NoError(t, m.Close())
	is(vmm.Closed, m.Start(ctx))
	is(vmm.Closed, m.Pause(ctx))
	is(vmm.Closed, m.Resume(ctx))

	_, err := m.Memory().ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, os.ErrClosed)

	last := vmm.Created
	for s := range states {
		last = s
	}

	require.Equal(t, vmm.Closed, last, "a slow receiver never misses the last")

	var late []vmm.State
	for s := range m.States() {
		late = append(late, s)
	}

	require.Equal(t, []vmm.State{vmm.Closed}, late)
}

// Close in every state, twice, and by several at once.
func TestLife_close(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	for name, to := range map[string]func(t *testing.T, m *vmm.Machine){
		"created": func(*testing.T, *vmm.Machine) {},
		"running": func(t *testing.T, m *vmm.Machine) { require.NoError(t, m.Start(t.Context())) },
		"running for a while": func(t *testing.T, m *vmm.Machine) {
			require.NoError(t, m.Start(t.Context()))
			moved(t, m, dataAt)
		},
		"paused": func(t *testing.T, m *vmm.Machine) {
			require.NoError(t, m.Start(t.Context()))
			require.NoError(t, m.Pause(within(t)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &device{closing: errors.New("a device's own")}
			cfg := config(counting(), d)
			cfg.CPUs = 3
			m, err := vmm.New(t.Context(), cfg)
			require.NoError(t, err)
			to(t, m)

			var (
				wg   sync.WaitGroup
				mu   sync.Mutex
				errs []error
			)

			for range 4 {
				wg.Go(func() {
					e, err := m.Wait(within(t))
					if err != nil || e.Reason != vmm.ExitClosed {
						t.Errorf("%v, %v", e, err)
					}
				})
				wg.Go(func() {
					err := m.Close()

					mu.Lock()
					defer mu.Unlock()

					if err != nil {
						errs = append(errs, err)
					}
				})
			}

			wg.Wait()
			require.Len(t, errs, 1, "one call closes")
			require.ErrorIs(t, errs[0], d.closing)
			require.Equal(t, vmm.Closed, m.State())
			require.NoError(t, m.Close())
			require.EqualValues(t, 1, d.close.Load())
		})
	}
}

func TestLife_context(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	reason := errors.New("the reason")
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(reason)

	_, err := vmm.New(gone, config(powerOff()))
	require.ErrorIs(t, err, reason)

	// A handler that blocks, against its contract: the vCPU can't be paused.
	entered, release := make(chan struct{}), make(chan struct{})
	d := &device{mmio: mmioAt, size: 1, write: func(uint64, []byte) { close(entered); <-release }}
	m := create(t, config(poking(), d))

	for range 20 {
		require.ErrorIs(t, m.Start(gone), reason)
	}

	require.Equal(t, vmm.Created, m.State())
	require.NoError(t, m.Start(t.Context()))
	<-entered

	for range 20 {
		require.ErrorIs(t, m.Pause(gone), reason)
	}

	soon, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()

	require.ErrorIs(t, m.Pause(soon), context.DeadlineExceeded)
	require.Equal(t, vmm.Running, m.State())

	_, err = m.Wait(soon)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	close(release)
	require.Equal(t, vmm.ExitPowerOff, wait(t, m).Reason, "it runs on")

	_, err = m.Wait(gone)
	require.NoError(t, err, "there is an answer")
}

// The guest ends while others pause and resume it.
func TestLife_pauseAtEnd(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	for range 20 {
		cfg := config(working())
		cfg.CPUs = 2
		m := start(t, cfg)

		for n := 1; ; n++ {
			// On one processor the guest might never get to run.
			if n%10 == 0 {
				time.Sleep(time.Millisecond)
			}

			if err := m.Pause(within(t)); err != nil {
				require.ErrorIs(t, err, vmm.ErrState)
				break
			}

			if err := m.Resume(within(t)); err != nil {
				require.ErrorIs(t, err, vmm.ErrState)
				break
			}
		}

		require.Equal(t, vmm.ExitPowerOff, wait(t, m).Reason)
		require.NoError(t, m.Close())
	}
}

// All vCPUs of a Flat guest start, and each knows which one it is.
func TestLife_vcpus(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	cfg := config(counting())
	cfg.CPUs = 4
	m := start(t, cfg)

	for i := range int64(4) {
		require.Eventually(t, func() bool { return word(t, m, dataAt+8*i) > 1000 }, patience, time.Millisecond, "vCPU %d", i)
	}

	require.NoError(t, m.Pause(within(t)))

	var stands [4]uint64
	for i := range stands {
		stands[i] = word(t, m, dataAt+8*int64(i))
	}

	time.Sleep(5 * time.Millisecond)

	for i := range stands {
		require.Equal(t, stands[i], word(t, m, dataAt+8*int64(i)), "all stand")
	}
}

func TestLife_several(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	var all []*vmm.Machine
	for range 5 {
		all = append(all, start(t, config(counting())))
	}

	for i, m := range all {
		moved(t, m, dataAt)

		if i%2 == 0 {
			require.NoError(t, m.Close())
		}
	}

	moved(t, all[1], dataAt)
	moved(t, all[3], dataAt)
}

// Bytes go in one way and come out the other.
func TestLife_serial(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	said := strings.Repeat("what the guest hears it says; ", fewer(30)) + "."
	out := &sink{}
	_, e := run(t, config(echo(), vmm.Serial(strings.NewReader(said), out)))

	require.Equal(t, vmm.ExitPowerOff, e.Reason)
	require.Equal(t, said, out.String(), "all of it is there when Wait returns")
}
