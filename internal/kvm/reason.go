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
	ExitSystemEvent   = Reason(24)
)

// KernelName is what the kernel's headers call the exit. It isn't a String method, since
// those run for whoever has a value printed, and no patch gets at them.
func (r Reason) KernelName() string {
	switch {
	case r <= ExitInternalError:
		return kvm.ExitType(r).String()
	case r == ExitSystemEvent:
		return "EXITSYSTEMEVENT"
	}

	return "exit " + strconv.Itoa(int(r))
}

// States for SetMPState.
const (
	Runnable      = kvm.MPStateRunnable
	Uninitialized = kvm.MPStateUninitialized
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
)
