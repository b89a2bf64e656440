package nest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Flavour chooses one of Debian's kernels.
type Flavour string

const (
	// Generic is Debian's kernel for real machines. It has kvm-amd, and is
	// what the rig itself boots.
	Generic Flavour = "generic"
	// Cloud is the smaller kernel for virtual machines; its virtio drivers
	// are modules.
	Cloud Flavour = "cloud"
	// Older is the generic kernel of the release before; for arm64 only.
	Older Flavour = "older"
)

// KernelFiles is an unpacked kernel package in the cache.
type KernelFiles struct {
	Dir     string // where the package is unpacked
	Release string // as uname -r will say, "6.1.0-1-amd64"
	Vmlinuz string // bzImage; for arm64 an uncompressed Image
	Modules string // as /lib/modules/<release>
	Config  string // what the kernel was built with
}

// recheckAfter is how long the newest cached kernel is used without asking
// apt for a newer one. Asking takes most of a second, each test binary would.
const recheckAfter = 24 * time.Hour

// Kernel returns Debian's newest kernel of the flavour for this program's
// architecture from the cache, and puts it there first when it is missing:
// downloaded and unpacked with apt and dpkg, never installed. The cache is vgraft/kernels in the user's cache
// directory; any number of processes may share it. When the archive cannot be
// reached, a cached kernel of any age is good. In the rig, which has no network,
// it must be there: see [FetchKernels].
func Kernel(ctx context.Context, f Flavour) (KernelFiles, error) {
	return KernelFor(ctx, runtime.GOARCH, f)
}

// KernelFor is [Kernel] for an architecture, by the name that Go has for it.
func KernelFor(ctx context.Context, arch string, f Flavour) (KernelFiles, error) {
	for _, p := range kernelPackages {
		if p.arch != arch || p.flavour != f {
			continue
		}
		dir := string(f)
		if arch != "amd64" {
			dir = arch + "-" + dir
		}
		return debianPackage{dir: dir, arch: arch, suite: p.suite, meta: p.meta, open: openKernel}.unpacked(ctx)
	}
	return KernelFiles{}, fmt.Errorf("nest: no kernel flavour %q for %s", string(f), arch)
}

// kernelPackages are the packages that depend on the newest kernel of a flavour, and the
// release they are from; empty is this machine's.
var kernelPackages = []struct {
	arch    string
	flavour Flavour
	suite   string
	meta    string
}{
	{"amd64", Generic, "", "linux-image-amd64"},
	{"amd64", Cloud, "", "linux-image-cloud-amd64"},
	{"arm64", Generic, "trixie", "linux-image-arm64"},
	{"arm64", Cloud, "trixie", "linux-image-cloud-arm64"},
	{"arm64", Older, "bookworm", "linux-image-arm64"},
}

// debianPackage is a package that the cache has unpacked.
type debianPackage struct {
	dir               string // of the cache
	arch, suite, meta string // see kernelPackages
	open              func(dir string) (KernelFiles, error)

	// With others beside it, they are unpacked too, and all that any of them depends on.
	beside []string
	// without is a path that is left out.
	without string
}

// unpacked returns the newest version.
func (d debianPackage) unpacked(ctx context.Context) (KernelFiles, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return KernelFiles{}, fmt.Errorf("nest: kernel cache: %w", err)
	}
	base = filepath.Join(base, "vgraft", "kernels")
	c := kernelCache{dir: filepath.Join(base, d.dir), meta: d.meta, source: apt{}, open: d.open}
	if d.suite != "" {
		p := newPrivateApt(filepath.Join(base, ".apt-"+d.arch+"-"+d.suite), d.arch, d.suite)
		if c.source = p; len(d.beside) > 0 {
			c.source = wholeApt{p, d.beside, d.without}
		}
	}
	if os.Getenv(NestedEnv) != "" {
		return c.cached()
	}
	return c.get(ctx)
}

// FetchKernels has every flavour's kernel in the cache, and as an ELF file too, for a
// command that is to find them in the rig.
func FetchKernels(ctx context.Context) error {
	for _, f := range []Flavour{Generic, Cloud} {
		if _, err := Vmlinux(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// FetchKernelsFor is [FetchKernels] for a command that is a program of another
// architecture.
func FetchKernelsFor(ctx context.Context, program string) error {
	arch := programArch(program)
	if arch == "amd64" {
		return FetchKernels(ctx)
	}
	for _, p := range kernelPackages {
		if p.arch == arch {
			if _, err := KernelFor(ctx, arch, p.flavour); err != nil {
				return err
			}
		}
	}
	return nil
}

// packageSource is where kernel packages come from; tests have their own.
type packageSource interface {
	// newest names the concrete package behind a meta package and its version.
	newest(ctx context.Context, meta string) (pkg, version string, err error)
	// fetch unpacks a package into dir.
	fetch(ctx context.Context, pkg, version, dir string) error
	// refresh makes newest see what the archive has now.
	refresh(ctx context.Context) error
}

// kernelCache is one flavour's directory:
//
//	current              name of the newest complete kernel; its mtime is when that was last checked
//	<package>_<version>  unpacked packages, complete by construction: renamed into place
//	.lock                held by whoever writes here
//	.tmp-*               being unpacked by the holder of the lock
type kernelCache struct {
	dir, meta string
	source    packageSource
	open      func(dir string) (KernelFiles, error) // finds the files in an unpacked package
}

// cached is the newest kernel in the cache, of any age.
func (c kernelCache) cached() (KernelFiles, error) {
	k, _, err := c.current()
	if err != nil {
		return k, fmt.Errorf("nest: kernel %s: in the rig there is only what was fetched before: %w", c.meta, err)
	}
	return k, nil
}

func (c kernelCache) get(ctx context.Context) (KernelFiles, error) {
	if k, fresh, err := c.current(); err == nil && fresh {
		return k, nil
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return KernelFiles{}, fmt.Errorf("nest: kernel cache: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(c.dir, ".lock"))
	if err != nil {
		return KernelFiles{}, fmt.Errorf("nest: kernel cache: %w", err)
	}
	defer unlock()
	cached, fresh, cacheErr := c.current()
	if cacheErr == nil && fresh {
		return cached, nil // another process was faster
	}
	k, err := c.update(ctx)
	if err == nil {
		return k, nil
	}
	if cacheErr == nil && ctx.Err() == nil {
		// Old is better than none. Marked as checked, or every test binary
		// would wait again for an archive that does not answer.
		return cached, c.setCurrent(filepath.Base(cached.Dir))
	}
	return KernelFiles{}, err
}

// current returns the kernel that the cache points to, and whether that was
// checked lately.
func (c kernelCache) current() (k KernelFiles, fresh bool, err error) {
	pointer := filepath.Join(c.dir, "current")
	name, err := os.ReadFile(pointer)
	if err != nil {
		return KernelFiles{}, false, err
	}
	info, err := os.Stat(pointer)
	if err != nil {
		return KernelFiles{}, false, err
	}
	k, err = c.open(filepath.Join(c.dir, strings.TrimSpace(string(name))))
	age := time.Since(info.ModTime())
	return k, age >= 0 && age < recheckAfter, err
}

// setCurrent points the cache to a complete kernel.
func (c kernelCache) setCurrent(name string) error {
	tmp := filepath.Join(c.dir, ".tmp-current")
	if err := os.WriteFile(tmp, []byte(name+"\n"), 0o644); err != nil {
		return fmt.Errorf("nest: kernel cache: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(c.dir, "current")); err != nil {
		return fmt.Errorf("nest: kernel cache: %w", err)
	}
	return nil
}

// update brings the newest kernel into the cache. The caller holds the lock.
func (c kernelCache) update(ctx context.Context) (KernelFiles, error) {
	// The package lists may be missing (a fresh container), or name a version
	// that the archive has replaced since: then refresh them, once.
	k, err := c.updateOnce(ctx)
	if err == nil || ctx.Err() != nil || errors.As(err, new(*MissingToolError)) {
		return k, err
	}
	if refreshErr := c.source.refresh(ctx); refreshErr != nil {
		return KernelFiles{}, &PackageError{Package: c.meta, Err: errors.Join(err, refreshErr), Hint: "apt-get update"}
	}
	if k, err = c.updateOnce(ctx); err != nil {
		return KernelFiles{}, &PackageError{Package: c.meta, Err: err}
	}
	return k, nil
}

func (c kernelCache) updateOnce(ctx context.Context) (_ KernelFiles, err error) {
	pkg, version, err := c.source.newest(ctx, c.meta)
	if err != nil {
		return KernelFiles{}, err
	}
	// As Debian names files: the colon of an epoch would divide a path in a list of paths.
	name := pkg + "_" + strings.ReplaceAll(version, ":", "%3a")
	final := filepath.Join(c.dir, name)
	if k, err := c.open(final); err == nil {
		return k, c.setCurrent(name)
	}
	// What a killed process left; nobody else unpacks while we have the lock.
	if stale, _ := filepath.Glob(filepath.Join(c.dir, ".tmp-*")); stale != nil {
		for _, s := range stale {
			os.RemoveAll(s)
		}
	}
	tmp, err := os.MkdirTemp(c.dir, ".tmp-")
	if err != nil {
		return KernelFiles{}, fmt.Errorf("nest: kernel cache: %w", err)
	}
	defer os.RemoveAll(tmp)
	root := filepath.Join(tmp, "root")
	if err := c.source.fetch(ctx, pkg, version, root); err != nil {
		return KernelFiles{}, err
	}
	if _, err := c.open(root); err != nil {
		return KernelFiles{}, fmt.Errorf("package %s %s is not as expected: %w", pkg, version, err)
	}
	if err := os.Rename(root, final); err != nil {
		return KernelFiles{}, fmt.Errorf("nest: kernel cache: %w", err)
	}
	if err := c.setCurrent(name); err != nil {
		return KernelFiles{}, err
	}
	return c.open(final)
}

// openKernel finds the files in an unpacked kernel package.
func openKernel(dir string) (KernelFiles, error) {
	images, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil {
		return KernelFiles{}, err
	}
	if len(images) != 1 {
		return KernelFiles{}, fmt.Errorf("%d kernel images in %s, want 1", len(images), filepath.Join(dir, "boot"))
	}
	release := strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")
	k := KernelFiles{
		Dir:     dir,
		Release: release,
		Vmlinuz: images[0],
		Config:  filepath.Join(dir, "boot", "config-"+release),
	}
	// Packages of a system with merged /usr have their modules there.
	for _, lib := range []string{"lib", "usr/lib"} {
		modules := filepath.Join(dir, lib, "modules", release)
		if _, err := os.Stat(filepath.Join(modules, "kernel")); err == nil {
			k.Modules = modules
			return k, nil
		}
	}
	return KernelFiles{}, fmt.Errorf("no modules of %s in %s", release, dir)
}
