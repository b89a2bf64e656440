package acpi_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/vgraft/vgraft/vmm/acpi"
)

func FuzzParse(f *testing.F) {
	for _, table := range everything() {
		b, err := table.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}

		f.Add(b)
	}

	f.Fuzz(func(t *testing.T, b []byte) {
		stable(t, "", b)

		// The checks see hostile tables too.
		if table, _ := acpi.Parse(b); table != nil {
			for _, arch := range []acpi.Arch{acpi.ArchAMD64, acpi.ArchARM64} {
				acpi.Lint(&acpi.Set{Tables: []acpi.Table{table}}, acpi.LintOptions{Arch: arch})
			}
		}
	})
}

// sparse is memory whose first bytes are some.
func sparse(b []byte) io.ReaderAt { return bytes.NewReader(b) }

func FuzzSet(f *testing.F) {
	for _, set := range []*acpi.Set{{Tables: arm64Set(1).Tables[1:3]}, {Tables: amd64Set(1).Tables[1:4]}} { // small: they are minimized often
		var text bytes.Buffer

		if err := set.WriteDump(&text); err != nil {
			f.Fatal(err)
		}

		image, err := set.Image(acpi.Placement{Size: 1 << 20, RSDT: true, EFI: true})
		if err != nil {
			f.Fatal(err)
		}

		f.Add(text.Bytes())
		f.Add(image.Bytes)
	}

	f.Fuzz(func(t *testing.T, b []byte) {
		for _, read := range []func() (*acpi.Set, error){
			func() (*acpi.Set, error) { return acpi.ParseDump(b) },
			func() (*acpi.Set, error) { return acpi.ParseMemory(sparse(b), 0) },
			func() (*acpi.Set, error) {
				at, err := acpi.FindRSDP(sparse(b), 0, uint64(len(b)))
				if err != nil {
					return nil, err
				}

				return acpi.ParseMemory(sparse(b), at)
			},
		} {
			set, err := read()
			if err != nil {
				continue
			}

			acpi.Lint(set, acpi.LintOptions{})

			// What can be laid out can be read again.
			image, err := set.Image(acpi.Placement{Base: 1 << 20, Size: 64 << 20})
			if err != nil {
				continue
			}

			if _, err := acpi.ParseMemory(bytes.NewReader(append(make([]byte, 1<<20), image.Bytes...)), image.RSDP); err != nil {
				t.Fatalf("%v", err)
			}
		}
	})
}
