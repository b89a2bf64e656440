package device

import "github.com/vgraft/vgraft/patch"

// Slots gives the handler of a device whose work is done behind slots: all it does is to
// call them, with the section of the access. Nothing else may lead to their functions, so
// that a device had better not be a Handler itself.
func Slots[T any](dev T, read, write *patch.Slot[func(T, patch.Section, uint64, []byte)]) Handler {
	return &slots[T]{dev, read, write}
}

type slots[T any] struct {
	dev         T
	read, write *patch.Slot[func(T, patch.Section, uint64, []byte)]
}

func (h *slots[T]) Read(s patch.Section, off uint64, data []byte) { h.read.In(s)(h.dev, s, off, data) }

func (h *slots[T]) Write(s patch.Section, off uint64, data []byte) {
	h.write.In(s)(h.dev, s, off, data)
}
