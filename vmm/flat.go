package vmm

import "fmt"

// Flat runs raw machine code: 64-bit, position-independent, in ring 3, on every vCPU.
// It is for sandboxes, tests and demonstrations, and the one kind of guest that runs at
// full speed on hosts whose KVM emulates ring 0.
//
// The code is at FlatBase and entered at its first byte, with the number of the vCPU
// in RDI and a stack of 4 KiB. All RAM and all device windows below 4 GiB are mapped
// where they are, readable, writable and executable; ports are allowed. There is
// nobody to handle a fault: any one ends the machine with ExitTripleFault.
//
// On arm64 it runs at EL1 with floating point on, the number is in X0, and all addresses
// below 512 GiB are mapped: those below 1 GiB as device memory, the others as RAM.
type Flat struct {
	Code []byte
}

// place says where the stack of the first vCPU ends, if all fits; those of the others are
// below it.
func (f Flat) place(g Guest) (top uint64, err error) {
	top = g.RAM[0].End()
	need := uint64(len(f.Code)) + uint64(g.CPUs)*flatStack

	if top < FlatBase || need > top-FlatBase {
		return 0, fmt.Errorf("%w: %d bytes of flat code and %d stacks in RAM that ends at %#x", ErrTooLarge, len(f.Code), g.CPUs, top)
	}

	return top, nil
}

const flatStack = 4096
