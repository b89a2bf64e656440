package elfdiff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// OpenOptions say where a program's source is, and what the program doesn't record.
type OpenOptions struct {
	// Dir is a directory of the main module or workspace, as it was when the program was
	// built; empty is the working directory.
	Dir string

	// Packages is what was given to go build: the path of the main package, or the names of
	// its files. Empty is the path that the program records, which is enough for all that
	// weren't built from files.
	Packages []string

	// GoCommand is the go command; empty is the one on the PATH. It is asked to become the
	// version that built the program, by GOTOOLCHAIN. A toolchain that was never released
	// has to be named here.
	GoCommand string

	// Env is the environment of the go command; nil is that of this process. What decides
	// how code is compiled comes from the program, whatever is set here and in GOFLAGS.
	Env []string

	// Flags are more flags of go build: where source comes from, such as -mod and -modfile,
	// and what decides how code is compiled and isn't recorded, such as a second -gcflags,
	// or -toolexec. They come last.
	Flags []string

	// Overlay is the file of -overlay; empty is none.
	Overlay string

	// LDFlags is the value of -ldflags. It has no effect on the objects. A program that was
	// built with -trimpath doesn't record it, and FromSource needs it.
	LDFlags string

	// Profile is the file of -pgo, if the program was built with one and it is no longer
	// where the program says, or, with -trimpath, isn't the default.pgo of the main package.
	Profile string
}

// Open finds the compiler objects that a program was linked from, in the build cache; where
// the cache has forgotten some, the go command makes them again from the source, as the
// program records that it was built. It is an error, not a guess, when something that
// decides what is made isn't known: ErrNotGo, ErrStripped, ErrToolchain, ErrMissing,
// ErrMismatch or a *GoError.
//
// The main package's object is proved to be the program's. Diff proves it of the others.
func Open(ctx context.Context, elfPath string, o OpenOptions) (*Build, error) {
	file, err := os.ReadFile(elfPath)
	if err != nil {
		return nil, fmt.Errorf("elfdiff: open: %w", err)
	}

	info, err := readInfo(file)
	if err != nil {
		return nil, fmt.Errorf("elfdiff: open %s: %w", elfPath, err)
	}

	b := &Build{ELF: file, Info: info}
	if err := b.open(ctx, o); err != nil {
		return nil, fmt.Errorf("elfdiff: open %s: %w", elfPath, err)
	}

	return b, nil
}

func (b *Build) open(ctx context.Context, o OpenOptions) error {
	if err := b.setPackages(o.Packages); err != nil {
		return err
	}

	if err := b.setLDFlags(o.LDFlags); err != nil {
		return err
	}

	if err := checkFlags(o.Flags); err != nil {
		return err
	}

	b.flags = lasting(o.Flags)

	g, err := newGoCommand(ctx, &b.Info, o.GoCommand, o.Dir, o.Env)
	if err != nil {
		return err
	}

	g.flags = slices.Concat(buildFlags(&b.Info), sourceFlags(o.Overlay), o.Flags)

	profile, err := b.findProfile(ctx, g, o)
	if err != nil {
		return err
	}

	if err := b.setProfile(profile); err != nil {
		return err
	}

	g.flags = append(g.flags, "-pgo="+cmp.Or(profile, "off"))

	return b.collect(ctx, g)
}

func sourceFlags(overlay string) []string {
	if overlay == "" {
		return nil
	}

	return []string{"-overlay=" + absolute(overlay)}
}

// absolute is for names that the go command reads: it runs in another directory.
func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}

	return name
}

// filesPackage is the path that the go command gives to a package made of files.
const filesPackage = "command-line-arguments"

func (b *Build) setPackages(packages []string) error {
	switch {
	case len(packages) > 0:
		b.packages = slices.Clone(packages)
	case b.Info.Path == filesPackage:
		return fmt.Errorf("%w: the files that the program was built from; it doesn't record them", ErrMissing)
	default:
		b.packages = []string{b.Info.Path}
	}

	return nil
}

func (b *Build) setLDFlags(given string) error {
	recorded, ok := b.Info.Settings["-ldflags"]
	if ok && given != "" && given != recorded {
		return fmt.Errorf("%w: -ldflags is %q, and the program records %q", ErrMismatch, given, recorded)
	}

	b.ldflags = cmp.Or(recorded, given)
	b.Info.LDFlags = b.ldflags

	return nil
}

// findProfile gives the path of the profile that the program was built with, or nothing if
// it was built without.
func (b *Build) findProfile(ctx context.Context, g *goCommand, o OpenOptions) (string, error) {
	const byDefault = "default.pgo"

	recorded := b.Info.Settings["-pgo"]

	switch {
	case recorded == "" && o.Profile != "":
		return "", fmt.Errorf("%w: the program was built without a profile, and %s is given", ErrMismatch, o.Profile)
	case recorded == "":
		return "", nil
	case o.Profile != "":
		return absolute(o.Profile), nil
	case filepath.IsAbs(recorded):
		return recorded, nil
	case recorded != byDefault:
		return "", fmt.Errorf("%w: the profile %s; with -trimpath the program doesn't record where it is", ErrMissing, recorded)
	}

	roots, err := g.list(ctx, []string{"-find"}, b.packages)
	if err != nil {
		return "", err
	}

	if len(roots) != 1 {
		return "", fmt.Errorf("%w: %s are %d packages, not one program", ErrMissing, strings.Join(b.packages, " "), len(roots))
	}

	return filepath.Join(roots[0].Dir, byDefault), nil
}

// setProfile keeps the profile's content: the repaired program has to be built with it.
func (b *Build) setProfile(path string) error {
	if path == "" {
		return nil
	}

	content, err := os.ReadFile(path)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: the profile that the program was built with: %w", ErrMissing, err)
	case err != nil:
		return err
	}

	b.profile, b.Info.ProfileSum = content, sumOf(content)

	return nil
}

// collect reads the objects of the program and of all that it is linked with.
func (b *Build) collect(ctx context.Context, g *goCommand) error {
	flags := []string{"-export", "-deps"}
	if b.ldflags != "" { // of linking by the C linker, runtime/cgo is a part whoever imports it
		flags = append(flags, "-ldflags="+b.ldflags)
	}

	all, err := g.list(ctx, flags, b.packages)
	if err != nil {
		return err
	}

	b.Objects = make([]Object, 0, len(all))

	var roots []string

	for _, p := range all {
		if p.ImportPath == "unsafe" {
			continue // has no object
		}

		o, err := readObject(p)
		if err != nil {
			return err
		}

		b.Objects = append(b.Objects, o)

		if p.DepOnly {
			continue
		}

		if roots = append(roots, p.ImportPath); p.Name != "main" || p.ImportPath != b.Info.Path {
			return fmt.Errorf("%w: %s is package %s, and the program is %s", ErrMismatch, p.ImportPath, p.Name, b.Info.Path)
		}

		if err := checkMain(b.ELF, o.Archive); err != nil {
			return err
		}
	}

	if len(roots) != 1 {
		return fmt.Errorf("%w: %s are %d packages, not one program", ErrMissing, strings.Join(b.packages, " "), len(roots))
	}

	slices.SortFunc(b.Objects, func(x, y Object) int { return strings.Compare(x.Package, y.Package) })

	// It numbers what the compiler calls without naming it. Some distributions leave it out.
	b.builtins, err = os.ReadFile(filepath.Join(g.goroot, "src/cmd/internal/goobj/builtinlist.go"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	return nil
}

func readObject(p listed) (Object, error) {
	if p.Export == "" {
		return Object{}, fmt.Errorf("%w: the object of package %s; the go command has made none", ErrMissing, p.ImportPath)
	}

	archive, err := os.ReadFile(p.Export)
	if err != nil {
		return Object{}, fmt.Errorf("object of package %s: %w", p.ImportPath, err)
	}

	if archive, err = withoutExports(archive); err != nil {
		return Object{}, fmt.Errorf("object of package %s: %w", p.ImportPath, err)
	}

	safe := !slices.Contains(p.Imports, "unsafe") && !slices.Contains(p.Imports, "C")

	return Object{Package: p.ImportPath, Archive: archive, Safe: safe}, nil
}
