package gort

import (
	"fmt"
	"io"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/vgraft/vgraft/internal/payload"
)

// probed has an interface table whose content is known.
type probed struct{}

//go:noinline
func (*probed) Read(b []byte) (int, error) { return len(b), nil }

//go:noinline
func (*probed) Write(b []byte) (int, error) { return len(b), nil }

// probe holds that this version of Go has interfaces and their tables as this package takes
// them to be.
func probe() error {
	var v io.ReadWriter = new(probed)

	typ := reflect.TypeFor[io.ReadWriter]()
	inter := uint64((*[2]uintptr)(unsafe.Pointer(&typ))[1])
	tab := uint64(*(*uintptr)(unsafe.Pointer(&v)))

	ok := methodsOf(inter) == 2 && load(tab+itabInter, 8) == inter

	for i, name := range []string{"Read", "Write"} {
		fn := runtime.FuncForPC(uintptr(load(tab+itabFuncs+8*uint64(i), 8)))
		ok = ok && fn != nil && fn.Name() == "github.com/vgraft/vgraft/internal/gort.(*probed)."+name
	}

	if !ok {
		return fmt.Errorf("%w: interface tables of %s are others", ErrNotSupported, runtime.Version())
	}

	return nil
}

// checkRuntime holds that the runtime's variables are where the payload says: that the list
// of modules, the slice of them and the last one are of the same modules, and that the table
// of interface tables is one.
func (p *Process) checkRuntime(m *payload.Meta, used []region) error {
	mapped := func(addr, n uint64) bool { return addr%8 == 0 && writable(used, span{addr, addr + n}) }

	refuse := func(what string) error { return fmt.Errorf("%w: the runtime's %s", ErrAddress, what) }

	first, last, modules := m.Runtime.FirstModule+p.bias, m.Runtime.LastModule+p.bias, m.Runtime.ModulesSlice+p.bias
	if !mapped(first, m.Module.Next+8) || !mapped(last, 8) || !mapped(modules, 8) {
		return refuse("list of modules")
	}

	slice := load(modules, 8)
	if !mapped(slice, 16) {
		return refuse("slice of modules")
	}

	list, n := load(slice, 8), load(slice+8, 8)
	if n == 0 || n > maxModules || !mapped(list, 8*n) {
		return refuse("slice of modules")
	}

	for i, at := uint64(0), first; i < n; i++ {
		if load(list+8*i, 8) != at || !mapped(at+m.Module.Next, 8) {
			return refuse("slice of modules")
		}

		next := load(at+m.Module.Next, 8)
		if (next == 0) != (i == n-1) || next == 0 && load(last, 8) != at {
			return refuse("list of modules")
		}

		at = next
	}

	if m.Runtime.ItabTable == 0 {
		return nil
	}

	if at := m.Runtime.ItabTable + p.bias; mapped(at, 8) {
		table := load(at, 8)
		if mapped(table, tableFirst) {
			size, count := load(table+tableSize, 8), load(table+tableCount, 8)
			if size != 0 && size&(size-1) == 0 && size <= maxTable && count <= size && mapped(table, tableFirst+8*size) {
				return nil
			}
		}
	}

	return refuse("interface tables")
}

// writable says whether all of the range is memory that is written to, which may be in
// several parts.
func writable(used []region, s span) bool {
	for _, r := range used {
		if s.start >= r.start && s.start < r.end && r.write {
			s.start = min(r.end, max(s.start, s.end))
		}
	}

	return s.start == s.end
}

// maxModules is more than payloads can be mapped.
const maxModules = 1 << 20
