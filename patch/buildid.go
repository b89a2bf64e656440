package patch

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"sync"
)

// BuildID is the identity of the program that runs: the same whenever this very build
// is started, another one for any other build. It is the Go build id, or, where the linker
// was given another one or none, or the system has no ELF files, the SHA-256 of the
// program's file; a prefix says which. Where neither can be read it is good for this
// process only, so that nothing ever takes it for another's.
//
// runtime/debug.ReadBuildInfo would not do: two builds of a changed working tree have the
// same.
func BuildID() string { return buildIDOnce() }

var buildIDOnce = sync.OnceValue(func() string {
	if f, err := openProgram(); err == nil {
		defer f.Close() // only read from

		if id, ok := fileBuildID(f); ok {
			return id
		}
	}

	return "process:" + rand.Text()
})

// openProgram opens the file that this process runs. On Linux that is not what its path
// leads to: an upgrade may have put another file there since.
func openProgram() (*os.File, error) {
	if runtime.GOOS == "linux" || runtime.GOOS == "android" {
		return os.Open("/proc/self/exe")
	}

	path, err := os.Executable()
	if err != nil {
		return nil, err
	}

	return os.Open(path)
}

// fileBuildID is BuildID for a file.
func fileBuildID(f interface {
	io.Reader
	io.ReaderAt
}) (string, bool) {
	if id, ok := goBuildID(f); ok {
		return "go:" + id, true
	}

	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", false
	}

	return "sha256:" + hex.EncodeToString(h.Sum(nil)), true
}

const (
	goNoteType = 4       // ELF_NOTE_GOBUILDID_TAG of cmd/internal/buildid
	maxNotes   = 1 << 20 // bytes of notes that are looked through
)

// goBuildID reads the build id from the notes of an ELF file. It goes by the program
// headers, which every program must have to run, and not by sections.
func goBuildID(r io.ReaderAt) (string, bool) {
	f, err := elf.NewFile(r)
	if err != nil {
		return "", false
	}

	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE || p.Filesz > maxNotes {
			continue
		}

		notes := make([]byte, p.Filesz)
		if _, err := io.ReadFull(p.Open(), notes); err != nil {
			continue
		}

		if id, ok := goBuildIDNote(notes, f.ByteOrder); ok {
			return id, true
		}
	}

	return "", false
}

// goBuildIDNote looks through notes: each has three words, the sizes of name and content
// and a type, and then both, padded to four bytes.
func goBuildIDNote(notes []byte, order binary.ByteOrder) (string, bool) {
	for len(notes) >= 12 {
		nameSize, size := uint64(order.Uint32(notes)), uint64(order.Uint32(notes[4:]))
		typ := order.Uint32(notes[8:])
		notes = notes[12:]

		at := (nameSize + 3) &^ 3
		if at+size > uint64(len(notes)) {
			return "", false
		}

		// The go command's ids have four parts, of which the last is a hash of the whole
		// program. What else there is says nothing of the build, such as a -buildid that
		// somebody chose.
		name, id := notes[:nameSize], notes[at:at+size]
		if typ == goNoteType && string(name) == "Go\x00\x00" && bytes.Count(id, []byte("/")) == 3 {
			return string(id), true
		}

		notes = notes[min(at+(size+3)&^3, uint64(len(notes))):]
	}

	return "", false
}
