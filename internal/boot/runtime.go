package boot

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/vgraft/vgraft/internal/layout/arm64"
)

// The run-time services of EFI (UEFI specification 2.10, §8): by GetTime Linux on arm64 learns
// the time when it boots, and by SetTime it sets the clock. It knows no other clock that it
// would find by ACPI and set its own by. Every other service answers that it isn't there.
//
// A kernel that is not entered as an EFI program can't say where it wants them. It finds
// them as if it had: at the virtual addresses that the memory map has for them, which are
// their physical ones.

// runtimeServices is the mask of those that are there (§4.6.2): GetTime and SetTime.
const runtimeServices = 1<<0 | 1<<1

// The table of services (§4.5.1) and the code, as offsets from arm64.Runtime.
const (
	runtimeSignature = 0x5652_4553_544e_5552 // "RUNTSERV"
	runtimeCRCAt     = 16
	runtimeFirstAt   = 24
	runtimeCount     = 14
	runtimeSize      = runtimeFirstAt + 8*runtimeCount

	runtimeCodeAt = 0x100
)

// loadTime has the address of arm64.Time in w9.
const loadTime = 0x52a0_0009 | arm64.Time>>16<<5 // movz w9, #high, lsl #16

// The services. They leave alone what a caller may keep (Arm AAPCS64, §6.1.1).
var (
	// GetTime(x0 time, x1 capabilities or 0). All that is not 0 of the time comes in one
	// piece; the clock counts seconds.
	getTime = []uint32{
		0xd503_245f, // bti c
		loadTime,
		0xf940_012a, // ldr x10, [x9]
		0xf900_000a, // str x10, [x0]
		0xf900_041f, // str xzr, [x0, #8]: nanoseconds, UTC
		0xb400_0081, // cbz x1, 1f
		0x5280_002a, // mov w10, #1
		0x2900_7c2a, // stp w10, wzr, [x1]: 1 Hz, no error
		0x3900_203f, // strb wzr, [x1, #8]
		0xd280_0000, // 1: mov x0, #0
		0xd65f_03c0, // ret
	}

	// SetTime(x0 time). The device says whether there is such a time.
	setTime = []uint32{
		0xd503_245f, // bti c
		loadTime,
		0xf940_000a, // ldr x10, [x0]
		0xf900_012a, // str x10, [x9]
		0xf940_0520, // ldr x0, [x9, #8]
		0xd65f_03c0, // ret
	}

	// Any other: EFI_UNSUPPORTED.
	noService = []uint32{
		0xd503_245f, // bti c
		0xd280_0060, // mov x0, #3
		0xf2f0_0000, // movk x0, #0x8000, lsl #48
		0xd65f_03c0, // ret
	}
)

// runtimeTable gives what belongs at arm64.Runtime.
func runtimeTable() []byte {
	b := make([]byte, runtimeCodeAt)

	code := func(insns []uint32) uint64 {
		at := arm64.Runtime + uint64(len(b))
		for _, i := range insns {
			b = binary.LittleEndian.AppendUint32(b, i)
		}

		return at
	}

	services := []uint64{code(getTime), code(setTime)}

	for none := code(noService); len(services) < runtimeCount; {
		services = append(services, none)
	}

	binary.LittleEndian.PutUint64(b, runtimeSignature)
	binary.LittleEndian.PutUint32(b[8:], efiRevision)
	binary.LittleEndian.PutUint32(b[12:], runtimeSize)

	for i, at := range services {
		binary.LittleEndian.PutUint64(b[runtimeFirstAt+8*i:], at)
	}

	binary.LittleEndian.PutUint32(b[runtimeCRCAt:], crc32.ChecksumIEEE(b[:runtimeSize])) // with 0 in its place

	return b
}
