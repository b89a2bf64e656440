package boot

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// Linux on arm64 takes the ACPI root pointer from nowhere but an EFI system table. There
// is no EFI firmware here: what follows is the little of it that a kernel looks at which
// isn't entered as an EFI program. All of it is in Linux
// Documentation/arch/arm/uefi.rst and the UEFI specification 2.10, cited by its sections.

// Kinds of memory (§7.2.1, "EFI_MEMORY_TYPE") and the attribute of all of it.
const (
	efiBootServicesData = 4
	efiRuntimeCode      = 5
	efiConventional     = 7
	efiACPIReclaim      = 9
	efiMMIO             = 11

	efiUncached  = 1 << 0  // EFI_MEMORY_UC
	efiWriteBack = 1 << 3  // EFI_MEMORY_WB
	efiReadOnly  = 1 << 17 // EFI_MEMORY_RO
	efiRuntime   = 1 << 63 // EFI_MEMORY_RUNTIME: the services need it mapped

	efiPage           = 4096 // always
	efiDescriptorSize = 40
	efiMapVersion     = 1
)

// Places in what arm64.EFI has room for.
const (
	efiConfigAt = arm64.EFI + 0x400
	efiMoreAt   = arm64.EFI + 0x600 // what the configuration table leads to, beside ACPI
	efiVendorAt = arm64.EFI + 0x800
	efiEnd      = arm64.EFI + 0x1000
)

// Offsets in the system table (§4.3.1).
const (
	efiSignature   = 0x5453_5953_2049_4249 // "IBI SYST"
	efiRevision    = 2<<16 | 100           // 2.10
	efiSystemSize  = 120
	efiCRCAt       = 16
	efiVendorPtrAt = 24
	efiRuntimeAt   = 88
	efiTablesNAt   = 104
	efiTablesPtrAt = 112
)

// efiTables gives what belongs at arm64.EFI.
func efiTables(rsdp uint64) []byte {
	b := make([]byte, efiEnd-arm64.EFI)
	at := func(gpa uint64) []byte { return b[gpa-arm64.EFI:] }
	put32, put64 := binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64

	copy(at(efiVendorAt), []byte{'v', 0, 'g', 0, 'r', 0, 'a', 0, 'f', 0, 't', 0, 0, 0})

	more, entries := acpi.EFITables(efiMoreAt, runtimeServices)
	copy(at(efiMoreAt), more)

	entries = append([]acpi.ConfigurationEntry{{GUID: acpi.ACPI20TableGUID(), Address: rsdp}}, entries...)

	var config []byte
	for _, e := range entries {
		config, _ = e.AppendBinary(config) // no entry is wrong
	}

	copy(at(efiConfigAt), config)

	put64(b, efiSignature)
	put32(b[8:], efiRevision)
	put32(b[12:], efiSystemSize)
	put64(b[efiVendorPtrAt:], efiVendorAt)
	put64(b[efiRuntimeAt:], arm64.Runtime)
	put64(b[efiTablesNAt:], uint64(len(entries)))
	put64(b[efiTablesPtrAt:], efiConfigAt)
	put32(b[efiCRCAt:], crc32.ChecksumIEEE(b[:efiSystemSize])) // with 0 in its place

	return b
}

// efiMap gives what belongs at arm64.EFIMap (§7.2.3): the device tree and these tables,
// which the kernel reads and then has for itself; the run-time services and the ACPI
// tables, which it keeps; and the rest. The first range was checked to reach beyond
// arm64.Kernel.
func efiMap(ram []guestmem.Range) []byte {
	var b []byte

	addAs := func(kind uint32, base, end, attributes uint64) {
		// What the services need has the same virtual address: see runtimeTable.
		virtual := uint64(0)
		if attributes&efiRuntime != 0 {
			virtual = base
		}

		for _, v := range []uint64{uint64(kind), base, virtual, (end - base) / efiPage, attributes} {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	add := func(kind uint32, base, end uint64) { addAs(kind, base, end, efiWriteBack) }

	const runtimeEnd = arm64.Runtime + arm64.RuntimeSize

	addAs(efiMMIO, arm64.Time, arm64.Time+arm64.TimeSize, efiUncached|efiRuntime)
	add(efiBootServicesData, arm64.RAM, arm64.Runtime)
	addAs(efiRuntimeCode, arm64.Runtime, runtimeEnd, efiWriteBack|efiReadOnly|efiRuntime)
	add(efiBootServicesData, runtimeEnd, arm64.ACPI)
	add(efiACPIReclaim, arm64.ACPI, arm64.Kernel)

	for i, r := range ram {
		if i == 0 {
			r = guestmem.Range{Base: arm64.Kernel, Size: r.End() - arm64.Kernel}
		}

		add(efiConventional, r.Base, r.End())
	}

	return b
}
