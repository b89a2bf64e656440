package aml

import "strconv"

// Space is the address space of a region (§5.5.2.4).
type Space uint8

// Address spaces. Numbers from 0x80 are the vendor's.
const (
	SystemMemory Space = iota
	SystemIO
	PCIConfig
	EmbeddedControl
	SMBus
	SystemCMOS
	PCIBarTarget
	IPMI
	GeneralPurposeIO
	GenericSerialBus
	PCC
	PlatformRT
	FFixedHW Space = 0x7f
)

// OperationRegion defines a window into an address space, in bytes.
func OperationRegion(name string, space Space, offset, length TermArg) Object {
	return object(makeNode(0x5b80, nameNode(name), raw(opRaw1, uint64(space)), arg(offset), arg(length)))
}

// DataTableRegion defines a window onto a table, by its signature and OEM ids.
func DataTableRegion(name string, signature, oem, oemTable TermArg) Object {
	return object(makeNode(0x5b88, nameNode(name), arg(signature), arg(oem), arg(oemTable)))
}

// Access is the width with which a field's region is accessed.
type Access uint8

// Widths of accesses. BufferAcc is for regions such as SMBus.
const (
	AnyAcc Access = iota
	ByteAcc
	WordAcc
	DWordAcc
	QWordAcc
	BufferAcc
)

// Update is what a write of some bits does to the others of the same access.
type Update uint8

// Ways to update.
const (
	Preserve Update = iota
	WriteAsOnes
	WriteAsZeros
)

// FieldFlags are those of all fields of a Field.
type FieldFlags struct {
	Access Access
	Lock   bool // take the global lock: not where the hardware is reduced
	Update Update
}

func (f FieldFlags) node() *Node {
	v := uint64(f.Access) | uint64(f.Update)<<5
	if f.Lock {
		v |= 1 << 4
	}

	n := raw(opRaw1, v)
	if f.Access > BufferAcc || f.Update > WriteAsZeros {
		n.errs = append(n.errs, wrong(ErrValue, "field flags %+v", f))
	}

	return n
}

// FieldElement is one of a list of fields.
type FieldElement interface {
	// element makes its node; at is the bit at which the list stands.
	element(at uint64) *Node
}

type (
	unit struct {
		name string
		bits uint64
	}
	reserved uint64
	offset   uint64
	accessAs struct {
		a      Access
		attrib uint8
	}
	extended struct {
		a              Access
		attrib, length uint8
	}
	conn struct{ n *Node }
)

// Bits is a field of so many bits.
func Bits(name string, bits uint64) FieldElement { return unit{name, bits} }

// Reserved leaves so many bits out.
func Reserved(bits uint64) FieldElement { return reserved(bits) }

// Offset goes on at a byte of the region.
func Offset(bytes uint64) FieldElement { return offset(bytes) }

// AccessAs sets the access of the fields that follow, with an attribute for GenericSerialBus
// and SMBus (§19.6.3).
func AccessAs(a Access, attrib uint8) FieldElement { return accessAs{a, attrib} }

// AccessLength is AccessAs with an attribute that has a length: AttribBytes 0x0b,
// AttribRawBytes 0x0e, AttribRawProcessBytes 0x0f.
func AccessLength(a Access, attrib, length uint8) FieldElement { return extended{a, attrib, length} }

// Connection says through which GPIO pins or which bus the fields that follow are reached.
func Connection(r Resource) FieldElement {
	n := ResourceTemplate(r).node()
	if len(n.errs) > 0 {
		return conn{n}
	}

	b := Buffer([]byte(n.text[:len(n.text)-2])...) // without the end tag, as iasl has it

	return conn{b.node()}
}

// ConnectionAt is Connection with a name that is bound to a ResourceTemplate.
func ConnectionAt(path string) FieldElement { return conn{nameNode(path)} }

func (u unit) element(uint64) *Node {
	s, err := makeSeg(u.name)
	n := &Node{op: opUnit, text: s.String(), num: u.bits}

	if err != nil {
		n.text, n.errs = "____", append(n.errs, err)
	}

	if u.bits == 0 || u.bits >= maxPkg {
		n.errs = append(n.errs, wrong(ErrValue, "field %s of %d bits", u.name, u.bits))
	}

	return n
}

func (r reserved) element(uint64) *Node {
	if r >= maxPkg {
		return bad(wrong(ErrValue, "%d bits reserved", uint64(r)))
	}

	return raw(opSkip, uint64(r))
}

func (o offset) element(at uint64) *Node {
	if o >= maxPkg/8 || uint64(o)*8 < at {
		return bad(wrong(ErrField, "offset %s is below bit %s", strconv.FormatUint(uint64(o), 10), strconv.FormatUint(at, 10)))
	}

	return raw(opSkip, uint64(o)*8-at)
}

func (a accessAs) element(uint64) *Node {
	if a.a > BufferAcc {
		return bad(wrong(ErrValue, "access %d", a.a))
	}

	return raw(opAccess, uint64(a.a)|uint64(a.attrib)<<8)
}

func (e extended) element(uint64) *Node {
	if e.a > BufferAcc {
		return bad(wrong(ErrValue, "access %d", e.a))
	}

	return raw(opExtend, uint64(e.a)|uint64(e.attrib)<<8|uint64(e.length)<<16)
}

func (c conn) element(uint64) *Node { return &Node{op: opConn, args: []*Node{c.n}} }

// fieldList makes the nodes of a list. An offset where the list stands already is left out,
// as iasl does.
func fieldList(list []FieldElement) []*Node {
	var out []*Node

	at := uint64(0)

	for _, f := range list {
		if f == nil {
			out = append(out, bad(wrong(ErrNil, "a field")))
			continue
		}

		n := f.element(at)
		if n.op == opUnit || n.op == opSkip {
			at += min(n.num, maxPkg)
		}

		if _, ok := f.(offset); ok && n.op == opSkip && n.num == 0 {
			continue
		}

		out = append(out, n)
	}

	return out
}

// Field names bits of a region.
func Field(region string, flags FieldFlags, list ...FieldElement) Object {
	n := makeNode(0x5b81, nameNode(region), flags.node())
	n.list = fieldList(list)

	return object(n)
}

// IndexField names bits that are reached through an index field and a data field.
func IndexField(index, data string, flags FieldFlags, list ...FieldElement) Object {
	n := makeNode(0x5b86, nameNode(index), nameNode(data), flags.node())
	n.list = fieldList(list)

	return object(n)
}

// BankField names bits of a region that are there while a bank field has a value.
func BankField(region, bank string, v TermArg, flags FieldFlags, list ...FieldElement) Object {
	n := makeNode(0x5b87, nameNode(region), nameNode(bank), arg(v), flags.node())
	n.list = fieldList(list)

	return object(n)
}

// CreateField names bits of a buffer.
func CreateField(buffer, bit, bits TermArg, name string) Object {
	return object(makeNode(0x5b13, arg(buffer), arg(bit), arg(bits), nameNode(name)))
}

func createField(code uint16, buffer, at TermArg, name string) Object {
	return object(makeNode(code, arg(buffer), arg(at), nameNode(name)))
}

// CreateBitField names a bit of a buffer.
func CreateBitField(buffer, bit TermArg, name string) Object {
	return createField(0x8d, buffer, bit, name)
}

// CreateByteField names the byte at an offset of a buffer.
func CreateByteField(buffer, at TermArg, name string) Object {
	return createField(0x8c, buffer, at, name)
}

// CreateWordField names two bytes.
func CreateWordField(buffer, at TermArg, name string) Object {
	return createField(0x8b, buffer, at, name)
}

// CreateDWordField names four bytes.
func CreateDWordField(buffer, at TermArg, name string) Object {
	return createField(0x8a, buffer, at, name)
}

// CreateQWordField names eight bytes.
func CreateQWordField(buffer, at TermArg, name string) Object {
	return createField(0x8f, buffer, at, name)
}
