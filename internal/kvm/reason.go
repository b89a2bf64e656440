package kvm

import (
	"strconv"

	"github.com/bobuhiro11/gokvm/kvm"
)

// Reason is why KVM_RUN came back, KVM_EXIT_* of linux/kvm.h.
type Reason uint32

// The reasons that we handle. gokvm's list ends at 17.
const (
	ExitIO            = Reason(kvm.EXITIO)
	ExitHLT           = Reason(kvm.EXITHLT)
	ExitMMIO          = Reason(kvm.EXITMMIO)
	ExitShutdown      = Reason(kvm.EXITSHUTDOWN)
	ExitFailEntry     = Reason(kvm.EXITFAILENTRY)
	ExitInterrupted   = Reason(kvm.EXITINTR)
	ExitInternalError = Reason(kvm.EXITINTERNALERROR)
	ExitHypercall     = Reason(kvm.EXITHYPERCALL)
	ExitSystemEvent   = Reason(24)
	ExitNoSyndrome    = Reason(28)
)

// KernelName is what the kernel's headers call the exit. It isn't a String method, since
// those run for whoever has a value printed, and no patch gets at them.
func (r Reason) KernelName() string {
	switch {
	case r <= ExitInternalError:
		return kvm.ExitType(r).String()
	case r == ExitSystemEvent:
		return "EXITSYSTEMEVENT"
	case r == ExitNoSyndrome:
		return "EXITARMNISV"
	}

	return "exit " + strconv.Itoa(int(r))
}

// States for SetMPState.
const (
	Runnable      = kvm.MPStateRunnable
	Uninitialized = kvm.MPStateUninitialized
	PoweredOff    = 5  // arm64: KVM_MP_STATE_STOPPED
	Suspended     = 10 // arm64: until an interrupt comes
)

// Capabilities that we ask for, KVM_CAP_* of linux/kvm.h.
const (
	CapIRQChip       = kvm.CapIRQChip
	CapUserMemory    = kvm.CapUserMemory
	CapNRVCPUs       = kvm.CapNRVCPUS
	CapMaxVCPUs      = Capability(66)
	CapMaxVCPUID     = Capability(128)
	CapPIT2          = kvm.CapPIT2
	CapIRQFD         = kvm.CapIRQFD
	CapIOEventFD     = kvm.CapIOEventFD
	CapImmediateExit = kvm.CapImmediateExit
	CapTSCDeadline   = kvm.CapTSCDeadlineTimer

	// Of arm64.
	CapOneReg           = Capability(70)
	CapDeviceControl    = Capability(89)
	CapPSCI             = Capability(102)
	CapPMU              = Capability(126)
	CapIPASize          = Capability(165)
	CapNoSyndromeToUser = Capability(177)
	CapSystemSuspend    = Capability(216)
)
