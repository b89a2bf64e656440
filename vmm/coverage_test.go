package vmm_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
)

const module = "github.com/vgraft/vgraft/"

// guestPackages are those that do a running guest's work.
func guestPackages() []string {
	return []string{module + "vmm", module + "internal/bus", module + "internal/device", module + "internal/guestmem", module + "internal/kvm"}
}

// TestCoverage holds which share of what a running guest can make the monitor do a fix could
// reach through slots. The floors only go up.
//
// What counts is what the guest's exits lead to: over calls, over the windows' handlers, and
// over all slots, those of devices' goroutines too. Beside that are platform.Stop, which a
// device has as a function that it was given; and, in the second figure, what runs
// outside of all sections, since it waits: the threads of vCPUs and the goroutines of
// devices. The texts of errors, which a logger may ask for, are left out.
//
// Slots can't reach the rest of the first figure, platform.Stop and platform.Wake themselves:
// they are in the table of an interface, and call slots.
func TestCoverage(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("builds a program, for linux/amd64")
	}

	root, err := filepath.Abs("..")
	require.NoError(t, err)

	program := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "./examples/linux")
	cmd.Dir = root

	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)

	build, err := elfdiff.Open(t.Context(), program, elfdiff.OpenOptions{Dir: root})
	require.NoError(t, err)

	sections := []string{module + "vmm.(*vcpu).handleExit", module + "vmm.platform.Stop"}
	outside := []string{
		module + "vmm.(*vcpu).loop", module + "internal/device/cmos.(*alarmClock).run",
		module + "internal/device/uart.(*transmitter).run", module + "internal/device/uart.(*receiver).run",
	}

	cover := func(t *testing.T, from ...string) *elfdiff.CoverageReport {
		t.Helper()

		r, err := elfdiff.Coverage(build, elfdiff.CoverageOptions{Packages: guestPackages(), From: from, Inside: true})
		require.NoError(t, err)
		require.Empty(t, r.Unknown)

		var s strings.Builder
		require.NoError(t, r.WriteText(&s))
		t.Logf("%s", s.String())

		return r
	}

	t.Run("in sections", func(t *testing.T) {
		r := cover(t, sections...)
		require.GreaterOrEqual(t, r.Percent(), 97.8)

		// All that devices do with an exit, how it is found out which one it is for, and what
		// they have KVM do.
		for _, p := range r.ByPackage {
			if p.Package != module+"vmm" {
				require.Equal(t, p.Functions, p.BySlots, p.Package)
			}
		}

		for _, f := range r.Uncovered {
			require.Contains(t, []string{module + "vmm.platform.Stop", module + "vmm.platform.Wake"}, f.Function)
		}
	})

	t.Run("all", func(t *testing.T) {
		r := cover(t, append(sections, outside...)...)
		require.GreaterOrEqual(t, r.Percent(), 72.0)
	})
}
