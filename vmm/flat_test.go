package vmm_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
)

// A device gets the guest's accesses as they are, of each width.
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

	guest := note()
	guest.Mov(r8, mmioAt+0x10).Mov(r9, 0x1122_3344_5566_7788)

	for i, want := range []uint64{0x11, 0x1211, 0x1413_1211, 0x1817_1615_1413_1211} {
		width := 1 << i

		guest.Load(width, r10, r8)
		guest.keep(r10, want)
		guest.Store(width, r8, r9)
	}

	guest.check(t, d)

	all := binary.LittleEndian.AppendUint64(nil, 0x1122_3344_5566_7788)
	require.Equal(t, []write{{0x10, all[:1]}, {0x10, all[:2]}, {0x10, all[:4]}, {0x10, all}}, writes)
}

// A patch takes effect in a running guest, and is undone.
func TestFlat_patch(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	guest := code().Mov(r8, mmioAt).Mov(r9, dataAt).Label("again").Load(8, r10, r8).Store(8, r9, r10).Jmp("again")
	m := start(t, config(guest, answer{}))
	becomes := func(want uint64) {
		t.Helper()
		require.Eventually(t, func() bool { return word(t, m, dataAt) == want }, patience, time.Millisecond)
	}

	becomes('A')
	repaired(t, m, func() { becomes('B') })
	becomes('A')
}

// repaired does something while a machine has the repair of answer.
func repaired(t *testing.T, m *vmm.Machine, f func()) {
	t.Helper()

	fix, err := patch.New("fix", patch.Func(answerRead, func(answer) byte { return 'B' }))
	require.NoError(t, err)

	engine := patch.NewEngine(patch.Options{})

	_, err = engine.Apply(t.Context(), fix, patch.On(m.Domain()))
	require.NoError(t, err)
	f()

	_, err = engine.Revert(t.Context(), fix, patch.On(m.Domain()))
	require.NoError(t, err)
}

// answer is an embedder's device: one register, one slot.
type answer struct{}

// answerPort is a port for Linux to reach it by.
const answerPort = 0x510

var answerRead = patch.NewSlot("vmm_test/answer.read", func(answer) byte { return 'A' })

func (a answer) Attach(p vmm.Platform) error {
	if err := p.PIO("answer", answerPort, 1, vmm.Direct(a)); err != nil {
		return err
	}

	return p.MMIO("answer", mmioAt, 8, vmm.Direct(a))
}

func (a answer) Read(s patch.Section, _ uint64, data []byte) {
	clear(data)
	data[0] = answerRead.In(s)(a)
}

func (a answer) Write(patch.Section, uint64, []byte) {}
