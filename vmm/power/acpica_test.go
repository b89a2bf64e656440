package power_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm/acpi"
	"github.com/vgraft/vgraft/vmm/power"
)

// features are all features, some of them twice, for an architecture.
func features(arch string) []device.Device {
	var idle []power.IdleState
	if arch == "arm64" {
		idle = []power.IdleState{{Name: "RET", PSCI: 1, MinResidency: 100 * time.Microsecond, WakeLatency: 50 * time.Microsecond}}
	}

	return []device.Device{
		power.NewButton(), power.NewSleepButton(),
		power.NewACAdapter(true), power.NewACAdapter(false),
		power.NewBattery(info, full), power.NewBattery(power.BatteryInfo{InAmperes: true}, power.BatteryStatus{Absent: true}),
		power.NewThermalZone(40_000, trips), power.NewThermalZone(20_000, power.Trips{}),
		power.NewCPUIdle(idle...), power.NewPerformance(levels, nil), power.NewVMGenID(),
	}
}

// interpret has ACPICA's interpreter, which is Linux's, run commands on what the devices
// say. Each byte of all their registers is fill.
func interpret(t *testing.T, p *devicetest.Platform, fill, commands string, devices ...device.Device) string {
	t.Helper()

	if runtime.GOARCH != "amd64" && nest.Inside() {
		t.Skip("ACPICA's programs run where the rig does, for both architectures")
	}

	if _, err := exec.LookPath("acpiexec"); err != nil && testing.Short() {
		t.Skip("-short, and no acpiexec")
	}

	for _, d := range devices {
		require.NoError(t, d.Attach(p))
	}

	dsdt, err := p.DSDT(devices...)
	require.NoError(t, err)

	s := &acpi.Set{}
	s.Add(dsdt)

	for _, f := range acpi.Lint(s, acpi.LintOptions{}) {
		if f.Table == "DSDT" {
			t.Error(f)
		}
	}

	b, err := dsdt.MarshalBinary()
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), "dsdt.aml")
	require.NoError(t, os.WriteFile(path, b, 0o600))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	out, err := exec.CommandContext(ctx, "acpiexec", "-r", "-fv", fill, "-b", commands, path).CombinedOutput()
	require.NoError(t, err, "%s", out)

	for line := range strings.Lines(string(out)) {
		// It has numbers for all arguments that it makes up itself.
		if !strings.Contains(line, `\_SB._OSC: Argument`) {
			require.NotRegexp(t, "ACPI (Error|Warning|BIOS)|Exception", line)
		}
	}

	require.Contains(t, string(out), "No outstanding allocations")

	return string(out)
}

// Every name is what a system takes it for.
func TestACPI_predefined(t *testing.T) {
	testutil.Pure(t)

	for arch, p := range map[string]*devicetest.Platform{
		"amd64": devicetest.NewPCPlatform(t, 3), "arm64": devicetest.NewVirtPlatform(t, 3),
	} {
		out := interpret(t, p, "0x2a", `execute predefined`, features(arch)...)

		for _, path := range []string{
			`\_SB_.BAT0._BST`, `\_SB_.BAT1._BIX`, `\_SB_.BAT0._BIF`, `\_SB_.ADP0._PSR`, `\_SB_.ADP1._PSR`,
			`\_TZ_.TZN0._TMP`, `\_TZ_.TZN0._PSV`, `\_TZ_.TZN1._TMP`, `\_SB_.C002._CPC`, `\_SB_.C000._PSD`, `\_SB_.C001._STA`,
			map[string]string{"amd64": `\_SB_.C001._CST`, "arm64": `\_SB_.C001._LPI`}[arch],
		} {
			require.True(t, strings.Contains(out, path), "%s on %s", path, arch)
		}

		require.False(t, strings.Contains(out, `\_TZ_.TZN1._CRT`), arch)
	}
}

// Values come out of the registers, and events lead to notifications.
func TestACPI_values(t *testing.T) {
	testutil.Pure(t)

	p := devicetest.NewVirtPlatform(t, 1)
	out := interpret(t, p, "0xff", `evaluate \_SB.GED0._EVT 255;evaluate \_SB.BAT0._BST;evaluate \_SB.BAT0._STA;evaluate \_TZ.TZN0._TMP;evaluate \_SB.VGEN.ADDR`,
		features("arm64")...)

	require.Equal(t, 1, strings.Count(out, "[Integer] = 000000000000001F"), "the battery is there: %s", out)
	require.Equal(t, 5, strings.Count(out, "[Integer] = 00000000FFFFFFFF"), "four numbers of the battery, and a temperature: %s", out)
	require.Contains(t, out, "[Integer] = 00000000401FF000", "the generation's memory")

	// The platform's last line, by its number in ACPI.
	for _, n := range []struct{ device, value string }{
		{"PWR0", "80"}, {"SLP0", "80"}, {"ADP0", "80"}, {"ADP1", "80"}, {"BAT0", "80"}, {"BAT0", "81"}, {"BAT1", "80"}, {"BAT1", "81"},
		{"TZN0", "80"}, {"TZN0", "81"}, {"TZN1", "80"}, {"TZN1", "81"}, {"VGEN", "80"},
	} {
		require.Regexp(t, `Notify on \[`+n.device+`\].*Value 0x`+n.value, out)
	}

	// Without a bit, nothing; and of another interrupt, nothing.
	for fill, command := range map[string]string{"0": `evaluate \_SB.GED0._EVT 255`, "0xff": `evaluate \_SB.GED0._EVT 254`} {
		out = interpret(t, devicetest.NewVirtPlatform(t, 1), fill, command, features("arm64")...)
		require.NotContains(t, out, "Notify", command)
	}
}
