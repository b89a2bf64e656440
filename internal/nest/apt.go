package nest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// apt takes packages from the archive this machine is configured for, or with
// options from another one.
type apt struct{ options []string }

// run runs one of apt's programs.
func (a apt) run(ctx context.Context, dir, name string, args ...string) (string, error) {
	return tool(ctx, dir, name, "apt", append(a.options[:len(a.options):len(a.options)], args...)...)
}

func (a apt) newest(ctx context.Context, meta string) (pkg, version string, err error) {
	pkg = meta
	if strings.HasPrefix(meta, "linux-image-") {
		out, err := a.run(ctx, "", "apt-cache", "depends", meta)
		if err != nil {
			return "", "", err
		}
		if pkg = dependency(out); pkg == "" {
			return "", "", fmt.Errorf("%s is not in apt's package lists", meta)
		}
	}
	out, err := a.run(ctx, "", "apt-cache", "show", "--no-all-versions", pkg)
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(line, "Version:"); ok {
			return pkg, strings.TrimSpace(v), nil
		}
	}
	return "", "", fmt.Errorf("%s has no version in apt's package lists", pkg)
}

// dependency reads the kernel package from apt-cache's answer:
//
//	linux-image-amd64
//	  Depends: linux-image-6.1.0-1-amd64
func dependency(out string) string {
	for line := range strings.Lines(out) {
		if dep, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends:"); ok {
			if name := strings.Fields(dep); len(name) > 0 && strings.HasPrefix(name[0], "linux-image-") {
				return name[0]
			}
		}
	}
	return ""
}

func (a apt) fetch(ctx context.Context, pkg, version, dir string) error {
	return unpack(ctx, dir, func(debs string) error {
		_, err := a.run(ctx, debs, "apt-get", "-qq", "download", pkg+"="+version)
		return err
	})
}

// unpack unpacks into dir the packages that get has left in the directory that it is
// given.
func unpack(ctx context.Context, dir string, get func(debs string) error) error {
	debs, err := os.MkdirTemp(filepath.Dir(dir), "deb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(debs)
	if err := get(debs); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil || len(found) == 0 {
		return errors.New("apt-get left no package")
	}
	for _, deb := range found {
		if _, err := tool(ctx, "", "dpkg-deb", "dpkg", "-x", deb, dir); err != nil {
			return err
		}
	}
	return nil
}

func (apt) refresh(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("apt's package lists can only be updated by root")
	}
	_, err := tool(ctx, "", "apt-get", "apt", "-qq", "update")
	return err
}

// tool runs a program of the host system to its end. The error has what the
// program said.
func tool(ctx context.Context, dir, name, pkg string, args ...string) (string, error) {
	path, err := lookTool(name, pkg)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(stderr.String())
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return stdout.String(), nil
}
