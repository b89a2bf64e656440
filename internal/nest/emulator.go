package nest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
)

// EmulatorFiles is QEMU for use in the rig, where it has KVM.
type EmulatorFiles struct {
	Argv []string // the start of its command line
	UEFI string   // path of the firmware for its guests; empty where they need none
}

// Emulator returns QEMU for the rig of an architecture: this machine's own; for another
// architecture Debian's, from the cache, where it is put first like a kernel, with its
// libraries and the firmware. See [Kernel].
func Emulator(ctx context.Context, arch string) (EmulatorFiles, error) {
	m, err := machineOf(arch)
	if err != nil {
		return EmulatorFiles{}, err
	}
	if arch == runtime.GOARCH {
		path, err := m.qemu()
		return EmulatorFiles{Argv: []string{path}}, err
	}
	k, err := debianPackage{
		dir: arch + "-qemu", arch: arch, suite: "trixie", meta: m.pkg, open: m.openQEMU, beside: []string{m.firmware},
		without: "usr/share/AAVMF", // the firmware again, five times, in files of 64 MiB
	}.unpacked(ctx)
	if err != nil {
		return EmulatorFiles{}, err
	}
	// By the loader's name, since in the rig the libraries are not where a program
	// looks for them.
	loaders, err := filepath.Glob(filepath.Join(k.Dir, "usr/lib/*/ld-linux-*.so.*"))
	if err != nil || len(loaders) != 1 {
		return EmulatorFiles{}, fmt.Errorf("nest: %d dynamic loaders in %s, want 1", len(loaders), k.Dir)
	}
	return EmulatorFiles{
		Argv: []string{loaders[0], "--library-path", filepath.Dir(loaders[0]), k.Vmlinuz, "-L", filepath.Join(k.Dir, "usr/share/qemu")},
		UEFI: filepath.Join(k.Dir, firmwareFile),
	}, nil
}

// firmwareFile is the firmware in its unpacked package.
const firmwareFile = "usr/share/qemu-efi-aarch64/QEMU_EFI.fd"

// openQEMU finds the program in unpacked packages; it stands for the image.
func (m machine) openQEMU(dir string) (KernelFiles, error) {
	path := filepath.Join(dir, "usr/bin", m.emulator)
	for _, f := range []string{path, filepath.Join(dir, firmwareFile)} {
		if _, err := os.Stat(f); err != nil {
			return KernelFiles{}, err
		}
	}
	return KernelFiles{Dir: dir, Vmlinuz: path}, nil
}

// EmulatorMayHang says that the installed QEMU can lose the rewriting of code by one
// processor while another one translates it, which stops what runs there for good and
// without a word: it is older than 8.1. The rig's own kernel is kept from it, see keeper,
// but kernels of guests with several processors aren't.
func EmulatorMayHang(ctx context.Context) bool {
	path, err := machines["amd64"].qemu()
	if err != nil {
		return false
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	return err == nil && losesRewrites(string(out))
}

func losesRewrites(version string) bool {
	m := regexp.MustCompile(`version (\d+)\.(\d+)`).FindStringSubmatch(version)
	if m == nil {
		return false
	}
	major, _ := strconv.Atoi(m[1]) // digits
	minor, _ := strconv.Atoi(m[2])
	return major < 8 || major == 8 && minor < 1
}
