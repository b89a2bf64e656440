package gort

import (
	"sync/atomic"
	"unsafe"
)

// pointer is the address as a pointer. What it points to isn't Go's heap, so that the
// collector has no part in it.
func pointer(addr uint64) unsafe.Pointer {
	a := uintptr(addr)

	return *(*unsafe.Pointer)(unsafe.Pointer(&a))
}

// bytesAt is the memory there.
func bytesAt(addr, n uint64) []byte { return unsafe.Slice((*byte)(pointer(addr)), n) }

func load(addr uint64, size int) uint64 {
	if size == 4 {
		return uint64(atomic.LoadUint32((*uint32)(pointer(addr))))
	}

	return atomic.LoadUint64((*uint64)(pointer(addr)))
}

func store(addr uint64, size int, v uint64) {
	if size == 4 {
		atomic.StoreUint32((*uint32)(pointer(addr)), uint32(v))
		return
	}

	atomic.StoreUint64((*uint64)(pointer(addr)), v)
}

// swap stores the new value if the old one is there.
func swap(addr uint64, size int, old, to uint64) bool {
	if size == 4 {
		return atomic.CompareAndSwapUint32((*uint32)(pointer(addr)), uint32(old), uint32(to))
	}

	return atomic.CompareAndSwapUint64((*uint64)(pointer(addr)), old, to)
}

// call calls a function without arguments or results, by its address.
//
//go:noinline
func call(fn uint64) {
	pc := uintptr(fn)
	value := &pc

	(*(*func())(unsafe.Pointer(&value)))()
}

// getitab calls runtime.getitab by its address. It gives 0 where the type doesn't implement
// the interface.
//
//go:noinline
func getitab(fn, inter, typ uint64) uint64 {
	pc := uintptr(fn)
	value := &pc

	tab := (*(*func(inter, typ unsafe.Pointer, canfail bool) unsafe.Pointer)(unsafe.Pointer(&value)))(pointer(inter), pointer(typ), true)

	return uint64(uintptr(tab))
}

// Func is the function whose func value is at an offset of the image, which must be one of
// those that the payload names. It must not be called before Commit.
func Func[F any](im *Image, off uint64) F {
	p := im.Pointer(off)

	return *(*F)(unsafe.Pointer(&p))
}

// Pointer is the place at an offset of the image.
func (im *Image) Pointer(off uint64) unsafe.Pointer { return pointer(im.base + off) }

// link makes the module record the last of the runtime's list. A record is found by the list
// that its field next makes and by a slice that the collector reads; both end up whole
// whoever looks meanwhile. first, last and slice are where the runtime's variables are.
func link(record, next, first, last, slice uint64) {
	end := first
	for n := load(end+next, 8); n != 0; n = load(end+next, 8) {
		end = n
	}

	list := (*unsafe.Pointer)(pointer(slice)) // to a slice of *moduledata on the heap
	old := *(*[]unsafe.Pointer)(atomic.LoadPointer(list))
	longer := new([]unsafe.Pointer)
	*longer = append(append(make([]unsafe.Pointer, 0, len(old)+1), old...), pointer(record))

	store(end+next, 8, record)
	atomic.StorePointer(list, unsafe.Pointer(longer))
	store(last, 8, record)
}

// Layout of the runtime's interface tables.
const (
	itabInter   = 0
	itabFuncs   = 24
	methodCount = 64 // in the type of an interface
	tableSize   = 0
	tableCount  = 8
	tableFirst  = 16
	maxTable    = 1 << 28 // entries: more than fit in any process
)

// itabs calls f with every interface table that the runtime knows. table is where its
// variable for them is. The runtime may add others meanwhile.
func itabs(table uint64, f func(tab uint64, methods int)) {
	p := atomic.LoadPointer((*unsafe.Pointer)(pointer(table))) // keeps the table, which the runtime may replace
	n := *(*uint64)(unsafe.Add(p, tableSize))

	for i := uint64(0); i < min(n, maxTable); i++ {
		tab := uint64(uintptr(atomic.LoadPointer((*unsafe.Pointer)(unsafe.Add(p, tableFirst+8*i)))))
		if tab == 0 || load(tab+itabFuncs, 8) == 0 { // none, or a type that doesn't implement the interface
			continue
		}

		f(tab, methodsOf(load(tab+itabInter, 8)))
	}
}

// methodsOf counts the methods of an interface type.
func methodsOf(inter uint64) int { return int(load(inter+methodCount, 8)) }
