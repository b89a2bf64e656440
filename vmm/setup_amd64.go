package vmm

import (
	"context"
	"fmt"
	"slices"

	"github.com/vgraft/vgraft/internal/boot"
	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/patch"
)

// required is what we can't do without.
var required = []requirement{
	{kvm.CapUserMemory, "KVM_CAP_USER_MEMORY"},
	{kvm.CapIRQChip, "KVM_CAP_IRQCHIP"},
	{kvm.CapPIT2, "KVM_CAP_PIT2"},
	{kvm.CapImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"},
}

func createVM(sys *kvm.System, _ *guestmem.Memory, _ guestmem.Range) (*kvm.VM, error) {
	return sys.CreateVM()
}

// chips are the parts of the board that the kernel emulates, where they have descriptors.
type chips struct{}

func (chips) close() error { return nil }

// createChips comes before the first vCPU, which gets its local APIC from it.
func createChips(vm *kvm.VM) (c chips, err error) {
	if err := vm.SetTSSAddr(layout.TSS); err != nil {
		return c, err
	}

	if err := vm.SetIdentityMapAddr(layout.IdentityMap); err != nil {
		return c, err
	}

	if err := vm.CreateIRQChip(); err != nil {
		return c, err
	}

	return c, vm.CreatePIT()
}

// wire is for what comes after the vCPUs.
func (m *Machine) wire() error { return nil }

// systemEvent is the end of a guest that amd64 knows by other means.
func (c *vcpu) systemEvent(_ patch.Section, reason kvm.Reason) (Exit, bool) {
	return c.failed(reason, c.kvm.SystemEvent(), nil), true
}

// handleCall is for calls that KVM answers on amd64.
func (c *vcpu) handleCall(patch.Section) (Exit, bool) {
	return c.failed(kvm.ExitHypercall, 0, nil), true
}

// reset is for vCPUs that the monitor turns on, which on amd64 KVM does.
func (c *vcpu) reset(entry) error { return nil }

// load writes the firmware's tables and the guest's program.
func (m *Machine) load(ctx context.Context) ([]Start, error) {
	set, err := pcTables(m.cfg, m.mem.Ranges(), m.devices)
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

	if _, err := m.mem.WriteAt(boot.GDT(starts[0].Mode), layout.GDT); err != nil {
		return nil, fmt.Errorf("vmm: descriptor table: %w", err)
	}

	if _, err := m.mem.WriteAt(boot.TaskState(starts[0].Mode), layout.TaskState); err != nil {
		return nil, fmt.Errorf("vmm: task state: %w", err)
	}

	return starts, m.showCPUs()
}

// showCPUs says what each vCPU tells of itself.
func (m *Machine) showCPUs() error {
	supported, err := m.sys.SupportedCPUID()
	if err != nil {
		return fmt.Errorf("vmm: %w", err)
	}

	deadline, err := m.sys.Check(kvm.CapTSCDeadline)
	if err != nil {
		return fmt.Errorf("vmm: %w", err)
	}

	for _, c := range m.vcpus {
		if err := c.kvm.SetCPUID(guestCPUID(supported, c.id, len(m.vcpus), deadline != 0)); err != nil {
			return fmt.Errorf("vmm: vCPU %d: %w", c.id, err)
		}
	}

	return nil
}

// Model-specific registers that firmware would have set (Intel SDM vol. 4).
var firmwareMSRs = []kvm.MSREntry{
	{Index: 0x1a0, Data: 1},           // IA32_MISC_ENABLE: fast strings
	{Index: 0x2ff, Data: 1<<11 | 0x6}, // IA32_MTRR_DEF_TYPE: enabled, write-back
}

// setup gives a vCPU the state in which it begins. Without a start it waits for the
// guest's start-up interrupt, which is how KVM has made every vCPU but the first.
func (c *vcpu) setup(start *Start) error {
	// One at a time, because an AMD host lacks some and the call stops at the first.
	for _, e := range firmwareMSRs {
		if _, err := c.kvm.SetMSRs(e); err != nil {
			return err
		}
	}

	if start == nil {
		return nil
	}

	if !slices.Contains([]Mode{Protected32, Long64, User64}, start.Mode) {
		return configError("Boot starts vCPU %d in %v", c.id, start.Mode)
	}

	if err := c.setRegisters(start); err != nil {
		return err
	}

	return c.kvm.SetMPState(kvm.Runnable)
}

func (c *vcpu) setRegisters(start *Start) error {
	if err := c.setSregs(start); err != nil {
		return err
	}

	if err := c.kvm.SetRegs(&kvm.Regs{
		RIP: start.PC, RSP: start.SP,
		RDI: start.DI, RSI: start.SI, RBX: start.BX,
		RFLAGS: start.Mode.Flags(),
	}); err != nil {
		return err
	}

	return c.kvm.ResetFPU()
}

func (c *vcpu) setSregs(start *Start) error {
	s, err := c.kvm.Sregs()
	if err != nil {
		return err
	}

	code, data := start.Mode.Segments()
	s.CS = segment(code)
	s.DS, s.ES, s.FS, s.GS, s.SS = segment(data), segment(data), segment(data), segment(data), segment(data)
	s.TR = segment(start.Mode.Task())
	s.LDT = kvm.Segment{Unusable: 1}
	s.GDT = kvm.Descriptor{Base: layout.GDT, Limit: uint16(len(boot.GDT(start.Mode)) - 1)}
	s.IDT = kvm.Descriptor{}
	s.CR3 = start.PageTable
	s.CR0, s.CR4, s.EFER = start.Mode.Control()

	return c.kvm.SetSregs(&s)
}

func segment(s boot.Segment) kvm.Segment {
	return kvm.Segment{
		Base: s.Base, Limit: s.Limit, Selector: s.Selector, Typ: s.Type,
		Present: s.Present, DPL: s.DPL, DB: s.DB, S: s.S, L: s.L, G: s.G,
	}
}
