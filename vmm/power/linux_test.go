package power_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/power"
)

// guestInit loads what it needs, and then takes commands from the console, each of which
// it answers with lines of names and values, and "end". The scheduler doesn't read the
// performance counters at every tick: in a busy rig exits take so long that nothing else would
// run.
const guestInit = `
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
stty -echo
for m in /modules/*.ko; do
	case $m in *cppc_cpufreq*) p=fie_disabled=1;; *) p=;; esac
	insmod $m $p || echo "insmod $m failed"
done
sleep 1
v() { for f in "$@"; do [ -e "$f" ] && echo "$f=$(cat $f 2>&1 | tr '\n' ' ')"; done; }
key() {
	for e in /dev/input/event*; do
		(dd if=$e bs=24 count=1 2>/dev/null | hexdump -v -e '24/1 "%02x"' | sed "s,^,key ," >/tmp/key.${e##*/}) &
	done
}
key
echo "end"
while read -r cmd arg; do
	case $cmd in
	power) cd /sys/class/power_supply; v */online */present */status */capacity */energy_now */energy_full */power_now */voltage_now */cycle_count */model_name; cd /;;
	thermal) cd /sys/class/thermal; v thermal_zone*/type thermal_zone*/temp thermal_zone*/trip_point_*_temp thermal_zone*/trip_point_*_type; cd /;;
	idle) v /sys/devices/system/cpu/cpuidle/current_driver; cd /sys/devices/system/cpu/cpu1/cpuidle; v state*/name state*/desc state*/latency state*/residency state*/usage state*/rejected; cd /;;
	cppc) cd /sys/devices/system/cpu/cpu1; v acpi_cppc/* cpufreq/scaling_driver cpufreq/cpuinfo_*_freq cpufreq/scaling_governor; cd /;;
	speed) cd /sys/devices/system/cpu/cpu1/cpufreq; cat cpuinfo_min_freq >scaling_min_freq; echo $arg >scaling_max_freq; echo $arg >scaling_min_freq; cd /;;
	key) sleep 1; for f in /tmp/key.*; do cat $f; echo; done;;
	irqs) awk '/ACPI:Ged/ { n = 0; for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i; print "irqs=" n }' /proc/interrupts;;
	devices) for d in /sys/bus/acpi/devices/*; do echo "${d##*/}=$(cat $d/status 2>/dev/null)"; done; ls /sys/bus/acpi/drivers | tr '\n' ' ' | sed 's/^/drivers=/'; echo;;
	dmesg) dmesg | grep -iE 'acpi|crng|vmgenid|thermal|battery' | sed 's/^/log: /'; dmesg | grep -E 'ACPI (BIOS|Error|Warning|Exception)|ACPI:.*([Ff]ailed|[Ii]nvalid)|Firmware Bug|FW_|BUG:' | sed 's/^/dmesg: /';;
	off) for e in /dev/input/event*; do (dd if=$e of=/dev/null bs=24 count=1 2>/dev/null; stty -echo; poweroff -f) & done; wait;;
	esac
	echo "end"
done
`

// guest is a Linux with a console that answers.
type guest struct {
	t    *testing.T
	m    *vmm.Machine
	ctx  context.Context
	keys *io.PipeWriter

	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func (g *guest) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.text.Write(bytes.ReplaceAll(p, []byte("\r"), nil))

	select {
	case g.news <- struct{}{}:
	default:
	}

	return len(p), nil
}

// answer waits for the next "end", and takes all before it.
func (g *guest) answer() string {
	g.t.Helper()

	for {
		g.mu.Lock()
		before, after, ok := strings.Cut("\n"+g.text.String(), "\nend\n")

		if ok {
			g.text.Reset()
			g.text.WriteString(after)
		}
		g.mu.Unlock()

		if ok {
			return strings.TrimPrefix(before, "\n")
		}

		select {
		case <-g.news:
		case <-g.ctx.Done():
			g.t.Fatalf("no answer: %v; machine is %v; console:\n%s", context.Cause(g.ctx), g.m.State(), before)
		}
	}
}

// ask gives a command, and what the guest says, by name.
func (g *guest) ask(command string) map[string]string {
	g.t.Helper()

	_, err := io.WriteString(g.keys, command+"\n")
	require.NoError(g.t, err)

	text := g.answer()
	g.t.Logf("%s:\n%s", command, text)

	values := map[string]string{}

	for line := range strings.Lines(text) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[k] = strings.TrimSpace(v)
	}

	return values
}

// becomes asks until the guest has an answer: it hears of changes when it gets to it.
func (g *guest) becomes(command, name, want string) {
	g.t.Helper()

	for {
		got := g.ask(command)[name]
		if got == want {
			return
		}

		require.NoError(g.t, g.ctx.Err(), "%s is %q and not %q", name, got, want)
		time.Sleep(200 * time.Millisecond)
	}
}

// machine is the features of a machine, and what the guest asked for.
type machine struct {
	battery *power.Battery
	ac      *power.ACAdapter
	zone    *power.ThermalZone
	sleep   *power.Button
	perf    *power.Performance
	id      *power.VMGenID

	mu       sync.Mutex
	requests []power.PerformanceRequest
}

func (m *machine) requested(q power.PerformanceRequest) {
	m.mu.Lock()
	defer m.mu.Unlock()

	m.requests = append(m.requests, q)
}

func boot(t *testing.T) (*guest, *machine) {
	t.Helper()

	kernel, err := nest.Kernel(t.Context(), nest.Generic)
	require.NoError(t, err)

	modules := []string{"evdev"}
	if runtime.GOARCH == "arm64" {
		modules = append(modules, "cppc_cpufreq")
	} else {
		modules = append(modules, "button", "battery", "ac")
	}

	files, err := kernel.ModuleFiles(modules...)
	require.NoError(t, err)

	ramdisk, err := nest.GuestInitrd(t.Context(), guestInit, files...)
	require.NoError(t, err)

	initrd := filepath.Join(t.TempDir(), "initrd")
	require.NoError(t, os.WriteFile(initrd, ramdisk, 0o644))

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	in, keys := io.Pipe()
	g := &guest{t: t, ctx: ctx, keys: keys, news: make(chan struct{}, 1)}

	f := &machine{
		battery: power.NewBattery(info, full), ac: power.NewACAdapter(true),
		zone: power.NewThermalZone(40_000, trips), sleep: power.NewSleepButton(), id: power.NewVMGenID(),
	}
	f.perf = power.NewPerformance(levels, f.requested)

	idle := power.NewCPUIdle(power.IdleState{Name: "RET", PSCI: 1, MinResidency: 100 * time.Microsecond, WakeLatency: 50 * time.Microsecond})

	g.m, err = vmm.New(ctx, vmm.Config{
		Memory: 512 << 20, CPUs: 2,
		Boot: vmm.Linux{Kernel: kernel.Vmlinuz, Initrd: initrd, Cmdline: map[string]string{
			"amd64": "console=ttyS0 panic=-1 quiet", "arm64": "panic=-1 quiet",
		}[runtime.GOARCH]},
		Devices: []vmm.Device{vmm.Serial(in, g), f.battery, f.ac, f.zone, f.sleep, f.perf, f.id, idle},
	})
	require.NoError(t, err)

	t.Cleanup(func() {
		cancel()
		require.NoError(t, keys.Close())
		require.NoError(t, g.m.Close())
	})

	require.Error(t, g.m.PowerButton(), "it hasn't started")
	require.NoError(t, g.m.Start(ctx))

	return g, f
}

// A stock kernel finds every feature, hears of every change, and shuts down when its power
// button is pressed.
func TestLinux(t *testing.T) {
	if !testutil.LinuxGuest(t) {
		return
	}

	// With newer kernels Go keeps a page for random numbers, from the first of them on.
	power.NewVMGenID()
	testutil.NoLeaks(t)

	g, f := boot(t)
	t.Log(g.answer())

	devices := g.ask("devices")
	require.Equal(t, "31", devices["PNP0C0A:00"], "a battery, and it is there")
	require.Contains(t, devices, "ACPI0003:00")
	require.Contains(t, devices, "ACPI0013:00")

	testButtons(g, f)
	testThermal(g, f)
	testSupplies(g, f)

	if runtime.GOARCH == "arm64" {
		testIdle(g)
		testPerformance(g, f)
	} else {
		require.Equal(t, "ACPI HLT", g.ask("idle")["state1/desc"])
		require.Equal(t, "400", g.ask("cppc")["acpi_cppc/highest_perf"])
	}

	testRepair(g, f)

	require.NoError(t, f.id.Renew())

	// Battery 3 (one with both), adapter 1, zone 2, sleep button 1, generation 1; those of
	// one moment may be one.
	irqs, err := strconv.Atoi(g.ask("irqs")["irqs"])
	require.NoError(t, err)
	require.GreaterOrEqual(t, irqs, 7)
	require.LessOrEqual(t, irqs, 9)

	log := g.ask("dmesg")
	renewed := false

	for line := range log {
		renewed = renewed || strings.Contains(line, "crng reseeded due to virtual machine fork")
		require.False(t, strings.HasPrefix(line, "dmesg: "), line)
	}

	require.True(t, renewed, "the guest heard that there may be two of it")

	_, err = io.WriteString(g.keys, "off\n")
	require.NoError(t, err)
	time.Sleep(time.Second) // it reads the button
	require.NoError(t, g.m.PowerButton())

	e, err := g.m.Wait(g.ctx)
	require.NoError(t, err)
	require.Equal(t, vmm.ExitPowerOff, e.Reason, "%v", e)
	require.ErrorIs(t, g.m.PowerButton(), vmm.ErrState)
}

func testSupplies(g *guest, f *machine) {
	before := g.ask("power")
	require.Equal(g.t, "1", before["ADP0/online"])
	require.Equal(g.t, "1", before["BAT0/present"])
	require.Equal(g.t, "Full", before["BAT0/status"])
	require.Equal(g.t, "100", before["BAT0/capacity"])
	require.Equal(g.t, "40000000", before["BAT0/energy_full"])
	require.Equal(g.t, "7", before["BAT0/cycle_count"])
	require.Equal(g.t, "VG-1", before["BAT0/model_name"])

	f.ac.Update(false)
	g.becomes("power", "ADP0/online", "0")
	f.battery.Update(power.BatteryStatus{State: power.Discharging, Rate: 9000, Remaining: 10_000, Voltage: 11_500})
	g.becomes("power", "BAT0/status", "Discharging")

	after := g.ask("power")
	require.Equal(g.t, "25", after["BAT0/capacity"])
	require.Equal(g.t, "9000000", after["BAT0/power_now"])
	require.Equal(g.t, "11500000", after["BAT0/voltage_now"])

	older := info
	older.LastFull, older.Cycles = 20_000, 8
	f.battery.UpdateInfo(older)
	g.becomes("power", "BAT0/cycle_count", "8")
	require.Equal(g.t, "50", g.ask("power")["BAT0/capacity"])

	f.battery.Update(power.BatteryStatus{Absent: true})
	g.becomes("power", "BAT0/present", "")
	f.battery.Update(power.BatteryStatus{Remaining: 20_000, Voltage: 12_000})
	g.becomes("power", "BAT0/present", "1")
}

func testThermal(g *guest, f *machine) {
	before := g.ask("thermal")
	zone := ""

	for k, v := range before {
		if strings.HasSuffix(k, "/type") && v == "acpitz" {
			zone = strings.TrimSuffix(k, "type")
		}
	}

	require.NotEmpty(g.t, zone, "a thermal zone")
	require.Equal(g.t, "40000", before[zone+"temp"])

	var points []string

	for k, v := range before {
		if strings.HasPrefix(k, zone+"trip_point_") && strings.HasSuffix(k, "_temp") {
			points = append(points, v)
		}
	}

	slices.Sort(points)
	require.Equal(g.t, []string{"100000", "105000", "80000"}, points)

	f.zone.Update(60_000)
	g.becomes("thermal", zone+"temp", "60000")

	// Linux takes no other critical temperature than the first.
	moved := trips
	moved.Passive = 70_000
	require.NoError(g.t, f.zone.SetTrips(moved))

	for k, v := range before {
		if v == "passive" {
			g.becomes("thermal", strings.Replace(k, "_type", "_temp", 1), "70000")
		}
	}
}

func testButtons(g *guest, f *machine) {
	const keySleep = 142

	f.sleep.Press()

	// An event of the kind "key", the key, and down.
	want := fmt.Sprintf("0100%02x0001000000", keySleep)

	for line := range g.ask("key") {
		if strings.HasPrefix(line, "key ") && strings.HasSuffix(line, want) {
			return
		}
	}

	require.Fail(g.t, "the sleep button wasn't seen")
}

func testIdle(g *guest) {
	idle := g.ask("idle")
	require.Equal(g.t, "acpi_idle", idle["/sys/devices/system/cpu/cpuidle/current_driver"])
	require.Equal(g.t, "WFI", idle["state0/desc"])
	require.Equal(g.t, "RET", idle["state1/desc"])
	require.Equal(g.t, "50", idle["state1/latency"])
	require.Equal(g.t, "100", idle["state1/residency"])
	require.Equal(g.t, "0", idle["state1/rejected"])
	require.NotEqual(g.t, "0", idle["state1/usage"])
}

func testPerformance(g *guest, f *machine) {
	cppc := g.ask("cppc")
	require.Equal(g.t, "400", cppc["acpi_cppc/highest_perf"])
	require.Equal(g.t, "300", cppc["acpi_cppc/nominal_perf"])
	require.Equal(g.t, "50", cppc["acpi_cppc/lowest_perf"])
	require.Equal(g.t, "3000", cppc["acpi_cppc/nominal_freq"])
	require.Equal(g.t, "cppc_cpufreq", cppc["cpufreq/scaling_driver"])

	// The kernel reads the counters twice, a few µs apart by its clock; on a host with other
	// work a reading now and then has another reader's, or a pause of the vCPU, in between.
	near := func(what string, want float64) {
		var got float64

		for range 10 {
			var err error

			got, err = strconv.ParseFloat(g.ask("cppc")["cpufreq/cpuinfo_cur_freq"], 64)
			require.NoError(g.t, err)

			if math.Abs(got-want) <= want/20 {
				return
			}
		}

		require.InEpsilon(g.t, want, got, 0.05, what)
	}

	g.ask("speed 500000")
	near("at least", 500_000)
	g.ask("speed 3000000")
	near("at most", 3_000_000)

	// A fifth of the way from the lowest to the nominal.
	f.perf.Deliver(1, 100)
	near("what the host gives", 1_000_000)
	f.perf.Deliver(1, 0)
	near("at most again", 3_000_000)

	f.mu.Lock()
	defer f.mu.Unlock()

	require.Contains(g.t, f.requests, power.PerformanceRequest{CPU: 1, Desired: levels.Lowest})
	require.Contains(g.t, f.requests, power.PerformanceRequest{CPU: 1, Desired: levels.Nominal})
	g.t.Logf("%d requests", len(f.requests))
}

// What the guest reads of its battery is repaired while it runs.
func testRepair(g *guest, f *machine) {
	fix, err := power.HalfFull()
	require.NoError(g.t, err)

	engine := patch.NewEngine(patch.Options{})

	g.becomes("power", "BAT0/energy_now", "20000000")

	_, err = engine.Apply(g.t.Context(), fix, patch.On(g.m.Domain()))
	require.NoError(g.t, err)
	g.becomes("power", "BAT0/energy_now", "10000000")

	_, err = engine.Revert(g.t.Context(), fix, patch.On(g.m.Domain()))
	require.NoError(g.t, err)
	g.becomes("power", "BAT0/energy_now", "20000000")
	require.EqualValues(g.t, 20_000, f.battery.Status().Remaining)
}
