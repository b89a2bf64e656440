package arm64_test

import (
	"cmp"
	"go/parser"
	"go/token"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
)

type span struct {
	name       string
	base, size uint64
}

// disjoint holds that the spans lie in [lo, hi), aligned, and that no two overlap.
func disjoint(t *testing.T, lo, hi, align uint64, spans []span) {
	t.Helper()

	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.base, b.base) })

	for i, s := range spans {
		require.NotZero(t, s.size, s.name)
		require.Zero(t, s.base%align, s.name)
		require.GreaterOrEqual(t, s.base, lo, s.name)
		require.LessOrEqual(t, s.base+s.size, hi, s.name)

		if i > 0 {
			before := spans[i-1]
			require.LessOrEqual(t, before.base+before.size, s.base, "%s overlaps %s", before.name, s.name)
		}
	}
}

func TestLayout_isDisjoint(t *testing.T) {
	testutil.Pure(t)

	t.Run("devices", func(t *testing.T) {
		disjoint(t, 0, arm64.RAM, 0x1000, []span{
			{"Flash", arm64.Flash, arm64.FlashSize},
			{"GICD", arm64.GICD, arm64.GICDSize},
			{"ITS", arm64.ITS, arm64.ITSSize},
			{"UART", arm64.UART, arm64.UARTSize},
			{"RTC", arm64.RTC, arm64.RTCSize},
			{"Time", arm64.Time, arm64.TimeSize},
			{"Place", arm64.Place, arm64.PlaceSize},
			{"GICR", arm64.GICR, arm64.GICRSize},
			{"MMIO", arm64.MMIO, arm64.MMIOSize},
			{"ECAM", arm64.ECAM, arm64.ECAMSize},
		})
	})
	t.Run("interrupt controller", func(t *testing.T) {
		// KVM wants them so.
		disjoint(t, 0, arm64.RAM, 0x1_0000, []span{
			{"GICD", arm64.GICD, arm64.GICDSize}, {"ITS", arm64.ITS, arm64.ITSSize}, {"GICR", arm64.GICR, arm64.GICRSize},
		})
	})
	t.Run("in pages of 64 KiB", func(t *testing.T) {
		// EFI has it mapped.
		disjoint(t, 0, arm64.RAM, 0x1_0000, []span{{"Time", arm64.Time, arm64.TimeSize}})
	})
	t.Run("low RAM", func(t *testing.T) {
		// A kernel may have pages of 64 KiB, and gives what is in one of them one use.
		disjoint(t, arm64.RAM, arm64.Kernel, 0x1_0000, []span{
			{"FDT", arm64.FDT, arm64.FDTSize},
			{"EFI", arm64.EFI, arm64.EFISize},
			{"EFIMap", arm64.EFIMap, arm64.EFIMapSize},
			{"PageTable", arm64.PageTable, arm64.PageTableSize},
			{"Vectors", arm64.Vectors, arm64.VectorsSize},
			{"Runtime", arm64.Runtime, arm64.RuntimeSize},
			{"ACPI", arm64.ACPI, arm64.ACPISize},
		})
		require.Zero(t, arm64.Kernel%(2<<20))
		require.LessOrEqual(t, arm64.FDTSize, 2<<20)
	})
	t.Run("interrupt lines", func(t *testing.T) {
		disjoint(t, 0, arm64.GSIMax, 1, []span{
			{"IRQUART", arm64.IRQUART, 1},
			{"IRQRTC", arm64.IRQRTC, 1},
		})
		require.Zero(t, (arm64.SPI+arm64.GSIMax)%32, "as KVM wants their number")
		require.LessOrEqual(t, arm64.SPI+arm64.GSIMax, 1020)
	})
	t.Run("private interrupts", func(t *testing.T) {
		disjoint(t, 16, arm64.SPI, 1, []span{
			{"PPIPMU", arm64.PPIPMU, 1},
			{"PPIMaintenance", arm64.PPIMaintenance, 1},
			{"PPIHypTimer", arm64.PPIHypTimer, 1},
			{"PPIVirtTimer", arm64.PPIVirtTimer, 1},
			{"PPISecTimer", arm64.PPISecTimer, 1},
			{"PPITimer", arm64.PPITimer, 1},
		})
	})
}

func TestLayout_importsNothing(t *testing.T) {
	testutil.Pure(t)

	f, err := parser.ParseFile(token.NewFileSet(), "layout.go", nil, parser.ImportsOnly)
	require.NoError(t, err)
	require.Empty(t, f.Imports)
}
