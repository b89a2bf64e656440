package vmm

import (
	"fmt"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/vmm/acpi"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
	"github.com/vgraft/vgraft/vmm/power"
)

// header is who made a table.
func header(revision uint8) acpi.Header {
	return acpi.Header{
		Revision: revision, OEMID: "VGRAFT", OEMTableID: "VGRAFTVM", OEMRevision: 1,
		CreatorID: "VGFT", CreatorRevision: 1,
	}
}

// hypervisorID is "VGRAFT".
const hypervisorID = 'V' | 'G'<<8 | 'R'<<16 | 'A'<<24 | 'F'<<32 | 'T'<<40

// dsdt is what devices that have been attached say of themselves.
func dsdt(devices []Device) (*acpi.DSDT, error) {
	var terms []aml.Term

	for _, d := range devices {
		d, ok := d.(Described)
		if !ok {
			continue
		}

		t, err := d.ACPI()
		if err != nil {
			return nil, fmt.Errorf("ACPI of device %T: %w", d, err)
		}

		terms = append(terms, t...)
	}

	body, err := aml.Encode(terms...)
	if err != nil {
		return nil, fmt.Errorf("DSDT: %w", err)
	}

	return &acpi.DSDT{Header: header(2), Body: body}, nil
}

// profile is the kind of machine: what runs on a battery is a mobile one.
func profile(devices []Device) uint8 {
	for _, d := range devices {
		if _, ok := d.(*power.Battery); ok {
			return acpi.ProfileMobile
		}
	}

	return acpi.ProfileServer
}

// moreFrom is where memory goes that comes later, if that begins behind an address.
func moreFrom(cfg Config, end uint64) Range {
	const align = 1 << 30 // all that systems ask for, and more

	return Range{Base: (end + align - 1) &^ (align - 1), Size: cfg.MaxMemory - cfg.Memory}
}

// srat says that all processors and all memory are near to each other, and where memory
// may come.
func srat(ram []Range, more Range, cpus int, cpu func(id uint32) acpi.SRATStructure) *acpi.SRAT {
	t := &acpi.SRAT{Header: header(3)}

	for id := range cpus {
		t.Structures = append(t.Structures, cpu(uint32(id)))
	}

	for _, r := range ram {
		t.Structures = append(t.Structures, &acpi.MemoryAffinity{BaseAddress: r.Base, Length: r.Size, Flags: acpi.SRATEnabled})
	}

	t.Structures = append(t.Structures, &acpi.MemoryAffinity{
		BaseAddress: more.Base, Length: more.Size, Flags: acpi.SRATEnabled | acpi.SRATMemoryHotPluggable,
	})

	return t
}

// tableRoom is where a machine's tables and other memory of firmware are, and its windows
// that are anywhere.
func tableRoom() device.Room {
	return device.Room{
		WindowStart: placeBase, WindowEnd: placeBase + placeSize,
		MemoryStart: acpiBase, MemoryEnd: acpiBase + acpiSize,
	}
}

// writeTables puts the tables into the guest's memory, where the root pointer comes first.
func (m *Machine) writeTables(set *acpi.Set) (rsdp uint64, err error) {
	image, err := set.Image(acpi.Placement{Base: m.room.MemoryStart, Size: m.room.MemoryEnd - m.room.MemoryStart})
	if err != nil {
		return 0, fmt.Errorf("vmm: ACPI tables: %w", err)
	}

	if _, err := m.mem.WriteAt(image.Bytes, int64(m.room.MemoryStart)); err != nil {
		return 0, fmt.Errorf("vmm: ACPI tables: %w", err)
	}

	return image.RSDP, nil
}
