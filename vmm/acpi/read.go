package acpi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
)

// HostTables is where Linux shows the tables of the host; root may read them.
const HostTables = "/sys/firmware/acpi/tables"

// What is read at most.
const (
	maxTableSize = 16 << 20
	maxSetSize   = 64 << 20
	maxTables    = 4096
)

// ReadHost reads the tables of the Linux host that this runs on, those that were loaded
// later too. Like any of the machine's files they are not to be trusted.
func ReadHost() (*Set, error) { return ParseDir(os.DirFS(HostTables)) }

// ParseDir reads the files of a directory, each one table, in the order of their names,
// then those in its directory "dynamic": it has the form of HostTables. What is wrong with
// single tables goes to Problems; the error is that a file can't be read or is too large.
func ParseDir(fsys fs.FS) (*Set, error) {
	s := &Set{}

	for _, dir := range []string{".", "dynamic"} {
		entries, err := fs.ReadDir(fsys, dir)
		if err != nil && dir != "." && errors.Is(err, fs.ErrNotExist) {
			continue
		}

		if err != nil {
			return nil, &Error{Table: dir, Err: err}
		}

		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue
			}

			name := path.Join(dir, e.Name())

			b, err := readFile(fsys, name)
			if err != nil {
				return nil, &Error{Table: name, Err: err}
			}

			if s.parse(b, name); len(s.Tables)+len(s.Problems) > maxTables {
				return nil, fail(name, 0, ErrLength, "more than %d tables", maxTables)
			}
		}
	}

	return s, nil
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()

	b, err := io.ReadAll(io.LimitReader(f, maxTableSize+1))
	if err == nil && len(b) > maxTableSize {
		err = ErrLength
	}

	return b, err
}

// FindRSDP looks for the root pointer at multiples of 16 from start to before end, as
// systems without EFI do from 0xe0000 to 0x100000. The error wraps ErrNotFound, or is the
// reader's.
func FindRSDP(memory io.ReaderAt, start, end uint64) (uint64, error) {
	const step, chunk = 16, 4096

	b := make([]byte, chunk+rsdpSize2)

	for at := (start + step - 1) &^ (step - 1); at < end; {
		n := min(end-at, chunk)

		got, err := readAt(memory, b[:min(n+rsdpSize2, end-at)], at)
		if err != nil && got < rsdpSize0 {
			return 0, &Error{Table: rsdpSignature, Err: err}
		}

		for off := 0; off < int(n) && off+rsdpSize0 <= got; off += step {
			if bytes.HasPrefix(b[off:got], []byte(rsdpSignature)) && checksum(b[off:off+rsdpSize0]) == 0 {
				return at + uint64(off), nil
			}
		}

		at += chunk
	}

	return 0, fail(rsdpSignature, 0, ErrNotFound, "in [%#x, %#x)", start, end)
}

func readAt(memory io.ReaderAt, b []byte, at uint64) (int, error) {
	if at > math.MaxInt64-uint64(len(b)) {
		return 0, ErrNotFound
	}

	n, err := memory.ReadAt(b, int64(at))
	if n == len(b) {
		err = nil
	}

	return n, err
}

// ParseMemory follows the root pointer at an address of guest memory, and gives it with all
// tables it leads to. What is wrong with single tables goes to Problems; the error is for
// the root pointer and the list.
func ParseMemory(memory io.ReaderAt, rsdp uint64) (*Set, error) {
	w := &walker{memory: memory, set: &Set{}, seen: map[uint64]bool{}, room: maxSetSize}

	b := make([]byte, rsdpSize2)
	if n, err := readAt(memory, b, rsdp); n < rsdpSize0 {
		return nil, &Error{Table: rsdpSignature, Err: err}
	}

	if b[15] < 2 {
		b = b[:rsdpSize0]
	}

	root := &RSDP{}
	if err := root.UnmarshalBinary(b); err != nil && !isChecksum(err) {
		return nil, err
	}

	w.set.parse(b, "")

	list, at := "XSDT", root.XSDTAddress
	if at == 0 {
		list, at = "RSDT", uint64(root.RSDTAddress)
	}

	t, err := w.table(at)

	switch t := t.(type) {
	case nil:
		return nil, err
	case *XSDT:
		for _, e := range t.Entries {
			w.follow(e)
		}
	case *RSDT:
		for _, e := range t.Entries {
			w.follow(uint64(e))
		}
	default:
		return nil, fail(list, 0, ErrSignature, "%q at %#x", t.Signature(), at)
	}

	if err != nil {
		w.set.Problems = append(w.set.Problems, err)
	}

	return w.set, nil
}

// walker reads tables out of memory.
type walker struct {
	memory io.ReaderAt
	set    *Set
	seen   map[uint64]bool
	room   int // how many bytes may still be read
}

// table reads one and adds it to the set.
func (w *walker) table(at uint64) (Table, error) {
	if w.seen[at] || at == 0 {
		return nil, fail("", 0, ErrNotFound, "address %#x", at)
	}

	w.seen[at] = true

	var head [8]byte
	if _, err := readAt(w.memory, head[:], at); err != nil {
		return nil, fail("", 0, ErrNotFound, "address %#x: %v", at, err)
	}

	size := binary.LittleEndian.Uint32(head[4:])
	if size < 8 || size > maxTableSize || int(size) > w.room || len(w.seen) > maxTables {
		return nil, fail(string(head[:4]), 4, ErrLength, "%d bytes at %#x", size, at)
	}

	w.room -= int(size)
	b := make([]byte, size)

	if _, err := readAt(w.memory, b, at); err != nil {
		return nil, fail(string(head[:4]), 0, ErrTruncated, "%d bytes at %#x: %v", size, at, err)
	}

	t, err := Parse(b)
	if t != nil {
		w.set.Tables = append(w.set.Tables, t)
	}

	return t, err
}

// follow reads a table of the list, and those that it points to.
func (w *walker) follow(at uint64) {
	if w.seen[at] || at == 0 {
		return
	}

	t, err := w.table(at)
	if err != nil {
		w.set.Problems = append(w.set.Problems, err)
	}

	fadt, ok := t.(*FADT)
	if !ok {
		return
	}

	facs, dsdt := fadt.XFirmwareCtrl, fadt.XDSDT
	if facs == 0 {
		facs = uint64(fadt.FirmwareCtrl)
	}

	if dsdt == 0 {
		dsdt = uint64(fadt.DSDT)
	}

	w.follow(facs)
	w.follow(dsdt)
}
