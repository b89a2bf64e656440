package patch_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

func TestProvenance(t *testing.T) {
	own := fix(t, "own", alpha).Provenance()
	require.Equal(t, runtime.Version(), own.Toolchain, "of this program")
	require.Equal(t, runtime.GOARCH, own.Flags["GOARCH"])

	from := patch.Provenance{Module: "example.com/srv@v1.2.3", Revision: "abc", Toolchain: "go1.26.8", Flags: map[string]string{"-race": "true"}}
	p := specced(t, patch.Spec{Name: "p", Bindings: []patch.Binding{patch.Func(alpha, says("p"))}, Provenance: from})
	require.Equal(t, from, p.Provenance())

	from.Flags["-race"] = "false"
	p.Provenance().Flags["-race"] = "changed"
	require.Equal(t, "true", p.Provenance().Flags["-race"], "nobody changes it")
}

func TestProvenance_ofAFile(t *testing.T) {
	said := patch.Provenance{}

	e := patch.NewEngine(patch.Options{AllowUnsigned: true, Loader: func(_ context.Context, file []byte) (patch.Spec, func(), error) {
		return patch.Spec{Name: string(file), Bindings: []patch.Binding{patch.Func(alpha, says("p"))}, Provenance: said}, nil, nil
	}})

	p, err := e.Upload(t.Context(), strings.NewReader("silent"))
	require.NoError(t, err)
	require.Zero(t, p.Provenance(), "it isn't the program's")

	said.Module = "example.com/srv@v1.2.3"

	p, err = e.Upload(t.Context(), strings.NewReader("says"))
	require.NoError(t, err)
	require.Equal(t, said, p.Provenance())
}
