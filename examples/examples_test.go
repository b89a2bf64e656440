// Package examples_test runs the examples that are modules of their own.
package examples_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
)

// A web server takes the fix of a flaw that a library of it really had, and no request of
// eight clients fails meanwhile.
func TestDaemon(t *testing.T) {
	if testing.Short() {
		t.Skip("gets modules from the network")
	}

	testutil.Pure(t)

	// go test takes an earlier result for good unless it sees that these files changed.
	for _, pattern := range []string{"daemon/*", "daemon/repair/*"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)

		for _, f := range files {
			read(t, f)
		}
	}

	cmd := exec.CommandContext(t.Context(), "go", "run", "./repair", "-json")
	cmd.Dir = "daemon"
	cmd.Env = append(cmd.Environ(), "GOWORK=off", "GOFLAGS=")

	var problems bytes.Buffer

	cmd.Stderr = &problems

	out, err := cmd.Output()
	require.NoError(t, err, "%s", &problems)

	var sum struct {
		Changed                            []string
		Requests, Flawed, Repaired, Failed int
	}

	require.NoError(t, json.Unmarshal(out, &sum))
	t.Logf("%s", out)
	require.Equal(t, []string{"golang.org/x/net/html.render1"}, sum.Changed)
	require.Zero(t, sum.Failed)
	require.Positive(t, sum.Flawed)
	require.Positive(t, sum.Repaired)
	require.Equal(t, sum.Requests, sum.Flawed+sum.Repaired)
}

func read(t *testing.T, name string) {
	t.Helper()

	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return
	}

	_, err := os.ReadFile(name)
	require.NoError(t, err)
}
