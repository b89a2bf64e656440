//go:build amd64 || arm64

package vmm_test

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// runOp is KVM_RUN.
const runOp = 0xAE80

// auditArch is the architecture that a filter sees (AUDIT_ARCH_X86_64 and _AARCH64 of
// uapi/linux/audit.h: 64-bit, little-endian, EM_X86_64 or EM_AARCH64).
var auditArch = map[string]uint32{"amd64": 0xC000003E, "arm64": 0xC00000B7}[runtime.GOARCH]

// onThreadWithoutRun calls f on a thread where KVM_RUN succeeds at once without being
// done: a seccomp filter answers it, with error number 0. kvm_run stays as it is, so a
// monitor handles its last exit again. What remains of a turn of a vCPU's loop is what
// the monitor does, and a bare system call, which can be timed by itself.
//
// A filter stays as long as its thread, which therefore ends with f. The runtime doesn't
// clone a locked thread, so no other one inherits it.
func onThreadWithoutRun(t testing.TB, f func()) {
	t.Helper()

	done := make(chan struct{})

	go func() {
		defer close(done)

		runtime.LockOSThread() // for ever

		if err := skipRun(); assert.NoError(t, err) {
			f()
		}
	}()

	<-done

	if t.Failed() {
		t.FailNow()
	}
}

func skipRun() error {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		give  = unix.BPF_RET | unix.BPF_K
	)

	// Loads are from struct seccomp_data; the kernel takes the lower half of args[1] only.
	filter := []unix.SockFilter{
		{Code: load, K: 4}, // arch
		{Code: equal, K: auditArch, Jf: 5},
		{Code: load, K: 0}, // nr
		{Code: equal, K: unix.SYS_IOCTL, Jf: 3},
		{Code: load, K: 24}, // args[1]
		{Code: equal, K: runOp, Jf: 1},
		{Code: give, K: unix.SECCOMP_RET_ERRNO},
		{Code: give, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: unsafe.SliceData(filter)}

	// Without it only a privileged process may filter.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("PR_SET_NO_NEW_PRIVS", err)
	}

	// Converted in the call: so the program neither moves nor dies before it is copied.
	_, _, errno := unix.Syscall(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return os.NewSyscallError("PR_SET_SECCOMP", errno)
	}

	runtime.KeepAlive(filter)

	return nil
}

// skippedRun is KVM_RUN alone.
func skippedRun() {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, runOp, 0); errno != 0 {
		panic(errno)
	}
}
