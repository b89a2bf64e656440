//go:build !vgraft_plaintables

package boot

import (
	"errors"
	"fmt"
	"sync"

	"gvisor.dev/gvisor/pkg/hostarch" // the argument types of pagetables.Map
	"gvisor.dev/gvisor/pkg/ring0/pagetables"
)

// PageTables builds four-level page tables in guest RAM. It is for guests that don't
// run yet; one goroutine at a time.
type PageTables struct {
	tables *pagetables.PageTables
	pool   *pool
}

// fourLevels turns off gVisor's five-level tables, once. The switch is a variable of
// that package, so it holds for the whole process; there is no other way to have
// tables for a vCPU with CR4.LA57 clear, and while it is on, New reads host features
// that only a gVisor kernel has initialised. It isn't done in init, so that a program
// that merely links us keeps its own choice.
var fourLevels = sync.OnceFunc(pagetables.DisableLA57)

// NewPageTables makes empty page tables, which take their pages from the size bytes of
// guest RAM at base. Both must be multiples of 4 KiB. The range belongs to the tables.
func NewPageTables(mem Memory, base, size uint64) (*PageTables, error) {
	b, err := poolBytes(mem, base, size)
	if err != nil {
		return nil, err
	}

	p := &pool{base: base, free: b}
	if !aligned(b) {
		return nil, fmt.Errorf("page tables: the memory at %#x is not aligned in this process", base)
	}

	fourLevels()

	t := &PageTables{pool: p}
	if err := p.guard(func() { t.tables = pagetables.New(p) }); err != nil {
		return nil, err
	}

	return t, nil
}

// Root is the value for CR3.
func (t *PageTables) Root() uint64 { return t.tables.CR3(false, 0) }

// chunk is how much Map maps in one call to pagetables. A call that covers an aligned
// GiB would get a 1 GiB leaf, which not every vCPU has.
const chunk = 512 << 20

// Map maps length bytes from virt to phys: by 2 MiB leaves where both addresses allow
// it, by 4 KiB ones elsewhere. Everything must be a multiple of 4 KiB, and virt must
// be canonical. Pages that are not for execution need EFER.NXE. After an error the
// tables must not be used.
func (t *PageTables) Map(virt, phys, length uint64, opts MapOpts) error {
	if err := checkMap(virt, phys, length); err != nil {
		return err
	}

	o := pagetables.MapOpts{
		AccessType: hostarch.AccessType{Read: true, Write: opts.Write, Execute: opts.Exec},
		User:       opts.User,
	}

	return t.pool.guard(func() {
		for length > 0 {
			n := min(length, chunk-virt%chunk)
			t.tables.Map(hostarch.Addr(virt), uintptr(n), o, uintptr(phys))
			virt, phys, length = virt+n, phys+n, length-n
		}
	})
}

// pool implements pagetables.Allocator over guest RAM. That interface can't fail, so
// failures are panics with a poolError, and every call goes through guard.
type pool struct {
	base uint64             // guest-physical address of the first page
	free []byte             // pages that weren't given out
	used []*pagetables.PTEs // those that were, ascending from base
}

type poolError struct{ err error }

// guard calls f and turns a poolError into an error. Other panics are bugs, and pass.
func (p *pool) guard(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case poolError:
			err = r.err
		default:
			panic(r)
		}
	}()

	f()

	return nil
}

// NewPTEs implements pagetables.Allocator.
func (p *pool) NewPTEs() *pagetables.PTEs {
	if len(p.free) == 0 {
		panic(poolError{errPool(len(p.used))})
	}

	page := p.free[:pageSize:pageSize]
	p.free = p.free[pageSize:]

	clear(page)

	t := ptes(page)
	p.used = append(p.used, t)

	return t
}

// PhysicalFor implements pagetables.Allocator.
func (p *pool) PhysicalFor(t *pagetables.PTEs) uintptr {
	for i, u := range p.used {
		if u == t {
			return uintptr(p.base + uint64(i)*pageSize)
		}
	}

	panic(poolError{errors.New("page tables: table is not of the pool")})
}

// LookupPTEs implements pagetables.Allocator. The address was read from guest memory.
func (p *pool) LookupPTEs(physical uintptr) *pagetables.PTEs {
	off := uint64(physical) - p.base // huge when below the base
	if off%pageSize != 0 || off/pageSize >= uint64(len(p.used)) {
		panic(poolError{errStray(uint64(physical))})
	}

	return p.used[off/pageSize]
}

// FreePTEs implements pagetables.Allocator. Map frees nothing.
func (p *pool) FreePTEs(*pagetables.PTEs) {}

// Recycle implements pagetables.Allocator.
func (p *pool) Recycle() {}
