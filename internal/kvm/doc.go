// Package kvm gives the kernel's virtual machine interface as owned objects: one type
// per file descriptor (System, VM, VCPU), one method per ioctl, Close where it was
// opened.
//
// It stands on gokvm's kvm package for the ioctl encoding, the structures and the
// constants. It does its own system calls: gokvm hands pointers to a helper as
// uintptr, which a growing stack may leave stale, reports an interrupted KVM_RUN as
// success, and has a few structures of the wrong size.
//
// It must not know of devices, guests' contents or patches. Nothing outside package
// vmm and tests imports it.
//
// Methods may be called from any goroutine unless they say otherwise: the kernel
// serialises vCPU ioctls, so a call on a running vCPU waits until it leaves KVM_RUN.
package kvm
