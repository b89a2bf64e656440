package main

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// needs are the programs that tests use, and the Debian packages that have them.
var needs = []struct {
	tool, pkg string
	good      func(path string) bool // nil is always
}{
	{"qemu-system-x86_64", "qemu-system-x86", nil},  // the nested rig
	{"qemu-system-aarch64", "qemu-system-arm", nil}, // the same for arm64
	{"busybox", "busybox-static", static},           // what runs in ramdisks
	{"iasl", "acpica-tools", nil},                   // the reference for ACPI tables
	{"lz4", "lz4", nil},                             // what Debian packs kernels with
	{"xz", "xz-utils", nil},
	{"gcc", "gcc libc6-dev", nil}, // the race detector, and programs linked by the C linker
	{"strip", "binutils", nil},
	{"qemu-aarch64-static", "qemu-user-static", nil},                               // programs for arm64, and what these
	{"/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1", "libc6-arm64-cross", nil}, // are linked with
}

// static says whether a program needs no dynamic linker.
func static(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()

	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return false
		}
	}

	return true
}

// install installs the packages that are missing, as root or by a sudo that doesn't
// ask; otherwise its error is the one line that would.
func install(ctx context.Context) error {
	var missing []string

	for _, n := range needs {
		if path, err := exec.LookPath(n.tool); err != nil || n.good != nil && !n.good(path) {
			missing = append(missing, strings.Fields(n.pkg)...)
		}
	}

	if len(missing) == 0 {
		return nil
	}

	line := "apt-get update && apt-get install -y --no-install-recommends " + strings.Join(missing, " ")
	sh := []string{"sh", "-c", "export DEBIAN_FRONTEND=noninteractive; " + line}

	if os.Geteuid() != 0 {
		if exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
			return fmt.Errorf("the tests need Debian packages that only root can install: %s", line)
		}

		sh = append([]string{"sudo", "-n"}, sh...)
	}

	fmt.Println("== installing:", strings.Join(missing, " "))

	cmd := exec.CommandContext(ctx, sh[0], sh[1:]...)
	cmd.Stderr = os.Stderr

	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}

	return nil
}
