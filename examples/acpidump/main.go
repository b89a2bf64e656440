// Command acpidump shows ACPI tables and what is wrong with them: this host's, or those of a
// file or directory.
//
//	go run ./examples/acpidump [-json] [-arch amd64|arm64] [-quiet] [path]
//
// The path is a table as bytes, the text of acpidump(8), or a directory of tables such as
// /sys/firmware/acpi/tables, which is the default and which only root may read. For a
// single table only what is wrong with it alone is looked for.
//
// It ends with exit code 2 if a finding is a fault.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/vgraft/vgraft/vmm/acpi"
)

const exitFaults = 2

var errFaults = errors.New("the tables have faults")

func main() {
	err := run(os.Args[1:], os.Stdout)

	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errFaults):
		os.Exit(exitFaults)
	default:
		fmt.Fprintln(os.Stderr, "acpidump:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("acpidump", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print one JSON object")
	quiet := flags.Bool("quiet", false, "print the findings alone")
	arch := flags.String("arch", "auto", "whose rules: auto, amd64 or arm64")

	if err := flags.Parse(args); err != nil {
		return err
	}

	if flags.NArg() > 1 {
		return errors.New("one path at most")
	}

	options := acpi.LintOptions{}

	switch *arch {
	case "auto":
	case "amd64":
		options.Arch = acpi.ArchAMD64
	case "arm64":
		options.Arch = acpi.ArchARM64
	default:
		return fmt.Errorf("-arch is %q, not auto, amd64 or arm64", *arch)
	}

	set, whole, err := read(flags.Arg(0))
	if err != nil {
		return err
	}

	findings := set.Check()
	if whole {
		findings = acpi.Lint(set, options)
	}

	if *quiet {
		set.Tables = nil
	}

	if *asJSON {
		err = printJSON(out, set, findings)
	} else {
		err = printText(out, set, findings)
	}

	for _, f := range findings {
		if f.Severity == acpi.Fault && err == nil {
			err = errFaults
		}
	}

	return err
}

// read gives the tables of a path, and whether they are a whole machine's.
func read(path string) (set *acpi.Set, whole bool, err error) {
	if path == "" {
		set, err = acpi.ReadHost()

		return set, true, err
	}

	info, err := os.Stat(path)
	if err != nil {
		return nil, false, err
	}

	if info.IsDir() {
		set, err = acpi.ParseDir(os.DirFS(path))

		return set, true, err
	}

	b, err := os.ReadFile(path)
	if err != nil {
		return nil, false, err
	}

	if acpi.IsDump(b) {
		set, err = acpi.ParseDump(b)

		return set, true, err
	}

	table, err := acpi.Parse(b)
	if table == nil {
		return nil, false, err
	}

	set = &acpi.Set{Tables: []acpi.Table{table}}
	if err != nil {
		set.Problems = []error{err}
	}

	return set, false, nil
}

func printJSON(out io.Writer, set *acpi.Set, findings []acpi.Finding) error {
	all := struct {
		Tables   []any
		Problems []string
		Findings []acpi.Finding
	}{[]any{}, []string{}, append([]acpi.Finding{}, findings...)}

	for _, t := range set.Tables {
		all.Tables = append(all.Tables, describe(t))
	}

	for _, p := range set.Problems {
		all.Problems = append(all.Problems, p.Error())
	}

	e := json.NewEncoder(out)
	e.SetIndent("", "  ")

	return e.Encode(all)
}

func printText(out io.Writer, set *acpi.Set, findings []acpi.Finding) error {
	p := printer{out: out}

	for _, t := range set.Tables {
		p.table(t)
	}

	for _, problem := range set.Problems {
		p.line(0, "%v", problem)
	}

	for _, f := range findings {
		p.line(0, "%v", f)
	}

	return p.err
}
