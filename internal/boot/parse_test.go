package boot

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
)

func TestParse_bzImage(t *testing.T) {
	k, err := parse(newBzImage(nil))
	require.NoError(t, err)
	require.Equal(t, BzImage, k.Format())
	require.Equal(t, 2047, k.MaxCmdline())
	require.Equal(t, uint64(16<<20), k.bz.load)
	require.Equal(t, uint64(16<<20), k.bz.footprint)
	require.Equal(t, uint64(8192), k.bz.payloadLen)

	// A command line can't be longer than its place, and 0 means 255.
	k, err = parse(newBzImage(func(b []byte) { le.PutUint32(b[0x238:], math.MaxUint32) }))
	require.NoError(t, err)
	require.Equal(t, layout.CmdlineSize-1, k.MaxCmdline())

	k, err = parse(newBzImage(func(b []byte) { le.PutUint32(b[0x238:], 0) }))
	require.NoError(t, err)
	require.Equal(t, 255, k.MaxCmdline())

	// A kernel that prefers too low an address and may be moved is moved.
	k, err = parse(newBzImage(func(b []byte) { le.PutUint64(b[0x258:], 0) }))
	require.NoError(t, err)
	require.Equal(t, uint64(2<<20), k.bz.load)

	// What follows the code isn't loaded; a last unit may be cut.
	k, err = parse(append(newBzImage(nil), "signature"...))
	require.NoError(t, err)
	require.Equal(t, uint64(8192), k.bz.payloadLen)

	b := newBzImage(nil)
	k, err = parse(b[:len(b)-15])
	require.NoError(t, err)
	require.Equal(t, uint64(8192-15), k.bz.payloadLen)
}

func TestParse_elf(t *testing.T) {
	k, err := parse(newELF(testPhdrs(), testNotes(), nil))
	require.NoError(t, err)
	require.Equal(t, ELF, k.Format())
	require.Equal(t, 2047, k.MaxCmdline())
	require.Equal(t, uint64(testELFEntry), k.elf.entry)
	require.Len(t, k.elf.segments, 2)
	require.Equal(t, uint64(16<<20), k.elf.segments[0].paddr)

	// Data of four bytes, and notes aligned to eight.
	n := note(5, "GNU\x00", make([]byte, 24)) // 40 bytes: aligned either way
	n = append(n, note(xenNoteEntry, xenNoteName, le.AppendUint32(nil, testELFEntry))...)
	p := testPhdrs()
	p[2].align, p[2].filesz = 8, uint64(len(n))
	k, err = parse(newELF(p, n, nil))
	require.NoError(t, err)
	require.Equal(t, uint64(testELFEntry), k.elf.entry)
}

// TestParse_refuses has one case for each thing that is checked.
func TestParse_refuses(t *testing.T) {
	bz := func(edit func(b []byte)) []byte { return newBzImage(edit) }
	hdr := func(edit func(b []byte)) []byte { return newELF(testPhdrs(), testNotes(), edit) }
	ph := func(edit func(p []testPhdr)) []byte {
		p := testPhdrs()
		edit(p)

		return newELF(p, testNotes(), nil)
	}
	notes := func(n []byte) []byte {
		p := testPhdrs()
		p[2].filesz = uint64(len(n))

		return newELF(p, n, nil)
	}
	lying := func(at int, v uint32) []byte {
		n := note(1, "GNU\x00", make([]byte, 4))
		le.PutUint32(n[at:], v)

		return notes(n)
	}

	for _, tt := range []struct {
		name   string
		image  []byte
		reason string
	}{
		{"empty", nil, "empty"},
		{"one byte", []byte{0x7f}, "neither"},
		{"garbage", bytes.Repeat([]byte{0x5a}, 4096), "neither"},

		{"bzImage: header only", newBzImage(nil)[:0x210], "truncated"},
		{"bzImage: no code", newBzImage(nil)[:sectorSize*2], "truncated"},
		{"bzImage: code cut", newBzImage(nil)[:sectorSize*10], "truncated"},
		{"bzImage: short header", bz(func(b []byte) { b[setupLenAt] = 0x20 }), "setup header ends at 0x222"},
		{"bzImage: protocol 2.11", bz(func(b []byte) { le.PutUint16(b[0x206:], 0x020b) }), "protocol 2.11"},
		{"bzImage: protocol 2.05", bz(func(b []byte) { le.PutUint16(b[0x206:], 0x0205) }), "old protocol"},
		{"bzImage: 32-bit only", bz(func(b []byte) { b[0x236] = 0 }), "no 64-bit entry"},
		{"bzImage: zImage", bz(func(b []byte) { b[0x211] = 0 }), "not loaded high"},
		{"bzImage: setup_sects", bz(func(b []byte) { b[0x1f1] = 255 }), "truncated"},
		{"bzImage: syssize", bz(func(b []byte) { le.PutUint32(b[0x1f4:], math.MaxUint32) }), "truncated"},
		{"bzImage: no code at all", bz(func(b []byte) { le.PutUint32(b[0x1f4:], 0) }), "no entry point"},
		{"bzImage: alignment 0", bz(func(b []byte) { le.PutUint32(b[0x230:], 0) }), "power of two"},
		{"bzImage: alignment 3", bz(func(b []byte) { le.PutUint32(b[0x230:], 3) }), "power of two"},
		{"bzImage: pref_address", bz(func(b []byte) { le.PutUint64(b[0x258:], math.MaxUint64) }), "pref_address"},
		{"bzImage: fixed and high", bz(func(b []byte) { b[0x234] = 0; le.PutUint64(b[0x258:], math.MaxUint64) }), "outside"},
		{"bzImage: fixed and low", bz(func(b []byte) { b[0x234] = 0; le.PutUint64(b[0x258:], 0x1000) }), "outside"},

		{"ELF: header cut", newELF(nil, nil, nil)[:40], "truncated"},
		{"ELF: 32-bit", hdr(func(b []byte) { b[4] = 1 }), "class 1"},
		{"ELF: big-endian", hdr(func(b []byte) { b[5] = 2 }), "data encoding 2"},
		{"ELF: arm64", hdr(func(b []byte) { b[18] = 183 }), "machine 183"},
		{"ELF: object", hdr(func(b []byte) { b[16] = 1 }), "type 1"},
		{"ELF: phentsize", hdr(func(b []byte) { b[54] = 8 }), "headers of 8 bytes"},
		{"ELF: no headers", hdr(func(b []byte) { b[56] = 0 }), "0 program headers"},
		{"ELF: PN_XNUM", hdr(func(b []byte) { b[56], b[57] = 255, 255 }), "65535 program headers"},
		{"ELF: phoff", hdr(func(b []byte) { le.PutUint64(b[32:], math.MaxUint64-3) }), "truncated"},
		{"ELF: filesz > memsz", ph(func(p []testPhdr) { p[0].filesz = p[0].memsz + 1 }), "in memory"},
		{"ELF: offset", ph(func(p []testPhdr) { p[0].off = math.MaxUint64 - 1 }), "truncated"},
		{"ELF: file too short", ph(func(p []testPhdr) { p[0].filesz, p[0].memsz = 1<<40, 1<<40 }), "truncated"},
		{"ELF: address overflows", ph(func(p []testPhdr) { p[0].paddr = math.MaxUint64 - 1 }), "overflows"},
		{"ELF: too low", ph(func(p []testPhdr) { p[0].paddr = 0x9000 }), "is below"},
		{"ELF: overlap", ph(func(p []testPhdr) { p[0].paddr = p[1].paddr + 0xfff }), "overlap"},
		{"ELF: entry in no segment", ph(func(p []testPhdr) { p[1].paddr += 0x1000 }), "is in no segment"},
		{"ELF: entry in bss", ph(func(p []testPhdr) { p[1].filesz = 0x100 }), "is in no segment"},
		{"ELF: no loadable segment", ph(func(p []testPhdr) { p[0].kind, p[1].kind = 0, 0 }), "is in no segment"},
		{"ELF: no notes", ph(func(p []testPhdr) { p[2].kind = 0 }), "no PVH entry"},
		{"ELF: notes beyond the file", ph(func(p []testPhdr) { p[2].off = 1 << 30 }), "truncated"},
		{"ELF: huge notes", ph(func(p []testPhdr) { p[2].filesz = math.MaxUint64 }), "at most"},
		{"ELF: stray bytes", notes(make([]byte, 7)), "stray"},
		{"ELF: lying name size", lying(0, math.MaxUint32), "name of 0xffffffff"},
		{"ELF: lying data size", lying(4, math.MaxUint32), "data of 0xffffffff"},
		{"ELF: entry of 2 bytes", notes(note(xenNoteEntry, xenNoteName, make([]byte, 2))), "2 bytes"},
		{"ELF: entry of 0 bytes", notes(note(xenNoteEntry, xenNoteName, nil)), "0 bytes"},
		{"ELF: entry above 4 GiB", notes(note(xenNoteEntry, xenNoteName, le.AppendUint64(nil, 1<<32))), "above 4 GiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.image)
			require.ErrorIs(t, err, ErrFormat)

			var image *ImageError

			require.ErrorAs(t, err, &image)
			require.ErrorContains(t, err, tt.reason)
		})
	}
}

// failing is a file on a broken disk.
type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestParse_readError(t *testing.T) {
	broken := errors.New("broken disk")

	_, err := Parse(failing{broken}, 1<<20)
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, ErrFormat)

	// A file that is shorter than its size says so.
	_, err = Parse(failing{io.EOF}, 1<<20)
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestParse_everyTruncation(t *testing.T) {
	for _, image := range [][]byte{newBzImage(nil), newELF(testPhdrs(), testNotes(), nil)} {
		for n := range 0x700 {
			_, err := parse(image[:n])
			require.ErrorIs(t, err, ErrFormat, "%d bytes", n)
		}
	}
}
