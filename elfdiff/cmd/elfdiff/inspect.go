package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/internal/payload"
)

// inspected is what is said of a payload. The numbers of bytes are those in memory.
type inspected struct {
	File    string        `json:"file"`
	ID      string        `json:"id"`
	KeyID   string        `json:"keyID,omitempty"` // that the signature claims; verify says if it is right
	Size    int           `json:"size"`            // of the file
	Text    uint64        `json:"text"`
	Rodata  uint64        `json:"rodata"`
	Data    uint64        `json:"data"`
	Relocs  int           `json:"relocs"`
	Symbols []symbol      `json:"symbols"`
	Meta    *payload.Meta `json:"meta"`
}

type symbol struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Size uint64 `json:"size"`
}

func (t *tool) inspect(context.Context) error {
	content, err := t.read(t.args[0])
	if err != nil {
		return err
	}

	file, s, err := payload.Split(content)

	switch {
	case errors.Is(err, payload.ErrUnsigned):
		file = content
	case err != nil:
		return fmt.Errorf("%s: %w", t.args[0], err)
	}

	f, err := payload.Parse(file)
	if err != nil {
		return fmt.Errorf("%s: %w", t.args[0], err)
	}

	out := inspected{
		File: t.args[0], ID: f.ID, Size: len(content), Relocs: len(f.Relocs), Meta: &f.Meta,
		Text: f.Text.Size, Rodata: f.Rodata.Size, Data: f.Data.Size,
	}

	if s != nil {
		out.KeyID = s.KeyID.String()
	}

	kinds := map[payload.SymbolKind]string{payload.Func: "function", payload.Object: "object"}
	for _, s := range f.Symbols {
		out.Symbols = append(out.Symbols, symbol{s.Name, kinds[s.Kind], s.Size})
	}

	return t.say(out, "%s", out.text())
}

// text is for people: what it is for, what it does, and last what only who makes payloads
// wants to know.
func (i *inspected) text() string {
	var b strings.Builder

	line := func(name, format string, a ...any) { fmt.Fprintf(&b, "%-11s %s\n", name, fmt.Sprintf(format, a...)) }

	// Of a list, its name is said once.
	each := func(name string, lines []string) {
		for _, l := range lines {
			line(name, "%s", l)
			name = ""
		}
	}

	m := i.Meta
	line("name", "%s", m.Name)
	line("id", "%s", i.ID)
	line("for", "%s, %s, %s", m.Target.BuildID, m.Target.GoVersion, m.Target.Arch)
	each("on top of", m.Depends)

	if i.KeyID == "" {
		line("signed", "no")
	} else {
		line("signed", "claims key %s", i.KeyID)
	}

	line("from", "%s %s, %s", m.Provenance.Module, m.Provenance.Revision, m.Provenance.Toolchain)

	for _, k := range slices.Sorted(maps.Keys(m.Provenance.Flags)) {
		line("", "%s=%s", k, m.Provenance.Flags[k])
	}

	each("slots", lines(m.Slots, func(s payload.Slot) string { return fmt.Sprintf("%s: %s -> %s", s.Name, s.Impl, s.Func) }))
	each("changes", lines(m.Changes, func(c payload.Change) string { return c.Symbol + ": " + c.Reason }))
	each("accepted", m.Accepted)
	each("everywhere", lines(m.Words, word))
	each("redirects", lines(m.Entries, func(e payload.Entry) string { return e.Name }))
	each("fixups", lines(m.Fixups, word))
	each("runs", lines(m.Inits, func(n payload.Init) string { return "the initialisation of " + n.Package }))
	each("hooks", slices.Sorted(maps.Keys(m.Hooks)))
	each("expects", lines(m.Expect, func(e payload.ExpectBytes) string { return fmt.Sprintf("%s to be %x", e.Name, e.Bytes) }))
	each("functions", lines(i.Symbols, func(s symbol) string {
		if s.Kind != "function" {
			return ""
		}

		return fmt.Sprintf("%s, %d bytes", s.Name, s.Size)
	}))
	line("size", "%d bytes: text %d, rodata %d, data %d in memory; %d relocations", i.Size, i.Text, i.Rodata, i.Data, i.Relocs)

	return strings.TrimSuffix(b.String(), "\n")
}

func word(w payload.Word) string { return w.Kind + " " + w.Name }

// lines leaves out those that are empty.
func lines[T any](all []T, text func(T) string) []string {
	var out []string

	for _, v := range all {
		if l := text(v); l != "" {
			out = append(out, l)
		}
	}

	return out
}
