package elfdiff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SourceOptions say what the repaired program is made of. Its toolchain, flags, variables
// and profile are the base's.
type SourceOptions struct {
	// Base is the program that is to be repaired. It must be set.
	Base *Build

	// Dir is a directory of the main module or workspace with the repaired source, or with
	// the base's where the options below have the repair; empty is the working directory.
	// Nothing in it is changed.
	Dir string

	// Packages is what is given to go build; empty is what the base was built from.
	Packages []string

	// GoCommand and Env are as in OpenOptions.
	GoCommand string
	Env       []string

	// Flags are more flags of go build, after those that were given to Open for the base.
	Flags []string

	// Overlay is the file of -overlay; empty is none.
	Overlay string

	// Modules are other versions of modules that the program uses, as path@version. They
	// are got as go get gets them, from GOPROXY, and with all that they require.
	Modules []string

	// Patches are applied one after the other, over Overlay and after Modules.
	Patches []SourcePatch
}

// SourcePatch is a patch file: a unified diff, as diff -u and git diff write it. Every line
// of context must be there; it may be at another place in the file. Tests, in files named
// _test.go, are passed over: no program contains them.
type SourcePatch struct {
	Name string // for errors
	Diff []byte

	// Root is what the names in the diff are relative to: "" for Dir, "std" for the GOROOT
	// of the toolchain, with names such as src/net/http/server.go, the path of a module for
	// its root, or a directory. A directory in the module cache is for the go command only:
	// name the module instead.
	Root string
}

// FromSource builds a program from source as the base was built, in a temporary directory,
// and opens it. Names of files are those of the tree, also for what Patches and Overlay
// replace; only a module that is patched, or has another version, has names of its own.
// They are in tables of lines, and make no function a changed one.
func FromSource(ctx context.Context, o SourceOptions) (b *Build, err error) {
	if o.Base == nil {
		return nil, fmt.Errorf("elfdiff: from source: %w: the base", ErrMissing)
	}

	tmp, err := os.MkdirTemp("", "elfdiff-")
	if err != nil {
		return nil, fmt.Errorf("elfdiff: from source: %w", err)
	}

	defer func() {
		if e := os.RemoveAll(tmp); err == nil && e != nil {
			err = fmt.Errorf("elfdiff: from source: %w", e)
		}
	}()

	if err := checkFlags(o.Flags); err != nil {
		return nil, fmt.Errorf("elfdiff: from source: %w", err)
	}

	g, err := newGoCommand(ctx, &o.Base.Info, o.GoCommand, o.Dir, o.Env)
	if err != nil {
		return nil, fmt.Errorf("elfdiff: from source: %w", err)
	}

	s := &source{goCommand: g, o: &o, tmp: tmp}

	if b, err = s.build(ctx); err != nil {
		return nil, fmt.Errorf("elfdiff: from source: %w", err)
	}

	return b, nil
}

// source is one call of FromSource.
type source struct {
	*goCommand
	o       *SourceOptions
	tmp     string
	modfile string            // of -modfile, in tmp; empty is the tree's own
	overlay map[string]string // absolute names; empty until something is replaced
}

func (s *source) build(ctx context.Context) (*Build, error) {
	base := s.o.Base

	// The flags without which go list can't tell where modules are.
	more := slices.Concat(base.flags, s.o.Flags)
	s.flags = slices.Concat(buildFlags(&base.Info), more)

	if err := s.readOverlay(); err != nil {
		return nil, err
	}

	if err := s.getModules(ctx); err != nil {
		return nil, err
	}

	for _, p := range s.o.Patches {
		if err := s.apply(ctx, p); err != nil {
			return nil, fmt.Errorf("patch %s: %w", cmp.Or(p.Name, "file"), err)
		}
	}

	if err := s.writeOverlay(); err != nil {
		return nil, err
	}

	profile, err := s.writeProfile(base)
	if err != nil {
		return nil, err
	}

	s.flags = append(s.flags, "-pgo="+cmp.Or(profile, "off"))

	b := &Build{ldflags: base.ldflags, flags: more, packages: base.roots(), profile: base.profile}
	if len(s.o.Packages) > 0 {
		b.packages = slices.Clone(s.o.Packages)
	}

	if b.ELF, err = s.link(ctx, b); err != nil {
		return nil, err
	}

	if b.Info, err = readInfo(b.ELF); err != nil {
		return nil, err
	}

	b.Info.LDFlags, b.Info.ProfileSum = b.ldflags, sumOf(b.profile)
	b.flags = lasting(b.flags)

	return b, b.collect(ctx, s.goCommand)
}

// link builds the program, and gives its file.
func (s *source) link(ctx context.Context, b *Build) ([]byte, error) {
	out := filepath.Join(s.tmp, "program")
	args := append([]string{"build", "-o", out}, s.flags...)

	if b.ldflags != "" {
		args = append(args, "-ldflags="+b.ldflags)
	}

	// A tree that version control knows nothing of, or no longer, is no reason to fail when
	// the base was built without it too.
	if s.o.Base.Info.Settings["vcs"] == "" && !slices.ContainsFunc(s.flags, func(f string) bool { return flagName(f) == "buildvcs" }) {
		args = append(args, "-buildvcs=false")
	}

	if _, err := s.run(ctx, slices.Concat(args, []string{"--"}, b.packages)...); err != nil {
		return nil, err
	}

	return os.ReadFile(out)
}

// writeProfile gives the base's profile a name again.
func (s *source) writeProfile(base *Build) (string, error) {
	if base.profile == nil {
		return "", nil
	}

	name := filepath.Join(s.tmp, "default.pgo")

	return name, os.WriteFile(name, base.profile, 0o600)
}

// sourceOnly are flags that say where source comes from, or how the go command works.
var sourceOnly = []string{"C", "a", "buildvcs", "mod", "modcacherw", "modfile", "n", "overlay", "p", "v", "work", "x"}

// lasting are the flags that the next build of the program needs too.
func lasting(flags []string) []string {
	var keep []string

	for _, f := range flags {
		if !slices.Contains(sourceOnly, flagName(f)) {
			keep = append(keep, f)
		}
	}

	return keep
}

func flagName(flag string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
	return name
}

// lastFlag gives the value of the last flag of a name, or an empty string.
func lastFlag(flags []string, name string) string {
	for _, f := range slices.Backward(flags) {
		if flagName(f) == name {
			_, v, _ := strings.Cut(f, "=")
			return v
		}
	}

	return ""
}

// checkFlags wants each flag as one word: what stands alone can't be told from a value.
func checkFlags(flags []string) error {
	for _, f := range flags {
		if !strings.HasPrefix(f, "-") {
			return fmt.Errorf("%w: %q stands between flags; write -flag=value", errFlag, f)
		}
	}

	return nil
}

var errFlag = errors.New("not a flag")
