package acpi_test

import (
	"fmt"

	"github.com/vgraft/vgraft/vmm/acpi"
)

// The tables of an arm64 machine with one processor, checked and laid out.
func Example() {
	head := acpi.Header{OEMID: "VGRAFT", OEMTableID: "EXAMPLE", CreatorID: "VGFT"}
	with := func(revision uint8) acpi.Header {
		h := head
		h.Revision = revision

		return h
	}

	set := &acpi.Set{}
	set.Add(
		&acpi.FADT{Header: with(6), MinorVersion: 5, Flags: acpi.FADTHWReduced, ARMBootArch: acpi.ARMBootPSCI | acpi.ARMBootHVC},
		&acpi.DSDT{Header: with(2)},
		&acpi.MADT{Header: with(6), Structures: []acpi.MADTStructure{
			&acpi.GICD{PhysicalBaseAddress: 0x8000000, GICVersion: 3},
			&acpi.GICR{DiscoveryRangeBaseAddress: 0x80a0000, DiscoveryRangeLength: acpi.GICRStride},
			&acpi.GICC{Flags: acpi.GICCEnabled | acpi.GICCOnlineCapable},
		}},
		&acpi.GTDT{Header: with(3), NonSecureEL1TimerGSIV: 30, VirtualEL1TimerGSIV: 27},
	)

	for _, f := range acpi.Lint(set, acpi.LintOptions{}) {
		fmt.Println(f)
	}

	image, err := set.Image(acpi.Placement{Base: 0x40000000, Size: 64 << 10})
	if err != nil {
		fmt.Println(err)
		return
	}

	for _, t := range image.Tables {
		fmt.Printf("%s at %#x, %d bytes\n", t.Signature, t.Address, len(t.Bytes))
	}
	// Output:
	// fault: APIC: processor UID 0 is both enabled and online-capable [processor-flags]
	// warning: SPCR: missing: Linux needs console= to have a console, and earlycon none [arm64-spcr]
	// DSDT at 0x40000040, 36 bytes
	// FACP at 0x40000080, 276 bytes
	// APIC at 0x400001c0, 166 bytes
	// GTDT at 0x40000280, 104 bytes
	// XSDT at 0x40000300, 60 bytes
}

// Tables of another machine, from the text of acpidump.
func ExampleParseDump() {
	text := `WAET @ 0x0000000000000000
    0000: 57 41 45 54 28 00 00 00 01 CC 56 47 52 41 46 54  WAET(.....VGRAFT
    0010: 45 58 41 4D 50 4C 45 00 01 00 00 00 56 47 46 54  EXAMPLE.....VGFT
    0020: 01 00 00 00 02 00 00 00                          ........
`

	set, err := acpi.ParseDump([]byte(text))
	if err != nil {
		fmt.Println(err)
		return
	}

	for _, t := range acpi.All[*acpi.WAET](set) {
		fmt.Printf("%s of %s: flags %#x\n", t.Signature(), t.OEMID, t.EmulatedDeviceFlags)
	}

	for _, p := range set.Problems {
		fmt.Println(p)
	}
	// Output:
	// WAET of VGRAFT: flags 0x2
	// acpi: "WAET": at 0x9: bytes don't sum up to zero: 0xcc is 0x37 off
}
