//go:build !arm64

package vmm_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

const consoleArgs = "console=ttyS0"

const guestLooks = `
echo "rtc=$(cat /sys/class/rtc/rtc0/since_epoch)"
echo "setup data=$(cd /sys/kernel/boot_params/setup_data 2>/dev/null && cat 0/type)"
irqs() { awk '/rtc0/ { n = 0; for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i; print n }' /proc/interrupts; }
wakealarm=/sys/class/rtc/rtc0/wakealarm
echo "rtc irqs before=$(irqs)"
echo +2 >$wakealarm
dmesg | grep -E 'ACPI BIOS|ACPI.*Error|BUG|WARNING|Firmware Bug|MP-BIOS|calibration failed|Call Trace' | sed 's/^/dmesg: /'
`

const guestHears = `
	port) echo "port=$(dd if=/dev/port bs=1 skip=$((0x510)) count=1 2>/dev/null)";;
	alarm)
		# The kernel forgets the alarm when its interrupt has come. One that was past
		# before it was set, on a slow machine, is set again for later.
		for later in +5 +20 0; do
			for i in $(seq 50); do [ "$(cat $wakealarm)" ] || break; sleep 0.1; done
			[ "$(irqs)" = 0 ] || break
			echo 0 >$wakealarm
			echo $later >$wakealarm
		done
		echo "rtc alarm left=$(cat $wakealarm)"
		echo "rtc irqs=$(irqs)";;
`

// These warnings the rig causes, whatever monitor runs in it: the emulated processor has
// old microcode; and QEMU's emulated SVM has no intercept for XSETBV, so KVM doesn't
// learn of it and shows a wrong size of the XSAVE area. That one comes with a trace.
var (
	harmless  = regexp.MustCompile(`Speculative Return Stack Overflow: WARNING`)
	withTrace = regexp.MustCompile(`WARNING: CPU: \d+ PID: \d+ at arch/x86/kernel/fpu/xstate\.c:\d+ fpu__init_system_xstate\+`)
)

func TestComplaints(t *testing.T) {
	testutil.Pure(t)

	const (
		srso   = "dmesg: [    0.389482] Speculative Return Stack Overflow: WARNING: See https://kernel.org/...\n"
		xstate = "dmesg: [    0.389482] WARNING: CPU: 0 PID: 0 at arch/x86/kernel/fpu/xstate.c:606 fpu__init_system_xstate+0x85a/0xb19\n"
		trace  = "dmesg: [    0.389482] Call Trace:\n"
		other  = "dmesg: [    0.500000] WARNING: CPU: 1 PID: 7 at kernel/x.c:1 f+0x1/0x2\n"
	)

	for console, want := range map[string]int{
		"":                                    0,
		"userspace\nBUG\nCall Trace:\n":       0, // not of the kernel's log
		srso + xstate + trace:                 0,
		xstate + srso:                         0,
		xstate + trace + xstate + trace:       0,
		trace:                                 1,
		srso + trace:                          1,
		xstate + trace + trace:                1,
		xstate + trace + other + trace:        2,
		xstate + other + trace:                2,
		other + "x\n" + srso + xstate + trace: 1,
	} {
		require.Len(t, complaints(console), want, console)
	}
}

var kernels = []linux{
	{nest.Cloud, false, 1, 256 * mib, "quiet", "off", vmm.ExitPowerOff},
	{nest.Cloud, false, 2, 5 * gib, "quiet", "reset", vmm.ExitReset},
	{nest.Cloud, true, 2, 512 * mib, "quiet", "panic", vmm.ExitReset},
	{nest.Generic, false, 2, 512 * mib, "quiet", "off", vmm.ExitPowerOff},
	{nest.Generic, true, 1, 512 * mib, "quiet", "reset", vmm.ExitReset},
	// The other ways to reset: by the keyboard controller, and by a triple fault.
	{nest.Cloud, true, 1, 256 * mib, "quiet reboot=k", "reset", vmm.ExitReset},
	{nest.Cloud, true, 1, 256 * mib, "quiet reboot=t", "reset", vmm.ExitTripleFault},
	// Another timer than TSC deadline, and another clock than kvm-clock. Without any
	// kvm-clock a kernel measures the TSC by the PM timer, for which an exit must not
	// take more than 50000 cycles; here they take more.
	{nest.Cloud, true, 1, 256 * mib, "quiet lapic=notscdeadline clocksource=acpi_pm", "off", vmm.ExitPowerOff},
}

func whileBooting(*testing.T, *guest) {}

// look is at what is left of the loader, and at the clocks of a PC.
func (c linux) look(t *testing.T, g *guest) {
	t.Helper()

	if c.pvh {
		require.Empty(t, g.value("setup data="))
	} else {
		require.Equal(t, "0x9", g.value("setup data="))

		// The kernel has taken the random numbers, and said so.
		b := make([]byte, 16+32)
		_, err := g.m.Memory().ReadAt(b, layout.SetupData)
		require.NoError(t, err)
		require.Equal(t, append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 9}, make([]byte, 3+4+32)...), b)
	}

	rtc, err := strconv.ParseInt(g.value("rtc="), 10, 64)
	require.NoError(t, err)
	require.InDelta(t, time.Now().Unix(), rtc, 30)

	if strings.Contains(c.args, "acpi_pm") {
		require.Equal(t, "acpi_pm", g.value("clocksource="))
	} else {
		require.Equal(t, "kvm-clock", g.value("clocksource="))
		require.NotContains(t, g.output(), "calibration failed")
	}

	// The clock's interrupts are the alarm's: there was none before it was set.
	require.Equal(t, "0", g.value("rtc irqs before="))
	g.send("alarm")
	g.until("a count of the clock's interrupts", func(s string) bool {
		_, after, ok := strings.Cut(s, "rtc irqs=")
		return ok && strings.Contains(after, "\n")
	})
	require.Empty(t, g.value("rtc alarm left="))

	irqs, err := strconv.Atoi(g.value("rtc irqs="))
	require.NoError(t, err)
	require.Positive(t, irqs, "the alarm's interrupt")
}

func testLinuxMore(t *testing.T) {
	t.Run("pause while it boots", func(t *testing.T) {
		g := linux{flavour: nest.Cloud, pvh: true}.boot(t, guestInit, vmm.Config{Memory: 256 << 20, CPUs: 2})

		for i := range 20 {
			time.Sleep(time.Duration(10*i) * time.Millisecond)
			require.NoError(t, g.m.Pause(t.Context()))
			require.Equal(t, vmm.Paused, g.m.State())
			time.Sleep(20 * time.Millisecond)
			require.NoError(t, g.m.Resume(t.Context()))
		}

		g.expect("ready")
		g.send("off")
		require.Equal(t, vmm.ExitPowerOff, g.wait().Reason)
	})

	t.Run("patch a device under a running kernel", func(t *testing.T) {
		// The cloud kernel has no /dev/port.
		k := linux{flavour: nest.Generic, pvh: true, args: "quiet"}
		g := k.boot(t, guestInit, vmm.Config{Memory: 256 << 20, Devices: []vmm.Device{answer{}}})
		says := func(want string) { require.Equal(t, want, g.asks("port", "port=")) }

		g.expect("ready")
		says("A")
		repaired(t, g.m, func() { says("B") })
		says("A")

		g.send("off")
		require.Equal(t, vmm.ExitPowerOff, g.wait().Reason)
	})
}
