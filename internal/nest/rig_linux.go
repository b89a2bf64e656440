package nest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says how to run a command in the rig. The zero value is good.
type Config struct {
	// CPU is the emulated processor's model, as QEMU calls it; empty is one that
	// has virtualisation: for arm64 with the host in the hypervisor's mode (VHE),
	// where cortex-a72 is one without.
	CPU string
	// CPUs is the number of emulated processors; when zero 2, and 1 of arm64: a kernel
	// that invalidates its translations everywhere has the emulator stop all processors
	// for it, and guests of two boot half as fast.
	CPUs int
	// MemoryMiB is the memory of the emulated machine; 4096 when zero. The
	// host gives it page by page, as it is touched.
	MemoryMiB int
	// Env adds NAME=value entries to what the command inherits: PATH, HOME,
	// USER, TMPDIR, LANG, TZ, XDG_CACHE_HOME and everything named VGRAFT_* or
	// GO*. VGRAFT_NESTED=1 is always set.
	Env []string
	// Dir is the working directory; the process's own when empty.
	Dir string
	// Stdout and Stderr get the command's output as it comes, byte for byte;
	// nil discards. When they are the same writer, as with os/exec, the
	// command gets one pipe for both, their order is kept, and one goroutine
	// writes. A writer that blocks stops the emulated machine after a while;
	// one that fails ends the run.
	Stdout, Stderr io.Writer
	// Modules are kernel modules to load besides those the rig needs and
	// [DefaultModules].
	Modules []string
	// BootTimeout limits the time until the command starts; 3 minutes when
	// zero (2 s on a quiet machine, 30 s on a very busy one).
	BootTimeout time.Duration
	// Count has the rig's clock count instructions, one a nanosecond, whatever else
	// this machine does: times measured in the rig are then numbers of instructions,
	// and the same again and again. The processors run one after the other, slowly.
	Count bool
}

// DefaultModules are loaded in the rig for what runs there: KVM where it is no part of
// the kernel, and tap and bridge devices.
func DefaultModules() []string { return []string{"kvm_amd", "tun", "bridge"} }

// rigModules is what the rig itself stands on.
var rigModules = []string{"virtio_pci", "9pnet_virtio", "9p", "virtio_console"}

func (c Config) withDefaults() (Config, error) {
	if c.MemoryMiB == 0 {
		c.MemoryMiB = 4096
	}
	if c.BootTimeout == 0 {
		c.BootTimeout = 3 * time.Minute
	}
	dir, err := filepath.Abs(c.Dir)
	c.Dir = dir
	return c, err
}

func (c Config) validate() error {
	var errs []error
	if c.CPUs < 0 || c.CPUs > 64 {
		errs = append(errs, fmt.Errorf("nest: Config.CPUs is %d, want 1 to 64", c.CPUs))
	}
	if c.MemoryMiB < 512 {
		errs = append(errs, fmt.Errorf("nest: Config.MemoryMiB is %d, want at least 512", c.MemoryMiB))
	}
	if c.BootTimeout < 0 {
		errs = append(errs, fmt.Errorf("nest: Config.BootTimeout is %v", c.BootTimeout))
	}
	if info, err := os.Stat(c.Dir); err != nil {
		errs = append(errs, fmt.Errorf("nest: Config.Dir: %w", err))
	} else if !info.IsDir() {
		errs = append(errs, fmt.Errorf("nest: Config.Dir: %s is not a directory", c.Dir))
	}
	return errors.Join(errs...)
}

// Run boots the rig, runs argv in it and returns the command's exit code;
// 128+n when signal n ended it, as a shell would say. The error is not nil
// when there is no exit code: a mistake in the Config, a [MissingToolError], a
// [PackageError], or a [RigError] for everything after that.
//
// The command runs as root with its standard input empty, no network but the
// loopback, this machine's files, and its own /proc, /sys, /dev, /run and
// /dev/shm. What it leaves running is killed when it ends. File contents and
// attributes are cached inside from the first access on: a file that both
// sides write during a run may come out wrong, unless it is opened O_DIRECT.
//
// When ctx ends the machine is killed at once, and so it is when this process
// dies. Run may be called concurrently; each call boots its own machine.
func Run(ctx context.Context, cfg Config, argv ...string) (exitCode int, err error) {
	r, err := prepare(ctx, cfg, argv)
	if err != nil {
		return -1, err
	}
	if err := r.run(ctx); err != nil {
		return -1, &RigError{Phase: r.phase, Err: err, Console: r.console.String()}
	}
	return r.code, nil
}

// prepare does all that can fail before anything is started.
func prepare(ctx context.Context, cfg Config, argv []string) (_ *rig, err error) {
	if runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("nest: the rig runs on amd64 hosts only: %w", errors.ErrUnsupported)
	}
	if Inside() {
		return nil, fmt.Errorf("nest: this process is in the rig already: %w", errors.ErrUnsupported)
	}
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if len(argv) == 0 {
		return nil, errors.New("nest: no command given")
	}
	program, err := resolve(argv[0], cfg.Dir)
	if err != nil {
		return nil, err
	}
	m := machines[programArch(program)]
	if _, err := m.qemu(); err != nil {
		return nil, err
	}
	if cfg.CPUs == 0 {
		cfg.CPUs = m.cpus
	}
	own := append([]string{"PWD=" + cfg.Dir}, m.env...)
	env, err := commandEnv(os.Environ(), append(own, cfg.Env...))
	if err != nil {
		return nil, err
	}
	script, err := commandScript(cfg.Dir, env, append([]string{program}, argv[1:]...))
	if err != nil {
		return nil, err
	}
	r := &rig{cfg: cfg, machine: m, phase: PhaseStart, code: -1}
	k, err := KernelFor(ctx, m.arch, Generic)
	if err != nil {
		return nil, err
	}
	if r.kernel, err = m.image(ctx, k); err != nil {
		return nil, err
	}
	modules, err := k.ModuleFiles(slices.Concat(rigModules, m.modules, cfg.Modules)...)
	if err != nil {
		return nil, err
	}
	r.ramdisk, err = m.rigRamdisk(ctx, script, merged(cfg), modules)
	return r, err
}

// merged reports whether both streams go to one writer.
func merged(cfg Config) (same bool) {
	// Comparing panics for writers of a type that cannot be compared.
	defer func() { _ = recover() }()
	return cfg.Stdout == cfg.Stderr
}

// rig is one run.
type rig struct {
	cfg     Config
	machine machine
	kernel  string // path
	ramdisk []byte
	console tail

	// Written by the goroutine that reads the status port, and read when it
	// has ended.
	phase   Phase
	exited  bool
	code    int
	failure string
}

// The causes for which a run ends QEMU on its own account.
var (
	errExited = errors.New("the command has exited")
	errFailed = errors.New("the rig's init gave up")
)

// run starts QEMU and sees it to its end.
func (r *rig) run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	q, err := newQEMU(r.machine, r.cfg, r.kernel, r.ramdisk, &r.console)
	if err != nil {
		return err
	}
	defer q.close()
	done, err := q.start(ctx)
	if err != nil {
		return err
	}
	r.phase = PhaseBoot
	boot := time.AfterFunc(r.cfg.BootTimeout, func() {
		cancel(fmt.Errorf("the command has not started after %v: %w", r.cfg.BootTimeout, context.DeadlineExceeded))
	})
	defer boot.Stop()

	// Each reader ends when QEMU, which has the other end, is gone.
	var readers sync.WaitGroup
	readers.Go(func() {
		if err := r.readStatus(q.status, boot); err != nil {
			cancel(err)
		}
	})
	for _, s := range []struct {
		to   io.Writer
		from io.Reader
	}{{r.cfg.Stdout, q.stdout}, {r.cfg.Stderr, q.stderr}} {
		readers.Go(func() {
			if err := forward(s.to, s.from); err != nil {
				cancel(err)
				_ = forward(nil, s.from) // QEMU must not wait for a reader
			}
		})
	}
	qemuErr := <-done
	readers.Wait()

	// In the order of what explains most. A command that has exited counts
	// even if the context ended meanwhile, unless its output was not delivered.
	cause := context.Cause(ctx)
	switch {
	case r.exited && (errors.Is(cause, errExited) || parent.Err() != nil):
		return nil
	case r.failure != "":
		return errors.New(r.failure)
	case cause != nil:
		return cause
	case qemuErr != nil:
		return fmt.Errorf("QEMU ended before the command did: %w", qemuErr)
	}
	return errors.New("the machine stopped before the command ended")
}

// readStatus follows what the rig's init says about itself, one line each:
// "begin <uptime>", "exit <code>", "fail <reason>". It returns why QEMU is not
// needed any longer, if it does not end by itself.
func (r *rig) readStatus(port io.Reader, boot *time.Timer) error {
	lines := bufio.NewScanner(port)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "begin":
			boot.Stop()
			r.phase = PhaseRun
		case "exit":
			code, err := strconv.Atoi(rest)
			if err != nil {
				return fmt.Errorf("the rig's init reports exit code %q", rest)
			}
			r.code, r.exited = code, true
			return errExited
		case "fail":
			r.failure = rest
			return errFailed
		}
	}
	return lines.Err() // nil when the port was closed: QEMU is ending by itself
}

// forward copies a stream. The error is the writer's: a stream just ends when
// QEMU is killed.
func forward(to io.Writer, from io.Reader) error {
	if to == nil {
		to = io.Discard
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return fmt.Errorf("writing the command's output: %w", err)
			}
		}
		if err != nil {
			return nil
		}
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 64 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailBytes {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailBytes:]...)
	}
	return len(p), nil
}

// tcgNoise marks what QEMU says about every feature of the processor model that
// its emulator lacks, twice per run; it would hide what matters.
const tcgNoise = "TCG doesn't support requested feature"

// String returns what was kept, as text with plain line ends and without noise.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(string(t.buf), "\r", "")) {
		if !strings.Contains(line, tcgNoise) {
			b.WriteString(line)
		}
	}
	return b.String()
}
