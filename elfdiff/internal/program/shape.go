package program

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
)

// Shape is what a type descriptor says: how values of the type lie in memory, one line for
// each thing, and its methods.
type Shape struct {
	Layout  string
	Methods map[string]string // name, with the package if it isn't exported, to type and functions
}

// Parts of a type descriptor, by their offsets; the same in Go 1.26 and 1.27.
const (
	typeHead  = 48 // what every type has
	typeFlags = 20
	typeKind  = 23
	typeGC    = 32

	uncommonFlag = 1 << 0
	uncommonSize = 16
	methodSize   = 16

	kindMask   = 0x1f
	kindArray  = 17
	kindChan   = 18
	kindFunc   = 19
	kindIface  = 20
	kindMap    = 21
	kindPtr    = 22
	kindSlice  = 23
	kindStruct = 25

	ifaceMethods = typeHead + 8 // the slice
	imethodSize  = 8
)

// Shape reads the descriptor of a type.
func (s *Symbol) Shape() Shape {
	sh := Shape{Methods: map[string]string{}}
	if len(s.Data) < typeHead {
		return sh
	}

	var b strings.Builder

	le := binary.LittleEndian
	fmt.Fprintf(&b, "%d bytes, %d with pointers\nalignment %d and %d\nkind %d\n", le.Uint64(s.Data), le.Uint64(s.Data[8:]),
		s.Data[21], s.Data[22], s.Data[typeKind])

	for _, f := range []struct {
		at   int32
		what string
	}{{24, "equality"}, {typeGC, "pointers"}} {
		if r := s.RelocAt(f.at); r != nil && r.Sym != nil {
			c := r.Sym.Content()
			if !r.Sym.Anonymous() {
				fmt.Fprintf(&b, "%s by %s\n", f.what, r.Sym.Name)
			} else {
				fmt.Fprintf(&b, "%s %x\n", f.what, c[:8])
			}
		}
	}

	s.body(&b)
	s.methods(sh.Methods)
	sh.Layout = b.String()

	return sh
}

// body writes what the kind adds: references to other types and to names, and numbers.
func (s *Symbol) body(b *strings.Builder) {
	kind := s.Data[typeKind] & kindMask
	size := s.bodySize(kind)
	uncommon := s.Data[typeFlags]&uncommonFlag != 0

	from, to := typeHead, min(size, len(s.Data))
	s.words(b, from, to)

	if kind != kindStruct && kind != kindFunc && kind != kindIface {
		return
	}

	// What follows the head, and the methods if it has any, is a list: fields, parameters.
	from = size
	if uncommon {
		from += uncommonSize
	}

	n := len(s.Data)
	if uncommon && size+uncommonSize <= len(s.Data) {
		u := s.Data[size:]
		n = size + int(binary.LittleEndian.Uint32(u[8:])) // where the methods begin
	}

	if from < n && n <= len(s.Data) {
		s.words(b, from, n)
	}
}

// bodySize is how much of the descriptor comes before the methods, lists not counted.
func (s *Symbol) bodySize(kind byte) int {
	switch kind {
	case kindArray:
		return 72
	case kindChan:
		return 64
	case kindFunc, kindPtr, kindSlice:
		return 56
	case kindIface, kindStruct:
		return 80
	case kindMap:
		for _, size := range []int{112, 136} { // Go 1.26, 1.27
			n := size
			if s.Data[typeFlags]&uncommonFlag != 0 && len(s.Data) >= size+uncommonSize {
				n += uncommonSize + methodSize*int(binary.LittleEndian.Uint16(s.Data[size+4:]))
			}

			if n == len(s.Data) {
				return size
			}
		}

		return len(s.Data)
	}

	return typeHead
}

// words writes a part of the descriptor, four bytes a line at most, with what relocations
// refer to. Offsets into the descriptor itself are left out: they depend on whether there are
// methods.
func (s *Symbol) words(b *strings.Builder, from, to int) {
	for at := from; at < to; {
		if r := s.RelocAt(int32(at)); r != nil && r.Size > 0 {
			switch {
			case r.Sym == s:
				b.WriteString("list\n")
			case r.Sym == nil:
				b.WriteString("nothing\n")
			case r.Sym.Anonymous():
				fmt.Fprintf(b, "%s\n", nameOf(r.Sym))
			default:
				fmt.Fprintf(b, "%s\n", r.Sym.Name)
			}

			at += int(r.Size)

			continue
		}

		n := min(4, to-at)
		fmt.Fprintf(b, "%x\n", s.Data[at:at+n])
		at += n
	}
}

// nameOf shows a name of a descriptor, or the content of anything else.
func nameOf(s *Symbol) string {
	if n, ok := typeString(s); ok && strings.HasPrefix(s.Name, "type:.namedata.") {
		return fmt.Sprintf("name %q %x", n, s.Data)
	}

	c := s.Content()

	return fmt.Sprintf("%x", c[:8])
}

// typeString reads a name of a type descriptor: flags, a length, and the name.
func typeString(s *Symbol) (string, bool) {
	if len(s.Data) < 2 {
		return "", false
	}

	n, k := binary.Uvarint(s.Data[1:])
	if k <= 0 || n > uint64(len(s.Data)-1-k) {
		return "", false
	}

	return string(s.Data[1+k:][:n]), true
}

// RelocAt is the relocation of the field at an offset; nil is none.
func (s *Symbol) RelocAt(off int32) *Reloc {
	rs := s.Relocs()

	i, ok := slices.BinarySearchFunc(rs, off, func(r Reloc, off int32) int { return int(r.Off) - int(off) })
	for ; ok && i < len(rs) && rs[i].Off == off; i++ {
		if !rs[i].Marks() {
			return &rs[i]
		}
	}

	return nil
}

// Method is one entry of a type's method table: three relocations.
type Method struct {
	Name       string // with the package, if it isn't exported
	Type       *Reloc
	Ifn, Tfn   *Reloc // called through an interface, and directly
	NameSymbol *Symbol
}

// Kept says whether the linked program can call the method through an interface or by
// reflection: all parts of the entry are there. Each may be there for other reasons.
func (m Method) Kept() bool { return m.Type.Live && m.Ifn.Live && m.Tfn.Live }

// Methods lists the entries of the method table.
func (s *Symbol) Methods() []Method {
	var out []Method

	rs := s.Relocs()
	for i := 0; i+2 < len(rs); i++ {
		if rs[i].Type != goobj.MethodOff {
			continue
		}

		m := Method{Type: &rs[i], Ifn: &rs[i+1], Tfn: &rs[i+2]}

		if n := s.RelocAt(rs[i].Off - 4); n != nil && n.Sym != nil {
			m.NameSymbol = n.Sym
			m.Name, _ = typeString(n.Sym)

			if !IsExported(m.Name) {
				m.Name = s.declaredIn() + "." + m.Name
			}
		}

		out = append(out, m)
		i += 2
	}

	return out
}

// declaredIn names the package that declares a type with methods.
func (s *Symbol) declaredIn() string {
	if r := s.RelocAt(int32(s.bodySize(s.Data[typeKind] & kindMask))); r != nil && r.Sym != nil {
		n, _ := typeString(r.Sym)
		return n
	}

	return ""
}

// IsExported says whether a name begins with an upper case letter.
func IsExported(n string) bool {
	return n != "" && (n[0] >= 'A' && n[0] <= 'Z' || n[0] >= 0x80 && strings.ToUpper(n[:2]) == n[:2])
}

func (s *Symbol) methods(to map[string]string) {
	for _, m := range s.Methods() {
		d := ""

		for _, r := range []*Reloc{m.Type, m.Ifn, m.Tfn} {
			if r.Sym != nil {
				d += r.Sym.Name + " "
			}
		}

		to[m.Name] = d
	}
}

// InterfaceMethods lists the names of an interface type's methods; nil for other types.
func (s *Symbol) InterfaceMethods() []string {
	if len(s.Data) < 80 || s.Data[typeKind]&kindMask != kindIface {
		return nil
	}

	r := s.RelocAt(ifaceMethods)
	if r == nil || r.Sym != s {
		return nil
	}

	n := binary.LittleEndian.Uint64(s.Data[ifaceMethods+8:])

	var out []string

	for i := range int64(min(n, uint64(len(s.Data)/imethodSize))) {
		if m := s.RelocAt(int32(r.Add + i*imethodSize)); m != nil && m.Sym != nil {
			if name, ok := typeString(m.Sym); ok {
				out = append(out, name)
			}
		}
	}

	return out
}

// MethodNameAt is the name of the method of an interface type whose entry is at an offset
// of the descriptor.
func (s *Symbol) MethodNameAt(off int64) string {
	r := s.RelocAt(int32(off))
	if r == nil || r.Sym == nil {
		return ""
	}

	n, _ := typeString(r.Sym)

	return n
}

// MethodTypeAt is the symbol of the type of that method.
func (s *Symbol) MethodTypeAt(off int64) string {
	r := s.RelocAt(int32(off) + imethodSize/2)
	if r == nil || r.Sym == nil {
		return ""
	}

	return r.Sym.Name
}
