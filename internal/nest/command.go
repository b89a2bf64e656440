package nest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// NestedEnv is the environment variable that is "1" for a command inside the rig.
const NestedEnv = "VGRAFT_NESTED"

// Inside reports whether this process runs inside the rig.
func Inside() bool { return os.Getenv(NestedEnv) == "1" }

// passedEnv lists what a command inherits by exact name: what programs and the
// Go toolchain need to find their files.
var passedEnv = map[string]bool{
	"PATH": true, "HOME": true, "USER": true, "TMPDIR": true, "LANG": true, "TZ": true,
	"XDG_CACHE_HOME": true, "CGO_ENABLED": true,
}

// passes reports whether the variable is handed to a command in the rig.
func passes(name string) bool {
	return passedEnv[name] || strings.HasPrefix(name, "VGRAFT_") || strings.HasPrefix(name, "GO")
}

// commandEnv is the whole environment of a command: what passes of the
// process's own (base), then the caller's, then the mark of the rig; a later
// entry wins.
func commandEnv(base, extra []string) ([]string, error) {
	var order []string
	value := map[string]string{}
	set := func(kv string) error {
		name, v, ok := strings.Cut(kv, "=")
		if !ok || !shellName(name) || strings.ContainsRune(v, 0) {
			return fmt.Errorf("nest: environment entry %q is not NAME=value", kv)
		}
		if _, known := value[name]; !known {
			order = append(order, name)
		}
		value[name] = v
		return nil
	}
	for _, kv := range base {
		if name, _, _ := strings.Cut(kv, "="); passes(name) && shellName(name) {
			if err := set(kv); err != nil {
				return nil, err
			}
		}
	}
	for _, kv := range append(extra[:len(extra):len(extra)], NestedEnv+"=1") {
		if err := set(kv); err != nil {
			return nil, err
		}
	}
	env := make([]string, 0, len(order))
	for _, name := range order {
		env = append(env, name+"="+value[name])
	}
	return env, nil
}

// shellName reports whether a shell can export a variable of this name.
func shellName(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// commandScript is the shell script that becomes the command. It goes into
// the ramdisk, not on the kernel's command line, whose length is limited.
func commandScript(dir string, env, argv []string) (string, error) {
	if len(argv) == 0 || argv[0] == "" {
		return "", fmt.Errorf("nest: no command given")
	}
	for _, a := range append([]string{dir}, argv...) {
		if strings.ContainsRune(a, 0) {
			return "", fmt.Errorf("nest: %q has a NUL byte", a)
		}
	}
	var b strings.Builder
	// 125 is what env(1), timeout(1) and docker answer when it was they who failed.
	fmt.Fprintf(&b, "cd %s || exit 125\n", shellQuote(dir))
	for _, kv := range env {
		name, v, _ := strings.Cut(kv, "=")
		fmt.Fprintf(&b, "export %s=%s\n", name, shellQuote(v))
	}
	b.WriteString("unset OLDPWD\nexec")
	for _, a := range argv {
		b.WriteString(" " + shellQuote(a))
	}
	b.WriteString("\n")
	return b.String(), nil
}

// shellQuote makes one literal word of s.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// resolve finds the program of argv as os/exec does: a name without a slash is
// looked up in PATH here, where a mistake costs no boot; one with a slash is
// taken from dir.
func resolve(argv0, dir string) (string, error) {
	if !strings.Contains(argv0, "/") {
		path, err := exec.LookPath(argv0)
		if err != nil {
			return "", fmt.Errorf("nest: %w", err)
		}
		return filepath.Abs(path)
	}
	path := argv0
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("nest: %w", err)
	}
	if info.IsDir() || info.Mode().Perm()&0o111 == 0 {
		return "", fmt.Errorf("nest: %s is not an executable file", path)
	}
	return path, nil
}
