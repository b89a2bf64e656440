package vmm_test

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// permissionEnv names the KVM device to a test binary that was started for it.
const permissionEnv = "VGRAFT_TEST_PERMISSION"

// nobody is a user that owns nothing.
const nobody = 65534

// Who may not open the KVM device is told so. Root may open everything, and has a copy of
// this binary look at it as another user.
func TestBadInput_noPermission(t *testing.T) {
	if path := os.Getenv(permissionEnv); path != "" {
		refused(t, path)

		return
	}

	testutil.Pure(t)
	testutil.NoLeaks(t)

	// Not t.TempDir: its parent is closed to others.
	dir, err := os.MkdirTemp("", "permission")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))

	device := closedDevice(t, dir)

	if os.Geteuid() != 0 {
		refused(t, device)

		return
	}

	// The way to the binary itself, too, may be closed to others.
	self := filepath.Join(dir, "self")
	copyExecutable(t, self)

	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestBadInput_noPermission$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = []string{permissionEnv + "=" + device}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}

	out, err := cmd.CombinedOutput()
	t.Logf("as user %d:\n%s", nobody, out)
	require.NoError(t, err)
	require.Contains(t, string(out), "--- PASS: TestBadInput_noPermission")
}

func refused(t *testing.T, device string) {
	t.Helper()

	m, err := vmm.New(t.Context(), vmm.Config{KVM: device, Memory: ramSize, Boot: vmm.Flat{Code: powerOff().Bytes()}})
	t.Log(err)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, device)
	require.Nil(t, m)

	_, err = vmm.Probe(device)
	require.ErrorIs(t, err, fs.ErrPermission)
}

// closedDevice makes a KVM device that others than root may not open; where there can be
// none, a file that its owner may not open either.
func closedDevice(t *testing.T, dir string) string {
	t.Helper()

	const major, minor = 10, 232 // of /dev/kvm, in Linux' list of devices

	path := filepath.Join(dir, "kvm")
	if unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(major, minor))) == nil {
		if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
			require.NoError(t, f.Close())

			return path
		}

		// There is no such device, or none may be opened in this place.
		require.NoError(t, os.Remove(path))
	}

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chmod(path, 0))

	return path
}

func copyExecutable(t *testing.T, to string) {
	t.Helper()

	from, err := os.Executable()
	require.NoError(t, err)

	in, err := os.Open(from)
	require.NoError(t, err)

	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	require.NoError(t, err)

	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Chmod(0o755)) // whatever the umask
	require.NoError(t, out.Close())
	require.NoError(t, in.Close())
}
