//go:build !arm64

package kvm

// irqNumber is what KVM_IRQ_LINE calls an interrupt line.
func irqNumber(gsi uint32) uint32 { return gsi }
