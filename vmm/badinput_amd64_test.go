package vmm_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// smallELF is an ELF kernel with the PVH note and one segment that wants memsz bytes.
func smallELF(memsz uint32) []byte {
	b := make([]byte, 0x200)
	copy(b, "\x7fELF\x02\x01\x01")

	put := func(at int, v uint64, n int) {
		for i := range n {
			b[at+i] = byte(v >> (8 * i))
		}
	}

	put(16, 2, 2)         // executable
	put(18, 62, 2)        // x86-64
	put(20, 1, 4)         // version
	put(24, 0x10_0000, 8) // entry
	put(32, 64, 8)        // program headers
	put(52, 64, 2)
	put(54, 56, 2)
	put(56, 2, 2)

	segment := func(at int, typ, off, paddr, filesz, memsz uint64) {
		put(at, typ, 4)
		put(at+4, 7, 4)
		put(at+8, off, 8)
		put(at+16, paddr, 8)
		put(at+24, paddr, 8)
		put(at+32, filesz, 8)
		put(at+40, memsz, 8)
		put(at+48, 4, 8)
	}

	segment(64, 1, 0x180, 0x10_0000, 0x20, uint64(memsz))
	segment(120, 4, 0x100, 0, 20, 20)
	put(0x100, 4, 4)  // name "Xen\0"
	put(0x104, 4, 4)  // descriptor
	put(0x108, 18, 4) // XEN_ELFNOTE_PHYS32_ENTRY
	copy(b[0x10c:], "Xen\x00")
	put(0x110, 0x10_0000, 4)

	return b
}

// A kernel that is good in itself, with what doesn't go with it.
func TestBadInput_kernel(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	files := fstest.MapFS{
		"small":  {Data: smallELF(0x1000)},
		"large":  {Data: smallELF(ramSize)},
		"initrd": {Data: make([]byte, ramSize)},
		"dir/x":  {},
	}

	for _, tt := range []struct {
		name string
		boot vmm.Linux
		want error
	}{
		{"fits", vmm.Linux{Kernel: "small"}, nil},
		{"large kernel", vmm.Linux{Kernel: "large"}, vmm.ErrTooLarge},
		{"large initrd", vmm.Linux{Kernel: "small", Initrd: "initrd"}, vmm.ErrTooLarge},
		{"no initrd", vmm.Linux{Kernel: "small", Initrd: "none"}, fs.ErrNotExist},
		{"long command line", vmm.Linux{Kernel: "small", Cmdline: strings.Repeat("x", layout.CmdlineSize)}, vmm.ErrCmdline},
		{"NUL in command line", vmm.Linux{Kernel: "small", Cmdline: "a\x00b"}, vmm.ErrCmdline},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.NoLeaks(t)

			tt.boot.FS = files
			m, err := vmm.New(t.Context(), vmm.Config{Memory: ramSize, Boot: tt.boot})
			require.ErrorIs(t, err, tt.want)

			if m != nil {
				require.NoError(t, m.Close())
			}
		})
	}
}

func TestBadInput_moreCPUsThanTheHost(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	limit, err := vmm.CheckOneTooMany()
	require.Positive(t, limit)
	require.ErrorIs(t, err, vmm.ErrConfig)
	require.ErrorContains(t, err, fmt.Sprintf("%d CPUs, but this host allows %d", limit+1, limit))
}
