package boot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
)

// newImage makes a small valid arm64 Image, which wants 1 MiB. edit changes its bytes
// before they are returned.
func newImage(edit func(b []byte)) []byte {
	b := bytes.Repeat([]byte{0x1f, 0x20, 0x03, 0xd5}, 2048) // nop
	clear(b[8:imageHeaderSize])
	le.PutUint64(b[imageSizeAt:], mib)
	le.PutUint64(b[imageFlagsAt:], 0xa)
	copy(b[imageMagicAt:], "ARM\x64")

	if edit != nil {
		edit(b)
	}

	return b
}

func TestParse_image(t *testing.T) {
	testutil.Pure(t)

	k := mustParse(t, newImage(nil))
	require.Equal(t, Image, k.Format())
	require.Equal(t, 2047, k.MaxCmdline())

	for want, edit := range map[string]func([]byte){
		"big-endian":                        func(b []byte) { b[imageFlagsAt] |= 1 },
		"before Linux 3.17":                 func(b []byte) { clear(b[imageSizeAt : imageSizeAt+8]) },
		"text_offset 0x200000":              func(b []byte) { le.PutUint64(b[imageOffsetAt:], 2*mib) },
		"text_offset 0xffffffffffffffff":    func(b []byte) { le.PutUint64(b[imageOffsetAt:], 1<<64-1) },
		"text_offset 0x800 is not of whole": func(b []byte) { le.PutUint64(b[imageOffsetAt:], 0x800) },
	} {
		_, err := parse(newImage(edit))
		require.ErrorIs(t, err, ErrFormat)
		require.ErrorContains(t, err, want)
	}

	for n := range imageHeaderSize {
		_, err := parse(newImage(nil)[:n])
		require.ErrorIs(t, err, ErrFormat)
	}
}

// node is a device tree node that readTree has read: properties by name.
type tree map[string][]byte

// readTree reads a flattened tree as the specification has it, with names as paths.
func readTree(t *testing.T, b []byte) tree {
	t.Helper()

	be := binary.BigEndian
	require.EqualValues(t, 0xd00dfeed, be.Uint32(b))
	total := be.Uint32(b[4:])
	at, names := be.Uint32(b[8:]), be.Uint32(b[12:])
	require.Equal(t, make([]byte, 16), b[be.Uint32(b[16:]):][:16], "no reservations")
	require.EqualValues(t, 17, be.Uint32(b[20:]))
	require.Equal(t, total, names+be.Uint32(b[32:]))
	require.Equal(t, names, at+be.Uint32(b[36:]))

	cstring := func(at uint32) string {
		s, _, ok := strings.Cut(string(b[at:total]), "\x00")
		require.True(t, ok)

		return s
	}

	found := tree{}

	var path []string

	for {
		token := be.Uint32(b[at:])
		at += 4

		switch token {
		case 1:
			name := cstring(at)
			path = append(path, name)
			at += (uint32(len(name)) + 4) &^ 3
			found[strings.Join(path, "/")+"/"] = nil
		case 2:
			path = path[:len(path)-1]
		case 3:
			n, name := be.Uint32(b[at:]), cstring(names+be.Uint32(b[at+4:]))
			found[strings.Join(path, "/")+"/"+name] = b[at+8 : at+8+n]
			at += 8 + (n+3)&^3
		case 9:
			require.Empty(t, path)
			require.Equal(t, names, at)

			return found
		default:
			require.Fail(t, "token", "%#x at %#x", token, at)
		}
	}
}

func TestLoad_image(t *testing.T) {
	testutil.Pure(t)

	m, err := guestmem.NewAt(arm64.RAM, 64*mib)
	require.NoError(t, err)

	defer m.Close()

	p, initrd := initrdOf(m, 5000)
	p.RSDP = arm64.ACPI + 0x40
	image := newImage(func(b []byte) { le.PutUint64(b[imageOffsetAt:], 0x8_0000) })

	e, err := mustParse(t, image).Load(p)
	require.NoError(t, err)
	require.Equal(t, Entry{Mode: EL1, PC: arm64.Kernel + 0x8_0000, X0: arm64.FDT}, e)
	require.Equal(t, image, bytesAt(t, m, e.PC, uint64(len(image))))

	dt := readTree(t, bytesAt(t, m, e.X0, arm64.FDTSize))
	be64 := func(name string) uint64 {
		t.Helper()
		require.Len(t, dt["/chosen/"+name], 8, name)

		return binary.BigEndian.Uint64(dt["/chosen/"+name])
	}
	be32 := func(name string) int {
		t.Helper()
		require.Len(t, dt["/chosen/"+name], 4, name)

		return int(binary.BigEndian.Uint32(dt["/chosen/"+name]))
	}

	for path := range dt {
		require.True(t, path == "/" || strings.HasPrefix(path, "/chosen/"), "%s", path)
	}

	require.Equal(t, p.Cmdline+"\x00", string(dt["/chosen/bootargs"]))

	start, end := be64("linux,initrd-start"), be64("linux,initrd-end")
	require.Equal(t, uint64(5000), end-start)
	require.Equal(t, initrd, bytesAt(t, m, start, 5000))
	require.GreaterOrEqual(t, start, e.PC+mib, "after the kernel's bss")
	require.Equal(t, 2, be32("linux,uefi-secure-boot"))

	// The system table, its checksum, and where it leads.
	st := bytesAt(t, m, be64("linux,uefi-system-table"), 120)
	require.Equal(t, "IBI SYST", string(st[:8]))
	require.EqualValues(t, 120, le.Uint32(st[12:]))
	crc := le.Uint32(st[16:])
	clear(st[16:20])
	require.Equal(t, crc32.ChecksumIEEE(st), crc)
	require.EqualValues(t, 3, le.Uint64(st[104:]))
	require.EqualValues(t, arm64.Runtime, le.Uint64(st[88:]), "RuntimeServices")

	config := bytesAt(t, m, le.Uint64(st[112:]), 72)
	require.Equal(t, "8868e871-e4f1-11d3-bc22-0080c73c8881", guid(config))
	require.Equal(t, p.RSDP, le.Uint64(config[16:]))
	require.Equal(t, "eb66918a-7eef-402a-842e-931d21c38ae9", guid(config[24:]))
	require.Equal(t, []byte{1, 0, 8, 0, 3, 0, 0, 0}, bytesAt(t, m, le.Uint64(config[40:]), 8))
	require.Equal(t, "888eb0c6-8ede-4ff5-a8f0-9aee5cb977c2", guid(config[48:]))
	require.Equal(t, make([]byte, 16), bytesAt(t, m, le.Uint64(config[64:]), 16))

	// The memory map covers RAM, once.
	require.Equal(t, 40, be32("linux,uefi-mmap-desc-size"))
	require.Equal(t, 1, be32("linux,uefi-mmap-desc-ver"))

	memory := bytesAt(t, m, be64("linux,uefi-mmap-start"), uint64(be32("linux,uefi-mmap-size")))
	at := uint64(arm64.RAM)

	// But for a device that the services need.
	const runtime = 1 << 63

	require.EqualValues(t, 11, le.Uint64(memory), "MMIO")
	require.EqualValues(t, arm64.Time, le.Uint64(memory[8:]))
	require.EqualValues(t, arm64.Time, le.Uint64(memory[16:]))
	require.EqualValues(t, 16, le.Uint64(memory[24:]), "a page of 64 KiB")
	require.EqualValues(t, uint64(runtime|1), le.Uint64(memory[32:]), "uncached")

	for memory = memory[40:]; len(memory) > 0; memory = memory[40:] {
		require.Equal(t, at, le.Uint64(memory[8:]))

		kind, virtual, attributes := le.Uint64(memory), le.Uint64(memory[16:]), le.Uint64(memory[32:])
		require.Equal(t, at == arm64.ACPI, kind == 9)
		require.Equal(t, at == arm64.Runtime, kind == 5)

		if kind == 5 {
			require.Equal(t, at, virtual)
			require.EqualValues(t, 16, le.Uint64(memory[24:]), "a page of 64 KiB")
			require.EqualValues(t, uint64(runtime|1<<17|8), attributes, "read-only, write-back")
		} else {
			require.Zero(t, virtual)
			require.EqualValues(t, 8, attributes, "write-back")
		}

		at += le.Uint64(memory[24:]) * 4096
	}

	require.EqualValues(t, arm64.RAM+64*mib, at)
}

// The table of services leads to code in the same region.
func TestRuntimeTable(t *testing.T) {
	testutil.Pure(t)

	b := runtimeTable()
	require.Less(t, len(b), arm64.RuntimeSize)
	require.Equal(t, "RUNTSERV", string(b[:8]))
	require.EqualValues(t, 136, le.Uint32(b[12:]))

	head := bytes.Clone(b[:136])
	clear(head[16:20])
	require.Equal(t, crc32.ChecksumIEEE(head), le.Uint32(b[16:]))

	service := func(i int) []byte {
		at := le.Uint64(b[24+8*i:]) - arm64.Runtime
		require.GreaterOrEqual(t, at, uint64(136), i)
		require.Less(t, at, uint64(len(b)), i)
		require.Zero(t, at%4)

		code, _, ok := bytes.Cut(b[at:], []byte{0xc0, 0x03, 0x5f, 0xd6}) // ret
		require.True(t, ok)

		return code
	}

	const movzTime = 0x52a1_2049 // movz w9, #0x902, lsl #16

	for i := range 2 {
		require.EqualValues(t, movzTime, le.Uint32(service(i)[4:]), i)
	}

	require.EqualValues(t, 0x0902_0000, arm64.Time)
	require.NotEqual(t, service(0), service(1))

	for i := 2; i < 14; i++ {
		require.Equal(t, service(13), service(i), i)
		require.Len(t, service(i), 12)
	}
}

func guid(b []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

func TestLoad_imageRefused(t *testing.T) {
	testutil.Pure(t)

	m, err := guestmem.NewAt(arm64.RAM, 4*mib)
	require.NoError(t, err)

	defer m.Close()

	low := newMem(t, 64*mib)
	p := Params{Mem: m, RAM: m.Ranges()}

	_, err = mustParse(t, newImage(nil)).Load(Params{Mem: low, RAM: low.Ranges()})
	require.ErrorIs(t, err, ErrFormat, "on amd64")

	_, err = mustParse(t, newImage(nil)).Load(Params{})
	require.ErrorIs(t, err, ErrFormat, "nowhere")

	_, err = mustParse(t, newBzImage(nil)).Load(p)
	require.ErrorIs(t, err, ErrFormat, "an amd64 kernel")

	_, err = mustParse(t, newImage(func(b []byte) { le.PutUint64(b[imageSizeAt:], 2*mib+1) })).Load(p)
	require.ErrorIs(t, err, ErrTooLarge)

	q := p
	q.Initrd, q.InitrdSize = bytes.NewReader(make([]byte, 2*mib)), 2*mib
	_, err = mustParse(t, newImage(nil)).Load(q)
	require.ErrorIs(t, err, ErrTooLarge)

	q = p
	q.Cmdline = strings.Repeat("x", 2048)
	_, err = mustParse(t, newImage(nil)).Load(q)
	require.ErrorIs(t, err, ErrCmdline)
}
