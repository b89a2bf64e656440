package nest

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ModuleFiles returns the named kernel modules and all they depend on as
// ramdisk files modules/000-first.ko, modules/001-second.ko and so on: loaded
// in the order of their names, every module comes after what it needs.
// What is built into the kernel is left out.
//
//	for m in /modules/*.ko; do insmod $m; done
//
// A module's dependencies are read from the module itself: a Debian package
// has no modules.dep until depmod has run on the installed machine.
func (k KernelFiles) ModuleFiles(names ...string) ([]File, error) {
	set, err := openModules(k.Modules)
	if err != nil {
		return nil, err
	}
	paths, err := set.closure(names)
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, len(paths))
	for i, p := range paths {
		data, err := readModule(p)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(p), ".xz")
		files = append(files, File{Name: fmt.Sprintf("modules/%03d-%s", i, name), Data: data})
	}
	return files, nil
}

// moduleSet knows the modules of one kernel by name.
type moduleSet struct {
	dir     string
	paths   map[string]string // canonical name → file
	builtin map[string]bool
	depends func(path string) ([]string, error) // replaced in tests
}

// openModules indexes a directory like /lib/modules/6.1.0-56-amd64.
func openModules(dir string) (*moduleSet, error) {
	s := &moduleSet{dir: dir, paths: map[string]string{}, builtin: map[string]bool{}, depends: moduleDepends}
	err := filepath.WalkDir(filepath.Join(dir, "kernel"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(strings.TrimSuffix(p, ".xz"), ".ko") {
			s.paths[moduleName(p)] = p
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("nest: modules: %w", err)
	}
	list, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, fmt.Errorf("nest: modules: %w", err)
	}
	for _, line := range strings.Fields(string(list)) {
		s.builtin[moduleName(line)] = true
	}
	return s, nil
}

// moduleName is the canonical name of a module given by name or path: the
// kernel treats - and _ alike, files use either.
func moduleName(path string) string {
	name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".xz"), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// closure returns the files of the named modules and their dependencies, each
// once, dependencies first.
func (s *moduleSet) closure(names []string) ([]string, error) {
	var order []string
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name, neededBy string) error
	visit = func(name, neededBy string) error {
		name = moduleName(name)
		switch {
		case state[name] == done || s.builtin[name]:
			return nil
		case state[name] == visiting:
			return fmt.Errorf("nest: modules: %s and %s need each other", name, neededBy)
		}
		path, ok := s.paths[name]
		if !ok {
			if neededBy != "" {
				neededBy = " (needed by " + neededBy + ")"
			}
			return fmt.Errorf("nest: modules: %s has no module %s%s", s.dir, name, neededBy)
		}
		state[name] = visiting
		deps, err := s.depends(path)
		if err != nil {
			return err
		}
		for _, d := range deps {
			if err := visit(d, name); err != nil {
				return err
			}
		}
		state[name] = done
		order = append(order, path)
		return nil
	}
	for _, n := range names {
		if err := visit(n, ""); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// moduleDepends reads the depends= line of a module's .modinfo section.
func moduleDepends(path string) ([]string, error) {
	data, err := readModule(path)
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("nest: modules: %s: %w", path, err)
	}
	sec := f.Section(".modinfo")
	if sec == nil {
		return nil, fmt.Errorf("nest: modules: %s: no .modinfo section", path)
	}
	info, err := sec.Data()
	if err != nil {
		return nil, fmt.Errorf("nest: modules: %s: %w", path, err)
	}
	for _, line := range bytes.Split(info, []byte{0}) {
		if list, ok := strings.CutPrefix(string(line), "depends="); ok {
			return strings.FieldsFunc(list, func(r rune) bool { return r == ',' }), nil
		}
	}
	return nil, nil
}

// readModule reads a module's file, which newer Debian packages have compressed.
func readModule(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err == nil && strings.HasSuffix(path, ".xz") {
		data, err = pipeThrough(context.Background(), data, "xz", "xz-utils")
	}
	if err != nil {
		return nil, fmt.Errorf("nest: modules: %s: %w", path, err)
	}
	return data, nil
}
