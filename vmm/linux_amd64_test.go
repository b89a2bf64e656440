package vmm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
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
echo "rtc=$(cat /sys/class/rtc/rtc0/since_epoch)"
echo "setup data=$(cd /sys/kernel/boot_params/setup_data 2>/dev/null && cat 0/type)"
irqs() { awk '/rtc0/ { n = 0; for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i; print n }' /proc/interrupts; }
wakealarm=/sys/class/rtc/rtc0/wakealarm
echo "rtc irqs before=$(irqs)"
echo +2 >$wakealarm
echo "clocksource=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
dmesg | grep -E 'ACPI BIOS|ACPI.*Error|BUG|WARNING|Firmware Bug|MP-BIOS|calibration failed|Call Trace' | sed 's/^/dmesg: /'
echo "ready"
while read -r cmd arg; do
	case $cmd in
	echo) echo "got=$arg";;
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
	off) stty -echo; poweroff -f;;
	reset) stty -echo; reboot -f;;
	panic) stty -echo; echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger;;
	esac
done
`

// These warnings the rig causes, whatever monitor runs in it: the emulated processor has
// old microcode; and QEMU's emulated SVM has no intercept for XSETBV, so KVM doesn't
// learn of it and shows a wrong size of the XSAVE area. That one comes with a trace.
var (
	harmless  = regexp.MustCompile(`Speculative Return Stack Overflow: WARNING`)
	withTrace = regexp.MustCompile(`WARNING: CPU: \d+ PID: \d+ at arch/x86/kernel/fpu/xstate\.c:\d+ fpu__init_system_xstate\+`)
)

// complaints are the lines that a kernel has logged of something being wrong, but for the
// harmless ones.
func complaints(console string) (wrong []string) {
	excused := false // the line before is the warning that has a trace

	for line := range strings.Lines(console) {
		m, ok := strings.CutPrefix(line, "dmesg: ")
		if !ok {
			continue
		}

		trace := excused && strings.Contains(m, "Call Trace:")
		excused = withTrace.MatchString(m)

		if !trace && !excused && !harmless.MatchString(m) {
			wrong = append(wrong, strings.TrimSuffix(m, "\n"))
		}
	}

	return wrong
}

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

// Stock kernels, from the first instruction to the end they choose.
func TestLinux(t *testing.T) {
	if !testutil.LinuxGuest(t) {
		return
	}

	testutil.NoLeaks(t)

	ramdisk, err := nest.GuestInitrd(t.Context(), guestInit)
	require.NoError(t, err)

	initrd := filepath.Join(t.TempDir(), "initrd")
	require.NoError(t, os.WriteFile(initrd, ramdisk, 0o644))

	const (
		mib = 1 << 20
		gib = 1 << 30
	)

	for _, c := range []struct {
		flavour nest.Flavour
		pvh     bool
		cpus    int
		memory  uint64
		args    string
		command string
		want    vmm.ExitReason
	}{
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
	} {
		kind := "bzImage"
		if c.pvh {
			kind = "PVH"
		}

		t.Run(fmt.Sprintf("%s %s %dCPU %dMiB %s %s", c.flavour, kind, c.cpus, c.memory/mib, c.args, c.command), func(t *testing.T) {
			kernel := kernelImage(t, c.flavour, c.pvh)
			cmdline := "console=ttyS0 panic=-1 " + c.args

			g := boot(t, vmm.Config{Memory: c.memory, CPUs: c.cpus, Boot: vmm.Linux{Kernel: kernel, Initrd: initrd, Cmdline: cmdline}})

			g.expect("ready")
			require.Equal(t, strconv.Itoa(c.cpus), g.value("nproc="))
			require.Equal(t, cmdline, g.value("cmdline="))

			total, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(g.value("MemTotal:")), " kB"), 10, 64)
			require.NoError(t, err)
			require.InEpsilon(t, c.memory, total<<10, 0.4, "MemTotal")
			require.Less(t, total<<10, c.memory)

			if c.memory > 3*gib {
				require.Greater(t, total<<10, uint64(4*gib), "the RAM above 4 GiB")
			}

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

			for _, m := range complaints(g.output()) {
				t.Errorf("kernel: %s", m)
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

			g.send("echo over the wire")
			g.expect("got=over the wire")
			g.send(c.command)

			e := g.wait()
			require.Equal(t, c.want, e.Reason, "%v", e)

			if c.command == "panic" {
				require.Contains(t, g.output(), "Kernel panic - not syncing")
			}
		})
	}

	t.Run("pause while it boots", func(t *testing.T) {
		g := boot(t, vmm.Config{Memory: 256 << 20, CPUs: 2, Boot: vmm.Linux{
			Kernel: kernelImage(t, nest.Cloud, true), Initrd: initrd, Cmdline: "console=ttyS0",
		}})

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
		g := boot(t, vmm.Config{Memory: 256 << 20, Devices: []vmm.Device{answer{}}, Boot: vmm.Linux{
			// The cloud kernel has no /dev/port.
			Kernel: kernelImage(t, nest.Generic, true), Initrd: initrd, Cmdline: "console=ttyS0 quiet",
		}})

		fix, err := patch.New("fix", patch.Func(answerRead, func(answer) byte { return 'B' }))
		require.NoError(t, err)

		engine := patch.NewEngine(patch.Options{})

		ask := func() string {
			seen := strings.Count(g.output(), "port=")
			g.send("port")
			g.until("an answer", func(s string) bool {
				last := strings.LastIndex(s, "port=")
				return strings.Count(s, "port=") > seen && strings.Contains(s[last:], "\n")
			})

			s := g.output()

			return s[strings.LastIndex(s, "port=")+len("port="):][:1]
		}

		g.expect("ready")
		require.Equal(t, "A", ask())

		_, err = engine.Apply(t.Context(), fix, patch.On(g.m.Domain()))
		require.NoError(t, err)
		require.Equal(t, "B", ask())

		_, err = engine.Revert(t.Context(), fix, patch.On(g.m.Domain()))
		require.NoError(t, err)
		require.Equal(t, "A", ask())

		g.send("off")
		require.Equal(t, vmm.ExitPowerOff, g.wait().Reason)
	})
}

// answer is an embedder's device at port 0x510: one register, one slot.
type answer struct{}

var answerRead = patch.NewSlot("vmm_test/answer.read", func(answer) byte { return 'A' })

func (a answer) Attach(p vmm.Platform) error { return p.PIO("answer", 0x510, 1, vmm.Direct(a)) }

func (a answer) Read(s patch.Section, _ uint64, data []byte) { data[0] = answerRead.In(s)(a) }

func (a answer) Write(patch.Section, uint64, []byte) {}

func kernelImage(t *testing.T, f nest.Flavour, pvh bool) string {
	t.Helper()

	if pvh {
		path, err := nest.Vmlinux(t.Context(), f)
		require.NoError(t, err)

		return path
	}

	k, err := nest.Kernel(t.Context(), f)
	require.NoError(t, err)

	return k.Vmlinuz
}
