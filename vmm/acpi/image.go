package acpi

import "math"

// Placement is where in guest memory an image goes.
type Placement struct {
	Base uint64 // a multiple of 64
	Size uint64 // in bytes, how much there is room for

	// RSDT makes that older list too, for systems that know no XSDT. All must then be
	// below 4 GiB.
	RSDT bool

	// EFI adds what EFITables makes, for Image.ConfigurationTable.
	EFI bool
}

// Image is tables as they lie in guest memory.
type Image struct {
	Base   uint64
	Bytes  []byte
	RSDP   uint64 // address of the root pointer
	Tables []Placed

	efi []ConfigurationEntry // beside the root pointer
}

// Placed is a table in an image.
type Placed struct {
	Signature string
	Address   uint64
	Bytes     []byte // part of the image's
}

// imageAlign is what the FACS needs (§5.2.10), and enough for every table.
const imageAlign = 64

// Image lays the tables out: the root pointer at the base, then the FACS, the DSDT, the
// FADT, the others in their order, the RSDT and the XSDT. Both lists, and the root pointer,
// have the OEM's fields from the FADT, or else from the first table with a header. The same set at the
// same place gives the same bytes.
//
// The FADT's pointers to the FACS and the DSDT are set: to the FACS in the field of 32
// bits if its address fits, since only one may be set; to the DSDT in X_DSDT and, unless
// the platform is hardware-reduced, in the field of 32 bits too if it fits. A FADT too
// short for X_DSDT gets fields of 32 bits. The set itself stays as it is.
//
// The error wraps ErrRoom if the tables don't fit, and ErrValue if there are two where one
// can be, a base that isn't aligned, or an address that is too high for a field.
func (s *Set) Image(p Placement) (*Image, error) {
	switch {
	case p.Base%imageAlign != 0:
		return nil, fail("", 0, ErrValue, "base %#x is not a multiple of %d", p.Base, imageAlign)
	case p.Size > math.MaxUint64-p.Base:
		return nil, fail("", 0, ErrValue, "%#x bytes at %#x wrap around", p.Size, p.Base)
	}

	l := &layouter{Placement: p, image: &Image{Base: p.Base, RSDP: p.Base}}
	l.grow(rsdpSize2)

	if err := l.tables(s); err != nil {
		return nil, err
	}

	if err := l.root(s); err != nil {
		return nil, err
	}

	for i, t := range l.image.Tables {
		from := t.Address - p.Base
		l.image.Tables[i].Bytes = l.image.Bytes[from : from+uint64(len(t.Bytes)) : from+uint64(len(t.Bytes))]
	}

	return l.image, nil
}

// layouter builds an image.
type layouter struct {
	Placement
	image *Image
}

// grow makes room, and gives its address and whether there is any.
func (l *layouter) grow(n int) (at uint64, ok bool) {
	b := l.image.Bytes
	start := (uint64(len(b)) + imageAlign - 1) &^ (imageAlign - 1)

	if start+uint64(n) > l.Size {
		return 0, false
	}

	l.image.Bytes = append(b, make([]byte, start+uint64(n)-uint64(len(b)))...)

	return l.Base + start, true
}

// add places a table and gives its address.
func (l *layouter) add(t Table) (uint64, error) {
	b, err := t.MarshalBinary()
	if err != nil {
		return 0, err
	}

	at, ok := l.grow(len(b))
	if !ok {
		return 0, fail(t.Signature(), 0, ErrRoom, "%d bytes behind %#x, of %#x", len(b), len(l.image.Bytes), l.Size)
	}

	copy(l.image.Bytes[at-l.Base:], b)
	l.image.Tables = append(l.image.Tables, Placed{t.Signature(), at, b})

	return at, nil
}

// tables places all that the set has, and the FADT with its pointers.
func (l *layouter) tables(s *Set) error {
	var facs, dsdt uint64

	for _, one := range []struct {
		signature string
		at        *uint64
	}{{"FACS", &facs}, {"DSDT", &dsdt}, {"FACP", nil}} {
		found := s.Signature(one.signature)
		if len(found) > 1 {
			return fail(one.signature, 0, ErrValue, "there are %d, and one can be", len(found))
		}

		if len(found) == 0 {
			continue
		}

		t := found[0]

		if fadt, ok := t.(*FADT); ok {
			patched, err := fadt.pointing(facs, dsdt)
			if err != nil {
				return err
			}

			t = patched
		}

		at, err := l.add(t)
		if err != nil {
			return err
		}

		if one.at != nil {
			*one.at = at
		}
	}

	for _, t := range s.Tables {
		switch t.Signature() {
		case "FACS", "DSDT", "FACP", "RSDT", "XSDT", rsdpSignature:
		default:
			if _, err := l.add(t); err != nil {
				return err
			}
		}
	}

	return nil
}

// pointing is a copy of the FADT with the addresses of the FACS and the DSDT; 0 is none,
// and leaves what is there.
func (t *FADT) pointing(facs, dsdt uint64) (*FADT, error) {
	c := *t
	long := c.size() >= fadtSize3

	switch {
	case facs == 0:
	case facs <= math.MaxUint32:
		c.FirmwareCtrl, c.XFirmwareCtrl = uint32(facs), 0
	case long:
		c.FirmwareCtrl, c.XFirmwareCtrl = 0, facs
	}

	if dsdt != 0 {
		c.DSDT, c.XDSDT = 0, 0
		if long {
			c.XDSDT = dsdt
		}

		if dsdt <= math.MaxUint32 && (!long || c.Flags&FADTHWReduced == 0) {
			c.DSDT = uint32(dsdt)
		}
	}

	if !long && (facs > math.MaxUint32 || dsdt > math.MaxUint32) {
		return nil, fail("FACP", 40, ErrValue, "%d bytes have no place for addresses above 4 GiB", c.size())
	}

	return &c, nil
}

// root places the lists and writes the root pointer.
func (l *layouter) root(s *Set) error {
	var (
		entries []uint64
		head    Header
		rsdt    uint64
		err     error
	)

	for _, t := range l.image.Tables {
		if t.Signature != "FACS" && t.Signature != "DSDT" {
			entries = append(entries, t.Address)
		}
	}

	for _, t := range s.Tables {
		if h := HeaderOf(t); h != nil && (head.Revision == 0 || t.Signature() == "FACP") {
			head = *h
			head.Revision, head.Extra = 1, nil
		}
	}

	if l.RSDT {
		list := &RSDT{Header: head}

		for _, e := range entries {
			if e > math.MaxUint32 {
				return fail("RSDT", 0, ErrValue, "a table at %#x", e)
			}

			list.Entries = append(list.Entries, uint32(e))
		}

		if rsdt, err = l.add(list); err != nil {
			return err
		}
	}

	if rsdt > math.MaxUint32 {
		return fail("RSDT", 0, ErrValue, "at %#x", rsdt)
	}

	xsdt, err := l.add(&XSDT{Header: head, Entries: entries})
	if err != nil {
		return err
	}

	if l.EFI {
		at, ok := l.grow(EFITablesSize)
		if !ok {
			return fail("", 0, ErrRoom, "the tables of EFI")
		}

		b, entries := EFITables(at, 0)
		copy(l.image.Bytes[at-l.Base:], b)
		l.image.efi = entries
	}

	b, err := (&RSDP{OEMID: head.OEMID, Revision: 2, RSDTAddress: uint32(rsdt), XSDTAddress: xsdt}).MarshalBinary()
	copy(l.image.Bytes, b)

	return err
}
