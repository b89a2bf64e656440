package testutil

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/nest"
)

// Ring0Env overrules the check of what the machine's KVM does with guest ring
// 0: "native" or "emulated".
const Ring0Env = "VGRAFT_RING0"

// Pure accounts t as a test that needs nothing of the machine.
func Pure(t testing.TB) {
	t.Helper()
	account(t, layerPure)
}

// Stress accounts t as a test that patches a program while it is busy.
func Stress(t testing.TB) {
	t.Helper()
	account(t, layerStress)
}

// Arm64 accounts t as a test that patches a program for arm64.
func Arm64(t testing.TB) {
	t.Helper()
	account(t, layerArm64)
}

// KVM makes sure that t runs where /dev/kvm is good for tiny guests: it returns
// true when that is here. Otherwise it runs the whole top-level test in the
// nested rig, hands on its result and returns false: the caller must return.
func KVM(t testing.TB) bool {
	t.Helper()
	err := kvmUsable()
	if err == nil {
		account(t, layerKVM)
		return true
	}
	if nest.Inside() {
		t.Fatalf("the nested rig has no usable /dev/kvm: %v", err)
	}
	inRig(t, fmt.Sprintf("/dev/kvm: %v", err))
	return false
}

// LinuxGuest is like [KVM] for tests that need a KVM whose guests run ring 0
// natively, which is what an unmodified Linux kernel takes for granted. In
// -short mode such a test is skipped wherever it would need the rig.
func LinuxGuest(t testing.TB) bool {
	t.Helper()
	if err := ring0(); err != nil {
		if nest.Inside() {
			t.Fatalf("the nested rig can't run Linux guests: %v", err)
		}
		inRig(t, err.Error())
		return false
	}
	account(t, layerLinux)
	return true
}

// Program runs a program that boots Linux guests, and gives what it prints to both of its
// streams: here, if it is for arch and this machine has what such guests need, or else in
// the nested rig, which for another architecture is another machine. The program must end
// well. In -short mode t is skipped where it would need the rig, and in a rig where it would
// need another one.
func Program(t testing.TB, arch string, argv ...string) string {
	t.Helper()
	account(t, layerLinux)
	if arch == runtime.GOARCH && ring0() == nil {
		var said bytes.Buffer
		cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		cmd.Stdout = io.MultiWriter(&said, t.Output())
		cmd.Stderr = cmd.Stdout
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		return said.String()
	}
	if testing.Short() || nest.Inside() {
		t.Skipf("needs a nested rig for %s", arch)
	}
	// A test says that it begins; a program is silent until its guest has booted.
	code, said, err := rerun(t.Context(), t, 2*stallAfter, argv)
	if err != nil {
		t.Fatal(err)
	}
	if code != 0 {
		t.Fatalf("%s failed in the nested rig, exit code %d", argv[0], code)
	}
	return string(said)
}

// kvmUsable says what is wrong with /dev/kvm.
func kvmUsable() error {
	fd, err := unix.Open("/dev/kvm", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// #define KVM_GET_API_VERSION _IO(KVMIO, 0x00), KVMIO 0xAE; 12 since
	// Linux 2.6.22, "applications should refuse to run" on anything else.
	version, err := unix.IoctlRetInt(fd, 0xAE00)
	if err != nil {
		return fmt.Errorf("KVM_GET_API_VERSION: %w", err)
	}
	if version != 12 {
		return fmt.Errorf("KVM API version %d, want 12", version)
	}
	return nil
}

// ring0 says why guest ring 0 is not native here; nil when it is. The answer
// does not change while the process lives.
var ring0 = sync.OnceValue(func() error {
	switch v := os.Getenv(Ring0Env); v {
	case "native":
		return kvmUsable()
	case "emulated":
		return fmt.Errorf("%s says that guest ring 0 is emulated", Ring0Env)
	case "":
	default:
		return fmt.Errorf("%s is %q, want native or emulated", Ring0Env, v)
	}
	if err := kvmUsable(); err != nil {
		return fmt.Errorf("/dev/kvm: %w", err)
	}
	return probeRing0()
})
