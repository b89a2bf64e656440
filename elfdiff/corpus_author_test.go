package elfdiff_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
)

// fixDiff is the file of an entry with what the author of the patch would change in the
// vulnerable module.
const fixDiff = "fix.diff"

// hunks are some of the changes between the two versions of one file.
type hunks struct {
	file    string
	numbers []int // from 1, in the order of the file; none is all
}

// parsePart reads a part: line.
func parsePart(value string) (parts []hunks, err error) {
	for field := range strings.FieldsSeq(value) {
		file, list, some := strings.Cut(field, ":")
		if !filepath.IsLocal(file) {
			return nil, fmt.Errorf("a file called %q", file)
		}

		h := hunks{file: file}

		if some {
			for n := range strings.SplitSeq(list, ",") {
				i, err := strconv.Atoi(n)
				if err != nil || i < 1 {
					return nil, fmt.Errorf("no hunk: %q", n)
				}

				h.numbers = append(h.numbers, i)
			}
		}

		parts = append(parts, h)
	}

	if len(parts) == 0 {
		return nil, errors.New("no file")
	}

	return parts, nil
}

// partDiff is a patch file with the part of the release's changes that are the fix.
func (e *entry) partDiff(t *testing.T, was, is string) []byte {
	t.Helper()

	where := func(program string) string {
		return strings.TrimSpace(goIn(t, filepath.Dir(program), "list", "-m", "-f", "{{.Dir}}", e.head["module"]))
	}

	from, to := where(was), where(is)

	var out bytes.Buffer

	for _, p := range e.part {
		cmd := exec.CommandContext(t.Context(), "diff", "-U0", "-N", filepath.Join(from, p.file), filepath.Join(to, p.file))

		text, err := cmd.Output() // it fails where there are differences
		require.NotEmpty(t, text, "%v: %v", cmd, err)

		all := strings.Split("\n"+string(text), "\n@@ ")[1:]
		old := "a/" + p.file
		if _, err := os.Stat(filepath.Join(from, p.file)); err != nil {
			old = os.DevNull
		}

		fmt.Fprintf(&out, "--- %s\n+++ b/%s\n", old, p.file)

		for i, h := range all {
			if len(p.numbers) == 0 || slices.Contains(p.numbers, i+1) {
				out.WriteString("@@ " + strings.TrimSuffix(h, "\n") + "\n")
			}
		}

		require.LessOrEqual(t, slices.Max(append(p.numbers, 0)), len(all), "%s has fewer hunks", p.file)
	}

	return out.Bytes()
}

// repaired is the vulnerable program with other changes than the release's: the part of
// them that is the fix or, by hand, what the author of the patch would write.
func (e *entry) repaired(t *testing.T, base *elfdiff.Build, was, is string, byHand bool) *elfdiff.Build {
	t.Helper()

	o := elfdiff.SourceOptions{Base: base, Dir: filepath.Dir(was), Env: append(os.Environ(), "GOFLAGS=", "GOWORK=off")}

	if len(e.part) > 0 {
		o.Patches = append(o.Patches, elfdiff.SourcePatch{Name: "part", Diff: e.partDiff(t, was, is), Root: e.head["module"]})
	}

	if text := e.files[fixDiff]; byHand && text != "" {
		o.Patches = append(o.Patches, elfdiff.SourcePatch{Name: fixDiff, Diff: []byte(text), Root: e.head["module"]})
	}

	if byHand {
		e.write(t, filepath.Dir(was), isHook)
	}

	b, err := elfdiff.FromSource(t.Context(), o)
	require.NoError(t, err)

	return b
}

// write writes those of an entry's files that are wanted.
func (e *entry) write(t *testing.T, dir string, wanted func(string) bool) {
	t.Helper()

	for name, content := range e.files {
		if wanted(name) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, strings.TrimPrefix(name, "fixed/")), []byte(content), 0o666))
		}
	}
}

// checkAlone has the repaired program, started anew, give the answers of the release.
func (e *entry) checkAlone(t *testing.T, b *elfdiff.Build, want []string) {
	t.Helper()

	program := filepath.Join(t.TempDir(), "repaired")
	require.NoError(t, os.WriteFile(program, b.ELF, 0o777))
	require.Equal(t, want, e.answers(t, program), "the repaired program, and that with the fixed version")
}
