//go:build !amd64

package vmm

import (
	"context"
	"fmt"
	"runtime"

	"github.com/vgraft/vgraft/internal/kvm"
)

// Only amd64 hosts can run guests yet; elsewhere New ends in checkHost.

var errArch = fmt.Errorf("%w: guests on %s", ErrNotSupported, runtime.GOARCH)

func checkHost(*kvm.System, int) error { return errArch }

func createBoard(*kvm.VM) error { return errArch }

func (m *Machine) load(context.Context) ([]Start, error) { return nil, errArch }

func (c *vcpu) setup(*Start) error { return errArch }

func probe(*kvm.System) (Host, error) { return Host{}, errArch }
