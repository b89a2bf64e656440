package elfdiff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// overlayFile is the file of -overlay. A replacement that is empty is a file that isn't there.
type overlayFile struct{ Replace map[string]string }

// readOverlay takes over what the author has replaced.
func (s *source) readOverlay() error {
	s.overlay = map[string]string{}

	name := s.o.Overlay
	if f := lastFlag(s.flags, "overlay"); f != "" {
		return fmt.Errorf("%w: -overlay is among Flags; it belongs into Overlay", errFlag)
	}

	if name == "" {
		return nil
	}

	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("overlay: %w", err)
	}

	var o overlayFile
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("overlay %s: %w", name, err)
	}

	for from, to := range o.Replace {
		if to != "" {
			to = s.under(to)
		}

		s.overlay[s.under(from)] = to
	}

	return nil
}

// under makes a name absolute, as the go command does that runs in its directory.
func (s *source) under(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}

	return filepath.Join(s.dir, name)
}

// writeOverlay adds the flag, if anything is replaced.
func (s *source) writeOverlay() error {
	if len(s.overlay) == 0 {
		return nil
	}

	text, err := json.Marshal(overlayFile{Replace: s.overlay})
	if err != nil {
		return err
	}

	name := filepath.Join(s.tmp, "overlay.json")
	s.flags = append(s.flags, "-overlay="+name)

	return os.WriteFile(name, text, 0o600)
}

// content reads a file as the go command would see it.
func (s *source) content(name string) ([]byte, error) {
	to, ok := s.overlay[name]

	switch {
	case ok && to == "":
		return nil, fs.ErrNotExist
	case ok:
		name = to
	}

	return os.ReadFile(name)
}

// replace puts a content in the place of a file; nil is that the file isn't there.
func (s *source) replace(name string, content []byte) error {
	if content == nil {
		s.overlay[name] = ""
		return nil
	}

	// Its own name, with which the compiler never sees it, only tells people what it is.
	to := filepath.Join(s.tmp, "overlay-"+strconv.Itoa(len(s.overlay))+"-"+filepath.Base(name))
	s.overlay[name] = to

	return os.WriteFile(to, content, 0o600)
}

// apply puts the files that a patch makes in the place of those of the tree.
func (s *source) apply(ctx context.Context, p SourcePatch) error {
	files, err := parseDiff(p.Diff)
	if err != nil {
		return err
	}

	root, direct, err := s.root(ctx, p.Root)
	if err != nil {
		return err
	}

	changed := false

	for _, f := range files {
		if strings.HasSuffix(f.name(), "_test.go") {
			continue
		}

		if changed = true; direct {
			err = f.applyTo(root, os.ReadFile, writeOrRemove)
		} else {
			err = f.applyTo(root, s.content, s.replace)
		}

		if err != nil {
			return err
		}
	}

	if !changed {
		return fmt.Errorf("%w: it changes no file that a program contains", ErrPatchFile)
	}

	return nil
}

// writeOrRemove is replace for a copy that is ours.
func writeOrRemove(name string, content []byte) error {
	if content == nil {
		return os.Remove(name)
	}

	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}

	return os.WriteFile(name, content, 0o600)
}

// applyTo applies the part of a patch that is about one file.
func (f *fileDiff) applyTo(root string, read func(string) ([]byte, error), write func(string, []byte) error) error {
	var (
		content []byte
		err     error
		from    = filepath.Join(root, filepath.FromSlash(f.from))
		to      = filepath.Join(root, filepath.FromSlash(f.to))
	)

	if f.from != "" {
		if content, err = read(from); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrPatchFile, f.from, err)
		}
	} else if _, err := read(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is new, and there already", ErrPatchFile, f.to)
	}

	if content, err = f.apply(content); err != nil {
		return err
	}

	if f.to == "" {
		if len(content) > 0 {
			return fmt.Errorf("%w: %s is deleted, but it has more lines than the patch takes out", ErrPatchFile, f.from)
		}

		return write(from, nil)
	}

	if err := write(to, content); err != nil || f.from == "" || f.from == f.to || f.copied {
		return err
	}

	return write(from, nil)
}
