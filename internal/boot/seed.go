package boot

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/vgraft/vgraft/internal/layout"
)

// What a kernel gets of random numbers before it can make its own: enough for Linux to take
// its generator for ready at once. A kernel that reads them also wipes them out; older ones
// leave them alone. The interface of PVH has no place for them.
const (
	seedSize  = 32 // bytes
	kaslrSize = 8  // of the number by which an arm64 kernel chooses its addresses
)

// seed fills guest memory with random bytes that are nowhere else: other ones each time.
func (p *Params) seed(gpa, n uint64) error {
	b, err := p.Mem.Slice(gpa, n)
	if err != nil {
		return fmt.Errorf("write random numbers: %w", err)
	}

	_, _ = rand.Read(b) // never fails

	return nil
}

// struct setup_data of the Linux boot protocol (Documentation/arch/x86/boot.rst): next, type,
// len, data. A kernel passes over a type that it doesn't know, as those before Linux 6.0 do
// with this one.
const (
	setupDataHeader = 16
	setupRNGSeed    = 9
)

// writeSetupData writes the list, of one, that layout.SetupData is for.
func (p *Params) writeSetupData() error {
	b := make([]byte, 8, setupDataHeader) // next: none
	b = binary.LittleEndian.AppendUint32(b, setupRNGSeed)
	b = binary.LittleEndian.AppendUint32(b, seedSize)

	if err := p.write("setup data", layout.SetupData, b); err != nil {
		return err
	}

	return p.seed(layout.SetupData+setupDataHeader, seedSize)
}
