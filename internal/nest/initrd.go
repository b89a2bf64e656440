package nest

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// GuestInitrd builds an initial ramdisk with a small userspace for a guest: a
// static busybox as /bin/busybox with a link for each of its applets, empty
// /proc, /sys, /dev, /tmp, the console device node, and initScript as /init.
// A script without a #! line gets the shell's. Nothing is mounted when it
// starts; its standard streams are /dev/console.
//
// An extra file takes the place of a file of the same name. The result is not
// compressed: hand it to [Gzip] where size matters more than boot time.
func GuestInitrd(ctx context.Context, initScript string, extra ...File) ([]byte, error) {
	return GuestInitrdFor(ctx, runtime.GOARCH, initScript, extra...)
}

// GuestInitrdFor is [GuestInitrd] for guests of an architecture. Where that isn't this
// machine's, there are no links to applets, as busybox can't be asked for them here: a script
// says "/bin/busybox sleep 1", or begins with "/bin/busybox --install -s /bin".
func GuestInitrdFor(ctx context.Context, arch, initScript string, extra ...File) ([]byte, error) {
	m, err := machineOf(arch)
	if err != nil {
		return nil, err
	}
	busybox, err := m.busybox(ctx)
	if err != nil {
		return nil, err
	}
	return initrd(busybox, initScript, extra)
}

func initrd(busybox []File, initScript string, extra []File) ([]byte, error) {
	if !strings.HasPrefix(initScript, "#!") {
		initScript = "#!/bin/busybox sh\n" + initScript
	}
	files := append(busybox,
		File{Name: "init", Mode: 0o755, Data: []byte(initScript)},
		File{Name: "proc", Mode: fs.ModeDir},
		File{Name: "sys", Mode: fs.ModeDir},
		File{Name: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		File{Name: "dev", Mode: fs.ModeDir},
		// Without this node the kernel starts /init with no standard streams.
		File{Name: "dev/console", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600, Major: 5, Minor: 1},
	)
	replaced := map[string]bool{}
	for _, f := range extra {
		replaced[strings.TrimLeft(f.Name, "/")] = true
	}
	kept := files[:0]
	for _, f := range files {
		if !replaced[f.Name] {
			kept = append(kept, f)
		}
	}
	var out bytes.Buffer
	if err := Initramfs(&out, append(kept, extra...)...); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// busyboxFiles returns bin/busybox and a link to it for each applet.
func busyboxFiles(ctx context.Context) ([]File, error) {
	path, err := staticBusybox()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("nest: busybox: %w", err)
	}
	list, err := exec.CommandContext(ctx, path, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("nest: busybox --list: %w", err)
	}
	files := []File{{Name: "bin/busybox", Mode: 0o755, Data: data}}
	for _, applet := range strings.Fields(string(list)) {
		if applet != "busybox" {
			files = append(files, File{Name: "bin/" + applet, Mode: fs.ModeSymlink, Data: []byte("busybox")})
		}
	}
	return files, nil
}

// staticBusybox finds a busybox that runs without shared libraries, which are
// not there in a ramdisk. The package "busybox" has a dynamic one of the same
// name.
func staticBusybox() (string, error) {
	path, err := lookTool("busybox", "busybox-static")
	if err != nil {
		return "", err
	}
	f, err := elf.Open(path)
	if err != nil {
		return "", &MissingToolError{Tool: "busybox", Package: "busybox-static", Reason: "in PATH is no ELF program"}
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return "", &MissingToolError{Tool: "busybox", Package: "busybox-static", Reason: "in PATH is not a static one"}
		}
	}
	return path, nil
}
