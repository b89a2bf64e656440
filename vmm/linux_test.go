package vmm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
echo "clocksource=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
` + guestLooks + `
echo "ready"
while read -r cmd arg; do
	case $cmd in
	echo) echo "got=$arg";;
` + guestHears + `
	off) stty -echo; poweroff -f;;
	reset) stty -echo; reboot -f;;
	panic) stty -echo; echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger;;
	esac
done
`

// complaints are the lines that a kernel has logged of something being wrong, but for the
// harmless ones.
func complaints(console string) (wrong []string) {
	excused := false // the line before is a warning that has a trace

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

// linux is a stock kernel with a machine for it, and how that ends.
type linux struct {
	flavour nest.Flavour
	pvh     bool // rather than the file that boot loaders take
	cpus    int
	memory  uint64
	args    string
	command string
	want    vmm.ExitReason
}

const (
	mib = 1 << 20
	gib = 1 << 30
)

func (c linux) String() string {
	kind := "image"
	if c.pvh {
		kind = "PVH"
	}

	return fmt.Sprintf("%s %s %dCPU %dMiB %s %s", c.flavour, kind, c.cpus, c.memory/mib, c.args, c.command)
}

// kernel is its file.
func (c linux) kernel(t *testing.T) string {
	t.Helper()

	if c.pvh {
		path, err := nest.Vmlinux(t.Context(), c.flavour)
		require.NoError(t, err)

		return path
	}

	k, err := nest.Kernel(t.Context(), c.flavour)
	require.NoError(t, err)

	return k.Vmlinuz
}

// boot starts it with a system whose first process is the script.
func (c linux) boot(t *testing.T, script string, cfg vmm.Config) *guest {
	t.Helper()

	ramdisk, err := nest.GuestInitrd(t.Context(), script)
	require.NoError(t, err)

	initrd := filepath.Join(t.TempDir(), "initrd")
	require.NoError(t, os.WriteFile(initrd, ramdisk, 0o644))

	cfg.Boot = vmm.Linux{Kernel: c.kernel(t), Initrd: initrd, Cmdline: c.cmdline()}

	return boot(t, cfg)
}

func (c linux) cmdline() string { return strings.TrimSpace(consoleArgs + " panic=-1 " + c.args) }

// asks has the guest say something that it says more than once, and gives it.
func (g *guest) asks(command, prefix string) string {
	g.t.Helper()

	seen := strings.Count(g.output(), prefix)

	g.send(command)
	g.until("an answer", func(s string) bool {
		last := strings.LastIndex(s, prefix)
		return strings.Count(s, prefix) > seen && strings.Contains(s[last:], "\n")
	})

	s := g.output()
	answer, _, _ := strings.Cut(s[strings.LastIndex(s, prefix)+len(prefix):], "\n")

	return answer
}

// Stock kernels, from the first instruction to the end they choose: with ACPI, and with
// nothing else to tell them of the machine.
func TestLinux(t *testing.T) {
	if !testutil.LinuxGuest(t) {
		return
	}

	testutil.NoLeaks(t)

	for _, c := range kernels {
		t.Run(c.String(), func(t *testing.T) { c.test(t) })
	}

	testLinuxMore(t)
}

func (c linux) test(t *testing.T) {
	g := c.boot(t, guestInit, vmm.Config{Memory: c.memory, CPUs: c.cpus})

	whileBooting(t, g)
	g.expect("ready")
	require.Equal(t, strconv.Itoa(c.cpus), g.value("nproc="))
	require.Equal(t, c.cmdline(), g.value("cmdline="))

	total, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(g.value("MemTotal:")), " kB"), 10, 64)
	require.NoError(t, err)
	require.InEpsilon(t, c.memory, total<<10, 0.4, "MemTotal")
	require.Less(t, total<<10, c.memory)

	if c.memory > 3*gib {
		require.Greater(t, total<<10, uint64(4*gib), "the RAM above 4 GiB")
	}

	for _, m := range complaints(g.output()) {
		t.Errorf("kernel: %s", m)
	}

	c.look(t, g)
	g.send("echo over the wire")
	g.expect("got=over the wire")

	start := time.Now()

	g.send(c.command)

	e := g.wait()
	require.Equal(t, c.want, e.Reason, "%v", e)
	t.Logf("ended %.2f s after %s", time.Since(start).Seconds(), c.command)

	if c.command == "panic" {
		require.Contains(t, g.output(), "Kernel panic - not syncing")
	}
}
