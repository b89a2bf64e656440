// Command acpi boots a stock Debian kernel, of amd64 or arm64, from ACPI tables alone, and shows
// what power management does: it changes the battery, adds a vCPU, and presses the power
// button, and prints what the guest saw of each.
//
//	acpi -kernel vmlinuz -initrd initrd [-timeout 5m] [-payload fix.elf -trust keys.pem]
//
// The first program of the guest is init.sh of this directory, which answers commands on the
// console: the initial ramdisk has it as /init, a static busybox as /bin/busybox, and in
// /modules what the kernel has as modules of evdev, and on amd64 of button and battery. The
// example's test makes such a one for Debian's kernel. The host needs a KVM that runs Linux.
//
// A payload is applied and reverted while the guest runs. It has to change what the guest reads
// of its battery, as that of reserve.patch in this directory does:
//
//	go build -o acpi ./examples/acpi
//	elfdiff keygen -o patch.key
//	elfdiff build -patch examples/acpi/reserve.patch -key patch.key -o reserve.elf acpi
//	./acpi -kernel vmlinuz -initrd initrd -payload reserve.elf -trust patch.key.pub
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/power"
)

func main() { os.Exit(run()) }

func run() int {
	var (
		linux vmm.Linux
		fix   repair
	)

	flag.StringVar(&linux.Kernel, "kernel", "", "`path` of a bzImage, or on arm64 of an Image")
	flag.StringVar(&linux.Initrd, "initrd", "", "`path` of the initial ramdisk")
	flag.StringVar(&fix.payload, "payload", "", "`file` that elfdiff made, to apply and to revert while the guest runs")
	flag.StringVar(&fix.trust, "trust", "", "`file` of public keys, whose payloads are taken")
	timeout := flag.Duration("timeout", 5*time.Minute, "give up after this `duration`")
	flag.Parse()

	if linux.Kernel == "" || linux.Initrd == "" || (fix.payload == "") != (fix.trust == "") || flag.NArg() > 0 {
		flag.Usage()
		return 1
	}

	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()

	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()

	if err := show(ctx, linux, fix, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "acpi:", err)
		return 1
	}

	return 0
}

// The battery, when the guest begins: 3.7 V, half of 4000 mAh, and nothing that charges it.
const (
	capacity = 4000 // mAh
	volts    = 3700 // mV
)

func charge(percent uint32) power.BatteryStatus {
	return power.BatteryStatus{State: power.Discharging, Rate: 500, Remaining: capacity * percent / 100, Voltage: volts}
}

// step is something that is done to the guest, and a command whose answer tells what it saw.
type step struct {
	do      func() error // nil is nothing
	what    string
	command string
}

// show boots the guest and does one thing after the other to it.
func show(ctx context.Context, linux vmm.Linux, fix repair, out io.Writer) (err error) {
	battery := power.NewBattery(power.BatteryInfo{
		InAmperes: true, Design: capacity, LastFull: capacity, DesignVoltage: volts, Model: "example",
	}, charge(50))

	g, err := boot(ctx, linux, vmm.Config{
		Memory: 512 << 20, CPUs: 1, MaxCPUs: 2,
		Devices: []vmm.Device{battery},
	})
	if err != nil {
		return err
	}
	defer g.close(&err)

	tell := func(what, command string) error {
		answer, err := g.ask(ctx, command)
		if err == nil {
			_, err = fmt.Fprintf(out, "%-34s %s\n", what, answer)
		}

		return err
	}

	steps := []step{
		{nil, "kernel", "kernel"},
		{nil, "ACPI tables", "tables"},
		{nil, "battery", "battery"},
		{func() error { battery.Update(charge(20)); return nil }, "battery, after Update", "battery 20"},
		{nil, "CPUs online", "cpus"},
		{func() error { _, err := g.machine.AddCPU(ctx); return err }, "CPUs online, after AddCPU", "online"},
		{g.machine.PowerButton, "key code, after PowerButton", "key"},
	}

	for _, s := range append(steps, fix.steps(ctx, g)...) {
		if s.do != nil {
			if err := s.do(); err != nil {
				return err
			}
		}

		if err := tell(s.what, s.command); err != nil {
			return err
		}
	}

	if err := g.tell("off"); err != nil {
		return err
	}

	exit, err := g.machine.Wait(ctx)
	if err != nil {
		return err
	}

	if exit.Reason != vmm.ExitPowerOff {
		return fmt.Errorf("the guest ended by %v", exit)
	}

	_, err = fmt.Fprintf(out, "%-34s %v\n", "the guest ended by", exit.Reason)

	return err
}
