package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/internal/payload"
)

// built is what is said of a payload that was made, or of one that can't be.
type built struct {
	File   string          `json:"file,omitempty"`
	Size   int             `json:"size,omitempty"` // bytes
	KeyID  string          `json:"keyID,omitempty"`
	Report *elfdiff.Report `json:"report"`
}

func (t *tool) build(ctx context.Context) error {
	if t.output == "" {
		return usage("build: -o is missing")
	}

	r, err := t.compare(ctx)
	if err != nil {
		return err
	}

	b := built{Report: r}

	if len(r.Refusals) > 0 {
		if err := t.sayBuilt(b); err != nil {
			return err
		}

		return fmt.Errorf("%w: %d reasons", errRefused, len(r.Refusals))
	}

	content, err := r.Payload(elfdiff.PayloadOptions{Name: t.name})
	if err != nil {
		return err
	}

	if t.key != "" {
		if content, b.KeyID, err = signWith(t.key, content); err != nil {
			return err
		}
	}

	if err := write(t.output, func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil {
		return err
	}

	b.File, b.Size = t.output, len(content)

	return t.sayBuilt(b)
}

// signWith signs with the key in a file.
func signWith(name string, content []byte) (signed []byte, id string, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, "", err
	}

	key, err := payload.ReadPrivateKey(text)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}

	if signed, err = payload.Sign(content, key); err != nil {
		return nil, "", err
	}

	_, s, err := payload.Split(signed)
	if err != nil {
		return nil, "", err
	}

	return signed, s.KeyID.String(), nil
}

func (t *tool) sayBuilt(b built) error {
	if t.json {
		return json.NewEncoder(t.out).Encode(b)
	}

	if err := t.report(b.Report); err != nil || b.File == "" {
		return err
	}

	how := "not signed"
	if b.KeyID != "" {
		how = "signed with key " + b.KeyID
	}

	return t.say(nil, "%s: %d bytes, %s", b.File, b.Size, how)
}

func (t *tool) coverage(ctx context.Context) error {
	base, err := t.open(ctx, t.args[0], t.source.dir)
	if err != nil {
		return err
	}

	r, err := elfdiff.Coverage(base, elfdiff.CoverageOptions{Packages: t.only, From: t.from, Inside: t.inside})
	if err != nil {
		return err
	}

	if t.json {
		return json.NewEncoder(t.out).Encode(r)
	}

	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		return err
	}

	_, err = io.WriteString(t.out, clean(b.String()))

	return err
}
