// Package layers names the layers of tests and the file in which tests say that they
// ran in one. It is apart from testutil so that the command that reads the file doesn't
// link a test helper.
package layers

// Env names the environment variable with the path of a file, to which every test that
// passed in a layer appends a line "<layer> <package path>/<test name>".
const Env = "VGRAFT_LAYERS"

// The layers.
const (
	Pure  = "pure"  // needs nothing of the machine
	KVM   = "kvm"   // tiny guests in ring 3
	Linux = "linux" // unmodified operating systems

	Stress = "stress" // programs that are patched while they are busy, in all forms
	Arm64  = "arm64"  // those of them that are for arm64, under an emulator where need be
)

// All lists the layers.
var All = []string{Pure, KVM, Linux, Stress, Arm64}
