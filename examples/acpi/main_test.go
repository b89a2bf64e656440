package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
)

// The whole example, with a stock kernel.
func TestShow(t *testing.T) {
	if !testutil.LinuxGuest(t) {
		return
	}

	testutil.NoLeaks(t)

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()

	var out bytes.Buffer

	require.NoError(t, show(ctx, stock(ctx, t, runtime.GOARCH), repair{}, io.MultiWriter(&out, t.Output())), "%s", &out)

	require.Regexp(t, `(?m)^ACPI tables +.*\bAPIC\b.*\bDSDT\b.*\bFACP\b`, out.String())
	require.Regexp(t, `(?m)^battery +50 %, Discharging$`, out.String())
	require.Regexp(t, `(?m)^battery, after Update +20 %, Discharging$`, out.String())
	require.Regexp(t, `(?m)^CPUs online +0$`, out.String())
	require.Regexp(t, `(?m)^CPUs online, after AddCPU +0-1$`, out.String())
	require.Regexp(t, `(?m)^key code, after PowerButton +116$`, out.String())
	require.Regexp(t, `(?m)^the guest ended by +power-off$`, out.String())
}

// stock is Debian's kernel for an architecture, and a ramdisk with init.sh.
func stock(ctx context.Context, t *testing.T, arch string) vmm.Linux {
	t.Helper()

	kernel, err := nest.KernelFor(ctx, arch, nest.Generic)
	require.NoError(t, err)

	modules := map[string][]string{"amd64": {"evdev", "button", "battery"}, "arm64": {"evdev"}}
	files, err := kernel.ModuleFiles(modules[arch]...)
	require.NoError(t, err)

	init, err := os.ReadFile("init.sh")
	require.NoError(t, err)

	ramdisk, err := nest.GuestInitrdFor(ctx, arch, string(init), files...)
	require.NoError(t, err)

	initrd := filepath.Join(t.TempDir(), "initrd")
	require.NoError(t, os.WriteFile(initrd, ramdisk, 0o600))

	return vmm.Linux{Kernel: kernel.Vmlinuz, Initrd: initrd}
}
