package vmm

import (
	"fmt"

	"github.com/vgraft/vgraft/internal/kvm"
)

// Host is what a host's KVM can do.
type Host struct {
	// CPUs is the largest number of vCPUs of a machine.
	CPUs int

	// Missing names the capabilities that New needs and this host lacks. Where it is
	// not empty, New fails with ErrNotSupported.
	Missing []string

	// NativeRing0 says that guest code in ring 0 runs on the processor itself, so
	// that operating systems boot. A host without it emulates ring 0, slowly and not
	// completely: only Flat guests are of use there.
	NativeRing0 bool
}

// Probe asks the KVM device at path what it can do; an empty path is /dev/kvm. Whether
// ring 0 runs natively it finds out by running a guest of three instructions. The error
// says why the device can't be used at all: it wraps fs.ErrNotExist where there is
// none, fs.ErrPermission where the caller may not open it.
func Probe(path string) (Host, error) {
	sys, err := kvm.Open(Config{KVM: path}.withDefaults().KVM)
	if err != nil {
		return Host{}, fmt.Errorf("vmm: %w", err)
	}
	defer sys.Close()

	h, err := probe(sys)
	if err != nil {
		return Host{}, fmt.Errorf("vmm: %w", err)
	}

	return h, nil
}
