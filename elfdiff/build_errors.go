package elfdiff

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of opening and making builds. What is wrapped with them says what is missing, or
// which file or flag it is about.
var (
	// ErrNotGo is a file that is no ELF program of the go command, or of a kind that can't
	// be patched, such as a plugin.
	ErrNotGo = errors.New("not a Go program that can be patched")

	// ErrStripped is a program without symbols or debug information. They can be stripped
	// from the copy that is deployed, with strip; not by -ldflags=-s or -w, which make
	// another build with another build id.
	ErrStripped = errors.New("stripped: the program as it was linked is needed")

	// ErrToolchain is a go command that isn't, and can't become, the one that built the
	// program.
	ErrToolchain = errors.New("not the toolchain that built the program")

	// ErrMissing is something that the build needs and that nothing tells: a profile, the
	// files given to go build.
	ErrMissing = errors.New("missing")

	// ErrMismatch is objects that the program wasn't linked from: the source, a flag or a
	// profile has changed since.
	ErrMismatch = errors.New("the objects are not those of the program")

	// ErrPatchFile is a patch file that is no unified diff, or that doesn't apply.
	ErrPatchFile = errors.New("the patch does not apply")

	// ErrBundle is a bundle that is damaged, or none, or too large.
	ErrBundle = errors.New("bad bundle")
)

// GoError is a go command that failed.
type GoError struct {
	Args   []string // without the command itself
	Stderr string   // what it said
	Err    error    // of os/exec
}

// Error gives the subcommand and what it said; Args has the flags.
func (e *GoError) Error() string {
	what := "go"
	if len(e.Args) > 0 {
		what += " " + e.Args[0]
	}

	if s := strings.TrimSpace(e.Stderr); s != "" {
		return fmt.Sprintf("%s: %v: %s", what, e.Err, s)
	}

	return fmt.Sprintf("%s: %v", what, e.Err)
}

// Unwrap gives the error of os/exec.
func (e *GoError) Unwrap() error { return e.Err }
