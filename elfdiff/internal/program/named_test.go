package program

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/internal/testutil"
)

// TestNameFunctions has closures of Go 1.27, which the linker knows by their content, be known by
// their names where these say which they are.
func TestNameFunctions(t *testing.T) {
	const newest, name = "GOTOOLCHAIN=go1.27.4", "main.init.func1"

	cmd := exec.Command("go", "version")
	cmd.Env = append(os.Environ(), newest)

	if out, err := cmd.CombinedOutput(); err != nil {
		require.Empty(t, os.Getenv(testutil.LayersEnv), "%s", out)
		t.Skipf("no toolchain: %s", out)
	}

	file, pkgs := linked(t, []string{newest})

	link := func() *Program {
		p := open(t, file, pkgs)
		_, err := p.Link()
		require.NoError(t, err)

		return p
	}

	byContent := func(p *Program) (found *Symbol) {
		for _, s := range p.Symbols {
			if s.Name == name && s.IsText() && s.Linked {
				require.Nil(t, found)
				found = s
			}
		}

		require.NotNil(t, found)
		require.True(t, found.Shared)

		return found
	}

	p, q := link(), link()
	require.Nil(t, p.Func(name))
	require.True(t, byContent(p).Hashed)

	value := p.Named(Key{Name: name + "·f"})
	other := &Symbol{Name: name, ABI: goobj.ABIGo, Kind: goobj.Text}

	// Another program has two of that name.
	q.hashed["other"] = other

	NameFunctions(p, q)
	require.Nil(t, p.Func(name))
	require.Nil(t, q.Func(name))
	require.True(t, byContent(p).Hashed)

	delete(q.hashed, "other")

	NameFunctions(p, q)
	require.Same(t, byContent(p), p.Func(name))
	require.Same(t, byContent(q), q.Func(name))
	require.False(t, byContent(p).Hashed)

	// What refers to it refers to the function, whatever that does.
	changed := q.Func(name)
	changed.Data = append([]byte{0x90}, changed.Data...)
	changed.hasContent = false
	require.NotEqual(t, p.Func(name).Content(), changed.Content())
	require.Equal(t, value.Content(), q.Named(Key{Name: name + "·f"}).Content())

	// A name that something else has, too, says nothing.
	p, q = link(), link()
	q.named[Key{Name: name, ABI: goobj.ABIGo}] = other

	NameFunctions(p, q)
	require.Nil(t, p.Func(name))
	require.Same(t, other, q.Func(name))
}
