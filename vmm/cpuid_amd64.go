package vmm

import (
	"math/bits"
	"slices"

	"github.com/vgraft/vgraft/internal/kvm"
)

// CPUID leaves that describe the processor's place among others, and so differ from
// vCPU to vCPU (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E).
const (
	cpuidBasic      = 0x1
	cpuidCaches     = 0x4
	cpuidPerfMon    = 0xa
	cpuidTopology   = 0xb
	cpuidTopology2  = 0x1f
	cpuidAMDSizes   = 0x8000_0008
	cpuidAMDCaches  = 0x8000_001d
	cpuidAMDTopolgy = 0x8000_001e
)

// guestCPUID makes, of what the host can show, what vCPU id of n shows: one package
// with n cores of one thread each, that share the last cache.
func guestCPUID(supported []kvm.CPUIDEntry, id, n int, deadlineTimer bool) []kvm.CPUIDEntry {
	out := slices.Clone(supported)
	out = slices.DeleteFunc(out, func(e kvm.CPUIDEntry) bool {
		return e.Function == cpuidTopology || e.Function == cpuidTopology2
	})

	idBits := uint32(bits.Len(uint(n - 1))) // of the APIC id, to tell the cores apart

	for i := range out {
		switch e := &out[i]; e.Function {
		case cpuidBasic:
			e.Ebx = e.Ebx&0x0000_ffff | uint32(id)<<24 | 1<<idBits<<16
			e.Ecx |= 1 << 31 // a hypervisor is present

			if e.Ecx &^= 1 << 24; deadlineTimer {
				e.Ecx |= 1 << 24 // spares the guest the calibration of its APIC timer
			}

			if e.Edx &^= 1 << 28; n > 1 {
				e.Edx |= 1 << 28 // more than one logical processor in the package
			}
		case cpuidCaches:
			if e.Eax&0x1f == 0 {
				break // no such cache
			}

			e.Eax = e.Eax&0x3fff | sharing(e, n)<<14 | (1<<idBits-1)<<26
		case cpuidAMDCaches:
			if e.Eax&0x1f != 0 {
				e.Eax = e.Eax&^(0xfff<<14) | sharing(e, n)<<14
			}
		case cpuidPerfMon:
			// We give no counters: what the host's hypervisor shows need not work.
			e.Eax, e.Ebx, e.Ecx, e.Edx = 0, 0, 0, 0
		case cpuidAMDSizes:
			e.Ecx = uint32(n-1) | idBits<<12
		case cpuidAMDTopolgy:
			e.Eax, e.Ebx, e.Ecx = uint32(id), uint32(id), 0
		}
	}

	// Subleaf 0 is the thread within its core, 1 the core within its package.
	const significantIndex = 1

	return append(out,
		kvm.CPUIDEntry{Function: cpuidTopology, Index: 0, Flags: significantIndex, Eax: 0, Ebx: 1, Ecx: 1<<8 | 0, Edx: uint32(id)},
		kvm.CPUIDEntry{Function: cpuidTopology, Index: 1, Flags: significantIndex, Eax: idBits, Ebx: uint32(n), Ecx: 2<<8 | 1, Edx: uint32(id)},
		kvm.CPUIDEntry{Function: cpuidTopology, Index: 2, Flags: significantIndex, Ecx: 2, Edx: uint32(id)})
}

// sharing is how many vCPUs share a cache, less one: all of them the third level, none
// the others.
func sharing(e *kvm.CPUIDEntry, n int) uint32 {
	if level := e.Eax >> 5 & 7; level >= 3 {
		return uint32(n - 1)
	}

	return 0
}
