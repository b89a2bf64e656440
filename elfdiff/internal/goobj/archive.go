// Package goobj reads what the Go compiler writes: archives of object files, as they lie
// in the build cache. It knows the format of Go 1.26 and 1.27, whose magic is "go120ld",
// and takes every file as hostile: whatever is in it, reading gives an error or bounded
// views of the file's own bytes.
//
// An object has symbols in five groups (see Group), each with data, relocations and
// auxiliary symbols. Symbols refer to each other by the index of a package and an index in
// it, or by name.
package goobj

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// FormatError is a file that isn't what the compiler writes.
type FormatError struct {
	Member string // of the archive; empty for the archive itself
	Offset int    // in the member, of what is wrong
	What   string
}

func (e *FormatError) Error() string {
	if e.Member == "" {
		return fmt.Sprintf("archive, offset %d: %s", e.Offset, e.What)
	}

	return fmt.Sprintf("object %s, offset %d: %s", e.Member, e.Offset, e.What)
}

const (
	archiveMagic = "!<arch>\n"
	headerSize   = 60 // of a member
	exportData   = "__.PKGDEF"
)

// Members calls f for each member of an archive, with the name and content. It stops at
// the first error.
func Members(archive []byte, f func(name string, content []byte) error) error {
	if !bytes.HasPrefix(archive, []byte(archiveMagic)) {
		return &FormatError{What: "not an archive"}
	}

	for at := len(archiveMagic); at < len(archive); {
		if len(archive)-at < headerSize {
			return &FormatError{Offset: at, What: "half a header of a member"}
		}

		h := archive[at : at+headerSize]
		name := strings.TrimSpace(string(h[:16]))

		size, err := strconv.ParseUint(strings.TrimSpace(string(h[48:58])), 10, 32)
		if err != nil || string(h[58:]) != "`\n" {
			return &FormatError{Offset: at, What: "a header of a member that is none"}
		}

		at += headerSize
		if size > uint64(len(archive)-at) {
			return &FormatError{Member: name, Offset: at, What: fmt.Sprintf("%d bytes, and the archive has %d more", size, len(archive)-at)}
		}

		if err := f(name, archive[at:at+int(size):at+int(size)]); err != nil {
			return err
		}

		at += int(size) + int(size)&1
	}

	return nil
}

// ReadArchive reads the objects of a package: one that the compiler wrote, and one for
// each assembly file. What was compiled from C is listed as foreign.
func ReadArchive(archive []byte) (objects []*Object, foreign []string, err error) {
	err = Members(archive, func(name string, content []byte) error {
		if name == exportData {
			return nil
		}

		start, ok := objectStart(content)
		if !ok {
			foreign = append(foreign, name)
			return nil
		}

		o, err := read(name, content[start:])
		if err != nil {
			return err
		}

		o.Toolchain, _, _ = strings.Cut(string(content), "\n")
		objects = append(objects, o)

		return nil
	})
	if err != nil {
		return nil, nil, err
	}

	return objects, foreign, nil
}

// objectStart finds the object in a member: after a text header that ends with a line of
// an exclamation mark alone, and up to 16 bytes of padding.
func objectStart(content []byte) (at int, ok bool) {
	if !bytes.HasPrefix(content, []byte("go object ")) {
		return 0, false
	}

	end := bytes.Index(content, []byte("\n!\n"))
	if end < 0 {
		return 0, false
	}

	end += 3

	pad := bytes.Index(content[end:min(len(content), end+16+len(objectMagic))], []byte(objectMagic))
	if pad < 0 {
		return 0, false
	}

	return end + pad, true
}
