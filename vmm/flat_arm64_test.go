package vmm_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

func TestProbe(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	h, err := vmm.Probe("")
	require.NoError(t, err)
	require.Empty(t, h.Missing)
	require.Positive(t, h.CPUs)
	require.True(t, h.NativeRing0)
}

// What the processor doesn't describe to the monitor ends the guest.
func TestFlat_faults(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	_, e := run(t, config(code().Mov(vmmtest.X1, mmioAt).Insn(0xa940_0c22).Spin())) // ldp x2, x3, [x1]
	require.Equal(t, vmm.ExitFailed, e.Reason, "%v", e)

	var internal *vmm.InternalError
	require.ErrorAs(t, e.Err, &internal)
	require.Equal(t, "EXITARMNISV", internal.Reason)
	require.Equal(t, []uint64{mmioAt}, internal.Data)
}

// one starts the first vCPU alone, and the others are off.
type one struct{ vmm.Flat }

func (l one) Load(ctx context.Context, g vmm.Guest) ([]vmm.Start, error) {
	starts, err := l.Flat.Load(ctx, g)
	if err != nil {
		return nil, err
	}

	return starts[:1], nil
}

// A guest turns another vCPU on by PSCI, and that one powers off.
func TestFlat_secondary(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	second := code().VCPU(r9).Mov(r8, dataAt).Store(8, r8, r9).PowerOff()
	first := code().Call(psciCPUOn, 1, entryAt, 0x1234).Mov(r8, dataAt+8).Store(8, r8, vmmtest.X0).Spin()

	cfg := config(first)
	cfg.CPUs = 2
	cfg.Boot = one{vmm.Flat{Code: first.Bytes()}}
	m := create(t, cfg)
	_, err := m.Memory().WriteAt(second.Bytes(), entryAt)
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context()))

	e := wait(t, m)
	require.Equal(t, vmm.ExitPowerOff, e.Reason)
	require.Equal(t, 1, e.VCPU)
	require.EqualValues(t, 0x1234, word(t, m, dataAt), "the context that it was given")
	require.Zero(t, word(t, m, dataAt+8), "SUCCESS")

	// One that is off takes part in everything.
	cfg.Boot = one{vmm.Flat{Code: counting().Bytes()}}
	m = start(t, cfg)
	moved(t, m, dataAt)
	require.NoError(t, m.Pause(within(t)))
	require.NoError(t, m.Resume(within(t)))
	require.NoError(t, m.Close())
}
