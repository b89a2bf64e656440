package testutil

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil/layers"
)

type layer string

const (
	layerPure  layer = layers.Pure
	layerKVM   layer = layers.KVM
	layerLinux layer = layers.Linux

	layerStress layer = layers.Stress
	layerArm64  layer = layers.Arm64
)

// account notes at the end of t that it ran in a layer, if it did not fail or
// skip.
func account(t testing.TB, l layer) {
	t.Helper()
	path := os.Getenv(LayersEnv)
	if path == "" {
		return
	}
	pkg := callerPackage()
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		if err := appendLine(path, fmt.Sprintf("%s %s/%s\n", l, pkg, t.Name())); err != nil {
			t.Errorf("%s: %v", LayersEnv, err)
		}
	})
}

// self is this package's import path.
var self = sync.OnceValue(func() string { return reflect.TypeFor[layer]().PkgPath() })

// callerPackage is the import path of the package whose test called into
// testutil; an external test package counts as the package it tests.
func callerPackage() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		f, more := frames.Next()
		// "example.com/a/b.TestX": the package ends at the first dot after the last slash.
		slash := strings.LastIndexByte(f.Function, '/')
		if dot := strings.IndexByte(f.Function[slash+1:], '.'); dot >= 0 {
			pkg := f.Function[:slash+1+dot]
			if pkg != self() || strings.HasSuffix(f.File, "_test.go") {
				return strings.TrimSuffix(pkg, "_test")
			}
		}
		if !more {
			return "unknown"
		}
	}
}

// appendLine appends in one write, so that lines of several processes don't
// mix. In the rig the file is on 9p and cached: O_DIRECT takes the write to
// the host's file, which knows where its end is.
func appendLine(path, line string) error {
	flags := os.O_WRONLY | os.O_APPEND | os.O_CREATE
	direct := 0
	if nest.Inside() {
		direct = unix.O_DIRECT
	}
	f, err := os.OpenFile(path, flags|direct, 0o644)
	if err != nil && direct != 0 {
		f, err = os.OpenFile(path, flags, 0o644) // a filesystem of the rig's own, such as /run
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
