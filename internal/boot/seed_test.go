package boot

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
)

// unlike holds that all of them are of that size, and that no two are alike, nor zeros.
func unlike(t *testing.T, size int, seeds ...[]byte) {
	t.Helper()

	for i, s := range seeds {
		require.Len(t, s, size)
		require.NotEqual(t, make([]byte, size), s)

		for _, o := range seeds[:i] {
			require.NotEqual(t, o, s)
		}
	}
}

func TestSeed_setupData(t *testing.T) {
	testutil.Pure(t)

	var seeds [][]byte

	for range 3 {
		m := newMem(t, 64*mib)
		_, err := mustParse(t, newBzImage(nil)).Load(Params{Mem: m, RAM: m.Ranges()})
		require.NoError(t, err)

		b := bytesAt(t, m, layout.SetupData, pageSize)
		require.Zero(t, le.Uint64(b), "next")
		require.EqualValues(t, 9, le.Uint32(b[8:]), "SETUP_RNG_SEED")
		require.EqualValues(t, 32, le.Uint32(b[12:]), "len")
		require.Equal(t, make([]byte, pageSize-48), b[48:])

		seeds = append(seeds, b[16:48])
	}

	unlike(t, 32, seeds...)

	// By PVH there is no way to give it.
	m := newMem(t, 64*mib)
	_, err := mustParse(t, newELF(testPhdrs(), testNotes(), nil)).Load(Params{Mem: m, RAM: m.Ranges()})
	require.NoError(t, err)
	require.Equal(t, make([]byte, pageSize), bytesAt(t, m, layout.SetupData, pageSize))
}

func TestSeed_deviceTree(t *testing.T) {
	testutil.Pure(t)

	var seeds, addresses [][]byte

	for range 3 {
		m, err := guestmem.NewAt(arm64.RAM, 64*mib)
		require.NoError(t, err)

		_, err = mustParse(t, newImage(nil)).Load(Params{Mem: m, RAM: m.Ranges(), Cmdline: "quiet"})
		require.NoError(t, err)

		dt := readTree(t, bytesAt(t, m, arm64.FDT, arm64.FDTSize))
		seeds = append(seeds, bytes.Clone(dt["/chosen/rng-seed"]))
		addresses = append(addresses, bytes.Clone(dt["/chosen/kaslr-seed"]))

		require.Equal(t, "quiet\x00", string(dt["/chosen/bootargs"]))
		require.EqualValues(t, 2, binary.BigEndian.Uint32(dt["/chosen/linux,uefi-secure-boot"]))
		require.NoError(t, m.Close())
	}

	unlike(t, 32, seeds...)
	unlike(t, 8, addresses...)
}

// A blank is where it is said to be.
func TestFDT_blank(t *testing.T) {
	testutil.Pure(t)

	for n := range 9 {
		var f fdt

		f.begin("")
		f.propString("before", "abc")
		at := f.blank("blank", n)
		f.prop32("after", 7)
		f.end()

		b := f.finish()
		copy(b[at:], bytes.Repeat([]byte{0xa5}, n))
		found := readTree(t, b)
		require.Equal(t, bytes.Repeat([]byte{0xa5}, n), append([]byte{}, found["/blank"]...))
		require.Equal(t, "abc\x00", string(found["/before"]))
		require.Equal(t, []byte{0, 0, 0, 7}, found["/after"])
	}
}
