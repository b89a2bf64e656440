package vmm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// What New refuses, with which error, and that it leaves nothing behind.
func TestBadInput(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))

		return path
	}

	kernel := func(content []byte) vmm.Loader {
		return vmm.Linux{Kernel: "k", FS: fstest.MapFS{"k": &fstest.MapFile{Data: content}}}
	}

	flat := vmm.Flat{Code: powerOff().Bytes()}
	mine := errors.New("the device's own error")
	elf := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 60)...)
	bz := make([]byte, 4096)
	copy(bz[0x1fe:], "\x55\xaaxxHdrS")

	for _, tt := range []struct {
		name string
		cfg  vmm.Config // Memory and Boot have defaults here
		want error
	}{
		{"no KVM device", vmm.Config{KVM: filepath.Join(dir, "none")}, fs.ErrNotExist},
		{"KVM is a directory", vmm.Config{KVM: dir}, unix.EISDIR},
		{"KVM is a file", vmm.Config{KVM: file("file", nil)}, unix.ENOTTY},
		{"KVM is another device", vmm.Config{KVM: "/dev/null"}, unix.ENOTTY},
		{"little memory", vmm.Config{Memory: 4096}, vmm.ErrConfig},
		{"odd memory", vmm.Config{Memory: ramSize + 1}, vmm.ErrConfig},
		{"absurd memory", vmm.Config{Memory: 1 << 60}, vmm.ErrConfig},
		{"all memory", vmm.Config{Memory: 1<<64 - 4096}, vmm.ErrConfig},
		{"negative CPUs", vmm.Config{CPUs: -1}, vmm.ErrConfig},
		{"255 CPUs", vmm.Config{CPUs: 255}, vmm.ErrConfig},
		{"nil device", vmm.Config{Devices: []vmm.Device{nil}}, vmm.ErrConfig},
		{"signal", vmm.Config{KickSignal: unix.SIGKILL}, vmm.ErrConfig},
		{"flat code and no RAM for it", vmm.Config{Memory: 1 << 20}, vmm.ErrTooLarge},
		{"flat code too large", vmm.Config{Boot: vmm.Flat{Code: make([]byte, ramSize)}}, vmm.ErrTooLarge},
		{"device fails to attach", vmm.Config{Devices: []vmm.Device{&device{attach: func(vmm.Platform) error { return mine }}}}, mine},
		{"no kernel", vmm.Config{Boot: vmm.Linux{Kernel: filepath.Join(dir, "none")}}, fs.ErrNotExist},
		{"no kernel named", vmm.Config{Boot: vmm.Linux{}}, fs.ErrNotExist},
		{"kernel is a directory", vmm.Config{Boot: vmm.Linux{Kernel: dir}}, nil},
		{"empty kernel", vmm.Config{Boot: kernel(nil)}, vmm.ErrImage},
		{"garbage kernel", vmm.Config{Boot: kernel(bytes.Repeat([]byte("garbage "), 4096))}, vmm.ErrImage},
		{"truncated ELF kernel", vmm.Config{Boot: kernel(elf)}, vmm.ErrImage},
		{"truncated bzImage", vmm.Config{Boot: kernel(bz)}, vmm.ErrImage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.NoLeaks(t)

			if tt.cfg.Memory == 0 {
				tt.cfg.Memory = ramSize
			}

			if tt.cfg.Boot == nil {
				tt.cfg.Boot = flat
			}

			m, err := vmm.New(t.Context(), tt.cfg)
			t.Log(err)
			require.Error(t, err)
			require.Nil(t, m)

			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
		})
	}
}

func TestBadInput_allAtOnce(t *testing.T) {
	_, err := vmm.New(t.Context(), vmm.Config{Memory: 5, CPUs: -1, Devices: []vmm.Device{nil}, KickSignal: 99})
	require.ErrorIs(t, err, vmm.ErrConfig)

	for _, part := range []string{"Memory", "CPUs", "Boot", "Devices[0]", "KickSignal"} {
		require.ErrorContains(t, err, part)
	}
}

// Windows and lines that are taken, or aren't there.
func TestBadInput_overlap(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	for _, tt := range []struct {
		name    string
		memory  uint64
		devices []*device
		overlap string // with which window; empty for another error
	}{
		{"with another device", 0, []*device{{port: portAt, ports: 8}, {port: portAt + 7, ports: 1}}, "test"},
		{"the same window", 0, []*device{{mmio: mmioAt, size: 8}, {mmio: mmioAt, size: 8}}, "test"},
		{"around another", 0, []*device{{mmio: mmioAt, size: 8}, {mmio: mmioAt - 8, size: 64}}, "test"},
		{"with the board", 0, []*device{{port: layout.PortSleep + 1, ports: 1}}, "sleep"},
		{"with RAM", 0, []*device{{mmio: ramSize - 1, size: 2}}, "RAM"},
		{"with all RAM", 0, []*device{{mmio: 0, size: 1 << 63}}, "RAM"},
		{"with high RAM", 4 << 30, []*device{{mmio: layout.HoleEnd - 1, size: 2}}, "RAM"},
		{"to the end", 4 << 30, []*device{{mmio: layout.HoleEnd, size: 1<<64 - layout.HoleEnd}}, "RAM"},
		{"round the end", 0, []*device{{mmio: mmioAt, size: 1<<64 - 1}}, ""},
		{"ports beyond the end", 0, []*device{{port: 0xffff, ports: 2}}, ""},
		{"line of the board", 0, []*device{{irq: layout.IRQRTC}}, ""},
		{"line of another", 0, []*device{{irq: 5}, {irq: 5}}, ""},
		{"no such line", 0, []*device{{irq: layout.GSIMax}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.NoLeaks(t)

			cfg := config(powerOff())
			if tt.memory != 0 {
				cfg.Memory = tt.memory
			}

			for _, d := range tt.devices {
				cfg.Devices = append(cfg.Devices, d)
			}

			_, err := vmm.New(t.Context(), cfg)
			t.Log(err)
			require.Error(t, err)

			var o *vmm.OverlapError

			if tt.overlap != "" {
				require.ErrorAs(t, err, &o)
				require.Equal(t, tt.overlap, o.Old.Name)
			} else {
				require.NotErrorAs(t, err, &o)
			}

			for _, d := range tt.devices {
				require.EqualValues(t, 1, d.close.Load(), "what was attached, or tried to, is closed")
			}
		})
	}
}

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
