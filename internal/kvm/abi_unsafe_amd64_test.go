package kvm

import (
	"testing"
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
)

// TestABI_ioctlNumbers compares with the numbers that C compilers make of linux/kvm.h.
// They carry the sizes of the structures.
func TestABI_ioctlNumbers(t *testing.T) {
	testutil.Pure(t)

	for name, c := range map[string]struct{ want, got uintptr }{
		"KVM_GET_API_VERSION":        {0xae00, kvm.IIO(nrGetAPIVersion)},
		"KVM_CREATE_VM":              {0xae01, kvm.IIO(nrCreateVM)},
		"KVM_CHECK_EXTENSION":        {0xae03, kvm.IIO(nrCheckExtension)},
		"KVM_GET_VCPU_MMAP_SIZE":     {0xae04, kvm.IIO(nrGetVCPUMmapSize)},
		"KVM_GET_SUPPORTED_CPUID":    {0xc008ae05, kvm.IIOWR(nrGetSupportedCPUID, cpuidHead)},
		"KVM_CREATE_VCPU":            {0xae41, kvm.IIO(nrCreateVCPU)},
		"KVM_SET_USER_MEMORY_REGION": {0x4020ae46, kvm.IIOW(nrSetUserMemoryRegion, unsafe.Sizeof(kvm.UserspaceMemoryRegion{}))},
		"KVM_SET_TSS_ADDR":           {0xae47, kvm.IIO(nrSetTSSAddr)},
		"KVM_SET_IDENTITY_MAP_ADDR":  {0x4008ae48, kvm.IIOW(nrSetIdentityMapAddr, unsafe.Sizeof(uint64(0)))},
		"KVM_CREATE_IRQCHIP":         {0xae60, kvm.IIO(nrCreateIRQChip)},
		"KVM_IRQ_LINE":               {0x4008ae61, kvm.IIOW(nrIRQLine, unsafe.Sizeof(irqLevel{}))},
		"KVM_CREATE_PIT2":            {0x4040ae77, kvm.IIOW(nrCreatePIT2, unsafe.Sizeof(pitConfig{}))},
		"KVM_RUN":                    {0xae80, runOp},
		"KVM_GET_REGS":               {0x8090ae81, kvm.IIOR(nrGetRegs, unsafe.Sizeof(Regs{}))},
		"KVM_SET_REGS":               {0x4090ae82, kvm.IIOW(nrSetRegs, unsafe.Sizeof(Regs{}))},
		"KVM_GET_SREGS":              {0x8138ae83, kvm.IIOR(nrGetSregs, unsafe.Sizeof(Sregs{}))},
		"KVM_SET_SREGS":              {0x4138ae84, kvm.IIOW(nrSetSregs, unsafe.Sizeof(Sregs{}))},
		"KVM_SET_MSRS":               {0x4008ae89, kvm.IIOW(nrSetMSRs, unsafe.Offsetof(msrTable{}.entries))},
		"KVM_SET_FPU":                {0x41a0ae8d, kvm.IIOW(nrSetFPU, unsafe.Sizeof(fpu{}))},
		"KVM_SET_CPUID2":             {0x4008ae90, kvm.IIOW(nrSetCPUID2, cpuidHead)},
		"KVM_GET_MP_STATE":           {0x8004ae98, kvm.IIOR(nrGetMPState, unsafe.Sizeof(MPState{}))},
		"KVM_SET_MP_STATE":           {0x4004ae99, kvm.IIOW(nrSetMPState, unsafe.Sizeof(MPState{}))},
	} {
		require.Equal(t, c.want, c.got, "%s: %#x, not %#x", name, c.got, c.want)
	}
}

// TestABI_layouts holds what no ioctl number carries.
func TestABI_layouts(t *testing.T) {
	testutil.Pure(t)

	for name, c := range map[string]struct{ want, got uintptr }{
		"kvm_cpuid_entry2":            {40, unsafe.Sizeof(CPUIDEntry{})},
		"kvm_msr_entry":               {16, unsafe.Sizeof(MSREntry{})},
		"kvm_msr_entry.data":          {8, unsafe.Offsetof(MSREntry{}.Data)},
		"kvm_run.immediate_exit":      {1, unsafe.Offsetof(kvm.RunData{}.ImmediateExit)},
		"kvm_run.exit_reason":         {8, unsafe.Offsetof(kvm.RunData{}.ExitReason)},
		"kvm_run.cr8":                 {16, unsafe.Offsetof(kvm.RunData{}.CR8)},
		"kvm_run.apic_base":           {24, unsafe.Offsetof(kvm.RunData{}.ApicBase)},
		"kvm_run.exits":               {32, unsafe.Offsetof(kvm.RunData{}.Data)},
		"kvm_run.exits, size":         {256, unsafe.Sizeof(kvm.RunData{}.Data)},
		"kvm_run.mmio.data":           {8, unsafe.Offsetof(mmioExit{}.data)},
		"kvm_run.mmio.len":            {16, unsafe.Offsetof(mmioExit{}.n)},
		"kvm_run.mmio.is_write":       {20, unsafe.Offsetof(mmioExit{}.write)},
		"kvm_fpu.fcw":                 {128, unsafe.Offsetof(fpu{}.fcw)},
		"kvm_fpu.last_opcode":         {134, unsafe.Offsetof(fpu{}.lastOpcode)},
		"kvm_fpu.last_ip":             {136, unsafe.Offsetof(fpu{}.lastIP)},
		"kvm_fpu.xmm":                 {152, unsafe.Offsetof(fpu{}.xmm)},
		"kvm_fpu.mxcsr":               {408, unsafe.Offsetof(fpu{}.mxcsr)},
		"kvm_segment":                 {24, unsafe.Sizeof(Segment{})},
		"kvm_dtable":                  {16, unsafe.Sizeof(Descriptor{})},
		"kvm_sregs.cr0":               {224, unsafe.Offsetof(Sregs{}.CR0)},
		"kvm_sregs.efer":              {264, unsafe.Offsetof(Sregs{}.EFER)},
		"kvm_regs.rip":                {128, unsafe.Offsetof(Regs{}.RIP)},
		"memory_region.guest_phys":    {8, unsafe.Offsetof(kvm.UserspaceMemoryRegion{}.GuestPhysAddr)},
		"memory_region.memory_size":   {16, unsafe.Offsetof(kvm.UserspaceMemoryRegion{}.MemorySize)},
		"memory_region.userspace":     {24, unsafe.Offsetof(kvm.UserspaceMemoryRegion{}.UserspaceAddr)},
		"immediate exit, of the word": {8, 8 * unsafe.Offsetof(kvm.RunData{}.ImmediateExit)}, // Interrupt's shift
	} {
		require.Equal(t, c.want, c.got, name)
	}
}
