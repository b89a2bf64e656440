package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// Exit codes; doc.go says what they mean.
const (
	exitOK = iota
	exitFailed
	exitUsage
	exitUnreachable
	exitRefused
	exitTimeout
)

// errUsage is a mistake of the caller's.
var errUsage = errors.New("see patchctl help")

// grace is how much longer than the timeout the client waits: the engine's own answer
// says who was in the way.
const grace = 5 * time.Second

// tool is one call of the program.
type tool struct {
	in       io.Reader
	out, err io.Writer
	client   *control.Client
	request  control.Request
	json     bool
	patience time.Duration // before progress is shown
}

func run(ctx context.Context, args []string, socket string, in io.Reader, out, errs io.Writer) int {
	t := &tool{in: in, out: out, err: errs, patience: time.Second}

	words, err := t.parse(args, &socket)
	if errors.Is(err, flag.ErrHelp) || err == nil && len(words) > 0 && words[0] == "help" {
		fmt.Fprint(out, help())
		return exitOK
	}

	if err == nil {
		err = t.call(ctx, words, socket)
	}

	if err != nil {
		fmt.Fprintln(errs, clean("patchctl: "+err.Error()))
	}

	return exitCode(err)
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

// exitCode sorts errors as doc.go says.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage), errors.Is(err, control.ErrRequest):
		return exitUsage
	case errors.Is(err, control.ErrUnreachable):
		return exitUnreachable
	case errors.Is(err, control.ErrReadOnly), errors.Is(err, control.ErrLimit):
		return exitRefused
	case errors.Is(err, control.ErrLost), errors.Is(err, context.Canceled):
		return exitFailed
	}

	switch patch.OutcomeOf(err) {
	case patch.OutcomeRefused:
		return exitRefused
	case patch.OutcomeTimeout:
		return exitTimeout
	}

	return exitFailed
}

// parse gives the words between the flags.
func (t *tool) parse(args []string, socket *string) (words []string, err error) {
	f := flag.NewFlagSet("patchctl", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(socket, "socket", *socket, "")
	f.BoolVar(&t.json, "json", !isTerminal(t.out), "")
	f.DurationVar(&t.request.Timeout, "timeout", 0, "")
	f.TextVar(&t.request.Mode, "mode", control.Mode(patch.PerSection), "")
	f.BoolVar(&t.request.NoWait, "nowait", false, "")
	f.BoolVar(&t.request.NoDepends, "nodeps", false, "")
	f.Func("domain", "", func(name string) error {
		t.request.Domains = append(t.request.Domains, name)
		return nil
	})

	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}

			return nil, fmt.Errorf("%w: %w", err, errUsage)
		}

		if args = f.Args(); len(args) == 0 {
			break
		}

		words, args = append(words, args[0]), args[1:]
	}

	if t.request.Timeout < 0 {
		return nil, fmt.Errorf("a timeout of %v: %w", t.request.Timeout, errUsage)
	}

	t.request.Everywhere = len(t.request.Domains) == 0

	return words, nil
}

// verbs are the ways to call the tool, and whether an argument comes after them.
var verbs = map[string]struct {
	argument bool
	do       func(*tool, context.Context, string) error
}{
	"list":    {false, (*tool).list},
	"get":     {true, (*tool).get},
	"upload":  {true, (*tool).upload},
	"load":    {true, (*tool).load},
	"apply":   {true, transition((*control.Client).Apply)},
	"revert":  {true, transition((*control.Client).Revert)},
	"replace": {true, transition((*control.Client).Replace)},
	"unload":  {true, (*tool).unload},
	"revoke":  {true, (*tool).revoke},

	"revoke-key": {true, (*tool).revokeKey},

	"watch":   {false, (*tool).watch},
	"status":  {false, (*tool).status},
	"domains": {false, (*tool).domains},
	"slots":   {false, (*tool).slots},
}

// tried are the verbs that can be tried without doing it.
var tried = map[string]bool{"apply": true, "revert": true, "replace": true, "load": true}

func (t *tool) call(ctx context.Context, words []string, socket string) error {
	wrong := func(format string, a ...any) error {
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, a...), errUsage)
	}

	if len(words) > 0 && words[0] == "dry-run" {
		words, t.request.DryRun = words[1:], true

		if len(words) == 0 || !tried[words[0]] {
			return wrong("dry-run is of apply, revert, replace or load")
		}
	}

	if len(words) == 0 {
		return wrong("what to do isn't said")
	}

	v, ok := verbs[words[0]]

	switch {
	case !ok:
		return wrong("%q is no verb", words[0])
	case v.argument && len(words) != 2:
		return wrong("%s takes one argument", words[0])
	case !v.argument && len(words) != 1:
		return wrong("%s takes no argument", words[0])
	case socket == "":
		return wrong("no socket: give -socket, or set VGRAFT_SOCKET")
	}

	if t.request.Timeout > 0 && words[0] != "watch" {
		var cancel context.CancelFunc

		ctx, cancel = context.WithTimeout(ctx, t.request.Timeout+grace)
		defer cancel()
	}

	t.client = control.Dial(socket)
	defer t.client.Close()

	defer t.progress(strings.Join(words, " "))()

	return v.do(t, ctx, append(words, "")[1])
}

// progress says on a terminal, once it lasts, that something is waited for.
func (t *tool) progress(what string) (stop func()) {
	if !isTerminal(t.err) || what == "watch" {
		return func() {}
	}

	var (
		start   = time.Now()
		done    = make(chan struct{})
		cleared = make(chan struct{})
	)

	go func() {
		defer close(cleared)

		for wait := t.patience; ; wait = time.Second {
			select {
			case <-done:
				if time.Since(start) >= t.patience {
					fmt.Fprint(t.err, "\r\x1b[K")
				}

				return
			case <-time.After(wait):
				fmt.Fprintf(t.err, "\r%s: %v", clean(what), time.Since(start).Round(t.patience))
			}
		}
	}()

	return func() { close(done); <-cleared }
}

// isTerminal says whether somebody looks: it is a device that takes characters.
func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}

	s, err := f.Stat()

	return err == nil && s.Mode()&fs.ModeCharDevice != 0
}

// clean takes out what a terminal would obey. Names and texts come from elsewhere.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}

		return r
	}, s)
}

// open gives the file, whole: one that can't be read is no reason to ask for anything.
func (t *tool) open(name string) (io.Reader, error) {
	if name == "-" {
		return t.in, nil
	}

	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}

	return bytes.NewReader(b), nil
}

func (t *tool) printJSON(v any) error { return json.NewEncoder(t.out).Encode(v) }
