// Package arm64 is what package layout is for amd64: every guest-physical address and
// interrupt line that the monitor chooses in a guest on arm64.
//
// It holds numbers only. It must not import anything, so that every other package
// can import it, and a test proves that no two ranges overlap.
package arm64

// Below 1 GiB there are devices only.
const (
	Flash = 0x0000_0000 // kept free for firmware
	GICD  = 0x0800_0000 // interrupt distributor
	ITS   = 0x0808_0000 // interrupt translation service: registers, then doorbell
	UART  = 0x0900_0000
	RTC   = 0x0901_0000
	Time  = 0x0902_0000 // the clock once more, as EFI has time; nothing else may be in these 64 KiB
	Place = 0x0a00_0000 // windows of devices that don't care where
	GICR  = 0x0c00_0000 // redistributors, one for each vCPU
	MMIO  = 0x1000_0000 // device windows of the embedder's
	ECAM  = 0x3000_0000 // kept free for the configuration space of PCI Express
	RAM   = 0x4000_0000 // to the end of memory, without a hole

	FlashSize = 0x0800_0000
	GICDSize  = 0x1_0000
	ITSSize   = 0x2_0000
	UARTSize  = 0x1000
	RTCSize   = 0x1000
	TimeSize  = 0x1_0000
	PlaceSize = 0x0100_0000
	GICRSize  = MaxCPUs * GICRStride
	MMIOSize  = 0x1000_0000
	ECAMSize  = 0x1000_0000

	GICRStride = 0x2_0000
	MaxCPUs    = 256
)

// The first two megabytes of RAM. Each part begins a page of 64 KiB, the largest there
// are. The kernel is placed in pages of 2 MiB.
const (
	FDT       = RAM            // flattened device tree
	EFI       = RAM + 0x1_0000 // system table and what it points to
	EFIMap    = RAM + 0x2_0000 // memory map
	PageTable = RAM + 0x3_0000 // of Flat guests
	Vectors   = RAM + 0x4_0000 // of Flat guests
	Runtime   = RAM + 0x5_0000 // EFI's services for a system that runs
	ACPI      = RAM + 0x10_0000
	Kernel    = RAM + 0x20_0000

	FDTSize       = EFI - FDT
	EFISize       = EFIMap - EFI
	EFIMapSize    = PageTable - EFIMap
	PageTableSize = Vectors - PageTable
	VectorsSize   = Runtime - Vectors
	RuntimeSize   = 0x1_0000
	ACPISize      = Kernel - ACPI
)

// Interrupt lines: line n is shared peripheral interrupt n, whose number to the guest,
// ACPI's tables included, is SPI + n.
const (
	SPI = 32

	IRQUART = 1
	IRQRTC  = 2
	GSIMax  = 224
)

// Private peripheral interrupts, as numbers to the guest (Arm BSA, "PPI assignments").
const (
	PPIPMU         = 23
	PPIMaintenance = 25 // of the guest's own virtual interrupts
	PPIHypTimer    = 26
	PPIVirtTimer   = 27
	PPISecTimer    = 29
	PPITimer       = 30
)
