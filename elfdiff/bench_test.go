package elfdiff

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var benchDir = flag.String("bench.dir", "", "BenchmarkBuild: the directory of another main package, and of another fix in fix.diff there")

// server is a program of some 4 MB with a slot.
var server = map[string]string{
	"main.go": `package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"regexp"

	"github.com/vgraft/vgraft/patch"
)

var handle = patch.NewSlot("handle", Handle)

var word = regexp.MustCompile("[a-z]+")

func Handle(s string) string {
	b, _ := json.Marshal(map[string]any{"words": word.FindAllString(s, -1), "n": len(s) + 1})

	return string(b)
}

func main() {
	e := patch.NewEngine(patch.Options{AllowUnsigned: true})
	slog.Info("up", "slots", len(patch.Slots()), "err", e.Attach(context.Background(), patch.Default()))
	fmt.Fprintln(os.Stdout, handle.Get()("a b c"))
}
`,
}

// BenchmarkBuild makes the payload of a fix of one function, from the change of the source to
// the file, and each part of that. Everything but what changed is in the build cache.
func BenchmarkBuild(b *testing.B) {
	dir := *benchDir
	if dir == "" {
		root, err := filepath.Abs("..")
		require.NoError(b, err)

		sums, err := os.ReadFile("../go.sum")
		require.NoError(b, err)

		files := map[string]string{
			"go.mod":   "module example.com/server\n\ngo 1.26.3\n\nrequire github.com/vgraft/vgraft v0.0.0\n\nreplace github.com/vgraft/vgraft => " + root + "\n",
			"go.sum":   string(sums),
			"main.go":  server["main.go"],
			"fix.diff": "--- a/main.go\n+++ b/main.go\n@@ -18 +18 @@\n-\tb, _ := json.Marshal(map[string]any{\"words\": word.FindAllString(s, -1), \"n\": len(s) + 1})\n+\tb, _ := json.Marshal(map[string]any{\"words\": word.FindAllString(s, -1), \"n\": len(s)})\n",
		}
		dir = write(b, files)
	}

	elf := goBuild(b, dir, plain(), "-trimpath")

	diff, err := os.ReadFile(filepath.Join(dir, "fix.diff"))
	require.NoError(b, err)

	open := OpenOptions{Dir: dir, Env: plain()}

	base, err := Open(b.Context(), elf, open)
	require.NoError(b, err)

	source := SourceOptions{Base: base, Dir: dir, Env: plain(), Patches: []SourcePatch{{Diff: diff}}}

	fixed, err := FromSource(b.Context(), source)
	require.NoError(b, err)

	report, err := Diff(b.Context(), base, fixed, Options{})
	require.NoError(b, err)
	require.Empty(b, report.Refusals)

	file, err := report.Payload(PayloadOptions{})
	require.NoError(b, err)

	var bundle strings.Builder

	require.NoError(b, base.WriteBundle(&bundle))

	all := func() {
		base, err := Open(b.Context(), elf, open)
		require.NoError(b, err)

		source.Base = base

		fixed, err := FromSource(b.Context(), source)
		require.NoError(b, err)

		report, err := Diff(b.Context(), base, fixed, Options{})
		require.NoError(b, err)

		_, err = report.Payload(PayloadOptions{})
		require.NoError(b, err)
	}

	for _, part := range []struct {
		name string
		do   func()
	}{
		{"all", all},
		{"open", func() { _, err = Open(b.Context(), elf, open) }},
		{"bundle", func() { _, err = OpenBundle(strings.NewReader(bundle.String()), int64(bundle.Len())) }},
		{"source", func() { _, err = FromSource(b.Context(), source) }},
		{"diff", func() { _, err = Diff(b.Context(), base, fixed, Options{}) }},
		{"payload", func() { _, err = report.Payload(PayloadOptions{}) }},
	} {
		b.Run(part.name, func(b *testing.B) {
			for b.Loop() {
				part.do()
				require.NoError(b, err)
			}

			b.ReportMetric(float64(len(base.ELF))/1e6, "MB")
			b.ReportMetric(float64(len(file)), "payload-B")
		})
	}
}
