package main

import (
	"context"
	"flag"
	"io"
	"os"

	"github.com/vgraft/vgraft/elfdiff"
)

// sourceFlags say where a program's source is.
type sourceFlags struct {
	dir, command, overlay, ldflags, profile string
	packages, flags                         list
}

func (s *sourceFlags) add(f *flag.FlagSet) {
	f.StringVar(&s.dir, "dir", "", "")
	f.StringVar(&s.command, "go", "", "")
	f.StringVar(&s.overlay, "overlay", "", "")
	f.StringVar(&s.ldflags, "ldflags", "", "")
	f.StringVar(&s.profile, "pgo", "", "")
	f.Var(&s.packages, "package", "")
	f.Var(&s.flags, "flag", "")
}

func (s *sourceFlags) options() elfdiff.OpenOptions {
	return elfdiff.OpenOptions{
		Dir: s.dir, Packages: s.packages, GoCommand: s.command, Flags: s.flags,
		Overlay: s.overlay, LDFlags: s.ldflags, Profile: s.profile,
	}
}

// bundled is what is said of a bundle.
type bundled struct {
	File    string            `json:"file"`
	Size    int64             `json:"size"` // bytes
	Objects int               `json:"objects"`
	Info    elfdiff.BuildInfo `json:"info"`
}

func (t *tool) bundle(ctx context.Context) error {
	if t.output == "" {
		return usage("bundle: -o is missing")
	}

	b, err := elfdiff.Open(ctx, t.args[0], t.source.options())
	if err != nil {
		return err
	}

	if err := write(t.output, func(w io.Writer) error { return b.WriteBundle(w) }); err != nil {
		return err
	}

	s, err := os.Stat(t.output)
	if err != nil {
		return err
	}

	return t.say(bundled{File: t.output, Size: s.Size(), Objects: len(b.Objects), Info: b.Info},
		"%s: %s, %s, %s/%s, %d objects, %d kB", t.output, b.Info.Path, b.Info.GoVersion, b.Info.OS, b.Info.Arch, len(b.Objects), s.Size()/1000)
}
