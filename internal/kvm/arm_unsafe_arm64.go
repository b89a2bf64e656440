package kvm

import (
	"errors"
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
	"golang.org/x/sys/unix"
)

// irqNumber is what KVM_IRQ_LINE calls shared peripheral interrupt n: the type in the
// top byte, the number that the guest sees at the bottom.
func irqNumber(n uint32) uint32 { return 1<<24 | (n + firstSPI) }

const firstSPI = 32

// Kinds of devices, and the attributes of interrupt controllers (Linux
// Documentation/virt/kvm/devices/arm-vgic-v3.rst and arm-vgic-its.rst).
const (
	DeviceGICv3 = 7
	DeviceITS   = 8
)

// The attributes that we set.
var (
	AttrGICDistributor    = Attr{0, 2} // address
	AttrGICRedistributors = Attr{0, 3} // address of the first; all the others follow it
	AttrITS               = Attr{0, 4} // address
	AttrGICLines          = Attr{3, 0} // number of interrupts, private ones included
	AttrGICInit           = Attr{4, 0} // after all vCPUs were made
	AttrITSInit           = Attr{4, 0}
)

// Features of a vCPU, bits of VCPUInit.Features[0].
const (
	FeaturePowerOff = 1 << 0 // it waits until the guest powers it on
	FeaturePSCI     = 1 << 2 // version 0.2 or later
	FeaturePMU      = 1 << 3
)

// VCPUInit says what a vCPU is to be.
type VCPUInit struct {
	Target   uint32
	Features [7]uint32
}

// PreferredTarget is the vCPU that is most like the host's processor, without features.
func (vm *VM) PreferredTarget() (VCPUInit, error) {
	var i VCPUInit

	err := ioctl(vm.file, "KVM_ARM_PREFERRED_TARGET", kvm.IIOR(nrArmPreferredTarget, unsafe.Sizeof(i)), &i)

	return i, err
}

// Init resets the vCPU. The first time it says what it is; then it must be the same.
func (c *VCPU) Init(i VCPUInit) error {
	return ioctl(c.file, "KVM_ARM_VCPU_INIT", kvm.IIOW(nrArmVCPUInit, unsafe.Sizeof(i)), &i)
}

// Registers, for Reg and SetReg.
const (
	regCore   = 0x6030_0000_0010_0000
	regSystem = 0x6030_0000_0013_0000

	RegSPEL0  = regCore + 2*31
	RegPC     = regCore + 2*32
	RegPState = regCore + 2*33
	RegSPEL1  = regCore + 2*34
)

// RegX is general register n, 0 to 30.
func RegX(n int) uint64 { return regCore + 2*uint64(n) }

// RegSystem is a system register, by the fields of the instructions that read it.
func RegSystem(op0, op1, crn, crm, op2 uint64) uint64 {
	return regSystem | op0<<14 | op1<<11 | crn<<7 | crm<<3 | op2
}

// Attributes of a vCPU (Linux Documentation/virt/kvm/devices/vcpu.rst).
var (
	attrPMUIRQ  = Attr{0, 0}
	attrPMUInit = Attr{0, 1}
)

// InitPMU gives the vCPU's performance monitor its interrupt, and turns it on. It comes
// after AttrGICInit.
func (c *VCPU) InitPMU(intid uint32) error {
	return errors.Join(setAttr(c.file, attrPMUIRQ, &intid), setAttr[byte](c.file, attrPMUInit, nil))
}

// Types of system events.
const (
	EventShutdown = 1
	EventReset    = 2
	EventCrash    = 3
	EventWakeUp   = 4
	EventSuspend  = 5
)

// IsReset2 says that an EventReset is PSCI's SYSTEM_RESET2, whose kind is in X1.
func (c *VCPU) IsReset2() bool { return c.run.Data[0]>>32 != 0 && c.run.Data[1]&1 != 0 }

// attrSMCCCFilter is an attribute of a machine (Linux
// Documentation/virt/kvm/devices/vm.rst), since Linux 6.4.
var attrSMCCCFilter = Attr{0, 0}

// smcccFilter is struct kvm_smccc_filter.
type smcccFilter struct {
	base, n uint32
	action  uint8
	_       [15]uint8
}

// ForwardCalls has hypercalls base to base+n-1 come out as ExitHypercall. It comes
// before any vCPU runs. On a kernel that can't it is ENXIO.
func (vm *VM) ForwardCalls(base, n uint32) error {
	if ok, err := hasAttr(vm.file, attrSMCCCFilter); err != nil || !ok {
		return errors.Join(err, &Error{"KVM_ARM_VM_SMCCC_FILTER", unix.ENXIO})
	}

	return setAttr(vm.file, attrSMCCCFilter, &smcccFilter{base: base, n: n, action: 2})
}
