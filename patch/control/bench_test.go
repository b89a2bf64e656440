package control_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch/control"
)

// BenchmarkApply is one apply, or revert, over a Unix socket.
func BenchmarkApply(b *testing.B) {
	r := serve(b, control.Options{})

	_, err := r.Upload(b.Context(), file("fix"))
	require.NoError(b, err)

	applied := false

	for b.Loop() {
		do := r.Apply
		if applied {
			do = r.Revert
		}

		if _, err := do(b.Context(), on("fix", "a")); err != nil {
			b.Fatal(err)
		}

		applied = !applied
	}
}
