package gort

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// words are of a page of their own, so that its protection is nobody else's.
func page(t *testing.T) uint64 {
	t.Helper()
	p := self(t)

	used, err := regions()
	require.NoError(t, err)

	at, err := p.reserve(used, granule, 0)
	require.NoError(t, err)
	require.NoError(t, protect(at, granule, readWrite))
	t.Cleanup(func() { require.NoError(t, unmap(at, granule)) })

	return at
}

func protectionOf(t *testing.T, at uint64) (write, exec bool) {
	t.Helper()

	rs, err := regions()
	require.NoError(t, err)

	for _, r := range rs {
		if r.holds(at, 1) {
			return r.write, r.exec
		}
	}

	t.Fatalf("%#x isn't mapped", at)

	return false, false
}

func TestWrite(t *testing.T) {
	at := page(t)
	store(at, 8, 1)
	store(at+8, 4, 2)
	store(at+8192, 8, 3)
	require.NoError(t, protect(at, granule, readOnly))

	ws := []word{
		{at: at, size: 8, old: []uint64{7, 1}, new: 11},
		{at: at + 8, size: 4, old: []uint64{2}, new: 12},
		{at: at + 8192, size: 8, old: []uint64{3}, new: 13},
	}
	content := func() []uint64 { return []uint64{load(at, 8), load(at+8, 8), load(at+8192, 8)} }

	back, err := self(t).write(ws)
	require.NoError(t, err)
	require.Equal(t, []uint64{11, 12, 13}, content())

	w, x := protectionOf(t, at)
	require.False(t, w || x, "what was read-only is so again")

	_, err = self(t).write(ws)
	require.NoError(t, err, "it is as it should be")

	_, err = self(t).write(back)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2, 3}, content())

	// One that isn't as expected, and none is written.
	ws[2].old = nil
	_, err = self(t).write(ws)
	require.ErrorIs(t, err, ErrContent)
	require.Equal(t, []uint64{1, 2, 3}, content())
	require.ErrorIs(t, present(ws), ErrContent)
	require.NoError(t, present(ws[:2]))
}

func TestWrite_code(t *testing.T) {
	at := page(t)
	require.NoError(t, mapText(at, make([]byte, 4096)))

	w, x := protectionOf(t, at)
	require.True(t, x && !w)

	_, err := self(t).write([]word{{at: at, size: 8, old: []uint64{0}, new: 1}})
	require.ErrorIs(t, err, ErrAddress, "code is never written to")
	require.Zero(t, load(at, 8))
}

func TestItabs(t *testing.T) {
	// They are on the heap, as stacks move.
	// A table as the runtime has it, with one entry of two methods and one that says that a
	// type doesn't implement the interface.
	inter := make([]uint64, 16)
	inter[methodCount/8] = 2
	tab := []uint64{uint64(uintptr(unsafe.Pointer(&inter[0]))), 0, 0, 100, 101}
	none := []uint64{uint64(uintptr(unsafe.Pointer(&inter[0]))), 0, 0, 0, 101}
	entries := []uint64{4, 2, 0, uint64(uintptr(unsafe.Pointer(&tab[0]))), 0, uint64(uintptr(unsafe.Pointer(&none[0])))}
	table := unsafe.Pointer(&entries[0])

	seen := 0

	itabs(uint64(uintptr(unsafe.Pointer(&table))), func(got uint64, methods int) {
		require.Equal(t, uint64(uintptr(unsafe.Pointer(&tab[0]))), got)
		require.Equal(t, 2, methods)
		seen++
	})
	require.Equal(t, 1, seen)

	runtime.KeepAlive(inter)
	runtime.KeepAlive(tab)
	runtime.KeepAlive(none)
}
