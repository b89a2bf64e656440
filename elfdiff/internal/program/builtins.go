package program

import (
	"encoding/binary"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
)

// nameCalled names the builtin symbols that a function refers to, if the program has its
// code where the ELF file's table says. Of functions that several packages have, it may
// have another one's.
func (l *linker) nameCalled(o *object, i int, y goobj.Symbol, names map[uint32]string) {
	wanted := false

	for j := range o.NumRelocs(i) {
		r := o.Reloc(i, j)
		wanted = wanted || r.Ref.Pkg == goobj.PkgBuiltin && names[r.Ref.Index] == "" && !r.Marks()
	}

	if !wanted {
		return
	}

	e, ok := l.m.Lookup(y.Name)

	b := l.m.Bytes(e.Addr, uint64(len(y.Data)))
	if !ok || b == nil || o.Group(i) != goobj.Package && !sameCode(o, i, y.Data, b) {
		return
	}

	for j := range o.NumRelocs(i) {
		r := o.Reloc(i, j)
		if r.Ref.Pkg != goobj.PkgBuiltin || names[r.Ref.Index] != "" || r.Marks() {
			continue
		}

		t, ok := l.target(e.Addr, b, Reloc{Reloc: r})
		if !ok {
			continue
		}

		for _, at := range l.m.At(t) {
			names[r.Ref.Index] = at.Name
		}

		if n := l.typeName(t); n != "" {
			names[r.Ref.Index] = n
		}
	}
}

// sameCode compares the code of a function with linked bytes, but for what is filled in.
func sameCode(o *object, i int, x, y []byte) bool {
	filled := make([]bool, len(x))

	for j := range o.NumRelocs(i) {
		r := o.Reloc(i, j)
		from, n := int(r.Off), int(r.Size)

		if r.Type == goobj.TLSIE { // the linker makes another instruction of it
			from, n = from-3, n+3
		}

		for k := max(from, 0); k < min(from+n, len(x)); k++ {
			filled[k] = true
		}
	}

	for k := range x {
		if x[k] != y[k] && !filled[k] {
			return false
		}
	}

	return true
}

// basicTypes are the builtin types, each followed in the compiler's list by the pointer to
// it. They are the last of the list, the same in Go 1.26 and 1.27.
const basicTypes = "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64 complex64 complex128 unsafe.Pointer uintptr bool string error func(error)_string"

// builtinTypes are the names of those symbols, in the list's order.
func builtinTypes() (names []string) {
	for _, n := range strings.Fields(basicTypes) {
		n = strings.ReplaceAll(n, "_", " ")
		names = append(names, "type:"+n, "type:*"+n)
	}

	return names
}

// typeName is the symbol of the builtin type whose descriptor lies at an address; empty is
// none. The ELF file's table has no types, but they have their names in them.
func (l *linker) typeName(addr uint64) string {
	const flags, str, extraStar = 20, 40, 1 << 1

	d := l.m.Bytes(addr, 48)
	if addr < l.m.Types || addr >= l.m.ETypes || d == nil {
		return ""
	}

	at := l.m.Types + uint64(le.Uint32(d[str:]))

	head := l.m.Bytes(at, 2)
	if at >= l.m.ETypes || head == nil {
		return ""
	}

	size, k := binary.Uvarint(head[1:])
	if k != 1 {
		return ""
	}

	b := l.m.Bytes(at+2, size)
	if b != nil && d[flags]&extraStar != 0 && size > 0 {
		b = b[1:]
	}

	for _, n := range builtinTypes() {
		if n == "type:"+string(b) {
			return n
		}
	}

	return ""
}

// nameTypes names all of the builtin types by where some of them are in the list. Of
// variables, the objects name types that no code refers to. Where the types don't agree,
// the list isn't the one that is known, and stays as it was found.
func nameTypes(names map[uint32]string) {
	types := builtinTypes()
	first, found := uint32(0), false

	for i, n := range names {
		for j, t := range types {
			if n != t {
				continue
			}

			if f := i - uint32(j); !found {
				first, found = f, true
			} else if f != first {
				return
			}
		}
	}

	for j, t := range types {
		if i := first + uint32(j); found && names[i] == "" {
			names[i] = t
		}
	}
}
