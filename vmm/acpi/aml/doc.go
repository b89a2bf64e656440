// Package aml builds and reads ACPI Machine Language: the bytes of definition blocks, which
// are the bodies of DSDT and SSDT tables (ACPI 6.5, chapter 20).
//
// It is pure: Go values in, bytes out, and back, on any system, with the standard library
// alone. It knows nothing of tables, their headers and checksums, and nothing of virtual
// machines.
//
// # Building
//
// A program says what it wants with the words of ASL, and Encode turns it into bytes:
//
//	body, err := aml.Encode(
//		aml.Scope(`\_SB`,
//			aml.Device("PWRB",
//				aml.Name("_HID", aml.EISAID("PNP0C0C")),
//				aml.Method("_STA", 0, aml.Return(aml.Integer(0xf))))))
//
// What goes where is in the types. A [Term] may stand in the body of a method, an [Object]
// also in that of a device or a scope. A [TermArg] has a value, a [SuperName] can be stored
// to, and [Data] is constant, as [Name] and [Package] want it. A nil [SuperName] as the target
// of an operation is "no target".
//
// The encoding is what iasl, the compiler of ACPICA, makes of the same text without
// its optimisation of names (-on) and folding of constants (-of): integers and lengths are as
// short as they can be, and names are written as they are given.
//
// Encode finds all mistakes at once: each is an [*Error] that has the path of the object and
// wraps one of the sentinels, such as [ErrName]. Nothing here panics, whatever it is given.
//
// # Reading
//
// [Parse] reads what some compiler made, and trusts none of it. The [Tree] that it gives has
// the terms in their order, and the names that they define: [Tree.Lookup] finds one of
// them, [Tree.Devices] goes through the devices, and a [Node] tells its value. [Tree.Encode]
// gives the bytes back, and [Tree.Dump] text. A [Node] is a [Term] itself, so that parts of
// one table can be built into another.
//
// Calls carry no count of their arguments: who reads must know the method. Parse
// knows those of the block, those that it declares External, and those that it is told of with
// [ParseWith]; what is left, it guesses where the grammar allows, as iasl -d does.
//
// # Units
//
// [LPI], [CPC], [BIF] and the others of their kind are in the units of the specification, which
// each field's comment names.
//
// Terms are immutable once made, and safe to use in many goroutines and more than one block.
package aml
