package boot

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
)

// Bits of a page table entry (Intel SDM vol. 3A §4.5.4).
const (
	ptePresent = 1 << 0
	pteWrite   = 1 << 1
	pteUser    = 1 << 2
	pteLarge   = 1 << 7
	pteNX      = 1 << 63
	pteAddress = 0x000f_ffff_ffff_f000
)

// walk translates an address as the processor would. It gives the leaf entry and the
// size of its page, or size 0 where nothing is mapped.
func walk(t testing.TB, m Memory, root, virt uint64) (phys, leaf, size uint64) {
	t.Helper()

	table := root
	for shift := 39; ; shift -= 9 {
		e := le.Uint64(bytesAt(t, m, table+(virt>>shift&511)*8, 8))
		size = 1 << shift

		switch {
		case e&ptePresent == 0:
			return 0, 0, 0
		case shift == 12 || e&pteLarge != 0:
			require.Less(t, shift, 39)
			return e&pteAddress&^(size-1) | virt&(size-1), e, size
		}

		require.Equal(t, uint64(pteWrite|pteUser), e&(pteWrite|pteUser|pteNX), "the leaf decides")

		table = e & pteAddress
	}
}

func TestLoad_identityMap(t *testing.T) {
	m := newMem(t, 64*mib)
	e, err := mustParse(t, newBzImage(nil)).Load(Params{Mem: m, RAM: m.Ranges()})
	require.NoError(t, err)

	for virt := uint64(0x123); virt < layout.HoleEnd; virt += 2 * mib {
		phys, leaf, size := walk(t, m, e.PageTable, virt)
		require.Equal(t, virt, phys)
		require.Equal(t, uint64(2*mib), size)
		require.Equal(t, uint64(ptePresent|pteWrite), leaf&(ptePresent|pteWrite|pteUser|pteNX))
	}

	for _, virt := range []uint64{layout.HoleEnd, 1 << 39, 1 << 47} {
		_, _, size := walk(t, m, e.PageTable, virt)
		require.Zero(t, size, "%#x", virt)
	}

	// Six pages: what follows them in the pool is untouched.
	require.Equal(t, make([]byte, pageSize), bytesAt(t, m, layout.PageTable+6*pageSize, pageSize))
}

func TestPageTables_options(t *testing.T) {
	m := newMem(t, 4*mib)
	_, err := m.WriteAt([]byte{0xff, 0xff, 0xff, 0xff}, mib) // pages needn't be clear

	require.NoError(t, err)

	pt, err := NewPageTables(m, mib, mib)
	require.NoError(t, err)
	require.Equal(t, uint64(mib), pt.Root())
	require.NoError(t, pt.Map(0x40_0000, 0x20_1000, 0x3000, MapOpts{User: true, Exec: true}))
	require.NoError(t, pt.Map(0x7fff_0000_0000, 0x1000, 0x1000, MapOpts{User: true, Write: true}))
	require.NoError(t, pt.Map(0xffff_8000_0000_0000, 0x3000, 0x1000, MapOpts{}))
	require.NoError(t, pt.Map(0xffff_ffff_8000_0000, 0x40_0000, 0x40_0000, MapOpts{Exec: true}))

	for _, tt := range []struct{ virt, phys, size, bits uint64 }{
		{0x40_0000, 0x20_1000, 4096, ptePresent | pteUser},
		{0x40_2fff, 0x20_3fff, 4096, ptePresent | pteUser},
		{0x40_3000, 0, 0, 0},
		{0x7fff_0000_0000, 0x1000, 4096, ptePresent | pteWrite | pteUser | pteNX},
		{0xffff_8000_0000_0000, 0x3000, 4096, ptePresent | pteNX},
		{0xffff_ffff_8000_0123, 0x40_0123, 2 * mib, ptePresent},
		{0, 0, 0, 0},
	} {
		phys, leaf, size := walk(t, m, pt.Root(), tt.virt)
		require.Equal(t, tt.phys, phys, "%#x", tt.virt)
		require.Equal(t, tt.size, size, "%#x", tt.virt)
		require.Equal(t, tt.bits, leaf&(ptePresent|pteWrite|pteUser|pteNX), "%#x", tt.virt)
	}

	// A leaf of 2 MiB is split when part of it changes.
	require.NoError(t, pt.Map(0xffff_ffff_8000_1000, 0x1000, 0x1000, MapOpts{Write: true}))
	phys, _, size := walk(t, m, pt.Root(), 0xffff_ffff_8000_1000)
	require.Equal(t, []uint64{0x1000, 4096}, []uint64{phys, size})
	phys, _, _ = walk(t, m, pt.Root(), 0xffff_ffff_8000_2000)
	require.Equal(t, uint64(0x40_2000), phys)
}

func TestPageTables_refuses(t *testing.T) {
	m := newMem(t, 4*mib)

	for _, r := range []guestmem.Range{{Base: 1, Size: 4096}, {Base: 0, Size: 100}, {Base: 0, Size: 0}, {Base: 4 * mib, Size: 4096}} {
		_, err := NewPageTables(m, r.Base, r.Size)
		require.Error(t, err, r)
	}

	pt, err := NewPageTables(m, mib, 4*pageSize)
	require.NoError(t, err)

	for _, a := range [][3]uint64{
		{1, 0, 4096},
		{0, 1, 4096},
		{0, 0, 1},
		{0, 0, 0},
		{0, 0, 1 << 48},
		{0x7fff_ffff_f000, 0, 4096},
		{1 << 47, 0, 4096},
		{0xffff_7fff_ffff_f000, 0, 4096},
		{0xffff_ffff_ffff_f000, 0, 4096},
		{0, 1 << 52, 4096},
		{0, math.MaxUint64 &^ 4095, 8192},
	} {
		require.Error(t, pt.Map(a[0], a[1], a[2], MapOpts{}), "%#x", a)
	}

	// The pool has room for one path, not for two.
	require.NoError(t, pt.Map(0, 0, 4096, MapOpts{}))
	require.ErrorIs(t, pt.Map(1<<39, 0, 4096, MapOpts{}), ErrTooLarge)

	// An entry that points out of the pool is found, not followed.
	pt, err = NewPageTables(m, mib, 4*pageSize)
	require.NoError(t, err)

	for _, evil := range []uint64{0, mib + pageSize, 1 << 40} {
		_, err = m.WriteAt(le.AppendUint64(nil, evil|ptePresent), mib)
		require.NoError(t, err)
		require.ErrorContains(t, pt.Map(0, 0, 4096, MapOpts{}), "outside the pool")
	}
}
