// Package debian gets packages of other Debian releases for tests, without installing them:
// through a root of apt's own in the user's cache directory, which keeps what it got.
//
// Nothing skips silently: what can't be had fails the test with the reason. With -short,
// tests that need what isn't in the cache yet are skipped.
package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vgraft/vgraft/internal/mirror"
)

const (
	keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

	// patience is for one run of apt-get: lists of 30 MB, or a source of 40.
	patience = 5 * time.Minute
)

// Packages gives a directory with the files of a release's packages.
func Packages(t testing.TB, suite string, names ...string) string {
	t.Helper()

	return cached(t, suite+"-"+strings.Join(names, "-"), func(ctx context.Context, a archive, dir string) error {
		debs, err := os.MkdirTemp(a.dir, "debs-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(debs)

		if err := a.get(ctx, debs, append([]string{"download"}, names...)...); err != nil {
			return err
		}

		found, err := filepath.Glob(filepath.Join(debs, "*.deb"))
		if err != nil || len(found) != len(names) {
			return fmt.Errorf("apt-get left %d packages of %d: %w", len(found), len(names), err)
		}

		for _, deb := range found {
			if err := run(ctx, debs, "dpkg-deb", "-x", deb, dir); err != nil {
				return err
			}
		}

		return nil
	}, suite)
}

// WithNeeds gives a directory with the files of a release's package and of all that it
// needs, the C library too, for Command. Where the archive, or this machine's mirror of it,
// doesn't give them the test is skipped, and says so: it is for what only an unstable
// release has, which may be had or not on a given day.
func WithNeeds(t testing.TB, suite, name string) string {
	t.Helper()

	dir, err := lookup(t, suite+"-"+name+"-with-needs", func(ctx context.Context, a archive, dir string) error {
		// To apt nothing is installed, so it downloads everything.
		if err := a.get(ctx, dir, "--assume-yes", "--no-install-recommends", "--download-only", "install", name); err != nil {
			return err
		}

		found, err := filepath.Glob(filepath.Join(a.dir, "cache/archives/*.deb"))
		if err != nil || len(found) == 0 {
			return fmt.Errorf("apt-get left no packages: %w", err)
		}

		for _, deb := range found {
			if err := run(ctx, a.dir, "dpkg-deb", "-x", deb, dir); err != nil {
				return err
			}
		}

		return nil
	}, suite)
	if err != nil {
		t.Skipf("NOT RUN: Debian %s doesn't give package %s here: %v", suite, name, err)
	}

	return dir
}

// Source gives a directory with the files below a path of a release's source package,
// by their paths in it.
func Source(t testing.TB, suite, name, path string) string {
	t.Helper()

	return cached(t, suite+"-"+name+"-"+strings.ReplaceAll(path, "/", "-"), func(ctx context.Context, a archive, dir string) error {
		tars, err := os.MkdirTemp(a.dir, "source-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tars)

		if err := a.get(ctx, tars, "--download-only", "--tar-only", "source", name); err != nil {
			return err
		}

		found, err := filepath.Glob(filepath.Join(tars, "*.orig.tar.*"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("apt-get left %d archives, want 1: %w", len(found), err)
		}

		return run(ctx, dir, "tar", "-xf", found[0], "--strip-components=1", "--wildcards", "*/"+path+"/*")
	}, suite)
}

// Command is the start of a command line for a program in a directory of Packages that has
// libc6 too: it runs with that C library, not with this machine's. Libraries that are not
// where all are can be in directories below that.
func Command(t testing.TB, dir, program string, below ...string) []string {
	t.Helper()

	loaders, err := filepath.Glob(filepath.Join(dir, "usr/lib/*/ld-linux-*.so.*"))
	if err != nil || len(loaders) != 1 {
		t.Fatalf("%s has %d dynamic loaders, want 1 (%v)", dir, len(loaders), err)
	}

	libraries := filepath.Dir(loaders[0])
	for _, b := range below {
		libraries += ":" + filepath.Join(filepath.Dir(loaders[0]), b)
	}

	return []string{loaders[0], "--library-path", libraries, filepath.Join(dir, program)}
}

// cached gives a directory of the cache, which fill makes if it isn't there.
func cached(t testing.TB, name string, fill func(context.Context, archive, string) error, suite string) string {
	t.Helper()

	dir, err := lookup(t, name, fill, suite)
	if err != nil {
		t.Fatalf("can't get %s from Debian's archive (it needs a Debian machine with apt and the network; -short does without): %v", name, err)
	}

	return dir
}

// lookup is cached; the error is the archive's, or that of filling.
func lookup(t testing.TB, name string, fill func(context.Context, archive, string) error, suite string) (string, error) {
	t.Helper()

	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("no cache directory: %v", err)
	}

	base = filepath.Join(base, "vgraft", "debian")
	dir := filepath.Join(base, name)

	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}

	if testing.Short() {
		t.Skipf("-short, and %s is not in the cache", name)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()

	return dir, fetch(ctx, base, dir, suite, fill)
}

// fetch fills a directory aside, then moves it to its place. Another process may have been
// faster.
func fetch(ctx context.Context, base, dir, suite string, fill func(context.Context, archive, string) error) error {
	if err := os.MkdirAll(base, 0o755); err != nil {
		return err
	}

	work, err := os.MkdirTemp(base, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	files := filepath.Join(work, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}

	a, err := open(ctx, filepath.Join(work, "apt"), suite)
	if err != nil {
		return err
	}

	if err := fill(ctx, a, files); err != nil {
		return err
	}

	if err := os.Rename(files, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}

	return nil
}

// archive is a release, with a root of apt's own.
type archive struct{ dir string }

// open makes the root and gets the lists of packages.
func open(ctx context.Context, dir, suite string) (archive, error) {
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return archive{}, err
		}
	}

	from, err := mirror.Debian(ctx)
	if err != nil {
		return archive{}, err
	}

	source := fmt.Sprintf("[signed-by=%s] %s %s main\n", keyring, from, suite)

	for name, text := range map[string]string{"state/status": "", "etc/sources.list": "deb " + source + "deb-src " + source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return archive{}, err
		}
	}

	a := archive{dir}

	return a, a.get(ctx, dir, "update")
}

// get runs apt-get.
func (a archive) get(ctx context.Context, dir string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	var options []string
	for _, o := range []string{
		"Dir::State=" + a.dir + "/state", "Dir::State::status=" + a.dir + "/state/status", "Dir::Cache=" + a.dir + "/cache",
		"Dir::Etc::SourceList=" + a.dir + "/etc/sources.list", "Dir::Etc::SourceParts=-", "APT::Sandbox::User=root",
		"APT::Update::Error-Mode=any", "Acquire::Retries=3",
	} {
		options = append(options, "-o", o)
	}

	return run(ctx, dir, "apt-get", append(append(options, "-qq"), args...)...)
}

// run runs a program; the error has what it said.
func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")

	var said bytes.Buffer

	cmd.Stdout, cmd.Stderr = &said, &said

	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}

		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(said.String()))
	}

	return nil
}
