package device

import (
	"unsafe"

	"github.com/vgraft/vgraft/patch"
)

// Handler is what a device does when the guest touches one of its windows. Slots makes
// one that can be repaired while guests run, Direct one of plain methods. The zero Handler
// is none: a window can't be claimed with it.
//
// The vCPU thread that exited calls it, inside a section: other vCPUs may call it at the
// same time, it must not block, and it must not keep data. The offset is relative to the
// window; len(data) is the width of the access, 1, 2, 4 or 8 bytes, and the access lies
// wholly inside the window. Bytes are little-endian. A read must fill data.
type Handler struct {
	direct      Accesses       // of Direct alone
	dev         unsafe.Pointer // of Slots alone, as the others
	read, write *patch.Slot[func(dev unsafe.Pointer, s patch.Section, off uint64, data []byte)]
}

// Accesses are a handler's two functions, for Direct.
type Accesses interface {
	Read(s patch.Section, off uint64, data []byte)
	Write(s patch.Section, off uint64, data []byte)
}

// Direct makes a handler of a device's methods. They are reached through no slot, and so
// can't be repaired themselves, unlike what they call through slots of their own with the
// section that they are given. nil makes the zero Handler.
func Direct(a Accesses) Handler { return Handler{direct: a} }

// Slots makes a handler of a device and two slots, to be called with the section of the
// access. Nothing stands between the bus and the slots. Where nothing else leads to their
// functions either, they can be repaired: so a device had better not have Accesses too.
//
//	var (
//		fifoRead  = patch.NewSlot("example.com/fifo.read", (*FIFO).read)
//		fifoWrite = patch.NewSlot("example.com/fifo.write", (*FIFO).write)
//	)
//
//	err := p.MMIO("fifo", base, size, Slots(f, fifoRead, fifoWrite))
//
// A nil device or slot is a mistake of the program, and panics.
func Slots[T any](dev *T, read, write *patch.Slot[func(*T, patch.Section, uint64, []byte)]) Handler {
	if dev == nil || read == nil || write == nil {
		panic("device: Slots without a device or a slot")
	}

	return Handler{dev: unsafe.Pointer(dev), read: anyDevice(read), write: anyDevice(write)}
}

// access is a slot's function before the type of its device is forgotten.
type access[T any] = func(*T, patch.Section, uint64, []byte)

// anyDevice forgets the type of a slot's device, so that windows of all devices have one
// type. Sound since Slots keeps the slot with the very device that it is for: a slot has
// the same memory for every type of function, and is called as its function expects, for
// pointers are passed alike, whatever they point to.
func anyDevice[T any](s *patch.Slot[access[T]]) *patch.Slot[func(unsafe.Pointer, patch.Section, uint64, []byte)] {
	return (*patch.Slot[func(unsafe.Pointer, patch.Section, uint64, []byte)])(unsafe.Pointer(s))
}

// IsZero says that it is no handler.
func (h *Handler) IsZero() bool { return h.direct == nil && h.dev == nil }

// Direct is what Direct made the handler of, or nil. For the bus, which saves a call so.
func (h *Handler) Direct() Accesses { return h.direct }

// Load is an access that reads. It isn't called Read as that of Accesses is, nor Store
// Write: no interface is to lead to them, for a patch needs a slot on every way to what it
// changes.
func (h *Handler) Load(s patch.Section, off uint64, data []byte) {
	if h.direct != nil {
		h.direct.Read(s, off, data)
		return
	}

	h.read.In(s)(h.dev, s, off, data)
}

// Store is an access that writes.
func (h *Handler) Store(s patch.Section, off uint64, data []byte) {
	if h.direct != nil {
		h.direct.Write(s, off, data)
		return
	}

	h.write.In(s)(h.dev, s, off, data)
}
