// Package vmmtest is for people who write devices for vmm: a platform to attach a
// device to without a machine, and a suite that every device must pass.
//
//	func TestFIFO(t *testing.T) {
//		vmmtest.TestDevice(t, func() vmm.Device { return fifo.New() })
//	}
//
// It needs no KVM. Where there is KVM, the devices of a machine can be reached by a guest
// that a test writes: Code builds one, for amd64 or arm64.
package vmmtest

import (
	"testing"

	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/vmm"
)

type (
	// Platform is a vmm.Platform without a machine. It records the windows and lines
	// that a device claims (Windows, Line), what it asks for (Stopped), and every edge
	// of its lines; NewVCPU gives a test the guest's side. The first Event has it get a
	// generic event device, and DSDT is what the guest's operating system reads. All
	// methods may be called from any goroutine.
	Platform = devicetest.Platform

	// Window is one claim of a device.
	Window = devicetest.Window

	// Line is an interrupt line that counts (Level, Rises, Sets) and can be waited for
	// (Wait).
	Line = devicetest.Line

	// VCPU plays a virtual CPU: In and Out reach ports, Load and Store device memory,
	// Read and Write a Window, each in a section of its own. It is for one goroutine at
	// a time.
	VCPU = devicetest.VCPU
)

// MemorySize is how much RAM a Platform has, and CPUs how many vCPUs.
const (
	MemorySize = devicetest.MemorySize
	CPUs       = devicetest.CPUs
)

// RAM is the guest-physical address where the RAM begins, of a Platform and of a machine on
// this host: 0 on amd64, 1 GiB on arm64.
const RAM = ram

var _ vmm.Platform = (*Platform)(nil)

// NewPlatform makes a platform for one test, with the addresses and lines of a machine on
// this host. Its memory is unmapped at the end of the test; its log goes to the test's log.
func NewPlatform(t testing.TB) *Platform {
	t.Helper()

	return newPlatform(t, CPUs)
}

// TestDevice is the suite that every device must pass. Each call of fresh gives a new
// device of the same kind, with readers and writers of its own that end or don't block.
// It must not run in parallel with other tests, since it counts goroutines.
//
// It checks that
//   - a device doesn't depend on being the only one of its kind in the process;
//   - no access, of any width at any offset of its windows, panics, and every read
//     fills all the bytes it was given;
//   - several vCPUs may use it at once (run it with -race);
//   - Start and Stop leave no goroutine behind;
//   - what it has to say in ACPI tables makes sense.
func TestDevice(t *testing.T, fresh func() vmm.Device) {
	t.Helper()

	devicetest.TestDeviceOn(t, newPlatform, fresh)
}
