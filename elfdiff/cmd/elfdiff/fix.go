package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/vgraft/vgraft/elfdiff"
)

// fixFlags say what the fix is, and what is risked for it.
type fixFlags struct {
	baseDir, fixed, keep            string
	patches, modules, accept, below list
	expect                          map[string][]byte
	processWide                     bool
}

func (x *fixFlags) add(f *flag.FlagSet) {
	f.StringVar(&x.baseDir, "base-dir", "", "")
	f.StringVar(&x.fixed, "fixed", "", "")
	f.Var(&x.patches, "patch", "")
	f.Var(&x.modules, "module", "")
	f.StringVar(&x.keep, "keep", "", "")
	f.Var(&x.accept, "accept", "")
	f.Var(&x.below, "below", "")
	f.Func("expect", "", x.addExpect)
	f.BoolVar(&x.processWide, "process-wide", false, "")
}

// addExpect reads SYMBOL=HEX.
func (x *fixFlags) addExpect(s string) error {
	name, text, _ := strings.Cut(s, "=")

	b, err := hex.DecodeString(text)
	if name == "" || len(b) == 0 || err != nil {
		return errors.New("not SYMBOL=HEX")
	}

	if x.expect[name] != nil {
		return fmt.Errorf("%s is there twice", name)
	}

	if x.expect == nil {
		x.expect = map[string][]byte{}
	}

	x.expect[name] = b

	return nil
}

// open gives a build: from a bundle, or of a program whose source is in a directory.
func (t *tool) open(ctx context.Context, name, dir string) (*elfdiff.Build, error) {
	if is, err := isBundle(name); err != nil {
		return nil, err
	} else if is {
		return elfdiff.ReadBundle(name)
	}

	o := t.source.options()
	o.Dir, o.Overlay = dir, "" // which is the fix's

	return elfdiff.Open(ctx, name, o)
}

func isBundle(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close() // only read from

	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)

	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // short; Open will say what it isn't
		err = nil
	}

	return elfdiff.IsBundle(head[:n]), err
}

// fixed gives the build with the fix.
func (t *tool) fixed(ctx context.Context, base *elfdiff.Build) (*elfdiff.Build, error) {
	if t.fix.fixed != "" {
		if len(t.fix.patches)+len(t.fix.modules) > 0 || t.source.overlay != "" {
			return nil, usage("-fixed is a program that is built already: no -patch, -module or -overlay")
		}

		return t.open(ctx, t.fix.fixed, t.source.dir)
	}

	o := elfdiff.SourceOptions{
		Base: base, Dir: t.source.dir, Packages: t.source.packages, GoCommand: t.source.command,
		Flags: t.source.flags, Overlay: t.source.overlay, Modules: t.fix.modules,
	}

	for _, p := range t.fix.patches {
		root, name, ok := strings.Cut(p, "=")
		if !ok {
			root, name = "", p
		}

		text, err := t.read(name)
		if err != nil {
			return nil, err
		}

		o.Patches = append(o.Patches, elfdiff.SourcePatch{Name: name, Diff: text, Root: root})
	}

	return elfdiff.FromSource(ctx, o)
}

// compare compares the base with the fix.
func (t *tool) compare(ctx context.Context) (*elfdiff.Report, error) {
	base, err := t.open(ctx, t.args[0], t.fix.baseDir)
	if err != nil {
		return nil, err
	}

	fixed, err := t.fixed(ctx, base)
	if err != nil {
		return nil, err
	}

	if t.fix.keep != "" {
		if err := write(t.fix.keep, fixed.WriteBundle); err != nil {
			return nil, err
		}
	}

	stack, err := t.stack()
	if err != nil {
		return nil, err
	}

	return elfdiff.Diff(ctx, base, fixed, elfdiff.Options{ProcessWide: t.fix.processWide, Accept: t.fix.accept, Expect: t.fix.expect, Stack: stack})
}

// stack reads what is applied already.
func (t *tool) stack() ([]elfdiff.Layer, error) {
	var out []elfdiff.Layer

	for _, b := range t.fix.below {
		file, bundle, ok := strings.Cut(b, "=")
		if !ok {
			return nil, usage("-below PAYLOAD=BUNDLE: of the fixed program that the payload was made from; see -keep")
		}

		content, err := t.read(file)
		if err != nil {
			return nil, err
		}

		build, err := elfdiff.ReadBundle(bundle)
		if err != nil {
			return nil, err
		}

		out = append(out, elfdiff.Layer{Payload: content, Build: build})
	}

	return out, nil
}

// report prints one, as JSON or for people. Its names come from the programs.
func (t *tool) report(r *elfdiff.Report) error {
	if t.json {
		return json.NewEncoder(t.out).Encode(r)
	}

	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		return err
	}

	_, err := io.WriteString(t.out, clean(b.String()))

	return err
}

func (t *tool) diff(ctx context.Context) error {
	r, err := t.compare(ctx)
	if err != nil {
		return err
	}

	if err = t.report(r); err == nil && len(r.Refusals) > 0 {
		return fmt.Errorf("%w: %d reasons", errRefused, len(r.Refusals))
	}

	return err
}
