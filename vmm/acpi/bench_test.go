package acpi_test

import (
	"fmt"
	"testing"

	"github.com/vgraft/vgraft/vmm/acpi"
)

// BenchmarkImage makes all tables of a machine and lays them out.
func BenchmarkImage(b *testing.B) {
	for _, cpus := range []int{1, 64} {
		for name, build := range map[string]func(int) *acpi.Set{"arm64": arm64Set, "amd64": amd64Set} {
			b.Run(fmt.Sprintf("%s/cpus=%d", name, cpus), func(b *testing.B) {
				b.ReportAllocs()

				var size int

				for b.Loop() {
					image, err := build(cpus).Image(acpi.Placement{Base: 1 << 30, Size: 1 << 20})
					if err != nil {
						b.Fatal(err)
					}

					size = len(image.Bytes)
				}

				b.ReportMetric(float64(size), "bytes")
			})
		}
	}
}

// BenchmarkLint is all checks of a machine.
func BenchmarkLint(b *testing.B) {
	set := arm64Set(64)

	b.ReportAllocs()

	for b.Loop() {
		acpi.Lint(set, acpi.LintOptions{})
	}
}

// BenchmarkParse reads the largest table of a machine.
func BenchmarkParse(b *testing.B) {
	set := arm64Set(64)

	madt, err := get[*acpi.MADT](set).MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}

	b.ReportAllocs()
	b.SetBytes(int64(len(madt)))

	for b.Loop() {
		if _, err := acpi.Parse(madt); err != nil {
			b.Fatal(err)
		}
	}
}
