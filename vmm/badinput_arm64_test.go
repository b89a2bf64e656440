package vmm_test

import (
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/vmm"
)

func badBoards() []badInput {
	return []badInput{
		{"less than a kernel needs", vmm.Config{Memory: 2 << 20}, vmm.ErrConfig},
		{"not a mode", vmm.Config{Boot: mode(vmm.Long64)}, vmm.ErrConfig},
		{"257 CPUs", vmm.Config{CPUs: arm64.MaxCPUs + 1}, vmm.ErrConfig},
	}
}

func overlaps() []overlap {
	return []overlap{
		{"with the board", 0, []*device{{mmio: arm64.RTC + 8, size: 1}}, "pl031"},
		{"to the end", 0, []*device{{mmio: arm64.RAM, size: 1<<64 - arm64.RAM}}, "RAM"},
		{"line of the board", 0, []*device{{irq: arm64.GSIMax - 1}}, ""},
		{"line of the clock", 0, []*device{{irq: arm64.IRQRTC}}, ""},
		{"no such line", 0, []*device{{irq: arm64.GSIMax}}, ""},
	}
}
