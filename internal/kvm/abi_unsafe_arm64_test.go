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
		"KVM_ENABLE_CAP":           {0x4068aea3, kvm.IIOW(nrEnableCap, unsafe.Sizeof(enableCap{}))},
		"KVM_GET_ONE_REG":          {0x4010aeab, kvm.IIOW(nrGetOneReg, unsafe.Sizeof(oneReg{}))},
		"KVM_SET_ONE_REG":          {0x4010aeac, kvm.IIOW(nrSetOneReg, unsafe.Sizeof(oneReg{}))},
		"KVM_ARM_VCPU_INIT":        {0x4020aeae, kvm.IIOW(nrArmVCPUInit, unsafe.Sizeof(VCPUInit{}))},
		"KVM_ARM_PREFERRED_TARGET": {0x8020aeaf, kvm.IIOR(nrArmPreferredTarget, unsafe.Sizeof(VCPUInit{}))},
		"KVM_CREATE_DEVICE":        {0xc00caee0, kvm.IIOWR(nrCreateDevice, unsafe.Sizeof(createDevice{}))},
		"KVM_SET_DEVICE_ATTR":      {0x4018aee1, kvm.IIOW(nrSetDeviceAttr, unsafe.Sizeof(deviceAttr{}))},
		"KVM_GET_DEVICE_ATTR":      {0x4018aee2, kvm.IIOW(nrGetDeviceAttr, unsafe.Sizeof(deviceAttr{}))},
		"KVM_HAS_DEVICE_ATTR":      {0x4018aee3, kvm.IIOW(nrHasDeviceAttr, unsafe.Sizeof(deviceAttr{}))},
		"KVM_IRQ_LINE":             {0x4008ae61, kvm.IIOW(nrIRQLine, unsafe.Sizeof(irqLevel{}))},
		"KVM_SET_MP_STATE":         {0x4004ae99, kvm.IIOW(nrSetMPState, unsafe.Sizeof(MPState{}))},
	} {
		require.Equal(t, c.want, c.got, "%s: %#x, not %#x", name, c.got, c.want)
	}

	for name, c := range map[string]struct{ want, got uint64 }{
		"X0":                {0x6030_0000_0010_0000, RegX(0)},
		"X30":               {0x6030_0000_0010_003c, RegX(30)},
		"SP_EL0":            {0x6030_0000_0010_003e, RegSPEL0},
		"PC":                {0x6030_0000_0010_0040, RegPC},
		"PSTATE":            {0x6030_0000_0010_0042, RegPState},
		"SP_EL1":            {0x6030_0000_0010_0044, RegSPEL1},
		"MPIDR_EL1":         {0x6030_0000_0013_c005, RegSystem(3, 0, 0, 0, 5)},
		"interrupt line 1":  {0x0100_0021, uint64(irqNumber(1))},
		"kvm_smccc_filter":  {24, uint64(unsafe.Sizeof(smcccFilter{}))},
		"kvm_run, its data": {32, uint64(unsafe.Offsetof(kvm.RunData{}.Data))},
	} {
		require.Equal(t, c.want, c.got, "%s: %#x, not %#x", name, c.got, c.want)
	}
}
