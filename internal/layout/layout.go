// Package layout is the one place that says where things are in a guest: every
// guest-physical address, I/O port and interrupt line that the monitor chooses.
//
// It holds numbers only. It must not import anything, so that every other package
// can import it, and a test proves that no two ranges overlap.
package layout

// Low memory. The first megabyte follows the PC: conventional memory up to the
// extended BIOS data area, then the legacy hole in which the kernel looks for the
// ACPI root pointer.
const (
	GDT       = 0x0000_0500 // boot GDT, one page at most
	StartInfo = 0x0000_6000 // PVH start_info, module list, memory map
	ZeroPage  = 0x0000_7000 // Linux boot_params
	SetupData = 0x0000_8000 // what more there is for Linux than boot_params
	PageTable = 0x0000_9000 // pool of boot page tables
	Cmdline   = 0x0002_0000 // kernel command line, NUL-terminated
	TaskState = 0x0003_0000 // task state of ring-3 guests, with their port permissions
	EBDA      = 0x0009_fc00 // end of conventional memory
	ACPI      = 0x000e_0000 // RSDP and tables: the BIOS read-only area
	BIOS      = 0x000f_f000 // the last page of a PC's firmware, with the reset vector
	HighRAM   = 0x0010_0000 // RAM above the first megabyte; kernels load here

	ResetVector = 0x000f_fff0

	PageTableSize = Cmdline - PageTable
	CmdlineSize   = TaskState - Cmdline
	TaskStateSize = 0x3000
	ACPISize      = BIOS - ACPI
)

// The hole below 4 GiB. RAM that doesn't fit below HoleStart continues at HoleEnd.
const (
	HoleStart = 0xc000_0000
	HoleEnd   = 0x1_0000_0000

	MMIO      = 0xd000_0000 // device windows of the embedder's
	Place     = 0xe000_0000 // windows of devices that don't care where
	MMIOSize  = 0x1000_0000
	PlaceSize = 0x0100_0000

	IOAPIC      = 0xfec0_0000
	LAPIC       = 0xfee0_0000
	IdentityMap = 0xfffb_c000 // KVM_SET_IDENTITY_MAP_ADDR, one page
	TSS         = 0xfffb_d000 // KVM_SET_TSS_ADDR, three pages
)

// I/O ports of the board.
const (
	PortI8042Data = 0x60
	PortSystem    = 0x61 // PIT gate; in the kernel
	PortI8042     = 0x64
	PortCMOS      = 0x70
	PortPost      = 0x80
	PortCOM1      = 0x3f8
	PortReset     = 0xcf9
	PortSleep     = 0x600 // ACPI sleep control, then sleep status
	PortSleepSize = 2

	PortPMTimer     = 0x608 // ACPI power management timer
	PortPMTimerSize = 4
)

// Interrupt lines (GSIs). With the in-kernel chips, GSI 0 to 15 are the ISA lines
// and reach both the PIC and the I/O APIC.
const (
	IRQCOM1 = 4
	IRQRTC  = 8
	GSIMax  = 24
)
