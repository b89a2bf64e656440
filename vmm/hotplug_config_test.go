package vmm_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// What may come is checked before anything is made.
func TestNew_refusesHotplug(t *testing.T) {
	testutil.Pure(t)

	for name, change := range map[string]func(*vmm.Config){
		"fewer CPUs":          func(c *vmm.Config) { c.CPUs, c.MaxCPUs = 3, 2 },
		"a negative number":   func(c *vmm.Config) { c.MaxCPUs = -1 },
		"too many CPUs":       func(c *vmm.Config) { c.MaxCPUs = 300 },
		"less memory":         func(c *vmm.Config) { c.MaxMemory = c.Memory - vmm.MemoryUnit },
		"half a unit":         func(c *vmm.Config) { c.MaxMemory = c.Memory + vmm.MemoryUnit/2 },
		"too much memory":     func(c *vmm.Config) { c.MaxMemory = c.Memory + 1<<60 },
		"sockets don't fit":   func(c *vmm.Config) { c.MaxCPUs, c.Topology.Sockets = 3, 2 },
		"sockets of none":     func(c *vmm.Config) { c.MaxCPUs, c.Topology.Sockets = 1, 2 },
		"cores don't fit":     func(c *vmm.Config) { c.MaxCPUs, c.Topology.Cores = 4, 3 },
		"huge numbers":        func(c *vmm.Config) { c.Topology = vmm.Topology{Sockets: 1 << 62, Clusters: 1 << 62, Cores: 1 << 62} },
		"negative numbers":    func(c *vmm.Config) { c.MaxCPUs, c.Topology = 4, vmm.Topology{Sockets: -2, Clusters: -2} },
		"topology, not there": func(c *vmm.Config) { c.Topology.Sockets = map[bool]int{true: 2, false: 1}[runtime.GOARCH == "arm64"] },
		"no second cache":     func(c *vmm.Config) { c.Topology.Caches.L1Data.Size, c.Topology.Caches.L1Code.Size = 4096, 4096 },
		"caches, not there": func(c *vmm.Config) {
			c.Topology.Caches = vmm.UsualCaches
			if runtime.GOARCH == "arm64" {
				c.Topology.Caches.L3.Line = 63
			}
		},
	} {
		cfg := config(powerOff())
		cfg.Memory = 256 << 20
		cfg.KVM = "/none"
		change(&cfg)

		_, err := vmm.New(t.Context(), cfg)
		require.ErrorIs(t, err, vmm.ErrConfig, name)
	}
}
