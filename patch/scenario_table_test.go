package patch_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestScenarios_table reads SCENARIOS.md: every number has one row, in which either a test
// that exists is named or a reason why there is none.
func TestScenarios_table(t *testing.T) {
	text, err := os.ReadFile("SCENARIOS.md")
	require.NoError(t, err)

	tests := testsOfThisPackage(t)
	rows := map[string]string{}

	for _, m := range regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|[^|]+\| (.+) \|$`).FindAllStringSubmatch(string(text), -1) {
		require.NotContains(t, rows, m[1], "twice")

		rows[m[1]] = m[2]
	}

	for part, bounds := range map[string][][2]int{
		"F": {{1, 38}, {45, 54}}, "P": {{1, 14}}, "C": {{1, 17}}, "L": {{1, 26}}, "T": {{1, 27}},
	} {
		for _, b := range bounds {
			for i := b[0]; i <= b[1]; i++ {
				row := fmt.Sprint(part, i)
				held, ok := rows[row]
				delete(rows, row)

				require.True(t, ok, "no row %s", row)
				require.True(t, strings.Contains(held, "`") || strings.HasPrefix(held, "doesn't apply") || strings.Contains(held, "test file"),
					"row %s has neither a test nor a reason", row)
			}
		}
	}

	require.Empty(t, rows, "rows of no known part")

	for _, m := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[^`]*)`").FindAllStringSubmatch(string(text), -1) {
		require.True(t, tests[m[1]], "there is no test %s", m[1])
	}
}

func testsOfThisPackage(t *testing.T) map[string]bool {
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)

	tests := map[string]bool{}

	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)

		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}

	return tests
}
