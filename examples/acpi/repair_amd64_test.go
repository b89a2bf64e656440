package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/internal/testutil"
)

// The program, built for an architecture as go build does, takes a payload that elfdiff made of
// it and of the same with reserve.patch. A stock kernel sees its battery change, and change
// back, while it looks.
func TestRepair(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			linux := stock(t.Context(), t, arch)
			program, fix := build(t, arch)

			// Who has patience is outside: the clock of a rig on a busy machine may be wrong.
			out := testutil.Program(t, arch, program, "-kernel", linux.Kernel, "-initrd", linux.Initrd,
				"-payload", fix.payload, "-trust", fix.trust, "-timeout", "24h")

			machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
			require.Regexp(t, `(?m)^kernel +.* `+machine+`$`, out)
			require.Regexp(t, `(?m)^battery, with a payload loaded +20 %$`, out)
			require.Regexp(t, `(?m)^battery, after Apply +10 %, after [1-9]\d* looks, at most \d+ ms apart$`, out)
			require.Regexp(t, `(?m)^battery, patched +10 %$`, out)
			require.Regexp(t, `(?m)^battery, after Revert +20 %, after [1-9]\d* looks, at most \d+ ms apart$`, out)
			require.Regexp(t, `(?m)^the guest ended by +power-off$`, out)
		})
	}
}

// build builds the program, and makes the payload and the key.
func build(t *testing.T, arch string) (program string, fix repair) {
	t.Helper()

	dir := t.TempDir()
	program = filepath.Join(dir, "acpi")

	root, err := filepath.Abs("../..")
	require.NoError(t, err)

	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program)
	cmd.Env = append(cmd.Environ(), "GOARCH="+arch, "CGO_ENABLED=0")

	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)

	base, err := elfdiff.Open(t.Context(), program, elfdiff.OpenOptions{Dir: root})
	require.NoError(t, err)

	diff, err := os.ReadFile("reserve.patch")
	require.NoError(t, err)

	fixed, err := elfdiff.FromSource(t.Context(), elfdiff.SourceOptions{
		Base: base, Dir: root, Patches: []elfdiff.SourcePatch{{Name: "reserve.patch", Diff: diff}},
	})
	require.NoError(t, err)

	report, err := elfdiff.Diff(t.Context(), base, fixed, elfdiff.Options{})
	require.NoError(t, err)

	var said strings.Builder

	require.NoError(t, report.WriteText(&said))
	require.NoError(t, report.Err(), "%s", &said)
	require.Equal(t, []string{"github.com/vgraft/vgraft/vmm/power.(*Battery).read"}, report.Changed, "%s", &said)
	require.Equal(t, []string{"vmm/power/battery.read"}, report.Slots)

	payload, err := report.Payload(elfdiff.PayloadOptions{Name: "reserve"})
	require.NoError(t, err)

	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)

	payload, err = elfdiff.Sign(payload, private)
	require.NoError(t, err)

	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)

	fix = repair{filepath.Join(dir, "reserve.elf"), filepath.Join(dir, "trust.pem")}
	require.NoError(t, os.WriteFile(fix.payload, payload, 0o600))
	require.NoError(t, os.WriteFile(fix.trust, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
	t.Logf("a payload of %d bytes", len(payload))

	return program, fix
}
