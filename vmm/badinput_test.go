package vmm_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// badInput is what New refuses. Memory and Boot have defaults.
type badInput struct {
	name string
	cfg  vmm.Config
	want error // nil for any
}

// mode is a loader of nothing.
type mode vmm.Mode

func (m mode) Load(context.Context, vmm.Guest) ([]vmm.Start, error) {
	return []vmm.Start{{Mode: vmm.Mode(m)}}, nil
}

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

	for _, tt := range append(badBoards(), []badInput{
		{"no KVM device", vmm.Config{KVM: filepath.Join(dir, "none")}, fs.ErrNotExist},
		{"KVM is a directory", vmm.Config{KVM: dir}, unix.EISDIR},
		{"KVM is a file", vmm.Config{KVM: file("file", nil)}, unix.ENOTTY},
		{"KVM is another device", vmm.Config{KVM: "/dev/null"}, unix.ENOTTY},
		{"little memory", vmm.Config{Memory: 4096}, vmm.ErrConfig},
		{"odd memory", vmm.Config{Memory: ramSize + 1}, vmm.ErrConfig},
		{"absurd memory", vmm.Config{Memory: 1 << 60}, vmm.ErrConfig},
		{"all memory", vmm.Config{Memory: 1<<64 - 4096}, vmm.ErrConfig},
		{"negative CPUs", vmm.Config{CPUs: -1}, vmm.ErrConfig},
		{"too many CPUs", vmm.Config{CPUs: 300}, vmm.ErrConfig},
		{"nil device", vmm.Config{Devices: []vmm.Device{nil}}, vmm.ErrConfig},
		{"signal", vmm.Config{KickSignal: unix.SIGKILL}, vmm.ErrConfig},
		{"flat code too large", vmm.Config{Boot: vmm.Flat{Code: make([]byte, ramSize)}}, vmm.ErrTooLarge},
		{"device fails to attach", vmm.Config{Devices: []vmm.Device{&device{attach: func(vmm.Platform) error { return mine }}}}, mine},
		{"no kernel", vmm.Config{Boot: vmm.Linux{Kernel: filepath.Join(dir, "none")}}, fs.ErrNotExist},
		{"no kernel named", vmm.Config{Boot: vmm.Linux{}}, fs.ErrNotExist},
		{"kernel is a directory", vmm.Config{Boot: vmm.Linux{Kernel: dir}}, nil},
		{"empty kernel", vmm.Config{Boot: kernel(nil)}, vmm.ErrImage},
		{"garbage kernel", vmm.Config{Boot: kernel(bytes.Repeat([]byte("garbage "), 4096))}, vmm.ErrImage},
		{"truncated ELF kernel", vmm.Config{Boot: kernel(elf)}, vmm.ErrImage},
		{"truncated bzImage", vmm.Config{Boot: kernel(bz)}, vmm.ErrImage},
	}...) {
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

// overlap is a claim of what is taken, or isn't there.
type overlap struct {
	name    string
	memory  uint64 // 0 for little
	devices []*device
	with    string // the window's name; empty for another error
}

// Windows and lines that are taken, or aren't there.
func TestBadInput_overlap(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	for _, tt := range append(overlaps(), []overlap{
		{"with another device", 0, []*device{{port: portAt, ports: 8}, {port: portAt + 7, ports: 1}}, "test"},
		{"the same window", 0, []*device{{mmio: mmioAt, size: 8}, {mmio: mmioAt, size: 8}}, "test"},
		{"around another", 0, []*device{{mmio: mmioAt, size: 8}, {mmio: mmioAt - 8, size: 64}}, "test"},
		{"with RAM", 0, []*device{{mmio: vmmtest.RAM + ramSize - 1, size: 2}}, "RAM"},
		{"with all RAM", 0, []*device{{mmio: 0, size: 1 << 63}}, "RAM"},
		{"round the end", 0, []*device{{mmio: mmioAt, size: 1<<64 - 1}}, ""},
		{"ports beyond the end", 0, []*device{{port: 0xffff, ports: 2}}, ""},
		{"line of another", 0, []*device{{irq: 5}, {irq: 5}}, ""},
	}...) {
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

			if tt.with != "" {
				require.ErrorAs(t, err, &o)
				require.Equal(t, tt.with, o.Old.Name)
			} else {
				require.NotErrorAs(t, err, &o)
			}

			for _, d := range tt.devices {
				require.EqualValues(t, 1, d.close.Load(), "what was attached, or tried to, is closed")
			}
		})
	}
}

// More CPUs than the host can give a guest.
func TestBadInput_hostCPUs(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	h, err := vmm.Probe("")
	require.NoError(t, err)
	require.Empty(t, h.Missing)
	require.Positive(t, h.CPUs)

	_, err = vmm.Probe(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)

	_, err = vmm.Probe("/dev/null")
	require.Error(t, err)

	if h.CPUs >= 254 {
		return // no number between the host's limit and ours
	}

	cfg := config(powerOff())
	cfg.CPUs = h.CPUs + 1
	_, err = vmm.New(t.Context(), cfg)
	require.ErrorIs(t, err, vmm.ErrConfig)
}

// A device that can't start ends the machine; those before it are stopped.
func TestBadInput_start(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	mine := errors.New("the device's own error")
	first, last := &device{}, &device{}
	second := &device{start: func() error { return mine }}
	m := create(t, config(counting(), first, second, last))

	require.ErrorIs(t, m.Start(t.Context()), mine)

	e := wait(t, m)
	require.Equal(t, vmm.ExitFailed, e.Reason)
	require.ErrorIs(t, e.Err, mine)
	require.Equal(t, vmm.Stopped, m.State())
	require.ErrorIs(t, m.Start(t.Context()), vmm.ErrState)
	require.Zero(t, word(t, m, dataAt), "the guest hasn't run")

	require.EqualValues(t, 1, first.stopped.Load())
	require.EqualValues(t, 0, second.stopped.Load())
	require.EqualValues(t, 0, last.stopped.Load())

	require.NoError(t, m.Close())
	require.EqualValues(t, 1, last.close.Load())
}

func TestBadInput_startPanic(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	testutil.NoLeaks(t)

	first := &device{}
	m := create(t, config(counting(), first, &device{start: func() error { panic("mine") }}))

	require.PanicsWithValue(t, "mine", func() { _ = m.Start(t.Context()) })
	require.Equal(t, vmm.ExitFailed, wait(t, m).Reason)
	require.Zero(t, word(t, m, dataAt), "the guest hasn't run")
	require.EqualValues(t, 1, first.stopped.Load())
	require.NoError(t, m.Close())
}
