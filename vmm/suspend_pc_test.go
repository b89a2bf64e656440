//go:build !arm64

package vmm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/power"
)

// sleepNow is SLP_TYP of \_S3, and SLP_EN.
const sleepNow = 3<<2 | 1<<5

// A guest sleeps, goes on where it was, and sleeps again; it learns that it was woken. All
// its vCPUs stand still meanwhile.
func TestSuspend(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	const other = dataAt + 64 // the second vCPU counts there

	button := power.NewSleepButton()
	cfg := config(code().VCPU(r8).Cmp(r8, 1).Jz("other").
		Mov(r9, dataAt).
		Label("again").
		Out(1, layout.PortSleep+1, 0x80). // WAK_STS
		Out(1, layout.PortSleep, sleepNow).
		Label("poll").In(1, layout.PortSleep+1).Raw(0xa8, 0x80).Jz("poll"). // test al, 0x80
		LockInc(r9).Jmp("again").
		Label("other").Mov(r9, other).Label("count").LockInc(r9).Jmp("count"), button)
	cfg.CPUs = 2

	m := create(t, cfg)
	require.ErrorIs(t, m.Wake(), vmm.ErrState)
	require.NoError(t, m.Start(t.Context()))

	asleep := func() bool { return m.State() == vmm.Suspended }
	press := func() error {
		button.Press()
		return nil
	}

	for n := range uint64(50) {
		require.Eventually(t, asleep, patience, time.Millisecond)
		require.Equal(t, n, word(t, m, dataAt))

		was := word(t, m, other)

		if n < 5 {
			time.Sleep(10 * time.Millisecond)
			require.Equal(t, was, word(t, m, other))
			require.Equal(t, vmm.Suspended, m.State())
		}

		wake := []func() error{m.Wake, m.PowerButton, press}[n%3]

		if n%2 != 0 { // it is woken while it is paused
			require.NoError(t, m.Pause(within(t)))
			require.NoError(t, wake())
			time.Sleep(time.Millisecond)
			require.Equal(t, vmm.Paused, m.State())
			require.Equal(t, n, word(t, m, dataAt))
			require.NoError(t, m.Resume(within(t)))
		} else {
			require.NoError(t, wake())
		}

		require.Eventually(t, func() bool { return word(t, m, dataAt) == n+1 }, patience, time.Millisecond)
	}

	require.Eventually(t, asleep, patience, time.Millisecond)
	require.NoError(t, m.Pause(within(t)))
	require.NoError(t, m.Resume(within(t)))
	require.Equal(t, vmm.Suspended, m.State())
	require.NoError(t, m.Close())
	require.Equal(t, vmm.ExitClosed, wait(t, m).Reason)
}

// A guest all of whose vCPUs suspend it all the time, while its owner wakes and pauses it at
// any moment, goes on for as long as it is woken.
func TestSuspend_allAtOnce(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	cfg := config(code().VCPU(r8).Mov(r9, dataAt).
		Label("again").Out(1, layout.PortSleep, sleepNow).LockInc(r9).Jmp("again"))
	cfg.CPUs = 3

	m := start(t, cfg)
	rounds := 300

	if quick() {
		rounds = 50
	}

	for n := range rounds {
		was := word(t, m, dataAt)

		require.Eventually(t, func() bool {
			if err := m.Wake(); err != nil {
				require.ErrorIs(t, err, vmm.ErrState)
			}

			return word(t, m, dataAt) > was+10
		}, patience, 100*time.Microsecond)

		if n%4 == 0 {
			require.NoError(t, m.Pause(within(t)))

			if n%8 == 0 {
				_ = m.Wake()
			}

			was := word(t, m, dataAt)
			time.Sleep(time.Millisecond)
			require.Equal(t, was, word(t, m, dataAt))
			require.Equal(t, vmm.Paused, m.State())
			require.NoError(t, m.Resume(within(t)))
		}
	}

	require.Eventually(t, func() bool { return m.State() == vmm.Suspended }, patience, time.Millisecond)
	require.NoError(t, m.Close())
	require.Equal(t, vmm.ExitClosed, wait(t, m).Reason)
	require.ErrorIs(t, m.Wake(), vmm.ErrState)
}
