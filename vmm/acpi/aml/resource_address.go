package aml

// Memory24 is memory below 16 MiB that begins between Min and Max; all four numbers are in units
// of 256 bytes but Align, which is in bytes, with 0 for 64 KiB (§6.4.3.1).
type Memory24 struct {
	Min, Max, Align, Length uint16
	Writable                bool
}

func (m Memory24) put(b []byte) []byte {
	return large(b, 0x81, le16(le16(le16(le16([]byte{bit(m.Writable, 0)}, m.Min), m.Max), m.Align), m.Length))
}

func (m Memory24) check() error {
	return checkRange("Memory24", uint64(m.Min), uint64(m.Max), 1, uint64(m.Length), 1<<16)
}

func decodeMemory24(r *reader) Resource {
	return Memory24{Writable: r.u8() != 0, Min: r.u16(), Max: r.u16(), Align: r.u16(), Length: r.u16()}
}

// Memory32 is memory below 4 GiB that begins between Min and Max (§6.4.3.3).
type Memory32 struct {
	Min, Max, Align, Length uint32
	Writable                bool
}

func (m Memory32) put(b []byte) []byte {
	return large(b, 0x85, le32(le32(le32(le32([]byte{bit(m.Writable, 0)}, m.Min), m.Max), m.Align), m.Length))
}

func (m Memory32) check() error {
	return checkRange("Memory32", uint64(m.Min), uint64(m.Max), uint64(m.Align), uint64(m.Length), 1<<32)
}

// Memory32Fixed is memory below 4 GiB (§6.4.3.4).
type Memory32Fixed struct {
	Base, Length uint32
	Writable     bool
}

func (m Memory32Fixed) put(b []byte) []byte {
	return large(b, 0x86, le32(le32([]byte{bit(m.Writable, 0)}, m.Base), m.Length))
}

func (m Memory32Fixed) check() error {
	return checkRange("Memory32Fixed", uint64(m.Base), uint64(m.Base), 1, uint64(m.Length), 1<<32)
}

// AddressType is what an AddressSpace is about. Numbers from 0xc0 are the vendor's.
type AddressType uint8

// Types of addresses.
const (
	MemoryRange AddressType = iota
	IORange
	BusRange
)

// Caching says how memory may be cached.
type Caching uint8

// Ways to cache.
const (
	NonCacheable Caching = iota
	Cacheable
	WriteCombining
	Prefetchable
)

// MemoryFlags are the specific flags of a MemoryRange; kind is 0 for memory, 1 reserved, 2 ACPI
// and 3 NVS, and a translated range is of ports on the other side of the bridge.
func MemoryFlags(writable bool, c Caching, kind uint8, translated bool) uint8 {
	return bit(writable, 0) | uint8(c&3)<<1 | kind&3<<3 | bit(translated, 5)
}

// IOFlags are the specific flags of an IORange; isa is 1 for ports that aren't ISA's, 2 for those
// that are and 3 for all, and a translated range is of memory on the other side of the bridge,
// sparse or dense.
func IOFlags(isa uint8, translated, sparse bool) uint8 {
	return isa&3 | bit(translated, 4) | bit(sparse, 5)
}

// AddressSpace is a range of addresses (§6.4.3.5).
//
// A device that has the range is its consumer. A bridge that hands it out to devices behind it is
// not, and then Translation is what it adds to the addresses of its own, secondary, side.
//
// Where both ends are fixed, Length must be Max-Min+1 and Granularity 0. Where none is, the
// range has Length bytes, a multiple of Granularity+1, somewhere between them. A Length of 0 is
// one that may be chosen, with one end fixed at most.
type AddressSpace struct {
	Bits               uint8 // of the numbers: 16, 32 or 64
	Type               AddressType
	Flags              uint8 // see MemoryFlags and IOFlags
	Consumer           bool
	Subtractive        bool // decodes what nobody else does
	MinFixed, MaxFixed bool
	Granularity        uint64 // a power of 2, minus 1
	Min, Max           uint64 // both inclusive
	Translation        uint64
	Length             uint64
	Source             Source

	// Extended is another format of 64 bits, with Attributes as UEFI has them in its memory
	// map. It has no Source.
	Extended   bool
	Attributes uint64
}

// fixedRange is a range that is where it is.
func fixedRange(bits uint8, t AddressType, flags uint8, base, length uint64) AddressSpace {
	return AddressSpace{Bits: bits, Type: t, Flags: flags, MinFixed: true, MaxFixed: true, Min: base, Max: base + length - 1, Length: length}
}

// BusNumbers is the range of buses of a host bridge, both inclusive.
func BusNumbers(first, last uint8) AddressSpace {
	return fixedRange(16, BusRange, 0, uint64(first), uint64(last)-uint64(first)+1)
}

// MMIOWindow is memory that a bridge hands out, writable and not cached, in 32 bits if it is
// below 4 GiB.
func MMIOWindow(base, length uint64) AddressSpace {
	bits := uint8(64)
	if base+length <= 1<<32 && base+length >= base {
		bits = 32
	}

	return fixedRange(bits, MemoryRange, MemoryFlags(true, NonCacheable, 0, false), base, length)
}

// PortWindow are ports that a bridge hands out.
func PortWindow(base uint16, length uint32) AddressSpace {
	a := fixedRange(16, IORange, IOFlags(3, false, false), uint64(base), uint64(length))
	if length > 0xffff { // which 16 bits don't hold
		a.Bits = 32
	}

	return a
}

func (a AddressSpace) tag() byte {
	switch {
	case a.Extended:
		return 0x8b
	case a.Bits == 16:
		return 0x88
	case a.Bits == 32:
		return 0x87
	default:
		return 0x8a
	}
}

func (a AddressSpace) put(b []byte) []byte {
	body := []byte{
		byte(a.Type),
		bit(a.Consumer, 0) | bit(a.Subtractive, 1) | bit(a.MinFixed, 2) | bit(a.MaxFixed, 3),
		a.Flags,
	}

	if a.Extended {
		body = append(body, 1, 0) // revision, reserved
	}

	for _, v := range []uint64{a.Granularity, a.Min, a.Max, a.Translation, a.Length} {
		switch a.Bits {
		case 16:
			body = le16(body, uint16(v))
		case 32:
			body = le32(body, uint32(v))
		default:
			body = le64(body, v)
		}
	}

	if a.Extended {
		body = le64(body, a.Attributes)
	}

	return large(b, a.tag(), a.Source.put(body))
}

func decodeAddress(tag byte, r *reader) Resource {
	a := AddressSpace{Bits: map[byte]uint8{0x87: 32, 0x88: 16, 0x8a: 64, 0x8b: 64}[tag], Extended: tag == 0x8b}
	a.Type = AddressType(r.u8())

	f := r.u8()
	a.Consumer, a.Subtractive, a.MinFixed, a.MaxFixed = f&1 != 0, f&2 != 0, f&4 != 0, f&8 != 0
	a.Flags = r.u8()

	if a.Extended {
		r.u16()
	}

	for _, v := range []*uint64{&a.Granularity, &a.Min, &a.Max, &a.Translation, &a.Length} {
		*v = r.take(int(a.Bits / 8))
	}

	if a.Extended {
		a.Attributes = r.u64()
	}

	a.Source = decodeSource(r)

	return a
}

func (a AddressSpace) check() error {
	top := ^uint64(0)

	switch {
	case a.Bits != 16 && a.Bits != 32 && a.Bits != 64, a.Extended && a.Bits != 64:
		return mistake("addresses of %d bits", a.Bits)
	case a.Bits < 64:
		top = 1<<a.Bits - 1
	}

	for _, v := range []uint64{a.Granularity, a.Min, a.Max, a.Translation, a.Length} {
		if v > top {
			return mistake("%#x has more than %d bits", v, a.Bits)
		}
	}

	switch {
	case a.Type > BusRange && a.Type < 0xc0:
		return mistake("address type %d", a.Type)
	case a.Extended && a.Source != (Source{}):
		return mistake("extended address space with a source")
	case !a.Extended && a.Attributes != 0:
		return mistake("attributes are of the extended format")
	}

	if err := a.Source.check(); err != nil {
		return err
	}

	return a.checkRange()
}

// checkRange checks the combinations that §6.4.3.5 allows.
func (a AddressSpace) checkRange() error {
	unit := a.Granularity + 1

	switch {
	case a.Granularity&unit != 0:
		return mistake("granularity %#x isn't a power of 2 minus 1", a.Granularity)
	case a.Min > a.Max:
		return mistake("minimum %#x is above the maximum %#x", a.Min, a.Max)
	case a.Length == 0 && a.MinFixed && a.MaxFixed:
		return mistake("fixed from %#x to %#x, but of no length", a.Min, a.Max)
	case a.Length == 0:
		return nil
	case a.Length-1 > a.Max-a.Min:
		return mistake("length %#x is more than from %#x to %#x", a.Length, a.Min, a.Max)
	case a.MinFixed != a.MaxFixed:
		return mistake("length %#x is fixed, and so is one end alone", a.Length)
	case a.MinFixed && a.Length-1 != a.Max-a.Min:
		return mistake("length %#x isn't that from %#x to %#x, which are fixed", a.Length, a.Min, a.Max)
	case a.MinFixed && a.Granularity != 0:
		return mistake("granularity %#x of a range that is fixed", a.Granularity)
	case !a.MinFixed && unit != 0 && (a.Length%unit != 0 || a.Min%unit != 0):
		return mistake("length %#x or minimum %#x isn't a multiple of %#x", a.Length, a.Min, unit)
	}

	return nil
}
