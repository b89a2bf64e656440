package patch_test

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// addressOf is a number to compare addresses with, which keeps nothing alive.
func addressOf(q *queue) uintptr { return uintptr(unsafe.Pointer(q)) }

// collect runs the collector until what it brings about has come.
func collect(t testing.TB, what string, come func() bool) {
	t.Helper()

	for end := time.Now().Add(30 * time.Second); !come(); {
		require.True(t, time.Now().Before(end), what)
		runtime.GC()
		runtime.Gosched() // cleanups run in a goroutine
	}
}
