package acpi

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// dumpWidth is how many bytes are on a line of a dump.
const dumpWidth = 16

// WriteDump writes the set in the text format of acpidump, which acpixtract, fwts and
// ParseDump read. The addresses are those of an image at base 0, and so is what the root
// pointer and the lists say.
func (s *Set) WriteDump(w io.Writer) error {
	image, err := s.Image(Placement{Size: maxSetSize})
	if err != nil {
		return err
	}

	return image.WriteDump(w)
}

// WriteDump writes the image's tables in the text format of acpidump, with their addresses.
func (i *Image) WriteDump(w io.Writer) error {
	b := bufio.NewWriter(w)

	dumpTable(b, strings.TrimSpace(rsdpSignature), i.RSDP, i.Bytes[:rsdpSize2])

	for _, t := range i.Tables {
		dumpTable(b, t.Signature, t.Address, t.Bytes)
	}

	return b.Flush()
}

func dumpTable(w *bufio.Writer, name string, at uint64, b []byte) {
	fmt.Fprintf(w, "%s @ 0x%016X\n", name, at)

	for off := 0; off < len(b); off += dumpWidth {
		line := b[off:min(off+dumpWidth, len(b))]
		text := bytes.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '.'
			}

			return r
		}, ascii(line))

		fmt.Fprintf(w, "    %04X:", off)

		for _, v := range line {
			fmt.Fprintf(w, " %02X", v)
		}

		fmt.Fprintf(w, "%*s  %s\n", 3*(dumpWidth-len(line)), "", text)
	}

	_ = w.WriteByte('\n') // Flush gives the first error
}

// ascii replaces what isn't, byte by byte.
func ascii(b []byte) []byte {
	out := bytes.Clone(b)
	for i, v := range out {
		if v > '~' {
			out[i] = '.'
		}
	}

	return out
}

// IsDump says whether a file's bytes look like the text of acpidump.
func IsDump(b []byte) bool {
	first, _, _ := bytes.Cut(bytes.TrimLeft(b, " \t\r\n"), []byte("\n"))
	_, ok := dumpHead(string(bytes.TrimRight(first, "\r")))

	return ok
}

// dumpHead is the name of the table that a line of a dump begins.
func dumpHead(line string) (name string, ok bool) {
	name, at, ok := strings.Cut(line, " @ 0x")
	if !ok || name == "" || name[0] == ' ' || len(name) > len(rsdpSignature) {
		return "", false
	}

	_, err := strconv.ParseUint(strings.TrimSpace(at), 16, 64)

	return strings.TrimSpace(name), err == nil
}

// ParseDump reads the text of acpidump: all tables of it, the lists and the root pointer
// too. What is wrong with single tables goes to Problems; the error, which wraps ErrDump,
// is for text that isn't a dump.
func ParseDump(text []byte) (*Set, error) {
	var (
		s     = &Set{}
		name  string
		table []byte
		n     int
	)

	end := func() {
		if name != "" {
			s.parse(table, "")
		}

		name, table = "", nil
	}

	for raw := range bytes.Lines(text) {
		line := strings.TrimRight(string(raw), "\r\n")
		n++

		if head, ok := dumpHead(line); ok {
			end()
			name = head

			continue
		}

		switch {
		case strings.TrimSpace(line) == "":
			end()
		case name == "":
			return nil, fail("", n-1, ErrDump, "%.40q is in no table", line)
		default:
			b, err := dumpLine(line, len(table))
			if err != nil {
				return nil, fail(name, n-1, ErrDump, "%v", err)
			}

			table = append(table, b...)
		}
	}

	end()

	if n == 0 {
		return nil, fail("", 0, ErrDump, "empty")
	}

	return s, nil
}

var (
	errNoOffset = errors.New("a line of a table has no offset")
	errGap      = errors.New("a line is missing")
	errNoBytes  = errors.New("a line of a table has no bytes")
)

// dumpLine is the bytes of a line. After them come two spaces and the same as text.
func dumpLine(line string, want int) ([]byte, error) {
	offset, rest, ok := strings.Cut(strings.TrimLeft(line, " \t"), ":")
	if !ok {
		return nil, errNoOffset
	}

	off, err := strconv.ParseUint(offset, 16, 32)

	switch {
	case err != nil:
		return nil, errNoOffset
	case off != uint64(want):
		return nil, errGap
	}

	var out []byte

	for len(rest) >= 3 && len(out) < dumpWidth && rest[0] == ' ' {
		b, err := hex.DecodeString(rest[1:3])
		if err != nil {
			break
		}

		out, rest = append(out, b...), rest[3:]
	}

	if len(out) == 0 {
		return nil, errNoBytes
	}

	return out, nil
}
