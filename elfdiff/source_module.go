package elfdiff

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// getModules changes versions of modules in a copy of go.mod.
func (s *source) getModules(ctx context.Context) error {
	if len(s.o.Modules) == 0 {
		return nil
	}

	for _, m := range s.o.Modules {
		path, version, ok := strings.Cut(m, "@")
		if !ok || path == "" || version == "" || strings.HasPrefix(m, "-") {
			return fmt.Errorf("module %q: not path@version", m)
		}
	}

	if err := s.ownModfile(ctx); err != nil {
		return err
	}

	if _, err := s.run(ctx, slices.Concat([]string{"get", "-modfile=" + s.modfile, "--"}, s.o.Modules)...); err != nil {
		return err
	}

	return s.settle(ctx)
}

// settle adds to go.mod and go.sum what the packages need that weren't asked for by name.
func (s *source) settle(ctx context.Context) error {
	// A directory of vendored modules has the versions of the base.
	s.flags = slices.DeleteFunc(s.flags, func(f string) bool { n := flagName(f); return n == "mod" || n == "modfile" })
	s.flags = append(s.flags, "-modfile="+s.modfile)

	packages := s.o.Packages
	if len(packages) == 0 {
		packages = s.o.Base.roots()
	}

	if _, err := s.list(ctx, []string{"-mod=mod", "-deps"}, packages); err != nil {
		return err
	}

	s.flags = append(s.flags, "-mod=readonly")

	return nil
}

// ownModfile makes the copy of go.mod and go.sum.
func (s *source) ownModfile(ctx context.Context) error {
	if s.modfile != "" {
		return nil
	}

	var env struct{ GOMOD, GOWORK, GOFLAGS string }
	if err := s.json(ctx, &env, "env", "-json", "GOMOD", "GOWORK", "GOFLAGS"); err != nil {
		return err
	}

	goflags, err := splitQuoted(env.GOFLAGS)
	if err != nil {
		return err
	}

	if f := lastFlag(slices.Concat(goflags, s.flags), "modfile"); f != "" {
		env.GOMOD = s.under(f)
	}

	switch {
	case env.GOWORK != "" && env.GOWORK != "off":
		return fmt.Errorf("%w: a version of a module can't be changed from here in a workspace: "+
			"change it in the source, or set GOWORK=off", ErrMissing)
	case env.GOMOD == "" || env.GOMOD == os.DevNull:
		return fmt.Errorf("%w: go.mod: %s is in no module", ErrMissing, s.dir)
	}

	// The go command keeps go.sum beside the file of -modfile, under the same name.
	s.modfile = filepath.Join(s.tmp, "go.mod")

	if err := copyFile(s.modfile, env.GOMOD); err != nil {
		return err
	}

	sum := strings.TrimSuffix(env.GOMOD, ".mod") + ".sum"
	if err := copyFile(filepath.Join(s.tmp, "go.sum"), sum); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	goflags = slices.DeleteFunc(goflags, func(f string) bool { n := flagName(f); return n == "mod" || n == "modfile" })
	s.env = append(s.env, "GOFLAGS="+joinQuoted(goflags))

	return nil
}

func copyFile(to, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}

	return os.WriteFile(to, content, 0o600)
}

// root gives the directory that the names of a patch are relative to, and whether files in
// it are changed directly: it is then a copy of ours, for what lies in the module cache.
func (s *source) root(ctx context.Context, name string) (dir string, direct bool, err error) {
	switch {
	case name == "":
		return s.dir, false, nil
	case name == "std":
		dir, err := s.standard(ctx)
		return dir, false, err
	case filepath.IsAbs(name), strings.HasPrefix(name, "."):
		return s.under(name), false, nil
	}

	var m struct {
		Path, Version, Dir string
		Main               bool
		Replace            *struct{ Path, Version, Dir string }
	}

	flags := slices.DeleteFunc(slices.Clone(s.flags), func(f string) bool { return flagName(f) == "mod" })
	if err := s.json(ctx, &m, slices.Concat([]string{"list", "-m", "-mod=readonly", "-json"}, flags, []string{"--", name})...); err != nil {
		return "", false, err
	}

	cache, err := s.moduleCache(ctx)
	if err != nil {
		return "", false, err
	}

	if m.Dir == "" {
		return "", false, fmt.Errorf("%w: module %s has no directory here", ErrMissing, name)
	}

	if !isBelow(m.Dir, cache) {
		return m.Dir, filepath.Dir(m.Dir) == s.tmp, nil // the tree's own, or our copy already
	}

	dir, err = s.copyModule(ctx, m.Path, m.Dir)

	return dir, true, err
}

func (s *source) moduleCache(ctx context.Context) (string, error) {
	var env struct{ GOMODCACHE string }
	err := s.json(ctx, &env, "env", "-json", "GOMODCACHE")

	return env.GOMODCACHE, err
}

func isBelow(dir, top string) bool {
	rel, err := filepath.Rel(top, dir)
	return err == nil && filepath.IsLocal(rel)
}

// copyModule replaces a module by a copy: the go command allows no overlay over its cache.
func (s *source) copyModule(ctx context.Context, path, dir string) (string, error) {
	if err := s.ownModfile(ctx); err != nil {
		return "", err
	}

	to, err := os.MkdirTemp(s.tmp, "module-")
	if err != nil {
		return "", err
	}

	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		return "", err
	}

	// What is copied from the cache can't be written to.
	err = filepath.WalkDir(to, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		return os.Chmod(name, 0o700)
	})
	if err != nil {
		return "", err
	}

	// A module of the time before go.mod has one in the cache alone, beside its files. A
	// directory needs its own; without a version of Go it is of the same language.
	if mod := filepath.Join(to, "go.mod"); !exists(mod) {
		if err := os.WriteFile(mod, []byte("module "+strconv.Quote(path)+"\n"), 0o600); err != nil {
			return "", err
		}
	}

	if _, err := s.run(ctx, "mod", "edit", "-replace="+path+"="+to, s.modfile); err != nil {
		return "", err
	}

	return to, s.settle(ctx)
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// standard gives a GOROOT whose files can be replaced. A toolchain that the go command has
// downloaded lies in the module cache, over which it allows no overlay; then it is used
// under another name. The compiler's objects don't contain the name.
func (s *source) standard(ctx context.Context) (string, error) {
	cache, err := s.moduleCache(ctx)
	if err != nil || !isBelow(s.goroot, cache) {
		return s.goroot, err
	}

	link := filepath.Join(s.tmp, "goroot")
	if err := os.Symlink(s.goroot, link); err != nil {
		return "", err
	}

	s.goroot, s.command = link, filepath.Join(link, "bin", "go")
	s.env = append(s.env, "GOROOT="+link, "GOTOOLCHAIN=local")

	return link, nil
}
