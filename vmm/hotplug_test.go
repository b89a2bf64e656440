package vmm_test

import (
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// hotInit answers each command with a line that begins with the number of the command.
const hotInit = `
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
stty -echo
cd /sys/devices/system/cpu
cpus() { echo "online $(cat online) present $(cat present) enabled $(cat enabled 2>/dev/null)"; }
echo "uptime=$(cat /proc/uptime)"
echo "ready"
n=0
while read -r cmd arg; do
	n=$((n + 1))
	case $cmd in
	cpus) echo "$n: $(cpus)";;
	up) echo 1 >cpu$arg/online; echo "$n: $? $(cpus)";;
	down) echo 0 >cpu$arg/online; echo "$n: $? $(cpus)";;
	modes) echo "$n: $(cat /sys/power/state) $(cat /sys/power/mem_sleep)";;
	mem) echo mem >/sys/power/state; echo "$n: $? $(cpus)";;
	wakeup) echo enabled >/sys/class/tty/ttyS0/power/wakeup; echo "$n: $?";;
	freeze) echo freeze >/sys/power/state; echo "$n: $? $(cpus)";;
	alarm) echo +$arg >/sys/class/rtc/rtc0/wakealarm; echo "$n: $?";;
	clock) echo "$n: $(date +%s)";;
	slept) echo "$n: $(cat /sys/power/suspend_stats/success)";;
	leaves) echo "$n: $(ls cpu0/cache | tr '\n' ' ') $(dmesg | grep -iE 'cacheinfo|PPTT' | tr '\n' ';')";;
	cache) echo "$n: $(cd cpu$arg/cache && for i in index*; do echo "L$(cat $i/level) $(cat $i/type) $(cat $i/size) $(cat $i/shared_cpu_list),"; done | tr '\n' ' ')";;
	lines) echo "$n: $(cd cpu1/cache && cat index*/coherency_line_size index*/ways_of_associativity | tr '\n' ' ')";;
	topology) echo "$n: package $(cat cpu$arg/topology/physical_package_id) cluster $(cat cpu$arg/topology/cluster_cpus_list) core $(cat cpu$arg/topology/core_siblings_list)";;
	total) echo "$n: $(awk '/MemTotal/ { print $2 }' /proc/meminfo)";;
	blocks) echo "$n: $(ls -d /sys/devices/system/memory/memory* | wc -l) $(cat /sys/devices/system/memory/block_size_bytes) $(grep -l offline /sys/devices/system/memory/*/state | wc -l)";;
	online) for i in /sys/devices/system/memory/memory*/state; do grep -q offline $i && echo online_movable >$i; done; echo "$n: $?";;
	log) dmesg | grep -iE "$arg" | tail -20 | sed "s/^/log: /"; echo "$n: end";;
	off) stty -echo; poweroff -f;;
	esac
done
`

// commander sends commands one after the other, and gets what each says.
type commander struct {
	*guest
	n int
}

func (c *commander) do(command string) string {
	c.t.Helper()

	c.n++
	c.send(command)

	return c.result(command)
}

// result waits for what the command says that was sent last.
func (c *commander) result(command string) string {
	c.t.Helper()

	prefix := "\n" + strconv.Itoa(c.n) + ": "
	c.until(command, func(s string) bool {
		_, v, ok := strings.Cut("\n"+s, prefix)
		return ok && strings.Contains(v, "\n")
	})

	v := strings.TrimSpace(c.value(prefix[1:]))
	c.t.Logf("%-12s %s", command, v)

	return v
}

// commanded boots a stock kernel.
func commanded(t *testing.T, cfg vmm.Config) *commander {
	t.Helper()

	// The other one has no ACPI_HOTPLUG_MEMORY. Newer kernels bring memory online by themselves,
	// and not so that it can go again.
	k := linux{flavour: nest.Cloud, args: "quiet memhp_default_state=offline"}
	c := &commander{guest: k.boot(t, hotInit, cfg)}
	c.expect("ready")

	return c
}

// A stock kernel gets vCPUs and gives them back, and sleeps and wakes up.
func TestLinux_hotplug(t *testing.T) {
	if !testutil.LinuxGuest(t) {
		return
	}

	testutil.NoLeaks(t)

	cfg := vmm.Config{Memory: 384 << 20, MaxMemory: 1024 << 20, CPUs: 2, MaxCPUs: 3}
	if runtime.GOARCH == "arm64" {
		cfg.Topology.Caches = vmm.UsualCaches // whatever the host has
	}

	c := commanded(t, cfg)

	require.Contains(t, c.do("cpus"), "online 0-1 present")

	if runtime.GOARCH == "arm64" { // also while one isn't there
		require.Equal(t, "L1 Data 64K 1, L1 Instruction 64K 1, L2 Unified 1024K 1, L3 Unified 32768K 0-1,", c.do("cache 1"))
	}

	id, err := c.m.AddCPU(c.ctx)
	require.NoError(t, err)
	require.Equal(t, 2, id)
	c.do("cpus")
	require.Contains(t, c.do("up 2"), "0 online 0-2")

	_, err = c.m.AddCPU(c.ctx)
	require.ErrorIs(t, err, vmm.ErrConfig)

	if runtime.GOARCH == "arm64" {
		require.Equal(t, "L1 Data 64K 2, L1 Instruction 64K 2, L2 Unified 1024K 2, L3 Unified 32768K 0-2,", c.do("cache 2"))
	}

	c.sleeps("0 online 0-2")

	if runtime.GOARCH == "amd64" {
		c.sleepsUntil("0 online 0-2")
		c.freezes("0 online 0-2")
	}

	require.NoError(t, c.m.RemoveCPU(c.ctx, 2))
	require.Contains(t, c.do("cpus"), "online 0-1 ")
	require.ErrorIs(t, c.m.RemoveCPU(c.ctx, 2), vmm.ErrConfig)
	require.ErrorIs(t, c.m.RemoveCPU(c.ctx, 1), vmm.ErrConfig)

	_, err = c.m.AddCPU(c.ctx)
	require.NoError(t, err)
	require.Contains(t, c.do("up 2"), "0 online 0-2")
	require.Contains(t, c.do("down 1"), "0 online 0,2")

	before, err := strconv.Atoi(c.do("total"))
	require.NoError(t, err)
	c.do("blocks")

	for want := range 2 {
		id, err := c.m.AddMemory(c.ctx, 256<<20)
		require.NoError(t, err)
		require.Equal(t, want, id)
	}

	for _, n := range []uint64{256 << 20, vmm.MemoryUnit / 2} {
		_, err = c.m.AddMemory(c.ctx, n)
		require.ErrorIs(t, err, vmm.ErrConfig)
	}
	c.do("blocks")
	c.do("online")
	c.do("blocks")

	after, err := strconv.Atoi(c.do("total"))
	require.NoError(t, err)
	require.Greater(t, after, before+500<<10)

	c.givesBack(before)

	c.do("log ACPI (error|warning|bios|exception)|Firmware Bug|AE_[A-Z]|Eject incomplete")
	require.NotContains(t, c.output(), "log: ")
	c.do("log psci|hot|PM: |CPU[0-9]|FACS|\\(supports")

	start := time.Now()

	c.send("off")

	e := c.wait()
	require.Equal(t, vmm.ExitPowerOff, e.Reason, "%v", e)
	t.Logf("ended %.2f s after off", time.Since(start).Seconds())

	for line := range strings.Lines(c.output()) {
		if m, ok := strings.CutPrefix(line, "log: "); ok {
			t.Log(strings.TrimSpace(m))
		}
	}
}

// sleeps has the guest suspend the machine, and wakes it.
func (c *commander) sleeps(want string) {
	c.t.Helper()

	t, states := c.t, c.m.States()

	require.Contains(t, c.do("modes"), "[deep]")

	for _, wake := range []func() error{c.m.Wake, c.m.PowerButton} {
		clock, at := time.Now(), c.clock()
		c.n++
		c.send("mem")

		start := time.Now()

		for s := range states {
			if s == vmm.Suspended {
				break
			}
		}

		t.Logf("suspended after %.2f s", time.Since(start).Seconds())

		used := cpuTime(t)

		require.NoError(t, c.m.Pause(c.ctx))
		require.NoError(t, c.m.Resume(c.ctx))
		require.Equal(t, vmm.Suspended, c.m.State())
		time.Sleep(3 * time.Second)
		require.Equal(t, vmm.Suspended, c.m.State())
		t.Logf("asleep the machine used %v", cpuTime(t)-used)
		require.NoError(t, wake())
		require.Contains(t, c.result("mem"), want)
		require.InDelta(t, time.Since(clock).Seconds(), c.clock()-at, 2)
		require.Equal(t, vmm.Running, c.m.State())
		require.ErrorIs(t, c.m.Wake(), vmm.ErrState)
	}
}

// sleepsUntil has the guest suspend the machine, until its clock's alarm comes.
func (c *commander) sleepsUntil(want string) {
	c.t.Helper()

	states, start := c.m.States(), time.Now()

	require.Equal(c.t, "0", c.do("alarm 5"))
	c.n++
	c.send("mem")

	for c.m.State() != vmm.Suspended {
		select {
		case <-states:
		case <-c.ctx.Done():
			c.t.Fatal("the guest doesn't sleep")
		}
	}

	require.Contains(c.t, c.result("mem"), want)
	require.Equal(c.t, vmm.Running, c.m.State())
	c.t.Logf("awake %.2f s after the alarm was set", time.Since(start).Seconds())
}

// clock is the guest's, in seconds.
func (c *commander) clock() float64 {
	c.t.Helper()

	n, err := strconv.ParseFloat(c.do("clock"), 64)
	require.NoError(c.t, err)

	return n
}

// freezes has the guest suspend to idle, which its machine doesn't see: its vCPUs only wait.
// Linux wakes up by interrupts of which it was told that they may wake it, as it can be of
// the serial port's; events of ACPI, a button's say, are not among them on such a machine, nor
// is the clock's alarm.
func (c *commander) freezes(want string) {
	c.t.Helper()

	t := c.t

	require.Equal(t, "0", c.do("wakeup"))

	before, err := strconv.Atoi(c.do("slept"))
	require.NoError(t, err)

	c.n++
	c.send("freeze")

	start, used := time.Now(), cpuTime(t)

	// What comes before it sleeps is only input, and blanks mean nothing.
	c.ticks(time.Second, func() bool {
		_, err := io.WriteString(c.keys, " ")
		require.NoError(t, err)

		return strings.Contains(c.output(), "\n"+strconv.Itoa(c.n)+": ")
	})

	require.Contains(t, c.result("freeze"), want)
	t.Logf("awake after %v, of which the machine used %v", time.Since(start), cpuTime(t)-used)
	require.Equal(t, strconv.Itoa(before+1), c.do("slept"))
	require.Equal(t, vmm.Running, c.m.State())
	require.ErrorIs(t, c.m.Wake(), vmm.ErrState)
}

// ticks does something now and then until it says that it is enough.
func (c *commander) ticks(pause time.Duration, enough func() bool) {
	c.t.Helper()

	for !enough() {
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
			c.t.Fatal("the guest doesn't go on")
		}
	}
}

// cpuTime is what this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()

	var u unix.Rusage

	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &u))

	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// givesBack has the guest give back two times 256 MiB that have come, and take them again.
func (c *commander) givesBack(total int) {
	c.t.Helper()

	t, ram := c.t, len(c.m.Memory().(*guestmem.Memory).Ranges())
	blocks := c.do("blocks")

	for _, id := range []int{-1, 2, 16} {
		require.ErrorIs(t, c.m.RemoveMemory(c.ctx, id), vmm.ErrConfig)
	}

	require.NoError(t, c.m.RemoveMemory(c.ctx, 0))
	require.ErrorIs(t, c.m.RemoveMemory(c.ctx, 0), vmm.ErrConfig)
	require.Len(t, c.m.Memory().(*guestmem.Memory).Ranges(), ram-1)

	left, err := strconv.Atoi(c.do("total"))
	require.NoError(t, err)
	require.InDelta(t, total+256<<10, left, 20<<10)

	for range 2 { // before it is in use
		id, err := c.m.AddMemory(c.ctx, 256<<20)
		require.NoError(t, err)
		require.NoError(t, c.m.RemoveMemory(c.ctx, id))
	}

	id, err := c.m.AddMemory(c.ctx, 256<<20)
	require.NoError(t, err)
	c.do("online")
	require.Equal(t, blocks, c.do("blocks"))
	require.NoError(t, c.m.RemoveMemory(c.ctx, 1))
	require.NoError(t, c.m.RemoveMemory(c.ctx, id))
	require.Len(t, c.m.Memory().(*guestmem.Memory).Ranges(), ram-2)
}
