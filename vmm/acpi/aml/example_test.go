package aml_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// A power button, and the generic event device that reports it.
func Example() {
	body, err := aml.Encode(
		aml.Scope(`\_SB`,
			aml.Device("PWRB",
				aml.Name("_HID", aml.EISAID("PNP0C0C"))),
			aml.GED("GED0", 0, aml.GEDEvent{
				Interrupt: aml.Interrupt{GSIs: []uint32{41}, Edge: true},
				Body:      []aml.Term{aml.Notify(aml.Path("PWRB"), aml.Integer(0x80))},
			})))
	if err != nil {
		fmt.Println(err)
		return
	}

	tree, err := aml.Parse(body)
	if err != nil {
		fmt.Println(err)
		return
	}

	for d := range tree.Devices() {
		fmt.Println(d.Path())
	}

	if err := tree.Dump(os.Stdout); err != nil {
		fmt.Println(err)
	}

	// Output:
	// \_SB.PWRB
	// \_SB.GED0
	// Scope (\_SB) {
	//   Device (PWRB) {
	//     Name (_HID, EisaId ("PNP0C0C"))
	//   }
	//   Device (GED0) {
	//     Name (_HID, "ACPI0013")
	//     Name (_UID, 0x0)
	//     Name (_CRS, Buffer (0xb) {0x89, 0x06, 0x00, 0x03, 0x01, 0x29, 0x00, 0x00, 0x00, 0x79, 0x00})
	//       // Interrupt{GSIs:[41] Edge:true ActiveLow:false Shared:false Wake:false Producer:false Source:{Index:0 Path:}}
	//     Method (_EVT, 1, Serialized, 0) {
	//       If (LEqual (Arg0, 0x29)) {
	//         Notify (PWRB, 0x80)
	//       }
	//     }
	//   }
	// }
}

// All mistakes come at once.
func ExampleEncode_mistakes() {
	_, err := aml.Encode(aml.Device("DEV0",
		aml.Name("_CRS", aml.ResourceTemplate(aml.Memory32Fixed{Base: 0xfffff000, Length: 0x2000})),
		aml.Method("_STA", 0, aml.Return(aml.Arg(7)))))

	fmt.Println(err)
	fmt.Println(errors.Is(err, aml.ErrNoID))

	// Output:
	// aml: \DEV0._CRS: bad resource descriptor: resource 0: Memory32Fixed: 0x2000 bytes at 0xfffff000 end above 0x100000000
	// aml: \DEV0._STA: no such Arg or Local: Arg7
	// aml: \DEV0: device has neither _HID nor _ADR
	// true
}
