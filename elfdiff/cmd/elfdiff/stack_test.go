package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBuild_stack makes a fix on top of another one, from what the first left behind.
func TestBuild_stack(t *testing.T) {
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)

	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)

	source := func(n string) string {
		return `package main

import "github.com/vgraft/vgraft/patch"

var answer = patch.NewSlot("answer", Answer)

//go:noinline
func Answer() int { return other() + ` + n + ` }

//go:noinline
func other() int { return 1 }

func main() {
	println(patch.NewEngine(patch.Options{}) != nil, answer.Get()())
}
`
	}

	dir := t.TempDir()
	put := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	at := func(name string) string { return filepath.Join(dir, name) }

	put("go.mod", "module example.com/m\n\ngo 1.26.3\n\nrequire github.com/vgraft/vgraft v0.0.0\n\nreplace github.com/vgraft/vgraft => "+root+"\n")
	put("go.sum", string(sums))
	put("main.go", source("1"))

	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", at("prog"), ".")
	cmd.Dir = dir

	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)

	tool := func(want int, args ...string) string {
		var out, errs strings.Builder

		require.Equal(t, want, run(t.Context(), args, strings.NewReader(""), &out, &errs), "%s%s", out.String(), errs.String())

		return out.String() + errs.String()
	}

	tool(0, "bundle", "-dir", dir, "-o", at("base"), at("prog"))

	put("main.go", source("2"))
	tool(0, "build", "-dir", dir, "-o", at("fix1"), "-keep", at("kept1"), at("base"))

	put("main.go", source("3"))
	out := tool(0, "build", "-dir", dir, "-o", at("fix2"), "-below", at("fix1")+"="+at("kept1"), at("base"))
	require.Contains(t, out, "on top of")

	require.Contains(t, tool(2, "diff", "-dir", dir, "-below", at("fix1"), at("base")), "-below")
	require.Contains(t, tool(1, "diff", "-dir", dir, "-below", at("fix1")+"="+at("base"), at("base")), "stack")
}
