package boot

import (
	"fmt"

	"github.com/vgraft/vgraft/internal/layout"
)

// There are two builders of page tables, with the same type and the same tests:
// gVisor's, in pagetable_amd64.go, and ours, in pagetable_plain.go. Ours serves hosts of
// other architectures, for which gVisor builds their own tables, and builds with the tag
// vgraft_plaintables. The tag is for "go test -fuzz" and for debuggers (-gcflags=all=-N
// -l): gVisor's walkers may not grow their stack, and don't link with the bigger frames
// that these make.

// MapOpts says what a guest may do with pages. All can be read.
type MapOpts struct {
	User  bool // in ring 3 too
	Write bool
	Exec  bool
}

// maxPhys is the end of what a page table entry can name (Intel SDM vol. 3A §4.5).
const maxPhys = 1 << 52

// canonical tells whether the range lies in one half of the 48-bit address space. The
// last page of either half is left out: gVisor's walker takes no end beyond it.
func canonical(virt, length uint64) bool {
	const (
		lowerEnd   = 0x0000_8000_0000_0000
		upperStart = 0xffff_8000_0000_0000
	)

	if virt < lowerEnd {
		return length < lowerEnd-virt
	}

	return virt >= upperStart && length < -virt
}

// checkMap holds the arguments of Map to what both builders need.
func checkMap(virt, phys, length uint64) error {
	if (virt|phys|length)%pageSize != 0 || length == 0 {
		return fmt.Errorf("page tables: map %#x to %#x, length %#x: not whole pages", virt, phys, length)
	}

	if !canonical(virt, length) || phys > maxPhys || length > maxPhys-phys {
		return fmt.Errorf("page tables: map %#x to %#x, length %#x: no such addresses", virt, phys, length)
	}

	return nil
}

// poolBytes gives the memory from which tables are made.
func poolBytes(mem Memory, base, size uint64) ([]byte, error) {
	if base%pageSize != 0 || size%pageSize != 0 || size == 0 {
		return nil, fmt.Errorf("page tables: pool [%#x, +%#x) is not made of whole pages", base, size)
	}

	b, err := mem.Slice(base, size)
	if err != nil {
		return nil, fmt.Errorf("page tables: pool: %w", err)
	}

	return b, nil
}

// errPool is a pool of which all pages are used.
func errPool(pages int) error {
	have := uint64(pages) * pageSize

	return &SizeError{What: "page table pool", Size: have + pageSize, Limit: have}
}

// errStray is an entry, read from guest memory, that leads to no table of ours.
func errStray(phys uint64) error {
	return fmt.Errorf("page tables: entry points to %#x, outside the pool", phys)
}

// identity4G maps the first 4 GiB onto themselves: all that the 64-bit boot protocol
// asks for, and all of low RAM, wherever kernel and initrd are.
func identity4G(mem Memory) (uint64, error) {
	t, err := NewPageTables(mem, layout.PageTable, layout.PageTableSize)
	if err != nil {
		return 0, err
	}

	if err := t.Map(0, 0, layout.HoleEnd, MapOpts{Write: true, Exec: true}); err != nil {
		return 0, err
	}

	return t.Root(), nil
}
