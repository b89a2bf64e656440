package acpi

import (
	"encoding/binary"

	"github.com/vgraft/vgraft/internal/layout"
)

// Bits of the FADT (§5.2.9, tables "Fixed ACPI Description Table Fixed Feature Flags"
// and "... Boot Architecture Flags").
const (
	fadtWBINVD    = 1 << 0  // WBINVD works
	fadtProcC1    = 1 << 2  // C1 works on every processor
	fadtPwrButton = 1 << 4  // no power button in the fixed hardware
	fadtSlpButton = 1 << 5  // nor a sleep button
	fadtFixRTC    = 1 << 6  // nor the wake status of the RTC
	fadtTimer32   = 1 << 8  // TMR_VAL_EXT: the PM timer has 32 bits, not 24
	fadtResetReg  = 1 << 10 // RESET_REG_SUP

	// There is ISA with devices on it. That 8042 (bit 1) and "CMOS RTC not present"
	// (bit 5) are clear says: no keyboard controller, and a clock.
	bootLegacyDevices = 1 << 0
	bootNoVGA         = 1 << 2
)

// Sizes of the register blocks, in bytes.
const (
	pm1EventLen   = 4 // status and enable
	pm1ControlLen = 2
	pmTimerLen    = 4
)

// centuryAt is the place of the century in CMOS RAM.
const centuryAt = 0x32

// gas encodes a generic address of system I/O space (§5.2.3.2). access is 1 for bytes,
// 2 for words, 3 for double words.
func gas(port uint16, size, access uint8) []byte {
	b := []byte{1, size * 8, 0, access}

	return binary.LittleEndian.AppendUint64(b, uint64(port))
}

// fadt is the fixed hardware (§5.2.9). Offsets are from the start of the table, as in
// the specification.
func fadt(facs, dsdt uint64) []byte {
	const size = 276 // of revision 6

	le := binary.LittleEndian
	t := make([]byte, size)

	le.PutUint32(t[36:], uint32(facs)) // X_FIRMWARE_CTRL stays 0: only one may be set
	le.PutUint32(t[40:], uint32(dsdt))
	le.PutUint16(t[46:], layout.IRQSCI)

	// SMI_CMD (48) and the values for it stay 0: always in ACPI mode.
	le.PutUint32(t[56:], layout.PortPM+layout.PM1Event)
	le.PutUint32(t[64:], layout.PortPM+layout.PM1Control)
	le.PutUint32(t[76:], layout.PortPM+layout.PMTimer)
	t[88], t[89], t[91] = pm1EventLen, pm1ControlLen, pmTimerLen

	// Latencies above 100 and 1000 µs mean that there is no C2 and no C3.
	le.PutUint16(t[96:], 0xffff)
	le.PutUint16(t[98:], 0xffff)

	t[108] = centuryAt
	le.PutUint16(t[109:], bootLegacyDevices|bootNoVGA)
	le.PutUint32(t[112:], fadtWBINVD|fadtProcC1|fadtPwrButton|fadtSlpButton|fadtFixRTC|fadtTimer32|fadtResetReg)
	copy(t[116:], gas(layout.PortReset, 1, 1))
	t[128] = ResetValue
	t[131] = 5 // minor revision: 6.5

	le.PutUint64(t[140:], dsdt)
	copy(t[148:], gas(layout.PortPM+layout.PM1Event, pm1EventLen, 2))
	copy(t[172:], gas(layout.PortPM+layout.PM1Control, pm1ControlLen, 2))
	copy(t[208:], gas(layout.PortPM+layout.PMTimer, pmTimerLen, 3))

	return table("FACP", 6, t[headerSize:])
}

// madt is the interrupt controllers (§5.2.12).
func madt(cpus int, timerGSI uint32) []byte {
	const (
		pcatCompat = 1 << 0 // there are two 8259 as well, to be disabled
		enabled    = 1 << 0
		activeHigh = 1      // MPS INTI flags, §5.2.12.5
		level      = 3 << 2 //
		lintNMI    = 1
		firstX2    = 255 // 8-bit ids end before it: it means every processor
	)

	le := binary.LittleEndian
	b := le.AppendUint32(nil, layout.LAPIC)
	b = le.AppendUint32(b, pcatCompat)

	for id := range uint32(cpus) {
		if id < firstX2 { // §5.2.12.2, processor local APIC
			b = append(b, 0, 8, byte(id), byte(id))
			b = le.AppendUint32(b, enabled)
		} else { // §5.2.12.12, processor local x2APIC
			b = append(b, 9, 16, 0, 0)
			b = le.AppendUint32(b, id)
			b = le.AppendUint32(b, enabled)
			b = le.AppendUint32(b, id)
		}
	}

	// §5.2.12.3, I/O APIC: id 0, as KVM's register says after reset, and all GSIs.
	b = append(b, 1, 12, 0, 0)
	b = le.AppendUint32(b, layout.IOAPIC)
	b = le.AppendUint32(b, 0)

	// §5.2.12.5, interrupt source override. ISA lines are edge-triggered, active high
	// and equal to their GSI unless it is said here.
	override := func(irq uint8, gsi uint32, flags uint16) {
		b = append(b, 2, 10, 0, irq)
		b = le.AppendUint32(b, gsi)
		b = le.AppendUint16(b, flags)
	}

	if timerGSI != 0 {
		override(0, timerGSI, 0)
	}

	override(layout.IRQSCI, layout.IRQSCI, activeHigh|level)

	b = append(b, 4, 6, 0xff, 0, 0, lintNMI) // §5.2.12.7, NMI at LINT1 of all

	if cpus > firstX2 { // §5.2.12.13, the same for the others
		b = append(b, 10, 12, 0, 0, 0xff, 0xff, 0xff, 0xff, lintNMI, 0, 0, 0)
	}

	return table("APIC", 5, b)
}

// com1 is the first serial port.
func com1() []byte {
	return device("COM1",
		name("_HID", eisaID("PNP0501")),
		name("_UID", integer(1)),
		name("_STA", integer(0x0f)), // §6.3.7: present, enabled, shown, working
		name("_CRS", resources(ports(layout.PortCOM1, 8), isaIRQ(layout.IRQCOM1))),
	)
}

// rtc is the clock in the CMOS RAM.
func rtc() []byte {
	return device("RTC_",
		name("_HID", eisaID("PNP0B00")),
		name("_STA", integer(0x0f)),
		name("_CRS", resources(ports(layout.PortCMOS, 2), isaIRQ(layout.IRQRTC))),
	)
}
