//go:build amd64 || arm64

package vmm

import (
	"fmt"
	"strings"

	"github.com/vgraft/vgraft/internal/kvm"
)

// requirement is something of KVM that an architecture's machines can't do without.
type requirement struct {
	capability kvm.Capability
	name       string
}

// missing lists what this host's KVM lacks.
func missing(sys *kvm.System) ([]string, error) {
	var names []string

	for _, r := range required {
		v, err := sys.Check(r.capability)
		if err != nil {
			return nil, err
		}

		if v == 0 {
			names = append(names, r.name)
		}
	}

	return names, nil
}

// hostCPUs is how many vCPUs this host's KVM allows in a VM.
func hostCPUs(sys *kvm.System) (int, error) {
	n, err := sys.Check(kvm.CapMaxVCPUs)
	if err != nil {
		return 0, err
	}

	return min(n, maxCPUs), nil
}

func checkHost(sys *kvm.System, cpus int) error {
	lacks, err := missing(sys)
	if err != nil {
		return err
	}

	if len(lacks) > 0 {
		return fmt.Errorf("%w: %s", ErrNotSupported, strings.Join(lacks, ", "))
	}

	n, err := hostCPUs(sys)
	if err != nil {
		return err
	}

	if cpus > n {
		return configError("%d CPUs, but this host allows %d", cpus, n)
	}

	return nil
}
