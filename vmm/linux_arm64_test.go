package vmm_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/vmm"
)

const consoleArgs = "" // a kernel finds it by ACPI

const guestLooks = `
echo "devicetree=$(ls -d /proc/device-tree 2>/dev/null)"
echo "tables=$(ls /sys/firmware/acpi/tables | tr '\n' ' ')"
echo "console=$(cat /sys/class/tty/console/active)"
echo "devices=$(ls /sys/bus/acpi/devices | tr '\n' ' ')"
echo "date=$(date +%s) rtc $(cat /sys/class/rtc/rtc0/since_epoch) $(cat /sys/class/rtc/rtc0/name) $(cat /sys/class/rtc/rtc0/hctosys)"
echo "ptp=$(cat /sys/class/ptp/ptp*/clock_name)"
echo "kaslr=$(dmesg | grep -o 'KASLR [a-z].*')"
echo "random=$(dmesg | grep -m 1 'crng init done')"
dmesg | grep -iE 'CRC check failed|ACPI.*(error|warn|bug|fail|excep|invalid)|BUG|WARNING|Firmware Bug|FW_|Call trace|efi:.*(fail|error)|GIC.*(fail|error)|psci.*(fail|error)' | sed 's/^/dmesg: /'
dmesg | grep -E 'psci|GICv3|ITS|efi:|ACPI:|SPCR|PMU|smp:|Machine' | sed 's/^/log: /'
`

const guestHears = `
	clock) date -s @$arg >/dev/null; hwclock -u -w -f /dev/rtc0; echo "clock=$? $(cat /sys/class/rtc/rtc0/since_epoch)";;
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

	// It has set its clock by ours, and may set ours. KVM has another one for it.
	var now, rtc int64

	_, err := fmt.Sscanf(g.value("date="), "%d rtc %d rtc-efi rtc-efi.0 1", &now, &rtc)
	require.NoError(t, err, g.value("date="))
	require.InDelta(t, time.Now().Unix(), now, 30)
	require.InDelta(t, now, rtc, 5)
	require.Equal(t, "KVM virtual PTP", g.value("ptp="))

	g.send("clock 1500000000")
	g.until("the clock", func(s string) bool {
		_, after, ok := strings.Cut(s, "clock=")
		return ok && strings.Contains(after, "\n")
	})

	_, err = fmt.Sscanf(g.value("clock="), "0 %d", &rtc)
	require.NoError(t, err, g.value("clock="))
	require.InDelta(t, 1500000000, rtc, 30)

	require.Equal(t, "KASLR enabled", g.value("kaslr="))
	require.Contains(t, g.value("random="), "[    0.000000]", "ready before anything can ask")
	requireNoSeeds(t, g.m.Memory())

	// The power button: the guest sees the event, and takes it back.
	require.NoError(t, g.m.PowerButton())
	g.until("an event", func(string) bool { return g.asks("ged", "ged=") == "1" })
}

func testLinuxMore(*testing.T) {}

// requireNoSeeds holds that the kernel has taken its random numbers out of the device tree.
func requireNoSeeds(t *testing.T, memory vmm.Memory) {
	t.Helper()

	const seedWords = 3 + 32/4 // of a property: its token, its size, its name, and the numbers

	tree := make([]byte, arm64.FDTSize)
	_, err := memory.ReadAt(tree, arm64.FDT)
	require.NoError(t, err)

	// What the kernel read is one word after the other of nothing.
	require.True(t, bytes.Contains(tree, bytes.Repeat([]byte{0, 0, 0, 4}, seedWords)), "rng-seed")
	require.Regexp(t, `(?s)\x00\x00\x00\x03\x00\x00\x00\x08\x00\x00..\x00{8}`, string(tree), "kaslr-seed")
}
