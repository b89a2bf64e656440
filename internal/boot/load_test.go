package boot

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
)

const mib = 1 << 20

func mustParse(t testing.TB, b []byte) *Kernel {
	t.Helper()

	k, err := parse(b)
	require.NoError(t, err)

	return k
}

// initrdOf gives parameters with an initrd of n bytes.
func initrdOf(m *guestmem.Memory, n int) (Params, []byte) {
	b := bytes.Repeat([]byte("initrd!"), n/7+1)[:n]

	return Params{
		Mem: m, RAM: m.Ranges(), Initrd: bytes.NewReader(b), InitrdSize: int64(n),
		Cmdline: "console=ttyS0 root=/dev/vda", RSDP: layout.ACPI,
	}, b
}

// TestLoad_zeroPage checks the offsets that the boot protocol documents, by hand.
func TestLoad_zeroPage(t *testing.T) {
	image := newBzImage(nil)
	m := newMem(t, 64*mib)
	p, initrd := initrdOf(m, 5000)

	e, err := mustParse(t, image).Load(p)
	require.NoError(t, err)
	require.Equal(t, Entry{
		Mode: Long64, PC: 16*mib + 0x200, SI: layout.ZeroPage, PageTable: layout.PageTable,
		GDTBase: layout.GDT, GDTLimit: gdtSize - 1,
	}, e)

	z := bytesAt(t, m, layout.ZeroPage, zeroPageSize)
	require.Equal(t, uint64(layout.ACPI), le.Uint64(z[0x70:]), "acpi_rsdp_addr")
	require.Equal(t, byte(3), z[0x1e8], "e820_entries")
	require.Equal(t, byte(testSetupSects), z[0x1f1], "setup_sects")
	require.Equal(t, "HdrS", string(z[0x202:0x206]))
	require.Equal(t, byte(0xff), z[0x210], "type_of_loader")
	require.Equal(t, byte(1), z[0x211], "loadflags")
	require.Equal(t, uint32(16*mib), le.Uint32(z[0x214:]), "code32_start")
	require.Equal(t, uint32(64*mib-8192), le.Uint32(z[0x218:]), "ramdisk_image")
	require.Equal(t, uint32(5000), le.Uint32(z[0x21c:]), "ramdisk_size")
	require.Equal(t, uint32(layout.Cmdline), le.Uint32(z[0x228:]), "cmd_line_ptr")
	require.Equal(t, uint64(layout.SetupData), le.Uint64(z[0x250:]), "setup_data")
	require.Equal(t, uint64(16*mib), le.Uint64(z[0x258:]), "pref_address")

	for i, want := range []mapEntry{
		{guestmem.Range{Base: 0, Size: 0x9fc00}, 1},
		{guestmem.Range{Base: 0x9fc00, Size: 0x60400}, 2},
		{guestmem.Range{Base: mib, Size: 63 * mib}, 1},
	} {
		at := z[0x2d0+20*i:]
		require.Equal(t, want.Base, le.Uint64(at), i)
		require.Equal(t, want.Size, le.Uint64(at[8:]), i)
		require.Equal(t, want.kind, le.Uint32(at[16:]), i)
	}

	require.Equal(t, image[(testSetupSects+1)*sectorSize:], bytesAt(t, m, 16*mib, 8192))
	require.Equal(t, initrd, bytesAt(t, m, 64*mib-8192, 5000))
	require.Equal(t, p.Cmdline+"\x00", string(bytesAt(t, m, layout.Cmdline, uint64(len(p.Cmdline)+1))))
	require.Equal(t, GDT(Long64), bytesAt(t, m, layout.GDT, gdtSize))
}

// TestLoad_oldHeader has a kernel whose header ends before what we know: the code
// after it must not become fields.
func TestLoad_oldHeader(t *testing.T) {
	m := newMem(t, 64*mib)
	k := mustParse(t, newBzImage(func(b []byte) {
		b[setupLenAt] = setupMinEnd - setupMagicAt
		copy(b[setupMinEnd:], "\xe8\xe8\xe8\xe8\xe8\xe8\xe8\xe8")
	}))

	_, err := k.Load(Params{Mem: m, RAM: m.Ranges()})
	require.NoError(t, err)
	require.Equal(t, make([]byte, 0x2d0-setupMinEnd), bytesAt(t, m, layout.ZeroPage+setupMinEnd, 0x2d0-setupMinEnd))
	require.Equal(t, []byte{0}, bytesAt(t, m, layout.Cmdline, 1))
}

func TestLoad_pvh(t *testing.T) {
	image := newELF(testPhdrs(), testNotes(), nil)
	m := newMem(t, 64*mib)
	p, initrd := initrdOf(m, 5000)

	e, err := mustParse(t, image).Load(p)
	require.NoError(t, err)
	require.Equal(t, Entry{
		Mode: Protected32, PC: testELFEntry, BX: layout.StartInfo,
		GDTBase: layout.GDT, GDTLimit: gdtSize - 1,
	}, e)

	s := bytesAt(t, m, layout.StartInfo, 0x200)
	require.Equal(t, uint32(0x336ec578), le.Uint32(s), "magic")
	require.Equal(t, uint32(1), le.Uint32(s[4:]), "version")
	require.Equal(t, uint32(1), le.Uint32(s[12:]), "nr_modules")
	require.Equal(t, uint64(layout.StartInfo+0x40), le.Uint64(s[16:]), "modlist_paddr")
	require.Equal(t, uint64(layout.Cmdline), le.Uint64(s[24:]), "cmdline_paddr")
	require.Equal(t, uint64(layout.ACPI), le.Uint64(s[32:]), "rsdp_paddr")
	require.Equal(t, uint64(layout.StartInfo+0x60), le.Uint64(s[40:]), "memmap_paddr")
	require.Equal(t, uint32(3), le.Uint32(s[48:]), "memmap_entries")
	require.Equal(t, uint64(64*mib-8192), le.Uint64(s[0x40:]), "module address")
	require.Equal(t, uint64(5000), le.Uint64(s[0x48:]), "module size")
	require.Equal(t, uint64(mib), le.Uint64(s[0x60+2*24:]))
	require.Equal(t, uint64(63*mib), le.Uint64(s[0x60+2*24+8:]))
	require.Equal(t, uint32(1), le.Uint32(s[0x60+2*24+16:]))

	require.Equal(t, image[testELFCode:][:0x1000], bytesAt(t, m, 16*mib, 0x1000))
	require.Equal(t, image[testELFCode+0x1000:][:0x800], bytesAt(t, m, 18*mib, 0x800))
	require.Equal(t, make([]byte, 0x3800), bytesAt(t, m, 18*mib+0x800, 0x3800), "bss")
	require.Equal(t, initrd, bytesAt(t, m, 64*mib-8192, 5000))
	require.Equal(t, p.Cmdline+"\x00", string(bytesAt(t, m, layout.Cmdline, uint64(len(p.Cmdline)+1))))

	// Without an initrd there is no module, and still a command line.
	m = newMem(t, 64*mib)
	_, err = mustParse(t, image).Load(Params{Mem: m, RAM: m.Ranges(), Cmdline: "quiet"})
	require.NoError(t, err)
	s = bytesAt(t, m, layout.StartInfo, 0x60)
	require.Zero(t, le.Uint32(s[12:]))
	require.Zero(t, le.Uint64(s[16:]))
	require.Equal(t, "quiet\x00", string(bytesAt(t, m, layout.Cmdline, 6)))
}

// TestLoad_highMemory has RAM on both sides of the hole.
func TestLoad_highMemory(t *testing.T) {
	m := newMem(t, 4<<30)
	p, _ := initrdOf(m, 4096)

	_, err := mustParse(t, newBzImage(nil)).Load(p)
	require.NoError(t, err)

	z := bytesAt(t, m, layout.ZeroPage, zeroPageSize)
	require.Equal(t, byte(4), z[0x1e8])
	require.Equal(t, uint64(layout.HoleStart-mib), le.Uint64(z[0x2d0+2*20+8:]))
	require.Equal(t, uint64(layout.HoleEnd), le.Uint64(z[0x2d0+3*20:]))
	require.Equal(t, uint64(1<<30), le.Uint64(z[0x2d0+3*20+8:]))
	require.Equal(t, uint32(0x8000_0000-4096), le.Uint32(z[0x218:]), "below initrd_addr_max")

	// PVH has no such limit: up to the hole.
	m = newMem(t, 4<<30)
	p, _ = initrdOf(m, 4096)
	_, err = mustParse(t, newELF(testPhdrs(), testNotes(), nil)).Load(p)
	require.NoError(t, err)
	require.Equal(t, uint64(layout.HoleStart-4096), le.Uint64(bytesAt(t, m, layout.StartInfo+0x40, 8)))
}

func TestLoad_refuses(t *testing.T) {
	bz := newBzImage(nil)
	elf := newELF(testPhdrs(), testNotes(), nil)
	far := testPhdrs()
	far[0].paddr = 1 << 40
	huge := testPhdrs()
	huge[0].memsz = 1 << 45

	var many []guestmem.Range
	for i := range uint64(200) {
		many = append(many, guestmem.Range{Base: i << 32, Size: 64 * mib})
	}

	for _, tt := range []struct {
		name  string
		image []byte
		size  uint64
		edit  func(p *Params)
		is    error
		text  string
	}{
		{"kernel", bz, 24 * mib, nil, ErrTooLarge, "kernel"},
		{"kernel beyond RAM", bz, 8 * mib, nil, ErrTooLarge, "kernel"},
		{"init_size", newBzImage(func(b []byte) { le.PutUint32(b[0x260:], math.MaxUint32) }), 64 * mib, nil, ErrTooLarge, "+0xffffffff"},
		{"ELF kernel", elf, 18 * mib, nil, ErrTooLarge, "kernel"},
		{"ELF segment far away", newELF(far, testNotes(), nil), 64 * mib, nil, ErrTooLarge, "kernel"},
		{"ELF segment huge", newELF(huge, testNotes(), nil), 64 * mib, nil, ErrTooLarge, "kernel"},
		{"little RAM", bz, mib, nil, ErrTooLarge, "boot structures"},
		{"no RAM", bz, 64 * mib, func(p *Params) { p.RAM = nil }, ErrTooLarge, "boot structures"},
		{"RAM not at 0", bz, 64 * mib, func(p *Params) { p.RAM[0].Base = 4096 }, ErrTooLarge, "boot structures"},
		{"RAM overlaps", bz, 64 * mib, func(p *Params) { p.RAM = append(p.RAM, p.RAM[0]) }, nil, "range 1"},
		{"RAM overflows", bz, 64 * mib, func(p *Params) { p.RAM[0].Base = math.MaxUint64 }, nil, "range 0"},
		{"RAM that isn't there", bz, 24 * mib, func(p *Params) { p.RAM[0].Size = 64 * mib }, guestmem.ErrBounds, "load initrd"},
		{"memory map", bz, 64 * mib, func(p *Params) { p.RAM = many }, ErrTooLarge, "memory map"},
		{"memory map, PVH", elf, 64 * mib, func(p *Params) { p.RAM = many }, ErrTooLarge, "memory map"},
		{"initrd", bz, 64 * mib, func(p *Params) { p.InitrdSize = 33 * mib }, ErrTooLarge, "initrd"},
		{"initrd, huge", bz, 64 * mib, func(p *Params) { p.InitrdSize = math.MaxInt64 }, ErrTooLarge, "initrd"},
		{"initrd, PVH", elf, 64 * mib, func(p *Params) { p.InitrdSize = 45 * mib }, ErrTooLarge, "initrd"},
		{"initrd_addr_max", newBzImage(func(b []byte) { le.PutUint32(b[0x22c:], 33*mib-1) }), 64 * mib,
			func(p *Params) { p.InitrdSize = mib + 1 }, ErrTooLarge, "initrd"},
		{"initrd_addr_max 0", newBzImage(func(b []byte) { le.PutUint32(b[0x22c:], 0) }), 64 * mib, nil, ErrTooLarge, "initrd"},
		{"initrd size", bz, 64 * mib, func(p *Params) { p.InitrdSize = -1 }, nil, "size -1"},
		{"initrd nil", bz, 64 * mib, func(p *Params) { p.Initrd = nil }, nil, "without a file"},
		{"initrd short", bz, 64 * mib, func(p *Params) { p.InitrdSize++ }, io.ErrUnexpectedEOF, "read initrd"},
		{"initrd unreadable", bz, 64 * mib, func(p *Params) { p.Initrd = failing{io.ErrClosedPipe} }, io.ErrClosedPipe, "read initrd"},
		{"command line", bz, 64 * mib, func(p *Params) { p.Cmdline = strings.Repeat("x", 2048) }, ErrCmdline, "2048 bytes, this kernel takes 2047"},
		{"command line, PVH", elf, 64 * mib, func(p *Params) { p.Cmdline = strings.Repeat("x", 2048) }, ErrCmdline, "2047"},
		{"command line with NUL", bz, 64 * mib, func(p *Params) { p.Cmdline = "ab\x00c" }, ErrCmdline, "offset 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := initrdOf(newMem(t, tt.size), 4096)
			if tt.edit != nil {
				tt.edit(&p)
			}

			_, err := mustParse(t, tt.image).Load(p)
			require.ErrorContains(t, err, tt.text)

			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
		})
	}
}

// TestLoad_tight puts an initrd into exactly the room that is there.
func TestLoad_tight(t *testing.T) {
	m := newMem(t, 33*mib)
	p, initrd := initrdOf(m, mib)

	_, err := mustParse(t, newBzImage(nil)).Load(p)
	require.NoError(t, err)
	require.Equal(t, initrd, bytesAt(t, m, 32*mib, mib))

	p.Cmdline = strings.Repeat("x", 2047)
	_, err = mustParse(t, newBzImage(nil)).Load(p)
	require.NoError(t, err)
}

// changing is a file that fails after it was parsed.
type changing struct {
	io.ReaderAt
	err error
}

func (c *changing) ReadAt(p []byte, off int64) (int, error) {
	if c.err != nil {
		return 0, c.err
	}

	return c.ReaderAt.ReadAt(p, off)
}

func TestLoad_imageFails(t *testing.T) {
	for _, image := range [][]byte{newBzImage(nil), newELF(testPhdrs(), testNotes(), nil)} {
		f := &changing{ReaderAt: bytes.NewReader(image)}
		k, err := Parse(f, int64(len(image)))
		require.NoError(t, err)

		f.err = errors.New("gone")
		m := newMem(t, 64*mib)
		_, err = k.Load(Params{Mem: m, RAM: m.Ranges()})
		require.ErrorIs(t, err, f.err)
	}
}

// TestLoad_everyField puts extreme numbers at every offset of the headers, and loads
// what still parses: the answer is an entry or a typed error.
func TestLoad_everyField(t *testing.T) {
	m := newMem(t, 64*mib)
	values := []uint64{
		0, 1, 0x7f, 0xff, 0xfff, 0xffff, 1 << 20, 0x7fff_ffff, 1 << 31, 0xc000_0000, math.MaxUint32,
		1 << 32, 1<<40 - 1, math.MaxInt64, 1 << 63, math.MaxUint64 - 4095, math.MaxUint64,
	}
	elf := newELF(testPhdrs(), testNotes(), nil)
	notesEnd := testELFNotes + len(testNotes())
	loaded := 0

	for _, tt := range []struct {
		image    []byte
		from, to int
	}{
		{newBzImage(nil), 0x1f0, setupMaxEnd},
		{elf, 0, elfHeaderSize + 3*elfPhdrSize},
		{elf, testELFNotes, notesEnd},
	} {
		for at := tt.from; at < tt.to; at++ {
			for _, v := range values {
				for _, width := range []int{1, 2, 4, 8} {
					b := bytes.Clone(tt.image)
					copy(b[at:], le.AppendUint64(nil, v)[:width])

					k, err := parse(b)
					if err == nil {
						loaded++
						_, err = k.Load(Params{Mem: m, RAM: m.Ranges(), Initrd: bytes.NewReader(b), InitrdSize: 8000})
					}

					if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrCmdline) {
						t.Fatalf("%d bytes of %#x at %#x: %v", width, v, at, err)
					}
				}
			}
		}
	}

	require.Greater(t, loaded, 1000)
}
