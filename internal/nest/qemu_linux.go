package nest

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

//go:embed stage1.sh
var stage1 string

//go:embed stage2.sh
var stage2 string

// rigRamdisk is the rig's init with its drivers and the command. It is made
// anew for each run: that takes 10 ms, less than checking a cache for it would
// save.
func (m machine) rigRamdisk(ctx context.Context, script string, merged bool, modules []File) ([]byte, error) {
	second := stage2
	if merged {
		second = "merged=1\n" + second
	}
	files := append(modules,
		File{Name: "stage2", Data: []byte(second)},
		File{Name: "command", Data: []byte(script)},
		File{Name: "root", Mode: os.ModeDir},
	)
	if m.keeper != nil {
		files = append(files, File{Name: "keeper", Mode: 0o755, Data: m.keeper()})
	}
	busybox, err := m.busybox(ctx)
	if err != nil {
		return nil, err
	}
	return initrd(busybox, stage1, files)
}

// qemu is the emulator process and our ends of its ports.
type qemu struct {
	cmd                    *exec.Cmd
	status, stdout, stderr *os.File
	theirs                 []*os.File
}

// newQEMU prepares the process. Nothing it uses has a name in a filesystem,
// so that there is nothing to clean up however it ends: the ports are socket
// pairs, the ramdisk is a memfd.
func newQEMU(m machine, cfg Config, kernel string, ramdisk []byte, console io.Writer) (_ *qemu, err error) {
	path, err := m.qemu()
	if err != nil {
		return nil, err
	}
	q := &qemu{}
	defer func() {
		if err != nil {
			q.close()
		}
	}()
	accel := []string{"-accel", "tcg,thread=multi"}
	if cfg.Count {
		accel = []string{"-accel", "tcg,thread=single", "-icount", "shift=0"}
	}
	cpu := cfg.CPU
	if cpu == "" {
		cpu = m.cpu
	}
	args := append(accel, m.args...)
	args = append(args,
		"-cpu", cpu,
		"-smp", strconv.Itoa(cfg.CPUs), "-m", strconv.Itoa(cfg.MemoryMiB),
		"-no-user-config", "-display", "none", "-monitor", "none", "-nic", "none", "-vga", "none",
		"-serial", "stdio", "-no-reboot",
		"-kernel", kernel,
		// panic=-1 with -no-reboot: a kernel that panics ends QEMU at once.
		"-append", "quiet panic=-1 oops=panic mitigations=off nowatchdog "+m.cmdline,
		// multidevs=remap: inode numbers of several host filesystems must not collide.
		"-fsdev", "local,id=root,path=/,security_model=none,multidevs=remap",
		"-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
		"-device", "virtio-serial-pci",
	)
	for _, port := range []struct {
		name string
		ours **os.File
	}{{"status", &q.status}, {"stdout", &q.stdout}, {"stderr", &q.stderr}} {
		ours, theirs, err := socketPair(port.name)
		if err != nil {
			return nil, err
		}
		*port.ours = ours
		fd := q.give(theirs)
		args = append(args,
			"-chardev", fmt.Sprintf("socket,id=%s,fd=%d", port.name, fd),
			"-device", fmt.Sprintf("virtserialport,chardev=%s,name=vgraft.%s", port.name, port.name))
	}
	file, err := memfd("ramdisk", ramdisk)
	if err != nil {
		return nil, err
	}
	args = append(args, "-initrd", fmt.Sprintf("/proc/self/fd/%d", q.give(file)))
	q.cmd = exec.Command(path, args...)
	q.cmd.Stdout, q.cmd.Stderr = console, console // the same writer: one pipe
	q.cmd.ExtraFiles = q.theirs
	// A process of its own group is spared the terminal's ^C: we decide when
	// it ends. And when we die without deciding, the kernel kills it.
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return q, nil
}

// give hands a file to the process and returns its number there.
func (q *qemu) give(f *os.File) int {
	q.theirs = append(q.theirs, f)
	return 2 + len(q.theirs) // ExtraFiles start at 3
}

// start starts the process. The channel delivers its result when it has ended
// and been waited for; the end of ctx kills it.
func (q *qemu) start(ctx context.Context) (<-chan error, error) {
	started, done := make(chan error, 1), make(chan error, 1)
	go func() {
		// Pdeathsig counts the death of the thread that started the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := q.cmd.Start()
		q.closeTheirs() // or we would not see the end of the streams
		started <- err
		if err == nil {
			done <- q.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	exited := make(chan error, 1)
	go func() {
		select {
		case <-ctx.Done():
			_ = q.cmd.Process.Kill() // fails only when it has ended already
			exited <- <-done
		case err := <-done:
			exited <- err
		}
	}()
	return exited, nil
}

func (q *qemu) closeTheirs() {
	for _, f := range q.theirs {
		f.Close()
	}
	q.theirs = nil
}

// close releases our ends. The process has ended, or was never started.
func (q *qemu) close() {
	q.closeTheirs()
	for _, f := range []*os.File{q.status, q.stdout, q.stderr} {
		f.Close() // nil is fine
	}
}

// socketPair returns two connected sockets; ours works with the poller.
func socketPair(name string) (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("port %s: %w", name, err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("port %s: %w", name, err)
	}
	return os.NewFile(uintptr(fds[0]), "nest-"+name), os.NewFile(uintptr(fds[1]), "nest-"+name+"-qemu"), nil
}

// memfd returns a file with these contents that has no name.
func memfd(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("nest-"+name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("%s: memfd_create: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), "nest-"+name)
	if _, err := io.Copy(f, bytes.NewReader(data)); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}
