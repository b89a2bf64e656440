package main

import (
	"bytes"
	"context"
	"debug/pe"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// TestTinyGuest runs the guest that every monitor is timed with, under our own.
func TestTinyGuest(t *testing.T) {
	if !testutil.KVM(t) {
		return
	}

	a, ok := arches[runtime.GOARCH]
	require.True(t, ok)

	b, err := a.tiny()
	require.NoError(t, err)

	kernel := filepath.Join(t.TempDir(), "tiny")
	require.NoError(t, os.WriteFile(kernel, b, 0o644))

	in, out := io.Pipe()

	m, err := vmm.New(t.Context(), vmm.Config{
		Memory:  64 << 20,
		Boot:    vmm.Linux{Kernel: kernel},
		Devices: []vmm.Device{vmm.Serial(nil, out)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	require.NoError(t, m.Start(t.Context()))

	time.AfterFunc(20*time.Second, func() { out.CloseWithError(errors.New("nothing from the guest")) })

	said := make([]byte, 1)
	_, err = io.ReadFull(in, said)
	require.NoError(t, err)
	require.Equal(t, tinySays, string(said))
}

// TestTinyImage has what each of those that load it looks for.
func TestTinyImage(t *testing.T) {
	testutil.Pure(t)

	b, err := tinyImage()
	require.NoError(t, err)
	require.Equal(t, "ARM\x64", string(b[56:60]))
	require.EqualValues(t, len(b), binary.LittleEndian.Uint64(b[16:]))

	branch := binary.LittleEndian.Uint32(b[4:])
	require.EqualValues(t, 0x1400_0000, branch&^0x3ff_ffff)
	require.Equal(t, tinyImageCode[0], binary.LittleEndian.Uint32(b[4+4*(branch&0x3ff_ffff):]))

	f, err := pe.NewFile(bytes.NewReader(b))
	require.NoError(t, err)
	require.EqualValues(t, pe.IMAGE_FILE_MACHINE_ARM64, f.Machine)

	h := f.OptionalHeader.(*pe.OptionalHeader64)
	require.EqualValues(t, pe.IMAGE_SUBSYSTEM_EFI_APPLICATION, h.Subsystem)
	require.Equal(t, tinyImageCode[0], binary.LittleEndian.Uint32(b[h.AddressOfEntryPoint:]))
}

func TestMonitor_runner(t *testing.T) {
	testutil.Pure(t)

	o := options{runs: 3, cpus: 2, memory: 256}
	m := monitor{name: "m", argv: []string{"m", "boot"}, flags: flags{"-k", "-i", "-p", "-c", "-m", "M"}}
	g := guest{goal: "goal", says: "hello", kernel: "/k", cmdline: "quiet"}

	r := m.runner(o, g)
	require.Equal(t, []string{"m", "boot", "-k", "/k", "-p", "quiet", "-c", "2", "-m", "256M"}, r.Argv)
	require.True(t, r.runs())

	g.initrd = "/i"
	require.Equal(t, append(r.Argv, "-i", "/i"), m.runner(o, g).Argv)

	require.False(t, monitor{name: "none", note: "not to be had"}.runner(o, g).runs())
}

// plays is a rig that does all runs, in a second each, but ends only with its context in
// one of the runner that it sticks in.
func plays(sticks string, began *int) func(context.Context, plan, io.Writer) error {
	return func(ctx context.Context, p plan, w io.Writer) error {
		*began++

		out := json.NewEncoder(w)

		for i, r := range p.Runners {
			for round := range r.Left + 1 {
				if r.Left == 0 {
					break
				}

				if err := out.Encode(event{Runner: i, Round: round}); err != nil {
					return err
				}

				if r.Name == sticks && round == 1 {
					<-ctx.Done()
					return ctx.Err()
				}

				if err := out.Encode(event{Runner: i, Round: round, Took: time.Second}); err != nil {
					return err
				}
			}
		}

		return nil
	}
}

// TestMeasure_silentRig has one runner with which rigs die: the others are measured all
// the same, no run of theirs twice.
func TestMeasure_silentRig(t *testing.T) {
	testutil.Pure(t)

	synctest.Test(t, func(t *testing.T) {
		all := []*runner{
			{Name: "a", Argv: []string{"a"}, Left: 3},
			{Name: "b", Argv: []string{"b"}, Left: 3},
			{Name: "none", note: "not to be had"},
			{Name: "c", Argv: []string{"c"}, Left: 3},
		}
		began := 0

		require.NoError(t, measure(t.Context(), all, plays("b", &began)))
		require.Equal(t, silentMost+1, began)

		require.Len(t, all[0].times, 3)
		require.Empty(t, all[1].times)
		require.Contains(t, all[1].note, "silent")
		require.Empty(t, all[2].times)
		require.Len(t, all[3].times, 3)
	})
}

func TestMeasure_everyRigSilent(t *testing.T) {
	testutil.Pure(t)

	synctest.Test(t, func(t *testing.T) {
		began := 0
		dead := func(ctx context.Context, _ plan, _ io.Writer) error {
			began++
			<-ctx.Done()

			return ctx.Err()
		}

		require.ErrorIs(t, measure(t.Context(), []*runner{{Argv: []string{"a"}, Left: 1}}, dead), errSilent)
		require.Equal(t, rigsMost, began)
	})
}

// TestMeasure_otherErrors are given as they are, and begin no other rig.
func TestMeasure_otherErrors(t *testing.T) {
	testutil.Pure(t)

	var (
		broken = errors.New("broken")
		began  = 0
		all    = []*runner{{Name: "a", Argv: []string{"a"}, Left: 2}}
	)

	err := measure(t.Context(), all, func(_ context.Context, _ plan, w io.Writer) error {
		began++

		_, err := io.WriteString(w, `{"Runner":0,"Round":0,"Took":5}`+"\n"+`{"Runner":0,"Round":1,"Took":7}`+"\n"+`{"Run`)
		require.NoError(t, err)

		return broken
	})
	require.ErrorIs(t, err, broken)
	require.Equal(t, 1, began)
	require.Equal(t, []time.Duration{7}, all[0].times)

	var b bytes.Buffer

	report(&b, all)
	require.Regexp(t, `a +1 +0\.000`, b.String())
}
