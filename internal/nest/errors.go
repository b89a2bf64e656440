package nest

import (
	"fmt"
	"os/exec"
	"strings"
)

// MissingToolError says that a program of the host system is not there, and
// how to get it. It matches [exec.ErrNotFound].
type MissingToolError struct {
	Tool    string // program that was looked for in PATH
	Package string // Debian package that has it
	Reason  string // why a program of that name was not good enough; empty when there was none
}

// Error names the tool and the command that installs it.
func (e *MissingToolError) Error() string {
	what := e.Tool + " not found"
	if e.Reason != "" {
		what = e.Tool + " " + e.Reason
	}
	return fmt.Sprintf("nest: %s; install it with: apt-get install -y %s", what, e.Package)
}

// Is makes errors.Is(err, exec.ErrNotFound) hold.
func (e *MissingToolError) Is(target error) bool { return target == exec.ErrNotFound }

// lookTool finds a program in PATH.
func lookTool(tool, pkg string) (string, error) {
	path, err := exec.LookPath(tool)
	if err != nil {
		return "", &MissingToolError{Tool: tool, Package: pkg}
	}
	return path, nil
}

// Phase is how far a run of the rig had come when it failed.
type Phase string

// The phases of a run, in order.
const (
	PhaseStart Phase = "start" // QEMU has not been started
	PhaseBoot  Phase = "boot"  // the kernel and the rig's init run; the command does not yet
	PhaseRun   Phase = "run"   // the command was started and has not ended
)

// RigError says that the rig itself failed, as opposed to the command in it:
// QEMU could not start or died, the kernel panicked, the root filesystem did
// not mount, the context ended. It unwraps to the cause, so that
// errors.Is(err, context.DeadlineExceeded) tells a timeout.
type RigError struct {
	Phase   Phase
	Err     error
	Console string // last part of QEMU's own messages and the kernel log
}

// consoleLines is how much of the console an error text shows, enough for a
// kernel panic with its trace; the field has more.
const consoleLines = 60

// Error shows the cause and the end of the console log.
func (e *RigError) Error() string {
	text := fmt.Sprintf("nest: rig failed in phase %s: %v", e.Phase, e.Err)
	console := strings.TrimSpace(e.Console)
	if console == "" {
		return text
	}
	lines := strings.Split(console, "\n")
	if len(lines) > consoleLines {
		lines = lines[len(lines)-consoleLines:]
	}
	return text + "\nconsole:\n\t" + strings.Join(lines, "\n\t")
}

// Unwrap returns the cause.
func (e *RigError) Unwrap() error { return e.Err }

// PackageError says that a kernel package could be neither found nor fetched
// and that no earlier one is in the cache.
type PackageError struct {
	Package string // Debian package
	Err     error
	Hint    string // command line that is expected to help; may be empty
}

// Error names the package, the cause and what would help.
func (e *PackageError) Error() string {
	text := fmt.Sprintf("nest: kernel package %s: %v", e.Package, e.Err)
	if e.Hint != "" {
		text += "; try: " + e.Hint
	}
	return text
}

// Unwrap returns the cause.
func (e *PackageError) Unwrap() error { return e.Err }
