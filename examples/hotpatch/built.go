package main

import (
	"context"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The names by which the go command knows this program.
const (
	modulePath  = "github.com/vgraft/vgraft"
	packagePath = modulePath + "/examples/hotpatch"
)

// builtEnv is set for the program that this one has built.
const builtEnv = "HOTPATCH_BUILT"

// stripped says whether this process was linked without symbols, as go run and go test link:
// then it can't be compared with another build.
func stripped() bool {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return false // whoever needs it says so
	}
	defer f.Close()

	return f.Section(".symtab") == nil && os.Getenv(builtEnv) == ""
}

// runBuilt does what this process was asked for in one that is built as programs are that
// go into production. Only its linking is new.
func runBuilt(ctx context.Context, args []string, out io.Writer) error {
	dir, err := os.MkdirTemp("", "hotpatch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	program := filepath.Join(dir, "hotpatch")
	if _, err := goCommand(ctx, "build", "-o", program, packagePath); err != nil {
		return err
	}

	c := exec.CommandContext(ctx, program, args...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, out, os.Stderr
	c.Env = append(os.Environ(), builtEnv+"=1")
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second

	return c.Run()
}

// sourceDir is where the module's source is.
func sourceDir(ctx context.Context) (string, error) {
	return goCommand(ctx, "list", "-m", "-f", "{{.Dir}}", modulePath)
}

// goCommand runs the go command in the working directory, which must be in the module, as it
// is for go run.
func goCommand(ctx context.Context, args ...string) (string, error) {
	var problems strings.Builder

	c := exec.CommandContext(ctx, "go", args...)
	c.Stderr = &problems

	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, &problems)
	}

	return strings.TrimSpace(string(out)), nil
}
