package vmm_test

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
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

func TestFlat_faults(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	for name, c := range map[string]struct {
		code *armCode
		want vmm.ExitReason
	}{
		"undefined":          {code().insn(0).Spin(), vmm.ExitTripleFault},
		"floating point":     {code().insn(0x1e60_1000).PowerOff(), vmm.ExitPowerOff}, // fmov d0, #2
		"unmapped":           {code().Mov(1, 1<<39).Load(2, 1, 8).Spin(), vmm.ExitTripleFault},
		"jump to a device":   {code().Mov(1, arm64.MMIO).insn(0xd61f_0020).Spin(), vmm.ExitTripleFault},
		"jump beyond RAM":    {code().Mov(1, arm64.RAM+ramSize).insn(0xd61f_0020).Spin(), vmm.ExitTripleFault},
		"pair from a device": {code().Mov(1, arm64.MMIO).insn(0xa940_0c22).Spin(), vmm.ExitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			_, e := run(t, config(c.code))
			require.Equal(t, c.want, e.Reason, "%v", e)

			if c.want == vmm.ExitFailed {
				var internal *vmm.InternalError
				require.ErrorAs(t, e.Err, &internal)
				require.Equal(t, "EXITARMNISV", internal.Reason)
				require.Equal(t, []uint64{arm64.MMIO}, internal.Data)
			}
		})
	}
}

func TestFlat_devices(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	type write struct {
		off  uint64
		data []byte
	}

	var writes []write

	d := &device{mmio: mmioAt, size: 0x1000,
		read: func(off uint64, data []byte) {
			for i := range data {
				data[i] = byte(off) + byte(i) + 1
			}
		},
		write: func(off uint64, data []byte) { writes = append(writes, write{off, slices.Clone(data)}) },
	}
	c := code().Mov(1, mmioAt+0x10).Mov(2, dataAt).Mov(4, 0x1122_3344_5566_7788)

	for _, width := range []int{1, 2, 4, 8} {
		c.Load(3, 1, width).Store(3, 2, 8).Add(2, 8).Store(4, 1, width)
	}

	// Nobody is there.
	c.Mov(1, mmioAt+0x2000).Load(3, 1, 4).Store(3, 2, 8).Store(3, 1, 8)

	m, e := run(t, config(c.PowerOff(), d))
	require.Equal(t, vmm.ExitPowerOff, e.Reason, "%v", e)

	for i, want := range []uint64{0x11, 0x1211, 0x1413_1211, 0x1817_1615_1413_1211, 0xffff_ffff} {
		require.Equal(t, want, word(t, m, dataAt+int64(8*i)))
	}

	all := binary.LittleEndian.AppendUint64(nil, 0x1122_3344_5566_7788)
	require.Equal(t, []write{{0x10, all[:1]}, {0x10, all[:2]}, {0x10, all[:4]}, {0x10, all}}, writes)
}

func TestFlat_pause(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	const cpus = 3

	cfg := config(counting())
	cfg.CPUs = cpus
	m := start(t, cfg)

	for range 3 {
		for i := range int64(cpus) {
			moved(t, m, dataAt+8*i)
		}

		require.NoError(t, m.Pause(within(t)))

		was := word(t, m, dataAt)

		time.Sleep(20 * time.Millisecond)
		require.Equal(t, was, word(t, m, dataAt))
		require.NoError(t, m.Resume(within(t)))
	}

	require.NoError(t, m.Close())
	require.Equal(t, vmm.ExitClosed, wait(t, m).Reason)
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

	second := code().Mov(1, dataAt).Store(0, 1, 8).PowerOff()
	first := code().Call(psciCPUOn, 1, dataAt+0x1000, 0x1234).Mov(1, dataAt+8).Store(0, 1, 8).Spin()

	cfg := config(first)
	cfg.CPUs = 2
	cfg.Boot = one{vmm.Flat{Code: first.Bytes()}}
	m := create(t, cfg)
	_, err := m.Memory().WriteAt(second.Bytes(), dataAt+0x1000)
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

// A patch takes effect in a running guest, and is undone.
func TestFlat_patch(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	m := start(t, config(code().Mov(1, mmioAt).Mov(2, dataAt).Label("again").Load(3, 1, 8).Store(3, 2, 8).Jmp("again"), answer{}))
	becomes := func(want uint64) {
		t.Helper()
		require.Eventually(t, func() bool { return word(t, m, dataAt) == want }, patience, time.Millisecond)
	}

	fix, err := patch.New("fix", patch.Func(answerRead, func(answer) byte { return 'B' }))
	require.NoError(t, err)

	engine := patch.NewEngine(patch.Options{})

	becomes('A')

	_, err = engine.Apply(t.Context(), fix, patch.On(m.Domain()))
	require.NoError(t, err)
	becomes('B')

	_, err = engine.Revert(t.Context(), fix, patch.On(m.Domain()))
	require.NoError(t, err)
	becomes('A')
}

// answer is an embedder's device: one register, one slot.
type answer struct{}

var answerRead = patch.NewSlot("vmm_test/answer.read", func(answer) byte { return 'A' })

func (a answer) Attach(p vmm.Platform) error { return p.MMIO("answer", mmioAt, 8, vmm.Direct(a)) }

func (a answer) Read(s patch.Section, _ uint64, data []byte) {
	clear(data)
	data[0] = answerRead.In(s)(a)
}

func (a answer) Write(patch.Section, uint64, []byte) {}

func TestFlat_serial(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	const text = "hello from EL1\n"

	var out sink

	c := code().Mov(1, arm64.UART)
	for _, b := range []byte(text) {
		c.Mov(2, uint64(b)).Store(2, 1, 4)
	}

	_, e := run(t, config(c.PowerOff(), vmm.Serial(nil, &out)))
	require.Equal(t, vmm.ExitPowerOff, e.Reason)
	require.Equal(t, text, out.String())
}

// What doesn't fit, or is for another machine, is refused and leaves nothing.
func TestNew_refuses(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	for name, c := range map[string]struct {
		change func(*vmm.Config)
		want   error
	}{
		"little memory":   {func(c *vmm.Config) { c.Memory = 2 << 20 }, vmm.ErrConfig},
		"code too large":  {func(c *vmm.Config) { c.Boot = vmm.Flat{Code: make([]byte, 2<<20)} }, vmm.ErrTooLarge},
		"not a mode":      {func(c *vmm.Config) { c.Boot = mode(vmm.Long64) }, vmm.ErrConfig},
		"a line too high": {func(c *vmm.Config) { c.Devices = []vmm.Device{&device{irq: arm64.GSIMax}} }, nil},
		"a line taken":    {func(c *vmm.Config) { c.Devices = []vmm.Device{&device{irq: arm64.GSIMax - 1}} }, nil},
		"in RAM":          {func(c *vmm.Config) { c.Devices = []vmm.Device{&device{mmio: arm64.RAM, size: 1}} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(code().PowerOff())
			c.change(&cfg)

			m, err := vmm.New(t.Context(), cfg)
			require.Error(t, err)
			require.Nil(t, m)

			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
		})
	}
}

// mode is a loader of nothing.
type mode vmm.Mode

func (m mode) Load(context.Context, vmm.Guest) ([]vmm.Start, error) {
	return []vmm.Start{{Mode: vmm.Mode(m)}}, nil
}
