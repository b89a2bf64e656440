package vmm

import (
	"errors"

	"github.com/vgraft/vgraft/internal/kvm"
)

// CheckOneTooMany is the check of this host for one CPU more than it allows, which may be
// more than a Config may ask for.
func CheckOneTooMany() (limit int, err error) {
	sys, err := kvm.Open("/dev/kvm")
	if err != nil {
		return 0, err
	}

	defer func() { err = errors.Join(err, sys.Close()) }()

	if limit, err = hostCPUs(sys); err != nil {
		return 0, err
	}

	return limit, checkHost(sys, limit+1)
}
