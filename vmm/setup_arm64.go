package vmm

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/internal/layout/arm64"
)

// required is what we can't do without.
var required = []requirement{
	{kvm.CapUserMemory, "KVM_CAP_USER_MEMORY"},
	{kvm.CapIRQChip, "KVM_CAP_IRQCHIP"},
	{kvm.CapDeviceControl, "KVM_CAP_DEVICE_CTRL"},
	{kvm.CapOneReg, "KVM_CAP_ONE_REG"},
	{kvm.CapPSCI, "KVM_CAP_ARM_PSCI_0_2"},
	{kvm.CapImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"},
}

func probe(sys *kvm.System) (h Host, err error) {
	if h.Missing, err = missing(sys); err != nil {
		return h, err
	}

	h.CPUs, err = hostCPUs(sys)

	// There is no KVM on arm64 that emulates EL1.
	h.NativeRing0 = true

	return h, err
}

// defaultIPABits is the width of guest-physical addresses of a machine of type 0.
const defaultIPABits = 40

// createVM makes a machine whose addresses are wide enough for the memory.
func createVM(sys *kvm.System, mem *guestmem.Memory, more guestmem.Range) (*kvm.VM, error) {
	has, err := sys.Check(kvm.CapIPASize)
	if err != nil {
		return nil, err
	}

	if has == 0 {
		has = defaultIPABits // and no other
	}

	ranges := mem.Ranges()
	need := bits.Len64(max(ranges[len(ranges)-1].End(), more.End()) - 1)

	switch {
	case need > has:
		return nil, fmt.Errorf("%w: memory to the end of %d bits of address, of %d", ErrNotSupported, need, has)
	case has < defaultIPABits:
		return sys.CreateVMOfType(has)
	case need <= defaultIPABits:
		return sys.CreateVM()
	default:
		return sys.CreateVMOfType(need)
	}
}

// chips are the interrupt controllers, in the kernel.
type chips struct {
	gic, its *kvm.Device
	pmu      bool
	kind     kvm.VCPUInit
	psci     bool // we turn vCPUs on and off, and not KVM
}

func (c chips) close() error {
	var errs []error

	for _, d := range []*kvm.Device{c.gic, c.its} {
		if d != nil {
			errs = append(errs, d.Close())
		}
	}

	return errors.Join(errs...)
}

// createChips comes before the first vCPU.
func createChips(vm *kvm.VM) (c chips, err error) {
	// An access of the guest's that can't be described to us is then an exit, and not an
	// error of KVM_RUN. Older kernels don't have it, and the difference is in the words.
	_ = vm.Enable(kvm.CapNoSyndromeToUser)

	if c.gic, err = vm.CreateDevice(kvm.DeviceGICv3); err != nil {
		return c, fmt.Errorf("%w: GICv3: %w", ErrNotSupported, err)
	}

	if c.its, err = vm.CreateDevice(kvm.DeviceITS); err != nil {
		return c, fmt.Errorf("%w: ITS: %w", ErrNotSupported, err)
	}

	return c, nil
}

// wire says what the vCPUs are, and connects them and the lines to the interrupt
// controllers, which must know their number.
func (m *Machine) wire() error {
	kind, err := m.vm.PreferredTarget()
	if err != nil {
		return err
	}

	kind.Features[0] |= kvm.FeaturePSCI

	pmu, err := m.sys.Check(kvm.CapPMU)
	if err != nil {
		return err
	}

	if m.chips.pmu = pmu != 0; m.chips.pmu {
		kind.Features[0] |= kvm.FeaturePMU
	}

	m.chips.kind = kind

	for _, c := range m.vcpus {
		if err := c.init(); err != nil {
			return err
		}
	}

	if err := m.takeCalls(); err != nil {
		return err
	}

	gic, its := m.chips.gic, m.chips.its
	if err := firstError(
		func() error { return gic.Set64(kvm.AttrGICDistributor, arm64.GICD) },
		func() error { return gic.Set64(kvm.AttrGICRedistributors, arm64.GICR) },
		func() error { return gic.Set32(kvm.AttrGICLines, arm64.SPI+lines) },
		func() error { return gic.Do(kvm.AttrGICInit) },
		func() error { return its.Set64(kvm.AttrITS, arm64.ITS) },
		func() error { return its.Do(kvm.AttrITSInit) },
	); err != nil {
		return fmt.Errorf("interrupt controller: %w", err)
	}

	if !m.chips.pmu {
		return nil
	}

	for _, c := range m.vcpus {
		if err := c.kvm.InitPMU(arm64.PPIPMU); err != nil {
			return fmt.Errorf("performance monitor: %w", err)
		}
	}

	return nil
}

func firstError(steps ...func() error) error {
	for _, f := range steps {
		if err := f(); err != nil {
			return err
		}
	}

	return nil
}

// load writes the firmware's tables and the guest's program.
func (m *Machine) load(ctx context.Context) ([]Start, error) {
	set, err := virtTables{cfg: m.cfg, ram: m.mem.Ranges(), pmu: m.chips.pmu, devices: m.devices}.set()
	if err != nil {
		return nil, fmt.Errorf("vmm: %w", err)
	}

	rsdp, err := m.writeTables(set)
	if err != nil {
		return nil, err
	}

	starts, err := m.cfg.Boot.Load(ctx, Guest{Memory: m.mem, RAM: m.mem.Ranges(), CPUs: m.cfg.CPUs, RSDP: rsdp})
	if err != nil {
		return nil, fmt.Errorf("vmm: load guest: %w", err)
	}

	if len(starts) == 0 || len(starts) > m.cfg.CPUs {
		return nil, configError("Boot starts %d vCPUs of %d", len(starts), m.cfg.CPUs)
	}

	return starts, nil
}

// System registers of a start with paging (Arm Architecture Reference Manual, D19.2).
var (
	regSCTLR = kvm.RegSystem(3, 0, 1, 0, 0)
	regCPACR = kvm.RegSystem(3, 0, 1, 0, 2)
	regTTBR0 = kvm.RegSystem(3, 0, 2, 0, 0)
	regTCR   = kvm.RegSystem(3, 0, 2, 0, 2)
	regMAIR  = kvm.RegSystem(3, 0, 10, 2, 0)
	regVBAR  = kvm.RegSystem(3, 0, 12, 0, 0)
)

// Bits of them.
const (
	sctlrMMU    = 1 << 0
	sctlrCache  = 1<<2 | 1<<12 // data, instructions
	sctlrFixed  = 1<<11 | 1<<20 | 1<<22 | 1<<23 | 1<<28 | 1<<29
	cpacrFloat  = 3 << 20
	tcr39Bits   = 64 - 39              // T0SZ; pages of 4 KiB
	tcrWalks    = 1<<8 | 1<<10 | 3<<12 // write-back, inner shareable
	tcrNoUpper  = 1 << 23              // EPD1
	tcrIPA40    = 2 << 32
	mairNormal  = 0xff  // index 0; index 1 is 0, device memory
	pstateFixed = 0x3c5 // EL1h, all exceptions masked
)

// setup gives a vCPU the state in which it begins. Without a start it is off, until the
// guest turns it on by PSCI.
func (c *vcpu) setup(start *Start) error {
	if start == nil {
		if c.off = c.machine.chips.psci; c.off {
			return nil
		}

		return c.kvm.SetMPState(kvm.PoweredOff)
	}

	if start.Mode != EL1 {
		return configError("Boot starts vCPU %d in %v", c.id, start.Mode)
	}

	type reg struct{ id, v uint64 }

	regs := []reg{{kvm.RegPC, start.PC}, {kvm.RegPState, pstateFixed}, {kvm.RegSPEL1, start.SP}}
	for i, v := range start.X {
		regs = append(regs, reg{kvm.RegX(i), v})
	}

	if start.PageTable != 0 {
		regs = append(regs,
			reg{regMAIR, mairNormal},
			reg{regTCR, tcr39Bits | tcrWalks | tcrNoUpper | tcrIPA40},
			reg{regTTBR0, start.PageTable},
			reg{regCPACR, cpacrFloat},
			reg{regVBAR, arm64.Vectors},
			reg{regSCTLR, sctlrFixed | sctlrMMU | sctlrCache},
		)
	}

	for _, r := range regs {
		if err := c.kvm.SetReg(r.id, r.v); err != nil {
			return fmt.Errorf("register %#x: %w", r.id, err)
		}
	}

	return nil
}
