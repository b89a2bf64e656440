package vmm_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch/control"
)

// A repair is a program with a flaw, and how its source is to be changed.
type repair struct {
	program string // its package, as a path below this one

	// In the file of the source, is stands where the program has flaw.
	file, is, flaw string

	module, patch string // or: a patch file in testdata, for a module that the program uses

	wide    bool   // words of the process change too
	changed string // the function that elfdiff must find
}

// The files of a repair, and the variable that tells the test in the rig where they are: they
// are made outside, where that is quicker.
const (
	repairEnv     = "VGRAFT_TEST_REPAIR"
	repairProgram = "program"
	repairPayload = "payload"
	repairTrust   = "trust.pem"
)

// prepare makes the files, unless that was done before this test came into the rig.
func (r repair) prepare(t *testing.T) (dir string) {
	t.Helper()

	if dir := os.Getenv(repairEnv); dir != "" {
		return dir
	}

	dir = t.TempDir()
	t.Setenv(repairEnv, dir)

	root, err := filepath.Abs("..")
	require.NoError(t, err)

	opts := elfdiff.OpenOptions{Dir: root}
	args := []string{"build", "-o", filepath.Join(dir, repairProgram)}

	if r.file != "" {
		opts.Overlay = r.overlay(t, root, dir)
		args = append(args, "-overlay", opts.Overlay)
	}

	out, err := exec.CommandContext(t.Context(), "go", append(args, "./"+r.program)...).CombinedOutput()
	require.NoError(t, err, "%s", out)

	start := time.Now()

	base, err := elfdiff.Open(t.Context(), filepath.Join(dir, repairProgram), opts)
	require.NoError(t, err)

	fix := elfdiff.SourceOptions{Base: base, Dir: root}

	if r.patch != "" {
		diff, err := os.ReadFile(filepath.Join("testdata", r.patch))
		require.NoError(t, err)

		fix.Patches = []elfdiff.SourcePatch{{Name: r.patch, Diff: diff, Root: r.module}}
	}

	fixed, err := elfdiff.FromSource(t.Context(), fix)
	require.NoError(t, err)

	built := time.Now()

	report, err := elfdiff.Diff(t.Context(), base, fixed, elfdiff.Options{ProcessWide: r.wide})
	require.NoError(t, err)

	var text strings.Builder

	require.NoError(t, report.WriteText(&text))
	require.NoError(t, report.Err(), "%s", &text)
	require.Equal(t, []string{r.changed}, report.Changed)

	payload, err := report.Payload(elfdiff.PayloadOptions{Name: "repair"})
	require.NoError(t, err)

	t.Logf("built in %v, compared in %v: a payload of %d bytes for %v through %v and words %v",
		built.Sub(start), time.Since(built), len(payload), report.Changed, report.Slots, report.Words)
	sign(t, dir, payload)

	return dir
}

// overlay puts the flaw into the source.
func (r repair) overlay(t *testing.T, root, dir string) string {
	t.Helper()

	name := filepath.Join(root, r.file)

	source, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, 1, bytes.Count(source, []byte(r.is)), "%s: %s", r.file, r.is)

	flawed := filepath.Join(dir, filepath.Base(r.file))
	require.NoError(t, os.WriteFile(flawed, bytes.Replace(source, []byte(r.is), []byte(r.flaw), 1), 0o644))

	text, err := json.Marshal(map[string]map[string]string{"Replace": {name: flawed}})
	require.NoError(t, err)

	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, text, 0o644))

	return overlay
}

// sign writes the payload, signed, and the key to trust.
func sign(t *testing.T, dir string, payload []byte) {
	t.Helper()

	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)

	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)

	signed, err := elfdiff.Sign(payload, private)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(filepath.Join(dir, repairPayload), signed, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, repairTrust), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644))
}

// patient is the process that is repaired, and its operator.
type patient struct {
	t       *testing.T
	dir     string
	client  *control.Client
	answers *bufio.Reader
	stdin   io.Writer
}

// admit starts the program; its output is one for which out stands, or is read line by line.
func admit(t *testing.T, dir string, out io.Writer, args ...string) *patient {
	t.Helper()

	// The file system of the rig has no sockets.
	short, err := os.MkdirTemp("/dev/shm", "vgraft-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(short)) })

	socket := filepath.Join(short, "socket")
	p := &patient{t: t, dir: dir, client: control.Dial(socket)}

	args = append(args, "-socket", socket, "-trust", filepath.Join(dir, repairTrust))
	cmd := exec.Command(filepath.Join(dir, repairProgram), args...)
	cmd.Stderr = t.Output()
	cmd.Stdout = out

	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)

	p.stdin = stdin

	if out == nil {
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)

		p.answers = bufio.NewReader(stdout)
	}

	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		p.client.Close()
		require.NoError(t, stdin.Close())
		require.NoError(t, cmd.Wait())
	})

	if out == nil {
		require.Equal(t, "ready", p.line())
	}

	return p
}

func (p *patient) line() string {
	p.t.Helper()

	line, err := p.answers.ReadString('\n')
	require.NoError(p.t, err)

	return strings.TrimSuffix(line, "\n")
}

// ask has the program answer.
func (p *patient) ask() string {
	p.t.Helper()

	_, err := io.WriteString(p.stdin, "?\n")
	require.NoError(p.t, err)

	return p.line()
}

// upload brings the payload.
func (p *patient) upload() {
	p.t.Helper()

	file, err := os.ReadFile(filepath.Join(p.dir, repairPayload))
	require.NoError(p.t, err)

	start := time.Now()

	_, err = p.client.Upload(p.t.Context(), bytes.NewReader(file))
	require.NoError(p.t, err)
	p.t.Logf("upload: %v", time.Since(start))
}

func (p *patient) apply() {
	p.t.Helper()

	r, err := p.client.Apply(p.t.Context(), control.Request{Patch: "repair", Everywhere: true})
	require.NoError(p.t, err)
	p.t.Logf("apply: swap %v, took %v", r.Swap, r.Took)
}

func (p *patient) revert() {
	p.t.Helper()

	r, err := p.client.Revert(p.t.Context(), control.Request{Patch: "repair", Everywhere: true})
	require.NoError(p.t, err)
	p.t.Logf("revert: swap %v, took %v", r.Swap, r.Took)
}

// A flaw of this package, and one that gokvm has: every element of a string instruction is the
// first one, which ends up as the last letter of what was to be read. It is repaired by a
// change of the source, while the guest runs.
func TestRepair(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	dir := repair{
		program: "testdata/flat",
		file:    "vmm/exit.go",
		is:      "for ; len(data) > 0; data = data[size:] {",
		flaw:    "for n, first := len(data), data[:size:size]; n > 0; n -= size {\n\t\tdata := first\n",
		changed: "github.com/vgraft/vgraft/vmm.(*vcpu).handlePIO",
	}.prepare(t)

	if !testutil.KVM(t) {
		return
	}

	p := admit(t, dir, nil)

	count := 0
	sees := func(want string) {
		t.Helper()

		var (
			n    int
			word string
		)

		_, err := fmt.Sscanf(p.ask(), "%d %q", &n, &word)
		require.NoError(t, err)
		require.Equal(t, want, word[:1], "%q", word)
		require.Equal(t, want == "w", word == "word", "%q", word)
		require.Greater(t, n, count, "the guest goes on")

		count = n
	}

	sees("d")
	p.upload()
	sees("d")
	p.apply()
	sees("w")
	p.revert()
	sees("d")
	p.apply()
	sees("w")
}

// A fix of another monitor, gokvm, which knows nothing of slots: the program that embeds it
// has some, around the calls of it.
func TestRepair_gokvm(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	dir := repair{
		program: "testdata/gokvm",
		module:  "github.com/bobuhiro11/gokvm", patch: "gokvm/eintr.patch",
		wide:    true, // its serial port has the machine as an interface, which no slot is around
		changed: "github.com/bobuhiro11/gokvm/kvm.Ioctl",
	}.prepare(t)

	if !testutil.KVM(t) {
		return
	}

	p := admit(t, dir, nil)

	count := 0
	idle := func() (n int) {
		t.Helper()

		var writes int

		_, err := fmt.Sscan(p.ask(), &writes, &n)
		require.NoError(t, err)
		require.Greater(t, writes, count, "the guest goes on")

		count = writes

		return n
	}

	require.Greater(t, idle(), 1)
	p.upload()
	require.Greater(t, idle(), 1)
	p.apply()
	require.LessOrEqual(t, idle(), 1)
	p.revert()
	require.Greater(t, idle(), 1)
	p.apply()
	require.LessOrEqual(t, idle(), 1)
}
