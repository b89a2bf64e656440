//go:build !arm64

package vmm_test

import (
	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/vmm"
)

func badBoards() []badInput {
	return []badInput{
		{"flat code and no RAM for it", vmm.Config{Memory: 1 << 20}, vmm.ErrTooLarge},
		{"not a mode", vmm.Config{Boot: mode(vmm.EL1)}, vmm.ErrConfig},
		{"255 CPUs", vmm.Config{CPUs: 255}, vmm.ErrConfig},
	}
}

func overlaps() []overlap {
	return []overlap{
		{"with the board", 0, []*device{{port: layout.PortSleep + 1, ports: 1}}, "sleep"},
		{"with high RAM", 4 << 30, []*device{{mmio: layout.HoleEnd - 1, size: 2}}, "RAM"},
		{"to the end", 4 << 30, []*device{{mmio: layout.HoleEnd, size: 1<<64 - layout.HoleEnd}}, "RAM"},
		{"line of the board", 0, []*device{{irq: layout.IRQRTC}}, ""},
		{"no such line", 0, []*device{{irq: layout.GSIMax}}, ""},
	}
}
