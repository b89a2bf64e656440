package vmm_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// Everything that a guest can make run can be patched: every handler of the tree is made
// of slots, and what a vCPU does in a section is nothing but the call of one.
func TestSlots(t *testing.T) {
	for _, root := range []string{".", "../internal/device"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if e != nil && e.IsDir() && e.Name() == "testdata" {
				return fs.SkipDir // programs with devices of their own
			}

			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}

			set := token.NewFileSet()

			f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}

			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && isAccess(fn) {
					t.Errorf("%v: %s is for vmm.Direct, and no slot", set.Position(fn.Pos()), fn.Name.Name)
				}
			}

			return nil
		}))
	}

	var names []string
	for _, s := range patch.Slots() {
		names = append(names, s.Name)
	}

	want := []string{
		"vmm.exit", "vmm.pio", "vmm.mmio", "vmm.irq", "vmm.end", "vmm.post", "vmm.call", "vmm.enter", "vmm.suspend", "vmm.asleep", "vmm.wake",
		"vmm/cpus.read", "vmm/cpus.write", "vmm/cpus.add", "vmm/cpus.remove",
		"vmm/dimms.read", "vmm/dimms.write", "vmm/dimms.plug",
		"vmm/uart.read", "vmm/uart.write", "vmm/uart.transmit", "vmm/uart.transmitted",
		"vmm/uart.demand", "vmm/uart.receive",
		"vmm/ged.read", "vmm/ged.write", "vmm/ged.raise", "vmm/power/button.press",
		"vmm/power/battery.read", "vmm/power/battery.write", "vmm/power/battery.update", "vmm/power/battery.updateinfo",
		"vmm/power/ac.read", "vmm/power/ac.write", "vmm/power/ac.update",
		"vmm/power/thermal.read", "vmm/power/thermal.write", "vmm/power/thermal.update", "vmm/power/thermal.settrips",
		"vmm/power/performance.read", "vmm/power/performance.write", "vmm/power/performance.deliver", "vmm/power/performance.take",
		"vmm/power/generation.announce",
	}

	if runtime.GOARCH == "arm64" {
		want = append(want, "vmm/pl011.read", "vmm/pl011.write", "vmm/pl031.read", "vmm/pl031.write")
	} else {
		want = append(want,
			"vmm/sleep.read", "vmm/sleep.write", "vmm/pmtimer.read", "vmm/pmtimer.write",
			"vmm/reset.read", "vmm/reset.write",
			"vmm/i8042.read", "vmm/i8042.write",
			"vmm/post.read", "vmm/post.write",
			"vmm/cmos.read", "vmm/cmos.write", "vmm/cmos.tick")
	}

	require.Subset(t, names, want)
}

// Between Enter and Leave the vCPU's thread calls nothing but a slot: in its loop, and at
// its end.
func TestSlots_loop(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "vcpu.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)

	var inside []ast.Stmt

	enters, leaves := 0, 0

	ast.Inspect(f, func(n ast.Node) bool {
		body, ok := n.(*ast.BlockStmt)
		if !ok {
			return true
		}

		in := false

		for _, s := range body.List {
			switch calls := selectors(s); {
			case calls["Enter"] && isSimple(s):
				in = true
				enters++
			case calls["Leave"] && isSimple(s) && in:
				in = false
				leaves++
			case in:
				inside = append(inside, s)
			}
		}

		require.False(t, in, "a section is left in the block that entered it")

		return true
	})

	require.Equal(t, 3, enters)
	require.Equal(t, 3, leaves)
	require.NotEmpty(t, inside)

	for _, s := range inside {
		require.True(t, isSlotCall(s), "%T between Enter and Leave", s)
	}
}

// isAccess recognises func (recv) Read|Write(patch.Section, uint64, []byte).
func isAccess(fn *ast.FuncDecl) bool {
	if fn.Recv == nil || fn.Body == nil || (fn.Name.Name != "Read" && fn.Name.Name != "Write") {
		return false
	}

	var types []ast.Expr

	for _, p := range fn.Type.Params.List {
		for range max(1, len(p.Names)) {
			types = append(types, p.Type)
		}
	}

	if len(types) != 3 {
		return false
	}

	section, ok := types[0].(*ast.SelectorExpr)
	slice, isSlice := types[2].(*ast.ArrayType)

	return ok && section.Sel.Name == "Section" && isIdent(types[1], "uint64") && isSlice && isIdent(slice.Elt, "byte")
}

// isSlotCall recognises slot.In(s)(...), also with its results kept. The only calls in
// it are those two.
func isSlotCall(s ast.Stmt) bool {
	var x ast.Expr

	switch s := s.(type) {
	case *ast.ExprStmt:
		x = s.X
	case *ast.AssignStmt:
		if len(s.Rhs) != 1 {
			return false
		}

		x = s.Rhs[0]
	default:
		return false
	}

	call, ok := x.(*ast.CallExpr)
	if !ok {
		return false
	}

	get, ok := call.Fun.(*ast.CallExpr)
	if !ok {
		return false
	}

	in, ok := get.Fun.(*ast.SelectorExpr)
	if !ok || in.Sel.Name != "In" {
		return false
	}

	calls := 0

	ast.Inspect(s, func(n ast.Node) bool {
		if _, ok := n.(*ast.CallExpr); ok {
			calls++
		}

		return true
	})

	return calls == 2
}

// selectors are the names of the methods called in a statement.
func selectors(s ast.Stmt) map[string]bool {
	names := map[string]bool{}

	ast.Inspect(s, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if sel, ok := c.Fun.(*ast.SelectorExpr); ok {
				names[sel.Sel.Name] = true
			}
		}

		return true
	})

	return names
}

func isSimple(s ast.Stmt) bool {
	switch s.(type) {
	case *ast.ExprStmt, *ast.AssignStmt:
		return true
	}

	return false
}

func isIdent(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)

	return ok && id.Name == name
}
