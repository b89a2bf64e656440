package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
)

// A guest that greets, then does what the command line says.
const guestInit = `
mount -t proc proc /proc
stty -echo
echo "hello from the guest, $(nproc) CPUs"
stty -echo
case "$(cat /proc/cmdline)" in
*end=off*) poweroff -f;;
*end=reset*) reboot -f;;
esac
sleep 1000
`

// asMain makes the test binary the program itself: it needs no compiler in the rig.
const asMain = "VGRAFT_EXAMPLE_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		os.Exit(run())
	}

	os.Exit(m.Run())
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()

	exe, err := os.Executable()
	require.NoError(t, err)

	c := exec.CommandContext(t.Context(), exe, args...)
	c.Env = append(os.Environ(), asMain+"=1")

	return c
}

// The whole program, with a stock kernel.
func TestProgram(t *testing.T) {
	if !testutil.LinuxGuest(t) {
		return
	}

	kernel, err := nest.Kernel(t.Context(), nest.Cloud)
	require.NoError(t, err)

	ramdisk, err := nest.GuestInitrd(t.Context(), guestInit)
	require.NoError(t, err)

	initrd := filepath.Join(t.TempDir(), "initrd")
	require.NoError(t, os.WriteFile(initrd, ramdisk, 0o644))

	args := func(end string, more ...string) []string {
		return append([]string{
			"-kernel", kernel.Vmlinuz, "-initrd", initrd, "-cpus", "2", "-memory", "256",
			"-cmdline", "console=ttyS0 quiet panic=-1 " + end,
		}, more...)
	}

	for _, c := range []struct {
		name, end string
		timeout   string
		keys      string // typed when the guest has greeted
		code      int
		stderr    string
	}{
		{"power off", "end=off", "2m", "", 0, ""},
		{"reset", "end=reset", "2m", "", 0, ""},
		{"triple fault", "end=reset reboot=t", "2m", "", exitFailure, "triple fault"},
		{"timeout", "", "1s", "", exitTimeout, "timed out after 1s"},
		{"Ctrl-a x", "", "2m", "\x01\x01\x01x", exitFailure, "ended by Ctrl-a x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := program(t, args(c.end, "-timeout", c.timeout)...)

			stdin, err := p.StdinPipe()
			require.NoError(t, err)

			defer stdin.Close()

			var stderr bytes.Buffer

			stdout := &typist{keys: c.keys, to: stdin}
			p.Stdout, p.Stderr = stdout, &stderr

			start := time.Now()
			err = p.Run()
			t.Logf("%v after %.2f s", err, time.Since(start).Seconds())

			require.Equal(t, c.code, p.ProcessState.ExitCode(), "stdout:\n%s\nstderr:\n%s", &stdout.text, &stderr)
			require.Contains(t, stderr.String(), c.stderr)

			if c.timeout != "1s" {
				require.Contains(t, stdout.text.String(), greeting)
			}

			if c.stderr == "" {
				require.Empty(t, stderr.String())
			}
		})
	}

	t.Run("no kernel", func(t *testing.T) {
		out, err := program(t, "-kernel", "/nonexistent").CombinedOutput()

		var exit *exec.ExitError

		require.ErrorAs(t, err, &exit)
		require.Equal(t, exitFailure, exit.ExitCode())
		require.Contains(t, string(out), "/nonexistent: no such file")
	})
}

// greeting is what the guest prints when it is in userspace.
const greeting = "hello from the guest, 2 CPUs"

// typist keeps what a guest prints and types once it has greeted.
type typist struct {
	text  bytes.Buffer
	keys  string
	to    io.Writer
	typed bool
}

func (w *typist) Write(p []byte) (int, error) {
	w.text.Write(p)

	if !w.typed && strings.Contains(w.text.String(), greeting) {
		w.typed = true

		if _, err := io.WriteString(w.to, w.keys); err != nil {
			return 0, err
		}
	}

	return len(p), nil
}

func TestEscape(t *testing.T) {
	testutil.Pure(t)

	for _, c := range []struct {
		in, want string
		quits    int32
	}{
		{"abc", "abc", 0},
		{"a\x01b", "ab", 0},
		{"a\x01\x01b", "a\x01b", 0},
		{"a\x01\x01x", "a\x01x", 0},
		{"ab\x01xc", "abc", 1},
		{"\x01", "", 0},
	} {
		for _, size := range []int{1, 2, 64} {
			var quits atomic.Int32

			e := &escape{in: strings.NewReader(c.in), quit: func() { quits.Add(1) }}

			var got []byte

			for buf := make([]byte, size); ; {
				n, err := e.Read(buf)

				got = append(got, buf[:n]...)
				if errors.Is(err, io.EOF) {
					break
				}

				require.NoError(t, err)
				require.NotZero(t, n)
			}

			require.Equal(t, c.want, string(got))
			require.Equal(t, c.quits, quits.Load())
		}
	}
}

// A pseudo-terminal stands in for the user's.
func TestRawTerminal(t *testing.T) {
	testutil.Pure(t)

	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)

	defer master.Close()

	// TIOCGPTPEER would be simpler, but wants a number of its own on each architecture.
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))

	before, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
	require.NoError(t, err)

	restore := rawTerminal(master) // a master end shows the slave's settings
	raw, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
	require.NoError(t, err)
	require.Zero(t, raw.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG))
	require.Zero(t, raw.Iflag&unix.ICRNL)
	require.Equal(t, before.Oflag, raw.Oflag)

	restore()
	restore()

	after, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
	require.NoError(t, err)
	require.Equal(t, before, after)

	file, err := os.Open(os.DevNull)
	require.NoError(t, err)

	defer file.Close()

	rawTerminal(file)() // nothing to do
}
