package elfdiff

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrigin(t *testing.T) {
	for name, want := range map[string]string{
		"reflect.TypeFor[go.shape.func(int) string]":               "reflect",
		"slices.pdqsortCmpFunc[go.shape.struct { a/b.c int }]":     "slices",
		"internal/sync.(*HashTrieMap[go.shape.string,a/b.T]).Load": "internal/sync",
		"sync/atomic.(*Pointer[go.shape.int]).Store":               "sync/atomic",
		"slices.SortFunc[go.shape.int].func1":                      "slices",
		"gopkg.in/x/y%2ev2.F[go.shape.int]":                        "gopkg.in/x/y.v2",
		"example.com/a.b/c.F":                                      "example.com/a.b/c",
		"main.F[int]":                                              "main",
		"":                                                         "",
	} {
		require.Equal(t, want, origin(name), name)
	}
}
