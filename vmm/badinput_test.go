package vmm_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// More CPUs than the host can give a guest.
func TestBadInput_hostCPUs(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	h, err := vmm.Probe("")
	require.NoError(t, err)
	require.Empty(t, h.Missing)
	require.Positive(t, h.CPUs)

	_, err = vmm.Probe(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)

	_, err = vmm.Probe("/dev/null")
	require.Error(t, err)

	if h.CPUs >= 254 {
		return // no number between the host's limit and ours
	}

	cfg := config(powerOff())
	cfg.CPUs = h.CPUs + 1
	_, err = vmm.New(t.Context(), cfg)
	require.ErrorIs(t, err, vmm.ErrConfig)
}

// A device that can't start ends the machine; those before it are stopped.
func TestBadInput_start(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	mine := errors.New("the device's own error")
	first, last := &device{}, &device{}
	second := &device{start: func() error { return mine }}
	m := create(t, config(counting(), first, second, last))

	require.ErrorIs(t, m.Start(t.Context()), mine)

	e := wait(t, m)
	require.Equal(t, vmm.ExitFailed, e.Reason)
	require.ErrorIs(t, e.Err, mine)
	require.Equal(t, vmm.Stopped, m.State())
	require.ErrorIs(t, m.Start(t.Context()), vmm.ErrState)
	require.Zero(t, word(t, m, dataAt), "the guest hasn't run")

	require.EqualValues(t, 1, first.stopped.Load())
	require.EqualValues(t, 0, second.stopped.Load())
	require.EqualValues(t, 0, last.stopped.Load())

	require.NoError(t, m.Close())
	require.EqualValues(t, 1, last.close.Load())
}

func TestBadInput_startPanic(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	first := &device{}
	m := create(t, config(counting(), first, &device{start: func() error { panic("mine") }}))

	require.PanicsWithValue(t, "mine", func() { _ = m.Start(t.Context()) })
	require.Equal(t, vmm.ExitFailed, wait(t, m).Reason)
	require.Zero(t, word(t, m, dataAt), "the guest hasn't run")
	require.EqualValues(t, 1, first.stopped.Load())
	require.NoError(t, m.Close())
}
