package goobj

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const source = `package p

type T struct{ a, b int }

func (t *T) Sum(x int) int { return t.a + t.b + x }

var V = map[string]func(int) int{"x": func(n int) int { return n * 2 }}

func F(n int) (s string) {
	defer func() { s += "!" }()
	return string(rune(n))
}
`

// compile gives the archive of a small package.
func compile(t testing.TB, src string) []byte {
	t.Helper()

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p.go"), []byte(src), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/p\n\ngo 1.26\n"), 0o666))

	cmd := exec.Command("go", "list", "-export", "-f", "{{.Export}}", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")

	out, err := cmd.Output()
	require.NoError(t, err)

	archive, err := os.ReadFile(strings.TrimSpace(string(out)))
	require.NoError(t, err)

	return archive
}

func TestReadArchive(t *testing.T) {
	objs, foreign, err := ReadArchive(compile(t, source))
	require.NoError(t, err)
	require.Empty(t, foreign)
	require.Len(t, objs, 1)

	o := objs[0]
	require.False(t, o.Assembly)
	require.Contains(t, o.Toolchain, "go object ")

	names := map[string]Symbol{}
	for i := range o.NumDefined() {
		s := o.Symbol(i)
		names[s.Name] = s
	}

	f := names["example.com/p.F"]
	require.True(t, f.Kind.IsText())
	require.EqualValues(t, ABIGo, f.ABI)
	require.NotEmpty(t, f.Data)

	require.True(t, names["type:example.com/p.T"].Kind.IsROData())
	require.True(t, names["example.com/p.V"].Kind.IsVar())
	require.True(t, names["example.com/p.V"].Kind.HasPointers())
	require.NotZero(t, names["example.com/p.init"].Flags&PkgInit)
}

// TestReadArchive_relocs finds the call of a function, and its tables.
func TestReadArchive_relocs(t *testing.T) {
	objs, _, err := ReadArchive(compile(t, source))
	require.NoError(t, err)

	o := objs[0]

	for i := range o.NumDefined() {
		s := o.Symbol(i)
		if s.Name != "example.com/p.F" {
			continue
		}

		calls := 0

		for j := range o.NumRelocs(i) {
			if r := o.Reloc(i, j); r.Type == Call || r.Type == CallARM64 {
				calls++
			}
		}

		require.NotZero(t, calls)

		aux := map[AuxType]bool{}

		o.Aux(i, func(a AuxType, r Ref) {
			aux[a] = true

			if k, ok := o.Local(r); ok && a == AuxFuncInfo {
				fi, ok := ReadFuncInfo(o.Symbol(k).Data)
				require.True(t, ok)
				require.EqualValues(t, 9, fi.StartLine)
			}
		})

		require.True(t, aux[AuxFuncInfo] && aux[AuxPcsp] && aux[AuxDwarfInfo])
	}
}

// TestReadArchive_truncated cuts an archive at many bytes: what is left is refused, or is
// whole members.
func TestReadArchive_truncated(t *testing.T) {
	a := compile(t, source)

	for n := 0; n < len(a); n += 1 + n/97 {
		if objs, _, err := ReadArchive(a[:n]); err == nil {
			readAll(objs)
		} else {
			var f *FormatError
			require.True(t, errors.As(err, &f), "%v", err)
		}
	}
}

// readAll reads all that there is, for a panic.
func readAll(objs []*Object) {
	for _, o := range objs {
		for i := range o.NumSymbols() {
			s := o.Symbol(i)
			o.Group(i)
			o.Hash(i)

			if i >= o.NumDefined() {
				continue
			}

			for j := range o.NumRelocs(i) {
				o.Local(o.Reloc(i, j).Ref)
			}

			o.Aux(i, func(_ AuxType, r Ref) { o.Local(r) })
			ReadFuncInfo(s.Data)
		}
	}
}

func FuzzReadArchive(f *testing.F) {
	f.Add(compile(f, source))
	f.Add(compile(f, "package p\n"))
	f.Add([]byte(archiveMagic))

	f.Fuzz(func(_ *testing.T, b []byte) {
		if objs, _, err := ReadArchive(b); err == nil {
			readAll(objs)
		}
	})
}
