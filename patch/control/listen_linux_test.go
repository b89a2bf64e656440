package control_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch/control"
)

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()

	s, err := os.Lstat(path)
	require.NoError(t, err)

	return s.Mode()
}

func TestListen_mode(t *testing.T) {
	testutil.NoLeaks(t)

	for _, mode := range []fs.FileMode{0o600, 0o660, 0o666, 0o777} { // the umask has no say
		path := filepath.Join(t.TempDir(), "s")

		l, err := control.Listen(path, mode)
		require.NoError(t, err)
		require.Equal(t, mode|fs.ModeSocket, modeOf(t, path))

		c, err := net.Dial("unix", path)
		require.NoError(t, err)
		require.NoError(t, c.Close())

		require.NoError(t, l.Close())
		require.ErrorIs(t, l.Close(), net.ErrClosed)
		require.NoFileExists(t, path)
	}

	_, err := control.Listen(filepath.Join(t.TempDir(), "s"), 0o600|fs.ModeSetuid)
	require.ErrorIs(t, err, fs.ErrInvalid)
}

// TestListen_neverWider watches the socket while it is made, again and again.
func TestListen_neverWider(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	done := make(chan struct{})

	var watching sync.WaitGroup

	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}

			if s, err := os.Lstat(path); err == nil && s.Mode().Perm()&^0o600 != 0 {
				t.Errorf("for a moment the mode was %v", s.Mode())
				return
			}
		}
	})

	for range 200 {
		l, err := control.Listen(path, 0o600)
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}

	close(done)
	watching.Wait()
}

func TestListen_taken(t *testing.T) {
	testutil.NoLeaks(t)

	path := filepath.Join(t.TempDir(), "s")

	// Somebody listens.
	first, err := control.Listen(path, 0o600)
	require.NoError(t, err)

	_, err = control.Listen(path, 0o600)
	require.ErrorIs(t, err, syscall.EADDRINUSE)

	// It died without a word.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + "2", Net: "unix"})
	require.NoError(t, err)
	stale.SetUnlinkOnClose(false)
	require.NoError(t, stale.Close())

	second, err := control.Listen(path+"2", 0o600)
	require.NoError(t, err)

	// Something else has the path.
	require.NoError(t, os.WriteFile(path+"3", []byte("precious"), 0o600))

	_, err = control.Listen(path+"3", 0o600)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.FileExists(t, path+"3")

	// A successor has the path by the time that the first one ends.
	require.NoError(t, os.Remove(path))

	successor, err := control.Listen(path, 0o600)
	require.NoError(t, err)
	require.NoError(t, first.Close())
	require.Equal(t, fs.ModeSocket|0o600, modeOf(t, path))

	require.NoError(t, errors.Join(second.Close(), successor.Close()))

	_, err = control.Listen(filepath.Join(t.TempDir(), "no", "s"), 0o600)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestListen_race: of many who begin at once over a dead socket, one gets it.
func TestListen_race(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")

	for range 20 {
		stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		require.NoError(t, err)
		stale.SetUnlinkOnClose(false)
		require.NoError(t, stale.Close())

		got := make(chan net.Listener, 8)

		var wg sync.WaitGroup
		for range cap(got) {
			wg.Go(func() {
				if l, err := control.Listen(path, 0o600); err == nil {
					got <- l
				}
			})
		}

		wg.Wait()
		close(got)

		require.Len(t, got, 1)
		require.NoError(t, (<-got).Close())
	}
}

// TestListen_otherUser runs this test binary as a user who isn't the socket's. Who isn't
// root can't be another: then it is the socket's owner, with a mode that refuses him too.
func TestListen_otherUser(t *testing.T) {
	const env = "CONTROL_TEST_SOCKET"

	if path := os.Getenv(env); path != "" { // that other user
		_, _, err := control.Dial(path).Load(context.Background(), file("evil"), everywhere(""))
		fmt.Println(errors.Is(err, control.ErrUnreachable), errors.Is(err, syscall.EACCES))

		return
	}

	closed := fs.FileMode(0o600)
	if os.Getuid() != 0 {
		closed = 0
	}

	dir := t.TempDir() // below directories that only root may enter
	open := filepath.Join(os.TempDir(), filepath.Base(filepath.Dir(dir)))
	require.NoError(t, os.MkdirAll(open, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(open) })
	require.NoError(t, os.Chmod(open, 0o755))

	bin, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(open, "test"), bin, 0o755))

	e, _, _ := newEngine(t)
	before := fingerprint(e)
	path := filepath.Join(open, "s")

	for mode, want := range map[fs.FileMode]string{closed: "true true\n", 0o666: "false false\n"} {
		l, err := control.Listen(path, mode)
		require.NoError(t, err)

		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)

		go func() { served <- control.Serve(ctx, e, l, control.Options{ReadOnly: mode == 0o666}) }()

		cmd := exec.CommandContext(t.Context(), filepath.Join(open, "test"), "-test.run", "^"+t.Name()+"$")
		cmd.Dir, cmd.Env = open, []string{env + "=" + path}
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}

		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), want, "%v", mode)
		require.Equal(t, before, fingerprint(e))

		cancel()
		require.NoError(t, <-served)
	}
}
