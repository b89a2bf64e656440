package boot

import (
	"bytes"
	"errors"
	"testing"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/layout/arm64"
)

// To fuzz rather than run the seeds, use our own page tables (see pagetable.go):
//
//	go test -tags vgraft_plaintables -fuzz FuzzLoad ./internal/boot

func addSeeds(f *testing.F) {
	for _, image := range [][]byte{newBzImage(nil), newELF(testPhdrs(), testNotes(), nil), newImage(nil)} {
		f.Add(image)

		for _, n := range []int{0, 1, 4, 64, 0x1f1, 0x206, 0x264, 0x400, len(image) - 1} {
			f.Add(image[:n])
		}
	}
}

// FuzzParse: whatever the file, an answer or a typed error.
func FuzzParse(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parse(b)

		var image *ImageError
		if err != nil && !errors.As(err, &image) {
			t.Fatalf("untyped error %v", err)
		}

		if err == nil && k.MaxCmdline() <= 0 {
			t.Fatalf("command line of %d bytes", k.MaxCmdline())
		}
	})
}

// FuzzLoad: what was parsed either boots in bounds or is refused as too large. A page
// after the hole and one in the ACPI area show that neither was written.
func FuzzLoad(f *testing.F) {
	addSeeds(f)

	hole := guestmem.Range{Base: 48 * mib, Size: 16 * mib}

	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parse(b)
		if err != nil {
			return
		}

		m, err := guestmem.New(64*mib, hole)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()

		e, err := k.Load(Params{
			Mem: m, RAM: m.Ranges(), Cmdline: "quiet", RSDP: layout.ACPI,
			Initrd: bytes.NewReader(b), InitrdSize: int64(len(b)),
		})
		if err != nil {
			// A header may also forbid what is asked for, with cmdline_size 1.
			// And an Image isn't for this guest.
			if !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrCmdline) && k.Format() != Image {
				t.Fatal(err)
			}

			return
		}

		if e.PC < layout.HighRAM || e.PC >= hole.Base {
			t.Fatalf("entry %#x is outside low RAM", e.PC)
		}

		for _, gpa := range []uint64{layout.ACPI, hole.End()} {
			if got := bytesAt(t, m, gpa, pageSize); !bytes.Equal(got, make([]byte, pageSize)) {
				t.Fatalf("%#x was written", gpa)
			}
		}
	})
}

// FuzzLoad_image is FuzzLoad for arm64. The ACPI tables' place must not be written.
func FuzzLoad_image(f *testing.F) {
	addSeeds(f)

	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parse(b)
		if err != nil {
			return
		}

		m, err := guestmem.NewAt(arm64.RAM, 64*mib)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()

		e, err := k.Load(Params{
			Mem: m, RAM: m.Ranges(), Cmdline: "quiet", RSDP: arm64.ACPI,
			Initrd: bytes.NewReader(b), InitrdSize: int64(len(b)),
		})
		if err != nil {
			if !errors.Is(err, ErrTooLarge) && (k.Format() == Image || !errors.Is(err, ErrFormat) && !errors.Is(err, ErrCmdline)) {
				t.Fatal(err)
			}

			return
		}

		if e.PC < arm64.Kernel || e.PC >= arm64.RAM+64*mib || e.Mode != EL1 {
			t.Fatalf("entry %#x in %v", e.PC, e.Mode)
		}

		if got := bytesAt(t, m, arm64.ACPI, arm64.ACPISize); !bytes.Equal(got, make([]byte, arm64.ACPISize)) {
			t.Fatal("the ACPI tables' place was written")
		}
	})
}
