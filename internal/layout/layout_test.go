package layout_test

import (
	"cmp"
	"go/parser"
	"go/token"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/testutil"
)

// span is what a name of the layout takes.
type span struct {
	name       string
	base, size uint64
}

// disjoint holds that the spans lie in [lo, hi) and that no two overlap.
func disjoint(t *testing.T, lo, hi uint64, spans []span) {
	t.Helper()

	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.base, b.base) })

	for i, s := range spans {
		require.NotZero(t, s.size, s.name)
		require.GreaterOrEqual(t, s.base, lo, s.name)
		require.LessOrEqual(t, s.base+s.size, hi, s.name)

		if i > 0 {
			before := spans[i-1]
			require.LessOrEqual(t, before.base+before.size, s.base, "%s overlaps %s", before.name, s.name)
		}
	}
}

const page = 0x1000

func TestLayout_isDisjoint(t *testing.T) {
	testutil.Pure(t)

	t.Run("conventional memory", func(t *testing.T) {
		// Below 0x500 are the vectors of real mode and the BIOS data area.
		disjoint(t, 0x500, layout.EBDA, []span{
			{"GDT", layout.GDT, page},
			{"StartInfo", layout.StartInfo, page},
			{"ZeroPage", layout.ZeroPage, page},
			{"SetupData", layout.SetupData, page},
			{"PageTable", layout.PageTable, layout.PageTableSize},
			{"Cmdline", layout.Cmdline, layout.CmdlineSize},
			{"TaskState", layout.TaskState, layout.TaskStateSize},
		})
	})
	t.Run("first megabyte", func(t *testing.T) {
		disjoint(t, 0, layout.HighRAM, []span{
			{"conventional memory", 0, layout.EBDA},
			{"EBDA", layout.EBDA, 0xa_0000 - layout.EBDA},
			{"video memory", 0xa_0000, 0x2_0000},
			{"ACPI", layout.ACPI, layout.ACPISize},
			{"BIOS", layout.BIOS, page},
		})
	})
	t.Run("hole", func(t *testing.T) {
		disjoint(t, layout.HoleStart, layout.HoleEnd, []span{
			{"MMIO", layout.MMIO, layout.MMIOSize},
			{"Place", layout.Place, layout.PlaceSize},
			{"IOAPIC", layout.IOAPIC, page},
			{"LAPIC", layout.LAPIC, page},
			{"IdentityMap", layout.IdentityMap, page},
			{"TSS", layout.TSS, 3 * page},
		})
	})
	t.Run("ports", func(t *testing.T) {
		disjoint(t, 0, 1<<16, []span{
			{"PIC, first", 0x20, 2}, // in the kernel
			{"PIT", 0x40, 4},        // in the kernel
			{"PortI8042Data", layout.PortI8042Data, 1},
			{"PortSystem", layout.PortSystem, 1},
			{"PortI8042", layout.PortI8042, 1},
			{"PortCMOS", layout.PortCMOS, 2},
			{"PortPost", layout.PortPost, 1},
			{"PIC, second", 0xa0, 2}, // in the kernel
			{"PortCOM1", layout.PortCOM1, 8},
			{"ELCR", 0x4d0, 2}, // in the kernel
			{"PortSleep", layout.PortSleep, layout.PortSleepSize},
			{"PortPMTimer", layout.PortPMTimer, layout.PortPMTimerSize},
			{"PortReset", layout.PortReset, 1},
		})
	})
	t.Run("interrupt lines", func(t *testing.T) {
		disjoint(t, 0, 16, []span{ // the ISA lines
			{"PIT", 0, 1},
			{"cascade", 2, 1},
			{"IRQCOM1", layout.IRQCOM1, 1},
			{"IRQRTC", layout.IRQRTC, 1},
		})
		require.GreaterOrEqual(t, layout.GSIMax, 16)
	})
}

func TestLayout_isAligned(t *testing.T) {
	testutil.Pure(t)

	for name, addr := range map[string]uint64{
		"StartInfo": layout.StartInfo, "ZeroPage": layout.ZeroPage, "SetupData": layout.SetupData, "PageTable": layout.PageTable,
		"PageTableSize": layout.PageTableSize, "TaskState": layout.TaskState, "MMIO": layout.MMIO, "Place": layout.Place,
		"IOAPIC": layout.IOAPIC, "LAPIC": layout.LAPIC, "IdentityMap": layout.IdentityMap, "TSS": layout.TSS,
	} {
		require.Zero(t, addr%page, name)
	}

	require.Zero(t, layout.GDT%8, "GDT")
	require.Equal(t, layout.HighRAM-16, layout.ResetVector)
	require.Zero(t, layout.ACPI%16, "the kernel looks for the RSDP at multiples of 16")
	require.Zero(t, layout.HoleStart%(2<<20), "HoleStart: huge pages")
	require.Zero(t, layout.HoleEnd%(2<<20), "HoleEnd: huge pages")
}

func TestLayout_importsNothing(t *testing.T) {
	testutil.Pure(t)

	f, err := parser.ParseFile(token.NewFileSet(), "layout.go", nil, parser.ImportsOnly)
	require.NoError(t, err)
	require.Empty(t, f.Imports)
}
