package nest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommandScript has a shell run the script: what arrives must be what was
// given, whatever is in it.
func TestCommandScript(t *testing.T) {
	busybox, err := staticBusybox()
	require.NoError(t, err)
	nasty := []string{"", " ", "a b", "it's", `"`, `\`, "$HOME", "`id`", "a\nb", "*", "-n", "--", "\xff\x01", "ü", "a=b", "'", "''", `'\''`}
	dir := filepath.Join(t.TempDir(), "it's $a dir")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for _, word := range nasty {
		script, err := commandScript(dir, []string{"WORD=" + word, "PWD=" + dir}, []string{busybox, "sh", "-c", `printf '%s|%s|%s' "$WORD" "$1" "$(pwd)"`, "sh", word})
		require.NoError(t, err)
		cmd := exec.Command(busybox, "sh", "-c", script)
		cmd.Env = []string{}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err)
		require.Equal(t, word+"|"+word+"|"+dir, string(out))
	}
	_, err = commandScript(dir, nil, []string{"a", "b\x00c"})
	require.Error(t, err)
	_, err = commandScript(dir, nil, nil)
	require.Error(t, err)
}

func TestCommandScript_badDir(t *testing.T) {
	busybox, err := staticBusybox()
	require.NoError(t, err)
	script, err := commandScript(filepath.Join(t.TempDir(), "none"), nil, []string{busybox, "true"})
	require.NoError(t, err)
	var exit *exec.ExitError
	require.ErrorAs(t, exec.Command(busybox, "sh", "-c", script).Run(), &exit)
	require.Equal(t, 125, exit.ExitCode())
}

func TestCommandEnv(t *testing.T) {
	base := []string{"PATH=/bin", "HOME=/h", "SECRET=1", "GOCACHE=/c", "GO-BAD=1", "VGRAFT_X=a=b", "VGRAFT_NESTED=0", "MALFORMED"}
	env, err := commandEnv(base, []string{"EXTRA=e", "HOME=/other"})
	require.NoError(t, err)
	require.Equal(t, []string{"PATH=/bin", "HOME=/other", "GOCACHE=/c", "VGRAFT_X=a=b", "VGRAFT_NESTED=1", "EXTRA=e"}, env)
	for _, bad := range []string{"NOVALUE", "=x", "a-b=1", "1A=x", "A=x\x00y"} {
		_, err := commandEnv(nil, []string{bad})
		require.Error(t, err, bad)
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tool"), nil, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data"), nil, 0o644))
	t.Setenv("PATH", dir)
	for _, name := range []string{"tool", "./tool", filepath.Join(dir, "tool")} {
		got, err := resolve(name, dir)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(dir, "tool"), got)
	}
	for _, name := range []string{"none", "./none", "./data", "data", dir + "/"} {
		_, err := resolve(name, dir)
		require.Error(t, err, name)
	}
}
