//go:build !amd64 || vgraft_plaintables

package boot

import "encoding/binary"

// Bits of a page table entry (Intel SDM vol. 3A §4.5.4).
const (
	bitPresent  = 1 << 0
	bitWrite    = 1 << 1
	bitUser     = 1 << 2
	bitAccessed = 1 << 5
	bitDirty    = 1 << 6
	bitLarge    = 1 << 7
	bitNoExec   = 1 << 63
	bitsAddress = 0x000f_ffff_ffff_f000
)

// The address bits that each level translates begin here: 4 KiB, 2 MiB, 512 GiB.
const (
	shiftPage  = 12
	shiftLarge = 21
	shiftTop   = 39
	levelBits  = 9
)

// PageTables builds four-level page tables in guest RAM. It is for guests that don't
// run yet; one goroutine at a time.
type PageTables struct {
	base uint64 // guest-physical address of the pool; its first page is the root
	pool []byte
	used int // pages of the pool
}

// NewPageTables makes empty page tables, which take their pages from the size bytes of
// guest RAM at base. Both must be multiples of 4 KiB. The range belongs to the tables.
func NewPageTables(mem Memory, base, size uint64) (*PageTables, error) {
	b, err := poolBytes(mem, base, size)
	if err != nil {
		return nil, err
	}

	t := &PageTables{base: base, pool: b}
	_, err = t.page()

	return t, err
}

// Root is the value for CR3.
func (t *PageTables) Root() uint64 { return t.base }

// Map maps length bytes from virt to phys: by 2 MiB leaves where both addresses allow
// it, by 4 KiB ones elsewhere. Everything must be a multiple of 4 KiB, and virt must
// be canonical. Pages that are not for execution need EFER.NXE. After an error the
// tables must not be used.
func (t *PageTables) Map(virt, phys, length uint64, opts MapOpts) error {
	if err := checkMap(virt, phys, length); err != nil {
		return err
	}

	bits := uint64(bitPresent | bitAccessed)
	if opts.User {
		bits |= bitUser
	}

	if opts.Write {
		bits |= bitWrite | bitDirty
	}

	if !opts.Exec {
		bits |= bitNoExec
	}

	const large = 1 << shiftLarge

	for length > 0 {
		n, shift, leaf := uint64(pageSize), uint(shiftPage), phys|bits
		if (virt|phys)%large == 0 && length >= large {
			n, shift, leaf = large, shiftLarge, phys|bits|bitLarge
		}

		e, err := t.entry(virt, shift)
		if err != nil {
			return err
		}

		binary.LittleEndian.PutUint64(e, leaf)
		virt, phys, length = virt+n, phys+n, length-n
	}

	return nil
}

// entry finds the entry for virt in the table whose entries cover 1<<last bytes, and
// makes the tables on the way to it. A large leaf on the way is split.
func (t *PageTables) entry(virt uint64, last uint) ([]byte, error) {
	table := t.pool[:pageSize]

	for shift := uint(shiftTop); ; shift -= levelBits {
		e := table[virt>>shift%(1<<levelBits)*8:][:8]
		if shift == last {
			return e, nil
		}

		v := binary.LittleEndian.Uint64(e)
		if v&bitPresent != 0 && v&bitLarge == 0 {
			off := v&bitsAddress - t.base // huge when below the base
			if off >= uint64(t.used)*pageSize || off%pageSize != 0 {
				return nil, errStray(v & bitsAddress)
			}

			table = t.pool[off:][:pageSize]

			continue
		}

		page, err := t.page()
		if err != nil {
			return nil, err
		}

		table = t.pool[page-t.base:][:pageSize]

		if v&bitPresent != 0 { // only at 2 MiB: we make no larger leaves
			for i := range uint64(1 << levelBits) {
				binary.LittleEndian.PutUint64(table[i*8:], v&^bitLarge+i*pageSize)
			}
		}

		// The leaf alone decides what is allowed.
		binary.LittleEndian.PutUint64(e, page|bitPresent|bitWrite|bitUser|bitAccessed|bitDirty)
	}
}

// page takes a page from the pool, clears it, and gives its address.
func (t *PageTables) page() (uint64, error) {
	if t.used*pageSize >= len(t.pool) {
		return 0, errPool(t.used)
	}

	off := t.used * pageSize
	clear(t.pool[off:][:pageSize])
	t.used++

	return t.base + uint64(off), nil
}
