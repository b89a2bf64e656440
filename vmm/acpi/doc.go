// Package acpi makes, reads, checks and lays out ACPI tables: one Go type for each table,
// with the field names of the specification, bytes out with MarshalBinary and bytes in
// with UnmarshalBinary or Parse.
//
// A table's lengths, counts, offsets and checksum are computed. All else is written as it
// is given, the revision too: where a table or a structure of it grew over time, its
// revision (or, where there is one, its Length field) says which form is written, and
// fields that it hasn't are left out. What this package does not know is kept: a table of
// unknown signature as Raw, a structure of unknown type as RawStructure, bytes behind the
// known ones in Header.Extra. So a table that was read is written byte for byte, but for a
// wrong checksum, which gets right.
//
// Set collects the tables of one machine. Set.Check looks for contradictions between them,
// Lint adds the rules of an architecture, and a set becomes an image in guest memory
// (Set.Image), the text of acpidump (Set.WriteDump), and entries of the EFI configuration
// table (Image.ConfigurationTable). ReadHost, ParseDump, ParseDir and ParseMemory go the
// other way.
//
// Code in AML, the body of DSDT and SSDT, is bytes to this package; package aml makes and
// reads it. Lint looks at its names and devices.
//
// The package is pure: it opens nothing but what it is given (ReadHost is the exception),
// keeps no state, and runs anywhere. Values are not safe for concurrent change. No bytes make it panic, and what it
// allocates is bounded by a small multiple of the input.
//
// Sections in comments, as in §5.2.6, are those of the ACPI specification, release 6.5,
// unless another document is named.
package acpi
