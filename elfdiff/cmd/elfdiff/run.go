package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/vgraft/vgraft/internal/payload"
)

// Exit codes; doc.go says what they mean.
const (
	exitOK = iota
	exitFailed
	exitUsage
	exitRefused
)

var (
	// errUsage is a mistake of the caller's.
	errUsage = errors.New("see elfdiff help")

	// errRefused is an answer that isn't the one that was hoped for. It has been printed.
	errRefused = errors.New("refused")
)

// tool is one call of the program.
type tool struct {
	in   io.Reader
	out  io.Writer
	err  io.Writer
	args []string // those that are no flags

	output, key, keys, name string
	json                    bool

	source     sourceFlags
	fix        fixFlags
	only, from list // of coverage
	inside     bool
}

func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	t := &tool{in: in, out: out, err: errs}
	err := t.call(ctx, args)

	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, help())
		return exitOK
	}

	if err != nil {
		fmt.Fprintln(errs, clean("elfdiff: "+strings.TrimPrefix(err.Error(), "elfdiff: ")))
	}

	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errRefused), errors.Is(err, payload.ErrSignature), errors.Is(err, payload.ErrUnsigned):
		return exitRefused
	}

	return exitFailed
}

//go:embed doc.go
var doc string

// help is the comment of the package.
func help() string {
	var b strings.Builder

	for line := range strings.Lines(doc) {
		if text, ok := strings.CutPrefix(line, "//"); ok {
			b.WriteString(strings.TrimPrefix(text, " "))
		}
	}

	return b.String()
}

// verb is a way to call the tool.
type verb struct {
	arguments int
	flags     func(*tool, *flag.FlagSet)
	do        func(*tool, context.Context) error
}

// verbs gives them all by name.
func verbs() map[string]verb {
	return map[string]verb{
		"bundle": {1, func(t *tool, f *flag.FlagSet) { t.outputFlag(f); t.source.add(f) }, (*tool).bundle},
		"build": {1, func(t *tool, f *flag.FlagSet) {
			t.outputFlag(f)
			t.source.add(f)
			t.fix.add(f)
			f.StringVar(&t.key, "key", "", "")
			f.StringVar(&t.name, "name", "", "")
		}, (*tool).build},
		"coverage": {1, func(t *tool, f *flag.FlagSet) {
			t.source.add(f)
			f.Var(&t.only, "only", "")
			f.Var(&t.from, "from", "")
			f.BoolVar(&t.inside, "inside", false, "")
		}, (*tool).coverage},
		"diff":    {1, func(t *tool, f *flag.FlagSet) { t.source.add(f); t.fix.add(f) }, (*tool).diff},
		"inspect": {1, func(*tool, *flag.FlagSet) {}, (*tool).inspect},
		"keygen":  {0, (*tool).outputFlag, (*tool).keygen},
		"sign": {1, func(t *tool, f *flag.FlagSet) {
			t.outputFlag(f)
			f.StringVar(&t.key, "key", "", "")
		}, (*tool).sign},
		"verify": {1, func(t *tool, f *flag.FlagSet) { f.StringVar(&t.keys, "keys", "", "") }, (*tool).verify},
	}
}

func (t *tool) outputFlag(f *flag.FlagSet) { f.StringVar(&t.output, "o", "", "") }

func usage(format string, a ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, a...), errUsage)
}

func (t *tool) call(ctx context.Context, args []string) error {
	all := verbs()
	names := strings.Join(slices.Sorted(maps.Keys(all)), ", ")

	if len(args) == 0 {
		return usage("what to do isn't said: %s", names)
	}

	v, ok := all[args[0]]

	switch {
	case slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]):
		return flag.ErrHelp
	case !ok:
		return usage("%q is none of %s", args[0], names)
	}

	if err := t.parse(args[0], v, args[1:]); err != nil {
		return err
	}

	return v.do(t, ctx)
}

// parse takes flags before and after the arguments.
func (t *tool) parse(name string, v verb, args []string) error {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&t.json, "json", false, "")
	v.flags(t, f)

	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return err
		} else if err != nil {
			return usage("%s: %v", name, err)
		}

		if args = f.Args(); len(args) == 0 {
			break
		}

		t.args, args = append(t.args, args[0]), args[1:]
	}

	if len(t.args) != v.arguments {
		return usage("%s takes %d arguments, not %d", name, v.arguments, len(t.args))
	}

	return nil
}

// say prints an answer: as JSON, or the text.
func (t *tool) say(v any, format string, a ...any) error {
	if t.json {
		return json.NewEncoder(t.out).Encode(v)
	}

	_, err := fmt.Fprintln(t.out, clean(fmt.Sprintf(format, a...)))

	return err
}

// clean takes out what a terminal would obey. Names and texts come from elsewhere.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}

		return r
	}, s)
}

// read gives a file; "-" is the standard input.
func (t *tool) read(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(t.in)
	}

	return os.ReadFile(name)
}

// write makes a file, whole or not at all. What was there before is replaced.
func write(name string, fill func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-")
	if err != nil {
		return err
	}

	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()

	if err := fill(f); err != nil {
		return err
	}

	if err := f.Chmod(0o644); err != nil {
		return err
	}

	if err := f.Close(); err != nil {
		return err
	}

	return os.Rename(f.Name(), name)
}

// list is a flag that may be given again.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}
