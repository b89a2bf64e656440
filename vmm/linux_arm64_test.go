package vmm_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/vmm"
)

const consoleArgs = "" // a kernel finds it by ACPI

const guestLooks = `
echo "devicetree=$(ls -d /proc/device-tree 2>/dev/null)"
echo "tables=$(ls /sys/firmware/acpi/tables | tr '\n' ' ')"
echo "console=$(cat /sys/class/tty/console/active)"
echo "devices=$(ls /sys/bus/acpi/devices | tr '\n' ' ')"
dmesg | grep -iE 'ACPI.*(error|warn|bug|fail|excep|invalid)|BUG|WARNING|Firmware Bug|FW_|Call trace|efi:.*(fail|error)|GIC.*(fail|error)|psci.*(fail|error)' | sed 's/^/dmesg: /'
dmesg | grep -E 'psci|GICv3|ITS|efi:|ACPI:|SPCR|PMU|smp:|Machine' | sed 's/^/log: /'
`

const guestHears = `
	ged) echo "ged=$(awk '/ACPI:Ged/ { n = 0; for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i; print n }' /proc/interrupts)";;
`

// No complaint is excused.
var harmless, withTrace = regexp.MustCompile(`$.`), regexp.MustCompile(`$.`)

var kernels = []linux{
	{nest.Generic, false, 1, 384 * mib, "quiet", "off", vmm.ExitPowerOff},
	{nest.Cloud, false, 2, 512 * mib, "quiet", "reset", vmm.ExitReset},
	{nest.Older, false, 2, 384 * mib, "quiet", "panic", vmm.ExitReset},
}

// whileBooting has the machine stand any number of times, which the guest doesn't notice.
func whileBooting(t *testing.T, g *guest) {
	t.Helper()

	for range 5 {
		time.Sleep(50 * time.Millisecond)
		require.NoError(t, g.m.Pause(t.Context()))
		time.Sleep(10 * time.Millisecond)
		require.NoError(t, g.m.Resume(t.Context()))
	}
}

// look is at what the kernel knows from ACPI alone.
func (linux) look(t *testing.T, g *guest) {
	t.Helper()

	for line := range strings.Lines(g.output()) {
		if m, ok := strings.CutPrefix(line, "log: "); ok {
			t.Log(strings.TrimSpace(m))
		}
	}

	require.Empty(t, g.value("devicetree="))
	require.Equal(t, "ttyAMA0", g.value("console="))
	require.Equal(t, "arch_sys_counter", g.value("clocksource="))
	t.Log(g.value("tables="), g.value("devices="))
	require.Subset(t, strings.Fields(g.value("tables=")), []string{"APIC", "DSDT", "FACP", "GTDT", "SPCR"})

	// The power button: the guest sees the event, and takes it back.
	require.NoError(t, g.m.PowerButton())
	g.until("an event", func(string) bool { return g.asks("ged", "ged=") == "1" })
}

func testLinuxMore(*testing.T) {}
