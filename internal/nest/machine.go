package nest

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// machine is a kind of computer that the rig can be.
type machine struct {
	arch          string
	emulator, pkg string   // QEMU's program and its Debian package
	firmware      string   // the package with UEFI for its guests
	args          []string // that this machine needs
	cpu           string   // the processor's default model
	cpus          int      // how many of them by default
	cmdline       string   // of the kernel, beside what all have
	modules       []string // of the kernel, beside what all have
	env           []string // that a command gets
	keeper        func() []byte
}

// machines are the kinds there are, by the name that Go has for the architecture.
var machines = map[string]machine{
	"amd64": {
		arch:     "amd64",
		emulator: "qemu-system-x86_64", pkg: "qemu-system-x86",
		cpu: "EPYC,+svm,+npt", cpus: 2,
		// maxcpus=1: the others come when nothing rewrites the kernel's code any more, see
		// keeper.
		// tsc=reliable: the emulated TSCs are one and the same, which Linux doesn't believe
		// of this processor. It would take the HPET for its clock, whose every reading
		// leaves the emulated code, and give guests no stable clock.
		cmdline: "console=ttyS0 tsc=reliable maxcpus=1",
		modules: DefaultModules(),
		keeper:  keeper,
	},
	"arm64": {
		arch:     "arm64",
		emulator: "qemu-system-aarch64", pkg: "qemu-system-arm", firmware: "qemu-efi-aarch64",
		args: []string{"-machine", "virt,virtualization=on,gic-version=3"},
		// With the architecture's own algorithm, pointers are signed so slowly that
		// everything takes twice the time.
		cpu: "max,pauth-impdef=on", cpus: 1,
		cmdline: "console=ttyAMA0",
		modules: []string{"tun", "bridge"},
		// This machine's programs are there, and can't run.
		env: []string{"PATH=/run/nest/bin"},
	},
}

// machineOf is the machine of an architecture that comes from outside.
func machineOf(arch string) (machine, error) {
	m, ok := machines[arch]
	if !ok {
		return m, fmt.Errorf("nest: no machine for %q: %w", arch, errors.ErrUnsupported)
	}
	return m, nil
}

func (m machine) qemu() (string, error) { return lookTool(m.emulator, m.pkg) }

// image is the kernel's file that the emulator boots fastest.
func (m machine) image(ctx context.Context, k KernelFiles) (string, error) {
	if m.arch == "amd64" {
		return k.Vmlinux(ctx)
	}
	return k.Vmlinuz, nil
}

// busybox is what the rig's init runs with.
func (m machine) busybox(ctx context.Context) ([]File, error) {
	if m.arch == runtime.GOARCH {
		return busyboxFiles(ctx)
	}
	k, err := debianPackage{dir: m.arch + "-busybox", arch: m.arch, suite: "trixie", meta: "busybox-static", open: openBusybox}.unpacked(ctx)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(k.Vmlinuz)
	if err != nil {
		return nil, fmt.Errorf("nest: busybox: %w", err)
	}
	// Which applets it has it says when it runs: see stage1.sh.
	return []File{{Name: "bin/busybox", Mode: 0o755, Data: data}}, nil
}

// openBusybox finds the program in an unpacked package; it stands for the image.
func openBusybox(dir string) (KernelFiles, error) {
	for _, bin := range []string{"bin", "usr/bin"} {
		path := filepath.Join(dir, bin, "busybox")
		if _, err := os.Stat(path); err == nil {
			return KernelFiles{Dir: dir, Vmlinuz: path}, nil
		}
	}
	return KernelFiles{}, fmt.Errorf("no busybox in %s", dir)
}

// programArch is the architecture that a program is for; what isn't for arm64, or is a
// script, is taken to be for this machine.
func programArch(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	if f.Machine == elf.EM_AARCH64 {
		return "arm64"
	}
	return runtime.GOARCH
}
