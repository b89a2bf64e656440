package vmm

import (
	"context"

	"github.com/vgraft/vgraft/internal/boot"
	"github.com/vgraft/vgraft/internal/guestmem"
)

// Loader puts a program into a new guest's memory and says where it begins. New calls
// Load once. Memory is all zero but for the ACPI tables.
//
// The first Start is that of vCPU 0, and so on. A vCPU without one waits for the guest
// to start it, as the other processors of a PC do; on arm64 by PSCI.
type Loader interface {
	Load(ctx context.Context, g Guest) ([]Start, error)
}

// Guest is what a Loader gets to know.
type Guest struct {
	Memory Memory
	RAM    []Range // in ascending order
	CPUs   int
	RSDP   uint64 // guest-physical address of the ACPI root pointer
}

// Range is a span of guest-physical addresses.
type Range = guestmem.Range

// Start is the state in which a vCPU begins. Registers that aren't named are zero,
// interrupts are off, and segments are flat.
type Start struct {
	Mode       Mode
	PC, SP     uint64
	DI, SI, BX uint64
	X          [4]uint64 // X0 to X3, on arm64
	PageTable  uint64    // CR3, for the modes with paging; TTBR0, where paging is on if it isn't 0
}

// Mode is a processor mode in which a vCPU can begin.
type Mode = boot.Mode

// The modes. On amd64 a descriptor table that fits the mode is in the guest's first page.
const (
	Protected32 = boot.Protected32 // 32 bits, ring 0, no paging
	Long64      = boot.Long64      // 64 bits, ring 0, paging
	User64      = boot.User64      // 64 bits, ring 3, paging, ports allowed, SSE on
	EL1         = boot.EL1         // arm64: EL1h, 4 KiB pages of 39 bits or no paging
)
