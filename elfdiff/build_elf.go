package elfdiff

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// readInfo reads what a program says of itself, and refuses one that can't be a base.
func readInfo(file []byte) (BuildInfo, error) {
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return BuildInfo{}, fmt.Errorf("%w: %w", ErrNotGo, err)
	}

	bi, err := buildinfo.Read(bytes.NewReader(file))
	if err != nil {
		return BuildInfo{}, fmt.Errorf("%w: %w", ErrNotGo, err)
	}

	if missing := stripped(f); missing != "" {
		return BuildInfo{}, fmt.Errorf("%w: it has no %s", ErrStripped, missing)
	}

	info := BuildInfo{
		GoVersion: bi.GoVersion,
		Path:      bi.Path,
		Main:      bi.Main,
		Settings:  make(map[string]string, len(bi.Settings)),
		BuildID:   buildIDOf(file),
		PIE:       f.Type == elf.ET_DYN,
	}

	for _, d := range bi.Deps {
		info.Deps = append(info.Deps, module(d))
	}

	for _, s := range bi.Settings {
		info.Settings[s.Key] = s.Value
	}

	info.OS, info.Arch = info.Settings["GOOS"], info.Settings["GOARCH"]
	info.LDFlags = info.Settings["-ldflags"]

	return info, supported(&info)
}

// module is a copy that shares nothing with what it is made from.
func module(m *debug.Module) debug.Module {
	out := *m

	if m.Replace != nil {
		r := module(m.Replace)
		out.Replace = &r
	}

	return out
}

// stripped names what is missing of what strip and -ldflags=-s and -w take out.
func stripped(f *elf.File) string {
	switch {
	case f.Section(".symtab") == nil:
		return "symbols"
	case f.Section(".debug_info") == nil && f.Section(".zdebug_info") == nil:
		return "debug information"
	}

	return ""
}

// supported refuses kinds of programs that were never meant to be patched.
func supported(i *BuildInfo) error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrNotGo, fmt.Sprintf(format, a...))
	}

	switch mode := i.Settings["-buildmode"]; {
	case i.Path == "" || len(i.Settings) == 0:
		return bad("the go command hasn't recorded how it was built")
	case i.OS == "" || i.Arch == "":
		return bad("it doesn't record GOOS and GOARCH")
	case strings.HasSuffix(i.Path, ".test"):
		return bad("it is the test of a package")
	case i.Settings["-compiler"] != "gc" && i.Settings["-compiler"] != "":
		return bad("it was compiled by %s", i.Settings["-compiler"])
	case mode != "exe" && mode != "pie" && mode != "":
		return bad("-buildmode is %s, not exe or pie", mode)
	}

	return nil
}

// splitVersion takes the experiments off a version: "go1.26.8-X:jsonv2", which older
// toolchains wrote with a space.
func splitVersion(v string) (version, experiments string) {
	for _, sep := range []string{" X:", "-X:"} {
		if version, experiments, ok := strings.Cut(v, sep); ok {
			return version, experiments
		}
	}

	return v, ""
}

const (
	goNoteType = 4       // of the note that has the Go build id
	maxNotes   = 1 << 20 // bytes of notes that are looked through
)

// buildIDOf names the program as patch.BuildID does in the running process: by the Go build
// id, or without one by the SHA-256 of the file.
func buildIDOf(file []byte) string {
	if id := goBuildID(file); id != "" {
		return "go:" + id
	}

	sum := sha256.Sum256(file)

	return "sha256:" + hex.EncodeToString(sum[:])
}

// goBuildID reads the build id from the notes, or gives an empty string for a program that
// has none of the go command's four parts. It goes by program headers: they survive strip.
func goBuildID(file []byte) string {
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return ""
	}

	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE || p.Filesz > maxNotes {
			continue
		}

		notes := make([]byte, p.Filesz)
		if _, err := io.ReadFull(p.Open(), notes); err != nil {
			continue
		}

		if id := buildIDNote(notes, f.ByteOrder); id != "" {
			return id
		}
	}

	return ""
}

// buildIDNote looks through notes: sizes of name and content and a type, one word each,
// and then both, padded to words.
func buildIDNote(notes []byte, order binary.ByteOrder) string {
	const header = 12

	for len(notes) >= header {
		nameSize, size := uint64(order.Uint32(notes)), uint64(order.Uint32(notes[4:]))
		kind := order.Uint32(notes[8:])
		notes = notes[header:]

		at := (nameSize + 3) &^ 3
		if at+size > uint64(len(notes)) {
			return ""
		}

		id := string(notes[at : at+size])
		if kind == goNoteType && string(notes[:nameSize]) == "Go\x00\x00" && strings.Count(id, "/") == 3 {
			return id
		}

		notes = notes[min(at+(size+3)&^3, uint64(len(notes))):]
	}

	return ""
}
