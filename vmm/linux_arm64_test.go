package vmm_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// guestInit looks around, then takes commands from the console. stty waits until all
// that was written has left.
const guestInit = `
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
stty -echo
echo "userspace"
echo "uptime=$(cat /proc/uptime)"
echo "nproc=$(nproc)"
echo "cmdline=$(cat /proc/cmdline)"
echo "$(grep MemTotal /proc/meminfo)"
echo "devicetree=$(ls -d /proc/device-tree 2>/dev/null)"
echo "tables=$(ls /sys/firmware/acpi/tables | tr '\n' ' ')"
echo "console=$(cat /sys/class/tty/console/active)"
echo "devices=$(ls /sys/bus/acpi/devices | tr '\n' ' ')"
echo "clocksource=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo "date=$(date +%s) rtc $(cat /sys/class/rtc/rtc0/since_epoch) $(cat /sys/class/rtc/rtc0/name) $(cat /sys/class/rtc/rtc0/hctosys)"
echo "ptp=$(cat /sys/class/ptp/ptp*/clock_name)"
echo "kaslr=$(dmesg | grep -o 'KASLR [a-z].*')"
echo "random=$(dmesg | grep -m 1 'crng init done')"
dmesg | grep -iE 'CRC check failed|ACPI.*(error|warn|bug|fail|excep|invalid)|BUG|WARNING|Firmware Bug|FW_|Call trace|efi:.*(fail|error)|GIC.*(fail|error)|psci.*(fail|error)' | sed 's/^/dmesg: /'
dmesg | grep -E 'psci|GICv3|ITS|efi:|ACPI:|SPCR|PMU|smp:|Machine' | sed 's/^/log: /'
echo "ready"
while read -r cmd arg; do
	case $cmd in
	echo) echo "got=$arg";;
	clock) date -s @$arg >/dev/null; hwclock -u -w -f /dev/rtc0; echo "clock=$? $(cat /sys/class/rtc/rtc0/since_epoch)";;
	ged) echo "ged=$(awk '/ACPI:Ged/ { n = 0; for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i; print n }' /proc/interrupts)";;
	off) stty -echo; poweroff -f;;
	reset) stty -echo; reboot -f;;
	panic) stty -echo; echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger;;
	esac
done
`

// complaints are the lines that a kernel has logged of something being wrong.
func complaints(console string) (wrong []string) {
	for line := range strings.Lines(console) {
		if m, ok := strings.CutPrefix(line, "dmesg: "); ok {
			wrong = append(wrong, strings.TrimSuffix(m, "\n"))
		}
	}

	return wrong
}

// Stock kernels, from the first instruction to the end they choose: with ACPI, and with
// nothing else to tell them of the machine.
func TestLinux(t *testing.T) {
	if !testutil.LinuxGuest(t) {
		return
	}

	testutil.NoLeaks(t)

	ramdisk, err := nest.GuestInitrd(t.Context(), guestInit)
	require.NoError(t, err)

	initrd := filepath.Join(t.TempDir(), "initrd")
	require.NoError(t, os.WriteFile(initrd, ramdisk, 0o644))

	const mib = 1 << 20

	for _, c := range []struct {
		flavour nest.Flavour
		cpus    int
		memory  uint64
		command string
		want    vmm.ExitReason
	}{
		{nest.Generic, 1, 384 * mib, "off", vmm.ExitPowerOff},
		{nest.Cloud, 2, 512 * mib, "reset", vmm.ExitReset},
		{nest.Older, 2, 384 * mib, "panic", vmm.ExitReset},
	} {
		t.Run(fmt.Sprintf("%s %dCPU %dMiB %s", c.flavour, c.cpus, c.memory/mib, c.command), func(t *testing.T) {
			kernel, err := nest.Kernel(t.Context(), c.flavour)
			require.NoError(t, err)

			const cmdline = "panic=-1 quiet"

			g := boot(t, vmm.Config{Memory: c.memory, CPUs: c.cpus, Boot: vmm.Linux{Kernel: kernel.Vmlinuz, Initrd: initrd, Cmdline: cmdline}})

			// It stands any number of times while it boots, and doesn't notice.
			for range 5 {
				time.Sleep(50 * time.Millisecond)
				require.NoError(t, g.m.Pause(t.Context()))
				time.Sleep(10 * time.Millisecond)
				require.NoError(t, g.m.Resume(t.Context()))
			}

			g.expect("ready")

			for line := range strings.Lines(g.output()) {
				if m, ok := strings.CutPrefix(line, "log: "); ok {
					t.Log(strings.TrimSpace(m))
				}
			}

			require.Equal(t, strconv.Itoa(c.cpus), g.value("nproc="))
			require.Equal(t, cmdline, g.value("cmdline="))
			require.Empty(t, g.value("devicetree="))
			require.Equal(t, "ttyAMA0", g.value("console="))
			require.Equal(t, "arch_sys_counter", g.value("clocksource="))
			t.Log(g.value("tables="), g.value("devices="))
			require.Subset(t, strings.Fields(g.value("tables=")), []string{"APIC", "DSDT", "FACP", "GTDT", "SPCR"})
			require.Empty(t, complaints(g.output()))

			total, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(g.value("MemTotal:")), " kB"), 10, 64)
			require.NoError(t, err)
			require.InEpsilon(t, c.memory, total<<10, 0.4, "MemTotal")
			require.Less(t, total<<10, c.memory)

			// It has set its clock by ours, and may set ours. KVM has another one for it.
			var now, rtc int64

			_, err = fmt.Sscanf(g.value("date="), "%d rtc %d rtc-efi rtc-efi.0 1", &now, &rtc)
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

			g.send("echo over the wire")
			g.expect("got=over the wire")

			// The power button: the guest sees the event, and takes it back.
			require.NoError(t, g.m.PowerButton())
			g.until("an event", func(string) bool {
				seen := strings.Count(g.output(), "ged=")
				g.send("ged")
				g.until("an answer", func(s string) bool {
					last := strings.LastIndex(s, "ged=")
					return strings.Count(s, "ged=") > seen && strings.Contains(s[last:], "\n")
				})

				s := g.output()

				return strings.HasPrefix(s[strings.LastIndex(s, "ged="):], "ged=1\n")
			})

			start := time.Now()
			g.send(c.command)

			e := g.wait()
			require.Equal(t, c.want, e.Reason, "%v", e)
			t.Logf("ended %.2f s after %s", time.Since(start).Seconds(), c.command)

			if c.command == "panic" {
				require.Contains(t, g.output(), "Kernel panic - not syncing")
			}
		})
	}
}

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
