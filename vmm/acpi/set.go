package acpi

import (
	"errors"
)

// Set is the tables of one machine. The zero value is empty and ready.
type Set struct {
	// Tables are in the order in which they are laid out and listed, but for what points
	// to others: RSDP, RSDT and XSDT are made when they are needed, and those that were
	// read are there to be looked at only.
	Tables []Table

	// Problems are what reading found wrong: *Error values. Tables that only have a wrong
	// checksum are in Tables, and so, as *Raw, are those with an unusual layout; others are
	// left out.
	Problems []error
}

// Add appends tables.
func (s *Set) Add(tables ...Table) { s.Tables = append(s.Tables, tables...) }

// All gives the tables of a type, in order:
//
//	ssdts := acpi.All[*acpi.SSDT](set)
func All[T Table](s *Set) []T {
	var out []T

	for _, t := range s.Tables {
		if t, ok := t.(T); ok {
			out = append(out, t)
		}
	}

	return out
}

// First gives the first table of a type, and whether there is one.
func First[T Table](s *Set) (T, bool) {
	for _, t := range s.Tables {
		if t, ok := t.(T); ok {
			return t, true
		}
	}

	var none T

	return none, false
}

// Signature gives the tables of a signature, in order.
func (s *Set) Signature(signature string) []Table {
	var out []Table

	for _, t := range s.Tables {
		if t.Signature() == signature {
			out = append(out, t)
		}
	}

	return out
}

// parse adds the table in b, or says what is wrong with it.
func (s *Set) parse(b []byte, from string) {
	t, err := Parse(b)
	if t != nil {
		s.Tables = append(s.Tables, t)
	}

	if err != nil {
		var e *Error
		if from != "" && errors.As(err, &e) {
			e.Table = from
		}

		s.Problems = append(s.Problems, err)
	}
}
