package emit

import (
	"encoding/binary"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// Parts of a type descriptor.
const (
	typeSize     = 0
	typePtrBytes = 8
	typeFlags    = 20
	typeKind     = 23
	typeGCData   = 32
	typeStr      = 40
	arrayElem    = 48
	arrayLen     = 64
	structFields = 56
	structLen    = 64
	fieldSize    = 24
	fieldType    = 8
	fieldOff     = 16

	flagExtraStar = 1 << 1
	flagNamed     = 1 << 2
	flagOnDemand  = 1 << 4 // there is no pointer mask

	kindMask    = 31
	kindArray   = 17
	kindChan    = 18
	kindFunc    = 19
	kindMap     = 21
	kindPointer = 22
	kindSlice   = 23
	kindStruct  = 25
)

// makeable are the kinds of types that reflection can make.
var makeable = []byte{kindArray, kindChan, kindFunc, kindMap, kindPointer, kindSlice, kindStruct}

// word reads 8 bytes of a symbol, whose data may be shorter than it is.
func word(s *program.Symbol, at uint64) uint64 {
	var b [8]byte

	if at < uint64(len(s.Data)) {
		copy(b[:], s.Data[at:])
	}

	return le.Uint64(b[:])
}

// to is what a field of a symbol refers to; nil is nothing.
func to(s *program.Symbol, at uint64) (*program.Symbol, int64) {
	for _, r := range s.Relocs() {
		if uint64(r.Off) == at && !r.Marks() {
			return r.Sym, r.Add
		}
	}

	return nil, 0
}

// typeString is the name by which the runtime sorts types.
func typeString(s *program.Symbol) string {
	n, _ := to(s, typeStr)
	if n == nil || len(n.Data) < 2 {
		return ""
	}

	size, k := binary.Uvarint(n.Data[1:])
	if k <= 0 || size > uint64(len(n.Data)-1-k) {
		return ""
	}

	str := string(n.Data[1+k : 1+k+int(size)])
	if byte(word(s, typeFlags))&flagExtraStar != 0 && str != "" {
		str = str[1:]
	}

	return str
}

// mask has a bit for each word of an area of memory: whether it holds a pointer.
func (e *emitter) mask(list []*program.Symbol, at span) ([]byte, error) {
	m := make([]byte, roundUp((at.size()/8+7)/8, 8)+8)

	for _, s := range list {
		t := s.GoType()
		if t == nil || !t.Defined() {
			if s.Size < 8 {
				continue
			}

			return nil, &PlanError{s.Name, "the compiler doesn't say what type it has"}
		}

		from := e.at[s].off - at.from
		if err := pointers(t, from, from+s.Size, 0, m); err != nil {
			return nil, err
		}
	}

	return m, nil
}

// maxNesting is deeper than types are nested in each other.
const maxNesting = 100

// pointers sets the bits of a value of a type that lies between two offsets.
func pointers(t *program.Symbol, from, end uint64, depth int, m []byte) error {
	n := word(t, typePtrBytes)
	if n == 0 {
		return nil
	}

	bad := &PlanError{t.Name, "a type whose pointers can't be told"}
	if !t.Defined() || from%8 != 0 || n%8 != 0 || from > end || n > end-from || depth > maxNesting {
		return bad
	}

	if byte(word(t, typeFlags))&flagOnDemand == 0 {
		g, add := to(t, typeGCData)
		if g == nil || add != 0 || uint64(len(g.Data)) < (n/8+7)/8 {
			return bad
		}

		for i := range n / 8 {
			if g.Data[i/8]>>(i%8)&1 != 0 {
				w := from/8 + i
				m[w/8] |= 1 << (w % 8)
			}
		}

		return nil
	}

	switch byte(word(t, typeKind)) & kindMask {
	case kindArray:
		elem, _ := to(t, arrayElem)
		if elem == nil || word(elem, typeSize) == 0 {
			return bad
		}

		for i := range word(t, arrayLen) {
			if err := pointers(elem, from+i*word(elem, typeSize), end, depth+1, m); err != nil {
				return err
			}
		}
	case kindStruct:
		fields, at := to(t, structFields)
		if fields == nil {
			return bad
		}

		for i := range word(t, structLen) {
			f := uint64(at) + fieldSize*i

			typ, _ := to(fields, f+fieldType)
			if typ == nil {
				return bad
			}

			if err := pointers(typ, from+word(fields, f+fieldOff), end, depth+1, m); err != nil {
				return err
			}
		}
	default:
		return bad
	}

	return nil
}
