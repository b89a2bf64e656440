package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/vgraft/vgraft"
	root   = "../.."
)

// source is one Go file of the module.
type source struct {
	name string // path from the root of the module
	pkg  string // directory from the root; "." is the root
	test bool
	fset *token.FileSet
	ast  *ast.File
}

// main says whether the file belongs to a command.
func (s *source) main() bool { return s.ast.Name.Name == "main" }

// library says whether the file is linked into other people's programs.
func (s *source) library() bool { return !s.test && !s.main() }

// at is the place of a node in the form that editors understand.
func (s *source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(n.Pos()).Line)
}

// imports calls f with every import path of the file and its place.
func (s *source) imports(f func(path, at string)) {
	for _, i := range s.ast.Imports {
		if path, err := strconv.Unquote(i.Path.Value); err == nil {
			f(path, s.at(i))
		}
	}
}

// parse reads one file. The text may be given, for tests of the rules themselves.
func parse(t *testing.T, name string, text any) *source {
	t.Helper()

	file := name
	if text == nil {
		file = filepath.Join(root, name)
	}

	fset := token.NewFileSet()

	f, err := parser.ParseFile(fset, file, text, parser.ParseComments)
	require.NoError(t, err)

	return &source{
		name: name,
		pkg:  filepath.ToSlash(filepath.Dir(name)),
		test: strings.HasSuffix(name, "_test.go"),
		fset: fset,
		ast:  f,
	}
}

// tree reads every Go file of the module, whatever its build constraints say.
func tree(t *testing.T) []*source {
	t.Helper()

	var all []*source

	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}

		switch base := d.Name(); {
		case d.IsDir() && name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata"):
			return fs.SkipDir
		case d.IsDir() && name != "." && ownModule(path):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(base, ".go"):
			all = append(all, parse(t, filepath.ToSlash(name), nil))
		}

		return nil
	}))

	require.NotEmpty(t, all)

	return all
}

// ownModule says whether the directory holds another module, as an example may.
func ownModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))

	return err == nil
}

// rule gives what is wrong with a file: one line each, with its place.
type rule func(*source) []string

// hold applies a rule to the whole module.
func hold(t *testing.T, r rule) {
	t.Helper()

	for _, s := range tree(t) {
		for _, wrong := range r(s) {
			t.Error(wrong)
		}
	}
}

// within says whether a package is one of these directories or below one of them.
func within(pkg string, dirs ...string) bool {
	for _, d := range dirs {
		if pkg == d || strings.HasPrefix(pkg, d+"/") {
			return true
		}
	}

	return false
}

// lines counts the lines of a file of the module.
func lines(t *testing.T, name string) int {
	t.Helper()

	b, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)

	return strings.Count(string(b), "\n")
}
