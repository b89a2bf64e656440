package acpi

import "encoding/binary"

// GUID is a globally unique identifier, in the order of bytes that EFI has in memory.
type GUID [16]byte

// ACPI20TableGUID marks the RSDP in the EFI configuration table (UEFI 2.10, §4.6.1).
func ACPI20TableGUID() GUID {
	return GUID{0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11, 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}
}

// RTPropertiesTableGUID marks the table that says which runtime services there are (§4.6.2).
func RTPropertiesTableGUID() GUID {
	return GUID{0x8a, 0x91, 0x66, 0xeb, 0xef, 0x7e, 0x2a, 0x40, 0x84, 0x2e, 0x93, 0x1d, 0x21, 0xc3, 0x8a, 0xe9}
}

// LinuxMemoryReserveTableGUID marks the head of Linux's list of memory that a kernel which
// it loads must leave alone (Linux include/linux/efi.h, LINUX_EFI_MEMRESERVE_TABLE_GUID).
func LinuxMemoryReserveTableGUID() GUID {
	return GUID{0xc6, 0xb0, 0x8e, 0x88, 0xde, 0x8e, 0xf5, 0x4f, 0xa8, 0xf0, 0x9a, 0xee, 0x5c, 0xb9, 0x77, 0xc2}
}

// ConfigurationEntry is an entry of the EFI configuration table.
type ConfigurationEntry struct {
	GUID    GUID
	Address uint64
}

// AppendBinary appends the 24 bytes of the entry.
func (e ConfigurationEntry) AppendBinary(b []byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(append(b, e.GUID[:]...), e.Address), nil
}

// ConfigurationTable is the entries by which a system that was started through EFI, or in
// a way that looks so, finds the tables: the RSDP and, with Placement.EFI, those of EFITables.
func (i *Image) ConfigurationTable() []ConfigurationEntry {
	return append([]ConfigurationEntry{{ACPI20TableGUID(), i.RSDP}}, i.efi...)
}

// Sizes and places of what EFITables makes, in bytes.
const (
	EFITablesSize = 32

	runtimeSize   = 8
	memReserveAt  = 16
	runtimeFormat = 1 // the table's version
)

// EFITables gives the bytes of two tables that Linux wants where there is no firmware that
// has them, for guest memory at an address, which is a multiple of 8; and their entries in
// the configuration table. The guest writes there.
//
// The first one says which runtime services there are, a bit for each as in
// EFI_RT_PROPERTIES_TABLE (UEFI 2.10, §4.6.2): without it, a kernel calls all of them.
// The second one is the empty head of the list to which a kernel on arm64 adds the tables
// of the GICv3's redistributors and ITS, since those can't be moved when another kernel
// takes over. The EFI program in a kernel makes it otherwise; where that doesn't run, a
// kernel without the head complains that it can't add to it.
func EFITables(at uint64, services uint32) ([]byte, []ConfigurationEntry) {
	b := make([]byte, EFITablesSize) // a list of room for 0, of which 0 are used, and without a next one

	binary.LittleEndian.PutUint16(b, runtimeFormat)
	binary.LittleEndian.PutUint16(b[2:], runtimeSize)
	binary.LittleEndian.PutUint32(b[4:], services)

	return b, []ConfigurationEntry{{RTPropertiesTableGUID(), at}, {LinuxMemoryReserveTableGUID(), at + memReserveAt}}
}
