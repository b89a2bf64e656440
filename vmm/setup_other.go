//go:build !amd64 && !arm64

package vmm

import (
	"context"
	"fmt"
	"runtime"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/patch"
)

// Only amd64 and arm64 hosts can run guests; elsewhere New ends in checkHost.

var errArch = fmt.Errorf("%w: guests on %s", ErrNotSupported, runtime.GOARCH)

func checkHost(*kvm.System, int) error { return errArch }

func createVM(*kvm.System, *guestmem.Memory, guestmem.Range) (*kvm.VM, error) { return nil, errArch }

type chips struct{}

func (chips) close() error { return nil }

func createChips(*kvm.VM) (chips, error) { return chips{}, errArch }

func (m *Machine) wire() error { return errArch }

func (c *vcpu) systemEvent(_ patch.Section, reason kvm.Reason) (Exit, bool) {
	return c.failed(reason, 0, nil), true
}

func (c *vcpu) handleCall(patch.Section) (Exit, bool) { return c.exit(ExitFailed, errArch), true }

func (c *vcpu) reset(entry) error { return errArch }

func (m *Machine) load(context.Context) ([]Start, error) { return nil, errArch }

func (c *vcpu) setup(*Start) error { return errArch }

func probe(*kvm.System) (Host, error) { return Host{}, errArch }
