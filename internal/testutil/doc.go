// Package testutil chooses where a test runs, keeps account of what ran, and
// finds leaks.
//
// Tests come in three layers. Pure tests need no device. KVM tests need a
// /dev/kvm that runs tiny guests in ring 3. Linux tests need one that runs
// guest ring 0 natively, as an unmodified kernel expects. A test states its
// layer in its first line:
//
//	func TestBoot(t *testing.T) {
//		if !testutil.LinuxGuest(t) {
//			return // ran in the nested rig instead, and passed or failed there
//		}
//		...
//	}
//
// Where this machine can't do what the layer needs, the test binary is started
// again inside the nested rig (package nest) for this one test. Each such test
// boots a machine of its own, about 4 s; go test -exec with internal/nest/cmd/nest
// boots once for a whole package instead.
//
// Nothing skips silently: outside -short, what is missing fails with the
// command that installs it.
//
// Only tests may import testutil, and it must not import what it tests: it
// knows neither vmm nor patch.
package testutil
