package boot

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/nest"
)

var le = binary.LittleEndian

// testSetupSects is the number of setup sectors of the images of newBzImage.
const testSetupSects = 2

// newBzImage makes the smallest valid bzImage: 8 KiB of code that wants 16 MiB at
// 16 MiB. edit changes its bytes before they are returned.
func newBzImage(edit func(b []byte)) []byte {
	b := make([]byte, (testSetupSects+1)*sectorSize+8192)
	for i := (testSetupSects + 1) * sectorSize; i < len(b); i++ {
		b[i] = byte(i*7 + i>>8)
	}

	b[0x1f1] = testSetupSects
	le.PutUint32(b[0x1f4:], 8192/16)
	b[setupLenAt] = setupMaxEnd - setupMagicAt
	le.PutUint32(b[setupMagicAt:], setupMagic)
	le.PutUint16(b[0x206:], 0x020f)
	b[0x211] = 1                            // loadflags
	le.PutUint32(b[0x22c:], 0x7fff_ffff)    // initrd_addr_max
	le.PutUint32(b[0x230:], 2<<20)          // kernel_alignment
	b[0x234] = 1                            // relocatable_kernel
	le.PutUint16(b[0x236:], 0x7f)           // xloadflags
	le.PutUint32(b[0x238:], 2047)           // cmdline_size
	le.PutUint64(b[0x250:], 0xbad_0000_bad) // setup_data
	le.PutUint64(b[0x258:], 16<<20)         // pref_address
	le.PutUint32(b[0x260:], 16<<20)         // init_size

	if edit != nil {
		edit(b)
	}

	return b
}

// testPhdr is a program header of newELF.
type testPhdr struct {
	kind                             uint32
	off, paddr, filesz, memsz, align uint64
}

// note encodes an ELF note with 4-byte alignment.
func note(kind uint32, name string, desc []byte) []byte {
	b := make([]byte, 12)
	le.PutUint32(b, uint32(len(name)))
	le.PutUint32(b[4:], uint32(len(desc)))
	le.PutUint32(b[8:], kind)
	b = append(b, name...)
	b = append(b, make([]byte, -len(b)&3)...)
	b = append(b, desc...)

	return append(b, make([]byte, -len(b)&3)...)
}

const (
	testELFCode  = 0x1000 // file offset of the code
	testELFNotes = 0x400  // file offset of the notes
	testELFEntry = 16<<20 + 0x200
)

// testNotes is a note segment as of a vmlinux: others first, with long names and data.
func testNotes() []byte {
	b := note(3, "GNU\x00", bytes.Repeat([]byte{0xab}, 20))
	b = append(b, note(xenNoteEntry, "Linux\x00", make([]byte, 4))...)
	b = append(b, note(6, xenNoteName, bytes.Repeat([]byte{1}, 0x101))...)

	return append(b, note(xenNoteEntry, xenNoteName, le.AppendUint64(nil, testELFEntry))...)
}

func testPhdrs() []testPhdr {
	return []testPhdr{
		{kind: elfProgLoad, off: testELFCode + 0x1000, paddr: 18 << 20, filesz: 0x800, memsz: 0x4000},
		{kind: elfProgLoad, off: testELFCode, paddr: 16 << 20, filesz: 0x1000, memsz: 0x1000},
		{kind: elfProgNote, off: testELFNotes, filesz: uint64(len(testNotes())), align: 4},
	}
}

// newELF makes an ELF file of 12 KiB with these program headers and notes.
func newELF(phdrs []testPhdr, notes []byte, edit func(b []byte)) []byte {
	b := make([]byte, 0x3000)
	for i := testELFCode; i < len(b); i++ {
		b[i] = byte(i*5 + i>>8)
	}

	copy(b, elfMagic)
	b[4], b[5], b[6] = elfClass64, elfDataLSB, 1
	le.PutUint16(b[16:], elfTypeExec)
	le.PutUint16(b[18:], elfMachine)
	le.PutUint64(b[32:], elfHeaderSize)
	le.PutUint16(b[54:], elfPhdrSize)
	le.PutUint16(b[56:], uint16(len(phdrs)))

	for i, p := range phdrs {
		h := b[elfHeaderSize+i*elfPhdrSize:]
		le.PutUint32(h, p.kind)
		le.PutUint64(h[8:], p.off)
		le.PutUint64(h[24:], p.paddr)
		le.PutUint64(h[32:], p.filesz)
		le.PutUint64(h[40:], p.memsz)
		le.PutUint64(h[48:], p.align)
	}

	copy(b[testELFNotes:], notes)

	if edit != nil {
		edit(b)
	}

	return b
}

func parse(b []byte) (*Kernel, error) { return Parse(bytes.NewReader(b), int64(len(b))) }

// newMem makes guest memory with the machine's hole.
func newMem(t testing.TB, size uint64) *guestmem.Memory {
	t.Helper()

	m, err := guestmem.New(size, guestmem.Range{Base: layout.HoleStart, Size: layout.HoleEnd - layout.HoleStart})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })

	return m
}

// bytesAt copies n bytes of guest memory.
func bytesAt(t testing.TB, m Memory, gpa, n uint64) []byte {
	t.Helper()

	b := make([]byte, n)
	_, err := m.ReadAt(b, int64(gpa))
	require.NoError(t, err)

	return b
}

// TestParse_real takes a kernel of a distribution; the other tests make their images.
func TestParse_real(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: may download a kernel")
	}

	kernel, err := nest.Kernel(t.Context(), nest.Cloud)
	require.NoError(t, err)

	f, err := os.Open(kernel.Vmlinuz)
	require.NoError(t, err)

	defer f.Close()

	info, err := f.Stat()
	require.NoError(t, err)

	k, err := Parse(f, info.Size())
	require.NoError(t, err)

	m, want := newMem(t, 512<<20), BzImage
	if runtime.GOARCH == "arm64" {
		want = Image
		m, err = guestmem.NewAt(arm64.RAM, 512<<20)
		require.NoError(t, err)

		defer m.Close()
	}

	require.Equal(t, want, k.Format())

	e, err := k.Load(Params{Mem: m, RAM: m.Ranges(), Cmdline: "console=ttyS0", Initrd: f, InitrdSize: info.Size()})
	require.NoError(t, err)
	t.Logf("entry %+v", e)
}
