package vmm_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device/board"
	"github.com/vgraft/vgraft/internal/device/cmos"
	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/device/dimms"
	"github.com/vgraft/vgraft/internal/device/pl011"
	"github.com/vgraft/vgraft/internal/device/uart"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/acpi"
	"github.com/vgraft/vgraft/vmm/power"
)

// The tables of machines on both architectures are made here, where ACPICA's programs are.

// attached are devices on a platform.
func attached(t testing.TB, p *devicetest.Platform, devices ...vmm.Device) []vmm.Device {
	t.Helper()

	for _, d := range devices {
		require.NoError(t, d.Attach(p))
	}

	return append(devices, p.GED())
}

// sets are the tables of many machines, by what is special about them, with the addresses
// where they go.
func sets(t *testing.T) map[string]*acpi.Set {
	t.Helper()

	all := map[string]*acpi.Set{}
	add := func(name string, set *acpi.Set, err error) {
		require.NoError(t, err, name)
		all[name] = set
	}

	for _, n := range []int{1, 2, 17, arm64.MaxCPUs} {
		p := devicetest.NewVirtPlatform(t, n)
		set, err := vmm.VirtSet(n, true, attached(t, p, cpus.New(), power.NewButton(), pl011.New(nil, nil)))
		add(fmt.Sprintf("arm64 %d", n), set, err)
	}

	p := devicetest.NewVirtPlatform(t, 18)
	set, err := vmm.VirtSet(18, false, attached(t, p, append([]vmm.Device{cpus.New(), power.NewButton(), pl011.New(nil, nil)}, features()...)...))
	add("arm64 all", set, err)

	for name, c := range map[string]vmm.Config{
		"arm64 hotplug all":          {CPUs: 2, MaxCPUs: 3},
		"arm64 hotplug features all": {CPUs: 2, MaxCPUs: 5},
		"arm64 hotplug 255":          {CPUs: 1, MaxCPUs: arm64.MaxCPUs},
		"arm64 sockets all":          {CPUs: 1, MaxCPUs: 12, Topology: vmm.Topology{Sockets: 2, Clusters: 3}},
	} {
		p := devicetest.NewVirtPlatform(t, c.MaxCPUs)
		c.Memory, c.MaxMemory = 1<<30, 3<<30
		devices := []vmm.Device{cpus.NewHotplug(vmm.VirtHotplug(c)), power.NewButton(), dimms.New(), pl011.New(nil, nil)}
		if strings.Contains(name, "features") {
			devices = append(devices, features()...)
		}

		set, err := vmm.VirtSetOf(c, true, attached(t, p, devices...))
		add(name, set, err)
	}

	for _, n := range []int{1, 2, 254} {
		p := devicetest.NewPCPlatform(t, n)
		set, err := vmm.PCSet(n, attached(t, p, cpus.New(), power.NewButton(), cmos.New(1<<30, nil), board.New(nil), uart.New(nil, nil)))
		add(fmt.Sprintf("amd64 %d", n), set, err)
	}

	for name, more := range map[string][]vmm.Device{"amd64 hotplug all": nil, "amd64 hotplug features all": features()} {
		c := vmm.Config{CPUs: 3, MaxCPUs: 5, Memory: 1 << 30, MaxMemory: 2 << 30}
		p := devicetest.NewPCPlatform(t, c.MaxCPUs)
		devices := []vmm.Device{cpus.NewHotplug(vmm.PCHotplug(c)), power.NewButton(), dimms.New(), cmos.New(1<<30, nil), board.New(nil), uart.New(nil, nil)}
		set, err := vmm.PCSetOf(c, attached(t, p, append(devices, more...)...))
		add(name, set, err)
	}

	p = devicetest.NewPCPlatform(t, 18)
	set, err = vmm.PCSet(18, attached(t, p, append([]vmm.Device{cpus.New(), power.NewButton(), cmos.New(1<<30, nil), board.New(nil)}, features()...)...))
	add("amd64 all", set, err)

	return all
}

// acpica runs one of them. Its absence is a failure, but for -short.
func acpica(t *testing.T, name string, args ...string) string {
	t.Helper()

	if _, err := exec.LookPath(name); err != nil && testing.Short() {
		t.Skipf("-short, and no %s", name)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)

	return string(out)
}

func TestTables_lint(t *testing.T) {
	testutil.Pure(t)

	for name, set := range sets(t) {
		arch, place := acpi.ArchARM64, acpi.Placement{Base: arm64.ACPI, Size: arm64.ACPISize}
		if strings.HasPrefix(name, "amd64") {
			arch, place = acpi.ArchAMD64, acpi.Placement{Base: layout.ACPI, Size: layout.ACPISize}
		}

		for _, f := range acpi.Lint(set, acpi.LintOptions{Arch: arch}) {
			// On purpose: see board's timer.
			require.True(t, arch == acpi.ArchAMD64 && f.Rule == "fadt-reduced" && strings.HasPrefix(f.Message, "PM_TMR_BLK"), "%s: %v", name, f)
		}

		image, err := set.Image(place)
		require.NoError(t, err, name)
		require.Equal(t, place.Base, image.RSDP)
		require.Equal(t, strings.HasPrefix(name, "arm64"), len(set.Signature("SPCR")) == 1, name)
	}
}

// TestTables_iasl disassembles every table and compiles it again.
func TestTables_iasl(t *testing.T) {
	testutil.Pure(t)

	for name, set := range sets(t) {
		if !strings.Contains(name, "all") {
			continue
		}

		t.Run(name, func(t *testing.T) { recompile(t, set) })
	}
}

func recompile(t *testing.T, set *acpi.Set) {
	t.Helper()

	for _, table := range set.Tables {
		b, err := table.MarshalBinary()
		require.NoError(t, err)

		// No dot may be in the prefix: iasl cuts there.
		dir, err := os.MkdirTemp("", "vgraft-acpi-")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })

		in, prefix := filepath.Join(dir, "in"), filepath.Join(dir, "out")
		require.NoError(t, os.WriteFile(in, b, 0o600))
		acpica(t, "iasl", "-p", prefix, "-d", in)

		source, err := os.ReadFile(prefix + ".dsl")
		require.NoError(t, err)
		require.NotContains(t, string(source), "ERROR")

		if table.Signature() != "DSDT" {
			continue // package acpi compares the others
		}

		out := acpica(t, "iasl", "-on", "-of", "-p", prefix, prefix+".dsl") // names and numbers as they are
		require.Contains(t, out, "0 Errors, 0 Warnings", "%s", source)

		again, err := os.ReadFile(prefix + ".aml")
		require.NoError(t, err)
		require.True(t, bytes.Equal(b[acpi.HeaderSize:], again[acpi.HeaderSize:]), "%s", source)
	}
}

// TestTables_acpiexec has ACPICA's interpreter, which is Linux's, run the DSDT: every name
// that systems know, with all bits of all registers off, and on, and mixed.
func TestTables_acpiexec(t *testing.T) {
	testutil.Pure(t)

	for name, set := range sets(t) {
		if !strings.Contains(name, "all") && !strings.HasSuffix(name, " 2") {
			continue
		}

		for _, fill := range []string{"0", "0x2a", "0xff"} {
			out := interpret(t, set, fill, `execute predefined;resources \_SB.GED0`, name)

			if strings.Contains(name, "features") {
				for _, path := range []string{
					`\_SB_._OSC`, `\_SB_.C004._STA`, `\_SB_.C004._CPC`, `\_SB_.C004._PSD`, `\_SB_.C004._EJ0`, `\_SB_.C004._OST`, `\_SB_.MEMF._CRS`,
					`\_SB_.MEMF._STA`, `\_SB_.MEMF._OST`, `\_SB_.MEMF._PXM`, `\_SB_.BAT1._BIX`, `\_SB_.BAT1._BST`, `\_SB_.ADP0._PSR`, `\_TZ_.TZN0._TMP`,
					map[string]string{"amd64": `\_SB_.C004._CST`, "arm64": `\_SB_.C004._LPI`}[name[:5]],
				} {
					require.Contains(t, out, path, name)
				}
			}
		}
	}
}

// TestTables_events raises all events of a machine at once: each device that can be told of
// something is told.
func TestTables_events(t *testing.T) {
	testutil.Pure(t)

	all := sets(t)

	for name, line := range map[string]int{"arm64 hotplug features all": arm64.SPI + arm64.GSIMax - 1, "amd64 hotplug features all": layout.GSIMax - 1} {
		out := interpret(t, all[name], "0xff", fmt.Sprintf(`evaluate \_SB.GED0._EVT %d`, line), name)

		want := map[string][]int{
			"PWR0": {0x80}, "SLP0": {0x80}, "ADP0": {0x80}, "BAT0": {0x80, 0x81}, "BAT1": {0x80, 0x81}, "TZN0": {0x80, 0x81}, "VGEN": {0x80},
			"C003": {1, 3}, "C004": {1, 3},
		}
		for n := range dimms.Count {
			want[fmt.Sprintf("MEM%X", n)] = []int{1}
		}

		for device, values := range want {
			for _, v := range values {
				require.Regexp(t, fmt.Sprintf(`Notify on \[%s\].*Value 0x%02X`, device, v), out, name)
			}
		}

		// Those that are there for good are not told to come or to go.
		require.NotContains(t, out, "Notify on [C000]", name)
	}
}

// interpret runs commands of the interpreter on a DSDT. Each byte of all registers is fill.
func interpret(t *testing.T, set *acpi.Set, fill, commands, name string) string {
	t.Helper()

	dsdt, ok := acpi.First[*acpi.DSDT](set)
	require.True(t, ok)

	b, err := dsdt.MarshalBinary()
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), "dsdt.aml")
	require.NoError(t, os.WriteFile(path, b, 0o600))

	out := acpica(t, "acpiexec", "-r", "-fv", fill, "-b", commands, path)
	for line := range strings.Lines(out) {
		// It has numbers for all arguments that it makes up itself.
		if !strings.Contains(line, `_OSC: Argument`) && !strings.Contains(line, `_OST: Argument`) {
			require.NotRegexp(t, "ACPI (Error|Warning|BIOS)|Exception", line, name)
		}
	}

	require.Contains(t, out, "No outstanding allocations", name)

	return out
}

// BenchmarkTables makes the tables of a machine and lays them out, as New does: the least
// machine, and one with all features.
func BenchmarkTables(b *testing.B) {
	virt := func(b *testing.B, n int, more ...vmm.Device) func() (*acpi.Set, error) {
		devices := attached(b, devicetest.NewVirtPlatform(b, n), append([]vmm.Device{cpus.New(), power.NewButton(), pl011.New(nil, nil)}, more...)...)

		return func() (*acpi.Set, error) { return vmm.VirtSet(n, false, devices) }
	}
	pc := func(b *testing.B, n int, more ...vmm.Device) func() (*acpi.Set, error) {
		own := []vmm.Device{cpus.New(), power.NewButton(), cmos.New(1<<30, nil), board.New(nil), uart.New(nil, nil)}
		devices := attached(b, devicetest.NewPCPlatform(b, n), append(own, more...)...)

		return func() (*acpi.Set, error) { return vmm.PCSet(n, devices) }
	}

	for _, c := range []struct {
		name  string
		build func(b *testing.B) func() (*acpi.Set, error)
	}{
		{"arm64/cpus=1", func(b *testing.B) func() (*acpi.Set, error) { return virt(b, 1) }},
		{"arm64/cpus=16/features", func(b *testing.B) func() (*acpi.Set, error) { return virt(b, 16, features()...) }},
		{"amd64/cpus=1", func(b *testing.B) func() (*acpi.Set, error) { return pc(b, 1) }},
		{"amd64/cpus=16/features", func(b *testing.B) func() (*acpi.Set, error) { return pc(b, 16, features()...) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			build, size := c.build(b), 0

			b.ReportAllocs()

			for b.Loop() {
				set, err := build()
				if err != nil {
					b.Fatal(err)
				}

				image, err := set.Image(acpi.Placement{Base: arm64.ACPI, Size: arm64.ACPISize})
				if err != nil {
					b.Fatal(err)
				}

				size = len(image.Bytes)
			}

			b.ReportMetric(float64(size), "bytes")
		})
	}
}
