package archtest

import (
	"fmt"
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	maxLines     = 500 // of a file
	maxFuncLines = 80  // of a function
)

func unsafeFiles(s *source) []string {
	var wrong []string

	s.imports(func(p, at string) {
		if p == "unsafe" && !strings.Contains(path.Base(s.name), "_unsafe") {
			wrong = append(wrong, at+": imports unsafe, but isn't named *_unsafe*.go")
		}

		if p == "C" {
			wrong = append(wrong, at+": uses cgo")
		}
	})

	return wrong
}

func TestUnsafe_isInFilesNamedSo(t *testing.T) { hold(t, unsafeFiles) }

func noInit(s *source) []string {
	var wrong []string

	for _, d := range s.ast.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && s.library() && f.Recv == nil && f.Name.Name == "init" {
			wrong = append(wrong, s.at(f)+": a library has no func init: it acts on programs that merely link it")
		}
	}

	return wrong
}

func TestLibrary_hasNoInit(t *testing.T) { hold(t, noInit) }

// quiet refuses what prints, or ends the process, in library code.
func quiet(s *source) []string {
	if !s.library() {
		return nil
	}

	names := map[string]string{} // of the imported packages, as the file calls them

	for _, i := range s.ast.Imports {
		p := strings.Trim(i.Path.Value, `"`)

		names[path.Base(p)] = p
		if i.Name != nil {
			names[i.Name.Name] = p
		}
	}

	var wrong []string

	bad := func(n ast.Node, what string) {
		wrong = append(wrong, fmt.Sprintf("%s: library code uses %s: it neither prints nor ends the process", s.at(n), what))
	}

	ast.Inspect(s.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok || x.Obj != nil { // not a package, or something local of that name
				return true
			}

			switch p := names[x.Name]; {
			case p == "fmt" && strings.HasPrefix(n.Sel.Name, "Print"), p == "os" && n.Sel.Name == "Exit", p == "log":
				bad(n, p+"."+n.Sel.Name)
			}
		case *ast.CallExpr:
			if x, ok := n.Fun.(*ast.Ident); ok && x.Obj == nil && (x.Name == "print" || x.Name == "println") {
				bad(n, x.Name)
			}
		}

		return true
	})

	return wrong
}

func TestLibrary_isQuiet(t *testing.T) { hold(t, quiet) }

// TestPackages_haveComments wants one for every package, in the form that go doc shows.
func TestPackages_haveComments(t *testing.T) {
	files := map[string][]*source{}

	for _, s := range tree(t) {
		if !s.test {
			files[s.pkg] = append(files[s.pkg], s)
		}
	}

	for pkg, fs := range files {
		var docs []*source

		for _, s := range fs {
			if s.ast.Doc != nil && s.ast.Doc.Text() != "" {
				docs = append(docs, s)
			}
		}

		if len(docs) == 0 {
			t.Errorf("%s:1: package %s has no package comment", fs[0].name, pkg)
			continue
		}

		for _, s := range docs {
			want := "Package " + s.ast.Name.Name + " "
			if s.main() {
				want = "Command "
			}

			if !strings.HasPrefix(s.ast.Doc.Text(), want) {
				t.Errorf("%s: the package comment doesn't begin with %q", s.at(s.ast.Doc), want)
			}
		}

		if len(docs) > 1 {
			t.Errorf("%s: package %s has a second package comment", docs[1].at(docs[1].ast.Doc), pkg)
		}
	}
}

func TestFiles_areShort(t *testing.T) {
	for _, s := range tree(t) {
		if n := lines(t, s.name); !s.test && n > maxLines {
			t.Errorf("%s:%d: %d lines, more than %d", s.name, maxLines+1, n, maxLines)
		}
	}
}

func TestFunctions_areShort(t *testing.T) {
	for _, s := range tree(t) {
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || s.test {
				continue
			}

			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > maxFuncLines {
				t.Errorf("%s: %s has %d lines, more than %d", s.at(f), f.Name.Name, n, maxFuncLines)
			}
		}
	}
}

func TestRoot_hasKnownDirectories(t *testing.T) {
	known := []string{"vmm", "patch", "elfdiff", "examples", "internal", "bin"} // bin is ignored by git

	entries, err := os.ReadDir(root)
	require.NoError(t, err)

	for _, e := range entries {
		switch name := e.Name(); {
		case name[0] == '.':
		case e.IsDir() && !slices.Contains(known, name):
			t.Errorf("%s: not a directory of the plan; those are %s", name, strings.Join(known, ", "))
		case strings.HasSuffix(name, ".go") && name != "doc.go":
			t.Errorf("%s:1: the root has doc.go only, and no code", name)
		}
	}
}

// TestArchitecture_namesRealTests reads the table of invariants: a row ends with the
// package and the names of the tests that hold it, and those must exist.
func TestArchitecture_namesRealTests(t *testing.T) {
	text, err := os.ReadFile(root + "/ARCHITECTURE.md")
	require.NoError(t, err)

	tests := map[string]bool{}

	for _, s := range tree(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test && f.Recv == nil {
				tests[s.pkg+" "+f.Name.Name] = true
			}
		}
	}

	named := regexp.MustCompile("`([a-z0-9/]+) ((?:Test|Fuzz|Benchmark|Example)[A-Za-z0-9_]*)`")
	seen := 0

	for i, line := range strings.Split(string(text), "\n") {
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			seen++

			if !tests[m[1]+" "+m[2]] {
				t.Errorf("ARCHITECTURE.md:%d: there is no test %s in %s", i+1, m[2], m[1])
			}
		}
	}

	require.NotZero(t, seen, "ARCHITECTURE.md names no test")
}
