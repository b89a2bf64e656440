package payload

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Errors of Marshal and Parse.
var (
	// ErrNotPayload is a file that is something else.
	ErrNotPayload = errors.New("not a payload")

	// ErrVersion is a payload of another version of the format.
	ErrVersion = errors.New("payload of another version")

	// ErrFormat is a payload that is malformed, or says what can't be.
	ErrFormat = errors.New("malformed payload")

	// ErrID is a payload that was changed since it was made.
	ErrID = errors.New("the payload's ID isn't that of its content")

	// ErrRange is a relocation whose target is out of its reach.
	ErrRange = errors.New("relocation out of reach")
)

// Parse reads what Marshal writes, without a signature, and nothing else: there is one
// spelling of each File. What it allocates is in proportion to the file. The File keeps
// nothing of it. The error is one of those above.
func Parse(file []byte) (*File, error) {
	r := &reader{file: file}

	f, err := r.read()
	if err != nil {
		return nil, err
	}

	// What was read is well-formed now. Everything that wasn't looked at, headers, padding,
	// the order of fields, has to be as Marshal would write it.
	again, err := f.Marshal()
	if err != nil {
		return nil, err
	}

	if !bytes.Equal(again, file) {
		return nil, wrong("not as it would be written")
	}

	return f, nil
}

// reader reads a hostile file. It looks at as little as it can.
type reader struct {
	file    []byte
	parts   [sections][]byte
	headers [sections][]byte
}

func (r *reader) read() (*File, error) {
	le := binary.LittleEndian

	if len(r.file) < headerSize || string(r.file[:4]) != elf.ELFMAG {
		return nil, ErrNotPayload
	}

	f := &File{}

	for arch, machine := range machines {
		if machine == elf.Machine(le.Uint16(r.file[18:])) {
			f.Arch = arch
		}
	}

	if f.Arch == "" || elf.Type(le.Uint16(r.file[16:])) != elf.ET_DYN || le.Uint16(r.file[60:]) != sections {
		return nil, fmt.Errorf("%w: another ELF file", ErrNotPayload)
	}

	if err := r.split(le.Uint64(r.file[40:])); err != nil {
		return nil, err
	}

	if err := r.identity(f); err != nil {
		return nil, err
	}

	if err := r.meta(f); err != nil {
		return nil, err
	}

	for i, s := range []*Segment{&f.Text, &f.Rodata, &f.Data} {
		b := r.parts[secText+i]
		*s = Segment{Addr: le.Uint64(r.headers[secText+i][16:]), Size: uint64(len(b))}

		if len(b) > 0 {
			s.Bytes = bytes.Clone(b)
		}
	}

	// A sum that overflows is an end below the begin, which check refuses.
	if n := le.Uint64(r.headers[secBss][32:]); n <= MaxImage {
		f.Data.Size += n
	} else {
		return nil, wrong("%d bytes of zeroes", n)
	}

	return f, r.symbols(f)
}

// split finds the sections. They follow each other, so that no byte is in two of them.
func (r *reader) split(table uint64) error {
	size := uint64(len(r.file))
	if table > size || size-table != sections*sectionSize {
		return fmt.Errorf("%w: no section headers at the end", ErrFormat)
	}

	le, last := binary.LittleEndian, uint64(headerSize)

	for i := range r.parts {
		h := r.file[table+uint64(i)*sectionSize:][:sectionSize]
		r.headers[i] = h

		if i == secNull || i == secBss {
			continue
		}

		off, n := le.Uint64(h[24:]), le.Uint64(h[32:])
		if off < last || off > table || n > table-off {
			return wrong("section %s of %d bytes at %#x", sectionNames[i], n, off)
		}

		r.parts[i] = r.file[off : off+n : off+n]
		last = off + n
	}

	return nil
}

// note gives the content of the note that a section consists of.
func (r *reader) note(i, owner int) ([]byte, error) {
	b, le := r.parts[i], binary.LittleEndian
	if len(b) < noteSize+owner {
		return nil, wrong("no note in %s", sectionNames[i])
	}

	if n := le.Uint32(b[4:]); uint64(n) <= uint64(len(b)-noteSize-owner) {
		return b[noteSize+owner:][:n], nil
	}

	return nil, wrong("note in %s", sectionNames[i])
}

func (r *reader) identity(f *File) error {
	id, err := r.note(secID, len(idOwner))
	if err != nil {
		return err
	}

	if len(id) != IDSize {
		return wrong("ID of %d bytes", len(id))
	}

	at := int(binary.LittleEndian.Uint64(r.headers[secID][24:])) + noteSize + len(idOwner)
	if want := identify(r.file, at); !bytes.Equal(id, want[:]) {
		return ErrID
	}

	f.ID = hex.EncodeToString(id)

	return nil
}

func (r *reader) meta(f *File) error {
	text, err := r.note(secMeta, len(metaOwner))
	if err != nil {
		return err
	}

	// The version comes first: another one may have other fields.
	var v struct {
		Format int `json:"format"`
	}

	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}

	if v.Format != format {
		return fmt.Errorf("%w: %d, not %d", ErrVersion, v.Format, format)
	}

	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()

	if err := d.Decode(&f.Meta); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}

	return nil
}
