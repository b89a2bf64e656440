package main

import (
	"crypto/ed25519"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/payload"
)

// sample is a payload that does nothing, with something of everything that is shown.
func sample(t *testing.T) []byte {
	t.Helper()

	f := &payload.File{Arch: "amd64"}
	text, rodata := make([]byte, 32), make([]byte, 16)

	f.Text.Addr, f.Rodata.Addr, f.Data.Addr = payload.Place(f.Arch, len(text), len(rodata))
	f.Text.Bytes, f.Text.Size = text, 32
	f.Rodata.Bytes, f.Rodata.Size = rodata, 16
	f.Data.Bytes, f.Data.Size = make([]byte, 64), 64
	f.Symbols = []payload.Symbol{
		{Name: "main.F", Kind: payload.Func, Addr: f.Text.Addr, Size: 32},
		{Name: "main.F·f", Kind: payload.Object, Addr: f.Rodata.Addr, Size: 8},
	}
	f.Relocs = []payload.Reloc{{Off: f.Rodata.Addr, Type: payload.R_X86_64_RELATIVE, Ref: payload.Ref{Kind: payload.RefImage, Value: f.Text.Addr}}}
	f.Meta = payload.Meta{
		Format: 1, Name: "fix\u202e1",
		Target:     payload.Target{BuildID: "go:a/b/c/d", GoVersion: "go1.26.8", Arch: f.Arch, Anchor: payload.Anchor{Symbol: "patch.anchor", Addr: 1}, Text: 1},
		Provenance: payload.Provenance{Module: "example.com/m@v1", Revision: "abcd", Flags: map[string]string{"-tags": "x"}},
		Slots:      []payload.Slot{{Name: "f", Impl: "main.F", Func: "main.F", Value: f.Rodata.Addr}},
		Module:     payload.Module{Addr: f.Data.Addr, Size: 64, Next: 0},
		Runtime:    payload.Runtime{FirstModule: 1, LastModule: 1, ModulesSlice: 1},
		Changes:    []payload.Change{{Symbol: "main.F", Reason: "code"}},
		Accepted:   []string{"caller main.main"},
	}

	file, err := f.Marshal()
	require.NoError(t, err)

	return file
}

func TestInspect(t *testing.T) {
	file := sample(t)

	code, stdout, stderr := call(t, string(file), "inspect", "-")
	require.Equal(t, exitOK, code, stderr)

	for _, want := range []string{"fix\uFFFD1\n", "go:a/b/c/d", "signed      no\n", "f: main.F -> main.F\n", "main.F: code\n", "caller main.main\n", "-tags=x\n", "main.F, 32 bytes\n"} {
		require.Contains(t, stdout, want)
	}

	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)

	signed, err := payload.Sign(file, key)
	require.NoError(t, err)

	code, stdout, stderr = call(t, string(signed), "inspect", "-", "-json")
	require.Equal(t, exitOK, code, stderr)

	var got inspected
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.Equal(t, "fix\u202e1", got.Meta.Name)
	require.Len(t, got.KeyID, 64)
	require.Len(t, got.ID, 2*payload.IDSize)
	require.Equal(t, len(signed), got.Size)
	require.Equal(t, []symbol{{"main.F", "function", 32}, {"main.F·f", "object", 8}}, got.Symbols)

	for _, bad := range []string{"", "no payload", string(file[:len(file)-1]), string(signed[1:])} {
		code, stdout, _ := call(t, bad, "inspect", "-")
		require.Equal(t, exitFailed, code)
		require.Empty(t, stdout)
	}
}
