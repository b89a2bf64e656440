// Package acpi builds the smallest set of ACPI tables with which a stock kernel brings
// up the processors of an amd64 guest, routes interrupts through the I/O APIC, finds
// COM1 and the clock, and powers off.
//
// The platform is a legacy one, with ACPI fixed hardware in I/O ports, and always in
// ACPI mode. For that the device at layout.PortPM must let PM1 status bits be cleared
// by writing ones, keep what is written to PM1 enable, and read SCI_EN (bit 0 of PM1
// control) as 1; the PM timer counts 32 bits at 3.579545 MHz. Writing SLP_EN (bit 13)
// with SLP_TYP (bits 12 to 10) equal to SleepTypeS5 to PM1 control powers off; writing
// ResetValue to layout.PortReset resets.
//
// It must stay free of any system and of the machine: numbers in, bytes out.
//
// Sections are those of the ACPI specification, release 6.5.
package acpi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// What the guest writes to the board's ports.
const (
	SleepTypeS5 = 5 // to SLP_TYP of PM1 control, for soft-off
	ResetValue  = 6 // to layout.PortReset
)

// ErrConfig is wrapped by the errors of Build.
var ErrConfig = errors.New("unusable ACPI configuration")

// Config is what the tables depend on.
type Config struct {
	// CPUs is how many processors there are. Their APIC ids are 0 to CPUs-1.
	CPUs int

	// Base is the address of the image, a multiple of 64, and Limit the first address
	// that it must not reach, at most 4 GiB. For the kernel to find the tables by
	// itself, Base lies in the BIOS area, 0xe0000 to 0xfffff.
	Base, Limit uint64

	// TimerGSI is the I/O APIC input of the PIT. KVM's routing, as the kernel sets it
	// up, has it at 0; a PC, and a routing table after QEMU's example, at 2.
	TimerGSI uint32
}

const (
	facsAlign = 64 // §5.2.10; enough for every table
	maxCPUs   = 4096
)

// Build makes the tables. The image belongs at Base, and rsdp is the address of the
// root pointer in it. The result depends on c alone.
func Build(c Config) (rsdp uint64, image []byte, err error) {
	switch {
	case c.CPUs < 1 || c.CPUs > maxCPUs:
		return 0, nil, fmt.Errorf("%w: %d CPUs, want 1 to %d", ErrConfig, c.CPUs, maxCPUs)
	case c.Base == 0 || c.Base%facsAlign != 0:
		return 0, nil, fmt.Errorf("%w: base %#x is not a positive multiple of %d", ErrConfig, c.Base, facsAlign)
	case c.Limit < c.Base || c.Limit > 1<<32:
		// The FADT has 32-bit pointers to the FACS and the DSDT.
		return 0, nil, fmt.Errorf("%w: [%#x, %#x) is not a range below 4 GiB", ErrConfig, c.Base, c.Limit)
	}

	// The root pointer comes first and is filled in last, since the tables must be
	// placed before those that point to them.
	b := &builder{base: c.Base, image: make([]byte, rsdpSize)}

	facs := b.add(facs())
	dsdt := b.add(dsdt())
	fadt := b.add(fadt(facs, dsdt))
	madt := b.add(madt(c.CPUs, c.TimerGSI))
	xsdt := b.add(xsdt(fadt, madt))
	copy(b.image, root(xsdt))

	if uint64(len(b.image)) > c.Limit-c.Base {
		return 0, nil, fmt.Errorf("%w: tables for %d CPUs are %#x bytes, %#x are free", ErrConfig, c.CPUs, len(b.image), c.Limit-c.Base)
	}

	return c.Base, b.image, nil
}

// builder puts tables one after the other.
type builder struct {
	base  uint64
	image []byte
}

// add places a table and gives its address.
func (b *builder) add(table []byte) uint64 {
	b.image = append(b.image, make([]byte, -len(b.image)&(facsAlign-1))...)
	at := b.base + uint64(len(b.image))
	b.image = append(b.image, table...)

	return at
}

// Who made the tables. The creator's fields name the compiler of a table.
const (
	oemID       = "VGRAFT"
	oemTableID  = "VGRAFTVM"
	oemRevision = 1
	creatorID   = "VGFT"
	creatorRev  = 1
)

const (
	headerSize = 36
	rsdpSize   = 36
)

// table puts the system description table header before a body (§5.2.6).
func table(signature string, revision uint8, body []byte) []byte {
	t := make([]byte, headerSize, headerSize+len(body))
	copy(t, signature)
	binary.LittleEndian.PutUint32(t[4:], uint32(headerSize+len(body)))
	t[8] = revision
	copy(t[10:], oemID)
	copy(t[16:], oemTableID)
	binary.LittleEndian.PutUint32(t[24:], oemRevision)
	copy(t[28:], creatorID)
	binary.LittleEndian.PutUint32(t[32:], creatorRev)

	t = append(t, body...)
	t[9] = checksum(t)

	return t
}

// checksum is the byte that makes the sum of all bytes 0.
func checksum(b []byte) byte {
	var sum byte
	for _, v := range b {
		sum += v
	}

	return -sum
}

// root is the RSDP of revision 2, without an RSDT (§5.2.5.3).
func root(xsdt uint64) []byte {
	b := make([]byte, rsdpSize)
	copy(b, "RSD PTR ")
	copy(b[9:], oemID)
	b[15] = 2
	binary.LittleEndian.PutUint32(b[20:], rsdpSize)
	binary.LittleEndian.PutUint64(b[24:], xsdt)
	b[8] = checksum(b[:20]) // what ACPI 1.0 knew
	b[32] = checksum(b)

	return b
}

// xsdt lists the tables (§5.2.8). The DSDT and the FACS are found from the FADT.
func xsdt(tables ...uint64) []byte {
	var body []byte
	for _, t := range tables {
		body = binary.LittleEndian.AppendUint64(body, t)
	}

	return table("XSDT", 1, body)
}

// facs is the firmware control structure (§5.2.10). It has no header like the others'.
// Nothing uses it but the global lock, yet without it the platform must be
// hardware-reduced.
func facs() []byte {
	b := make([]byte, 64)
	copy(b, "FACS")
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	b[32] = 2 // version

	return b
}

// dsdt is what the interpreter needs: how to power off, and the devices that no bus
// finds.
func dsdt() []byte {
	return table("DSDT", 2, slices.Concat(
		// §7.4.2.5 and §16.1: SLP_TYPa, SLP_TYPb, two reserved.
		name("_S5_", packageOf(integer(SleepTypeS5), integer(0), integer(0), integer(0))),
		scope("_SB_", com1(), rtc()),
	))
}
