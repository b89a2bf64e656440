package acpi

import (
	"cmp"
	"fmt"
	"slices"
)

// Severity says how bad a finding is.
type Severity int

// Severities.
const (
	Warning Severity = iota + 1 // works, though not as intended or not everywhere
	Fault                       // some system doesn't start, or ignores the table
)

func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Fault:
		return "fault"
	default:
		return fmt.Sprintf("Severity(%d)", int(s))
	}
}

// MarshalText is String, for JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is something wrong with a set. Rules have names that stay, for lists of
// exceptions.
type Finding struct {
	Rule     string
	Severity Severity
	Table    string // signature of the table to change, as far as one can say
	Message  string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", f.Severity, f.Table, f.Message, f.Rule)
}

// report collects findings.
type report []Finding

func (r *report) fault(rule, table, format string, args ...any) {
	*r = append(*r, Finding{rule, Fault, table, fmt.Sprintf(format, args...)})
}

func (r *report) warn(rule, table, format string, args ...any) {
	*r = append(*r, Finding{rule, Warning, table, fmt.Sprintf(format, args...)})
}

// sorted is the findings with faults first, in the order of the tables' names.
func (r report) sorted() []Finding {
	slices.SortStableFunc(r, func(a, b Finding) int {
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Rule, b.Rule))
	})

	return r
}
