package vmm

import (
	"errors"
	"log/slog"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/guestmem"
)

// Config describes a machine. Memory and Boot are required; every other field's zero
// value is a safe default. New checks all of it and reports every mistake at once.
type Config struct {
	// Name is what logs, errors and the patch domain call the machine. Default "vm".
	Name string

	// Memory is the size of the guest's RAM in bytes, a multiple of 4096, at least
	// 1 MiB. Nothing of it is resident before the guest touches it. RAM that
	// doesn't fit below 3 GiB continues at 4 GiB. On arm64 it is at least 4 MiB, and
	// all of it begins at 1 GiB.
	Memory uint64

	// MaxMemory is how much RAM there can be: what is more than Memory comes by
	// Machine.AddMemory, in multiples of MemoryUnit, and goes by Machine.RemoveMemory. The
	// default is Memory: none comes or goes.
	MaxMemory uint64

	// CPUs is the number of vCPUs that the guest begins with. Default 1.
	CPUs int

	// MaxCPUs is how many there can be: the others come by Machine.AddCPU, and go by
	// Machine.RemoveCPU. The default is CPUs: none comes or goes.
	MaxCPUs int

	// Topology is how the vCPUs are to each other, for guests on arm64. The default
	// is one socket with all of them.
	Topology Topology

	// Boot puts the guest's first program into its memory: Linux, Flat or a Loader
	// of your own.
	Boot Loader

	// Devices are attached in this order, after the board's own (interrupt
	// controllers, timer, clock, reset and power ports). A device serves one machine.
	Devices []Device

	// Logger gets what the operator of the host may want to know; nothing at Info or
	// above is logged at a rate that the guest controls. nil is silent.
	Logger *slog.Logger

	// KVM is the path of the KVM device. Default "/dev/kvm".
	KVM string

	// KickSignal breaks a vCPU thread out of the guest. The default, SIGURG, needs
	// nothing: Go's runtime has a handler for it that tolerates spurious ones. A
	// program that ignores SIGURG must name another signal and must handle it, by
	// signal.Notify say.
	KickSignal unix.Signal
}

// MemoryUnit is what RAM that comes later is a multiple of, and what is more of
// Config.MaxMemory than of Config.Memory: a section of Linux's.
const MemoryUnit = 128 << 20

const maxMemory = 1 << 46 // half of what a host process can map

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "vm"
	}

	if c.CPUs == 0 {
		c.CPUs = 1
	}

	if c.MaxMemory == 0 {
		c.MaxMemory = c.Memory
	}

	if c.MaxCPUs == 0 {
		c.MaxCPUs = c.CPUs
	}

	if hasTopology && c.Topology.Caches == (Caches{}) {
		c.Topology.Caches = hostCaches()
	}

	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}

	if c.KVM == "" {
		c.KVM = "/dev/kvm"
	}

	if c.KickSignal == 0 {
		c.KickSignal = unix.SIGURG
	}

	return c
}

func (c *Config) validate() error {
	var errs []error

	if c.Memory < minMemory || c.Memory > maxMemory || c.Memory%guestmem.PageSize != 0 {
		errs = append(errs, configError("Memory of %d bytes is not a multiple of %d between %d and %d", c.Memory, guestmem.PageSize, minMemory, uint64(maxMemory)))
	}

	if c.CPUs < 1 || c.CPUs > maxCPUs {
		errs = append(errs, configError("%d CPUs, not 1 to %d", c.CPUs, maxCPUs))
	}

	if c.MaxMemory < c.Memory || c.MaxMemory > maxMemory || (c.MaxMemory-c.Memory)%MemoryUnit != 0 {
		errs = append(errs, configError("MaxMemory of %d bytes is not Memory of %d, and a multiple of %d, of %d at most", c.MaxMemory, c.Memory, MemoryUnit, uint64(maxMemory)))
	}

	if c.MaxCPUs < c.CPUs || c.MaxCPUs > maxCPUs {
		errs = append(errs, configError("MaxCPUs of %d, not %d to %d", c.MaxCPUs, c.CPUs, maxCPUs))
	}

	if c.Topology != (Topology{}) && (!hasTopology || !c.Topology.valid(c.MaxCPUs)) {
		errs = append(errs, configError("Topology %+v of %d CPUs, or on an architecture without", c.Topology, c.MaxCPUs))
	}

	if c.Boot == nil {
		errs = append(errs, configError("no Boot"))
	}

	for i, d := range c.Devices {
		if d == nil {
			errs = append(errs, configError("Devices[%d] is nil", i))
		}
	}

	if s := c.KickSignal; s < 1 || s > 64 || s == unix.SIGKILL || s == unix.SIGSTOP {
		errs = append(errs, configError("KickSignal %d cannot be handled", int(s)))
	}

	return errors.Join(errs...)
}
