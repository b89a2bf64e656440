package vmm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// ledger is a device with a register of 32 bits for each vCPU, to which the guest writes 0,
// 1, 2, ... Each write is handled by two slots in one section, and both leave their
// version: a write that isn't wholly old or wholly new shows.
type ledger struct {
	lines [2]line
}

// line is of one vCPU's thread alone, but for the counters.
type line struct {
	next           uint32
	wrong          int // words lost, repeated or out of order
	mixed          int // words handled by both versions
	first, second  version
	byOld, byPatch atomic.Uint64
	last           atomic.Int64 // the version that handled the last word
	_              [64]byte
}

type version int

const (
	none version = iota
	old
	patched
)

var (
	ledgerWrite  = patch.NewSlot("vmm_test/ledger.write", (*ledger).write)
	ledgerFirst  = patch.NewSlot("vmm_test/ledger.first", (*ledger).oldFirst)
	ledgerSecond = patch.NewSlot("vmm_test/ledger.second", (*ledger).oldSecond)
)

func (l *ledger) Attach(p vmm.Platform) error {
	size := 4 * len(l.lines)

	return errors.Join(
		p.PIO("ledger", portAt, uint16(size), vmm.Direct(l)),
		p.MMIO("ledger", mmioAt, uint64(size), vmm.Direct(l)))
}

func (l *ledger) Read(_ patch.Section, _ uint64, data []byte) { clear(data) }

func (l *ledger) Write(s patch.Section, off uint64, data []byte) { ledgerWrite.In(s)(l, s, off, data) }

func (l *ledger) write(s patch.Section, off uint64, data []byte) {
	n := &l.lines[off/4]
	n.first, n.second = none, none

	ledgerFirst.In(s)(l, n)
	ledgerSecond.In(s)(l, n)

	if len(data) != 4 || off%4 != 0 || binary.LittleEndian.Uint32(data) != n.next {
		n.wrong++
	}

	n.next++
	n.last.Store(int64(n.first))

	switch {
	case n.first != n.second || n.first == none:
		n.mixed++
	case n.first == old:
		n.byOld.Add(1)
	default:
		n.byPatch.Add(1)
	}
}

func (l *ledger) oldFirst(n *line)  { n.first = old }
func (l *ledger) oldSecond(n *line) { n.second = old }

func (l *ledger) by() (byOld, byPatch uint64) {
	for i := range l.lines {
		byOld += l.lines[i].byOld.Load()
		byPatch += l.lines[i].byPatch.Load()
	}

	return byOld, byPatch
}

// stopAt is where the guest looks whether it shall end; then it leaves there how many
// words it has written, 8 bytes for each vCPU, at sentAt.
const (
	stopAt = dataAt
	doneAt = dataAt + 0x100
	sentAt = dataAt + 0x1000
)

// writing writes a sequence to its vCPU's register until it is told to stop. The last vCPU
// powers off.
func writing(cpus int32, w way) *vmmtest.Code {
	const (
		register, sent = r8, r9
		word, at, seen = r10, r11, r12
	)

	c := code().
		VCPU(register).Copy(sent, register).
		Shl(register, 2).Mov(at, w.base).AddReg(register, at).
		Shl(sent, 3).Add(sent, sentAt).
		Mov(at, stopAt).Mov(word, 0).
		Label("again")
	w.write(c, register, word)

	return c.Inc(word).
		Load(8, seen, at).Cmp(seen, 0).Jz("again").
		Store(8, sent, word).
		Mov(at, doneAt).LockInc(at).
		Label("wait").Load(8, seen, at).Cmp(seen, cpus).Jnz("wait").
		PowerOff()
}

// only waits until the version has handled a word, and holds that the other has not.
func (l *ledger) only(t *testing.T, v version) {
	t.Helper()

	count := func() (mine, others uint64) {
		if mine, others = l.by(); v == patched {
			mine, others = others, mine
		}

		return mine, others
	}

	mine, others := count()

	soon(t, "the guest does not get on", func() bool { now, _ := count(); return now > mine })

	if _, now := count(); now != others {
		t.Fatalf("%d words were handled by the version that is not bound", now-others)
	}
}

// soon waits, without giving the processor up for the first moment.
func soon(t *testing.T, otherwise string, ok func() bool) {
	t.Helper()

	deadline := time.Now().Add(patience)

	for n := 0; !ok(); n++ {
		if n < 100 {
			runtime.Gosched()
		} else {
			time.Sleep(20 * time.Microsecond)
		}

		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

func TestFlip(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) { testFlip(t, w) })
	}
}

func testFlip(t *testing.T, w way) {
	testutil.NoLeaks(t)

	flips := w.flips
	if testing.Short() {
		flips = min(flips, 500)
	}

	begin := func(name string) (*vmm.Machine, *ledger) {
		l := &ledger{}
		cfg := config(writing(2, w), l)
		cfg.CPUs, cfg.Name = 2, name

		return start(t, cfg), l
	}

	m, l := begin("flipped")
	other, untouched := begin("untouched")

	var direct atomic.Uint64

	p, err := patch.New("flip",
		patch.Func(ledgerFirst, func(_ *ledger, n *line) { n.first = patched; direct.Add(1) }),
		patch.Func(ledgerSecond, func(_ *ledger, n *line) { n.second = patched; direct.Add(1) }))
	require.NoError(t, err)

	engine := patch.NewEngine(patch.Options{})
	on := patch.On(m.Domain())
	ctx := context.Background()

	for i := range flips / 2 {
		if _, err := engine.Apply(ctx, p, on); err != nil {
			t.Fatal(i, err)
		}

		// No word is handled by old code once Apply has returned, ...
		l.only(t, patched)

		if _, err := engine.Revert(ctx, p, on); err != nil {
			t.Fatal(i, err)
		}

		// ... nor by the patch once Revert has.
		l.only(t, old)
	}

	for _, m := range []*vmm.Machine{m, other} {
		_, err := m.Memory().WriteAt([]byte{1}, stopAt)
		require.NoError(t, err)

		e := wait(t, m)
		require.Equal(t, vmm.ExitPowerOff, e.Reason, e)
	}

	check := func(m *vmm.Machine, l *ledger) (byOld, byPatch uint64) {
		byOld, byPatch = l.by()

		var sent uint64

		for i := range l.lines {
			n := &l.lines[i]
			require.Zero(t, n.wrong, "vCPU %d: lost or repeated", i)
			require.Zero(t, n.mixed, "vCPU %d: neither wholly old nor wholly new", i)
			require.EqualValues(t, word(t, m, sentAt+8*int64(i)), n.next, "vCPU %d: words sent and handled", i)
			require.NotZero(t, n.next)

			sent += uint64(n.next)
		}

		require.Equal(t, sent, byOld+byPatch)

		return byOld, byPatch
	}

	byOld, byPatch := check(m, l)
	t.Logf("%d flips; %d words by old code, %d by new", flips, byOld, byPatch)
	require.NotZero(t, byOld)
	require.NotZero(t, byPatch)
	require.Equal(t, 2*byPatch, direct.Load())

	byOld, byPatch = check(other, untouched)
	t.Logf("the other machine: %d words by old code, %d by new", byOld, byPatch)
	require.NotZero(t, byOld)
	require.Zero(t, byPatch, "a patch of one machine leaves the other alone")
}
