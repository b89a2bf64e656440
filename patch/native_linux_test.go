package patch_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNative runs a program that loads payloads made by hand into itself, in all forms that
// a program can have. What it looks at is in testdata/native.
func TestNative(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("no payloads for " + runtime.GOARCH)
	}

	// go test takes an earlier result for good unless it sees that these files changed.
	files, err := filepath.Glob("testdata/native/*.go")
	require.NoError(t, err)

	for _, f := range files {
		_, err := os.ReadFile(f)
		require.NoError(t, err)
	}

	variants := map[string][]string{"default": nil, "pie": {"-buildmode=pie"}}
	if !testing.Short() {
		variants["checkptr"] = []string{"-gcflags=all=-d=checkptr"}
	}

	for name, flags := range variants {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "native")

			out, err := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-o", program}, flags...), "./testdata/native")...).CombinedOutput()
			require.NoError(t, err, "%s", out)

			for _, debug := range []string{"", "clobberfree=1,gccheckmark=1", "asyncpreemptoff=1"} {
				cmd := exec.CommandContext(t.Context(), program)
				cmd.Env = append(cmd.Environ(), "GODEBUG="+debug)

				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s\n%s", debug, out)
				require.Contains(t, string(out), "ok again")
			}
		})
	}
}
