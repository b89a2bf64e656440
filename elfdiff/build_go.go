package elfdiff

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// goCommand runs the go command as a program was built: with its toolchain, its flags and
// its variables, and with the user's for all that doesn't change what is made.
type goCommand struct {
	command string
	dir     string
	env     []string
	flags   []string // for build and list
	goroot  string
}

// newGoCommand asks the go command for the user's settings, and makes sure of its version.
func newGoCommand(ctx context.Context, i *BuildInfo, command, dir string, env []string) (*goCommand, error) {
	if env == nil {
		env = os.Environ()
	}

	// PWD makes the go command call the directory what its caller calls it, which decides
	// what an overlay has to name.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}

	g := &goCommand{command: cmp.Or(command, "go"), dir: dir}
	toolchain := toolchainOf(i.Toolchain())

	g.env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		k, _, _ := strings.Cut(kv, "=")
		return slices.Contains(ownVariables, k) && k != "GOFLAGS" && k != "GOENV"
	})
	g.env = append(g.env, "GOTOOLCHAIN="+toolchain, "PWD="+dir)

	// Also what go env -w has set. It is passed on by the environment, so that GOENV can be
	// off: that file could set variables that the program was built without.
	var changed map[string]string
	if err := g.json(ctx, &changed, "env", "-changed", "-json"); err != nil {
		return nil, fmt.Errorf("%w: %s is needed: %w", ErrToolchain, i.Toolchain(), err)
	}

	flags, err := foreignFlags(changed["GOFLAGS"])
	if err != nil {
		return nil, err
	}

	set := buildVariables(i)
	recorded := maps.Clone(set)
	set["GOFLAGS"], set["GOENV"], set["GOTOOLCHAIN"], set["PWD"] = flags, "off", toolchain, dir

	g.env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		k, _, _ := strings.Cut(kv, "=")
		_, fixed := recorded[k]

		return fixed || slices.Contains(ownVariables, k)
	})

	for k, v := range changed {
		if _, known := set[k]; !known && !slices.Contains(ownVariables, k) {
			set[k] = v
		}
	}

	for _, k := range slices.Sorted(maps.Keys(set)) {
		g.env = append(g.env, k+"="+set[k])
	}

	return g, g.checkVersion(ctx, i.Toolchain())
}

func (g *goCommand) checkVersion(ctx context.Context, want string) error {
	var now struct{ GOVERSION, GOROOT string }
	if err := g.json(ctx, &now, "env", "-json", "GOVERSION", "GOROOT"); err != nil {
		return err
	}

	if got, _ := splitVersion(now.GOVERSION); got != want {
		return fmt.Errorf("%w: %s is %s, and %s is needed", ErrToolchain, g.command, got, want)
	}

	g.goroot = now.GOROOT

	return nil
}

// run gives what the command writes to its standard output.
func (g *goCommand) run(ctx context.Context, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer

	cmd := exec.CommandContext(ctx, g.command, args...)
	cmd.Dir, cmd.Env = g.dir, g.env
	cmd.Stdout, cmd.Stderr = &stdout, &stderr

	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}

		return nil, &GoError{Args: args, Stderr: stderr.String(), Err: err}
	}

	return stdout.Bytes(), nil
}

// json reads one JSON value that the command writes.
func (g *goCommand) json(ctx context.Context, v any, args ...string) error {
	out, err := g.run(ctx, args...)
	if err != nil {
		return err
	}

	if err := json.Unmarshal(out, v); err != nil {
		return &GoError{Args: args, Err: err}
	}

	return nil
}

// listed is what go list says of a package, as far as it matters here.
type listed struct {
	ImportPath string
	Name       string
	Dir        string
	Export     string // path of the archive
	DepOnly    bool   // not what was asked for, but needed by it
	ForTest    string
	Imports    []string
}

// list asks for packages, with more flags than those of the build.
func (g *goCommand) list(ctx context.Context, flags, packages []string) ([]listed, error) {
	args := slices.Concat([]string{"list", "-json=ImportPath,Name,Dir,Export,DepOnly,ForTest,Imports"}, g.flags, flags, []string{"--"}, packages)

	out, err := g.run(ctx, args...)
	if err != nil {
		return nil, err
	}

	var all []listed

	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed

		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, &GoError{Args: args, Err: err}
		}

		// With a profile found by itself, a package has a name such as "a [b]": a made for
		// the program b.
		p.ImportPath, _, _ = strings.Cut(p.ImportPath, " ")
		all = append(all, p)
	}
}
