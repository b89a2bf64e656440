package program

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
)

// maxSection bounds what is read of a section of an ELF file, in bytes.
const maxSection = 1 << 30

// Image is the memory of a program as its ELF file has it, before it runs.
type Image struct {
	Arch string // "amd64" or "arm64"
	PIE  bool   // it may be loaded anywhere: addresses are relative

	Text, EText   uint64 // what offsets of functions are counted from, and the end
	Types, ETypes uint64 // the same for types and names
	Low, High     uint64 // all of the memory

	Symbols []ELFSymbol // by address, then name

	file     *elf.File
	sections []section
	byName   map[string]int // index into Symbols; -1 is several of that name
}

// ELFSymbol is a symbol of the file's own table.
type ELFSymbol struct {
	Name       string
	Addr, Size uint64
	Text       bool
	Abs        bool
}

type section struct {
	addr, size uint64
	data       []byte // nil is zeroes
	write      bool
	exec       bool
}

// ErrImage is an ELF file that isn't a Go program of a supported kind.
var ErrImage = errors.New("not a linked Go program for amd64 or arm64")

// OpenImage reads an ELF file. Stripped ones are refused: the addresses of their symbols
// are nowhere.
func OpenImage(file []byte) (*Image, error) {
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}

	m := &Image{file: f, byName: map[string]int{}, Low: ^uint64(0)}

	switch f.Machine {
	case elf.EM_X86_64:
		m.Arch = "amd64"
	case elf.EM_AARCH64:
		m.Arch = "arm64"
	default:
		return nil, fmt.Errorf("%w: machine %v", ErrImage, f.Machine)
	}

	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return nil, fmt.Errorf("%w: %v %v %v", ErrImage, f.Class, f.Data, f.Type)
	}

	m.PIE = f.Type == elf.ET_DYN

	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			m.Low, m.High = min(m.Low, p.Vaddr), max(m.High, p.Vaddr+p.Memsz)
		}
	}

	if err := m.readSections(); err != nil {
		return nil, err
	}

	if err := m.readSymbols(); err != nil {
		return nil, err
	}

	return m, nil
}

func (m *Image) readSections() error {
	for _, s := range m.file.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_TLS != 0 && s.Type == elf.SHT_NOBITS {
			continue
		}

		x := section{addr: s.Addr, size: s.Size, write: s.Flags&elf.SHF_WRITE != 0, exec: s.Flags&elf.SHF_EXECINSTR != 0}

		if s.Type != elf.SHT_NOBITS {
			if s.Size > maxSection || s.Flags&elf.SHF_COMPRESSED != 0 {
				return fmt.Errorf("%w: section %s of %d bytes", ErrImage, s.Name, s.Size)
			}

			d, err := readSection(s)
			if err != nil {
				return fmt.Errorf("%w: section %s: %w", ErrImage, s.Name, err)
			}

			x.data = d
		}

		m.sections = append(m.sections, x)
	}

	sort.Slice(m.sections, func(i, j int) bool { return m.sections[i].addr < m.sections[j].addr })

	if m.PIE {
		return m.relocate()
	}

	return nil
}

// readSection reads no more than the file has, whatever the section claims.
func readSection(s *elf.Section) ([]byte, error) {
	var b bytes.Buffer

	n, err := io.Copy(&b, io.LimitReader(s.Open(), maxSection))
	if err == nil && uint64(n) != s.Size {
		err = io.ErrUnexpectedEOF
	}

	return b.Bytes(), err
}

// relocate puts in the addresses that the dynamic loader would: of a program that is
// loaded at 0.
func (m *Image) relocate() error {
	const relative, relativeARM64 = 8, 1027

	for _, s := range m.file.Sections {
		if s.Type != elf.SHT_RELA || s.Flags&elf.SHF_ALLOC == 0 || s.Size > maxSection {
			continue
		}

		d, err := readSection(s)
		if err != nil {
			return fmt.Errorf("%w: section %s: %w", ErrImage, s.Name, err)
		}

		for ; len(d) >= 24; d = d[24:] {
			if t := uint32(binary.LittleEndian.Uint64(d[8:])); t != relative && t != relativeARM64 {
				continue
			}

			if b := m.Bytes(binary.LittleEndian.Uint64(d), 8); b != nil {
				copy(b, d[16:24])
			}
		}
	}

	return nil
}

func (m *Image) readSymbols() error {
	syms, err := m.file.Symbols()
	if err != nil {
		return fmt.Errorf("%w: its symbols: %w", ErrImage, err)
	}

	for _, s := range syms {
		t := elf.ST_TYPE(s.Info)
		if s.Name == "" || s.Section == elf.SHN_UNDEF || t == elf.STT_SECTION || t == elf.STT_FILE || t == elf.STT_TLS {
			continue
		}

		m.Symbols = append(m.Symbols, ELFSymbol{
			Name: s.Name, Addr: s.Value, Size: s.Size,
			Text: t == elf.STT_FUNC, Abs: s.Section >= elf.SHN_LORESERVE,
		})
	}

	sort.Slice(m.Symbols, func(i, j int) bool {
		a, b := m.Symbols[i], m.Symbols[j]
		if a.Addr != b.Addr {
			return a.Addr < b.Addr
		}

		return a.Name < b.Name
	})

	for i, s := range m.Symbols {
		if _, dup := m.byName[s.Name]; dup {
			m.byName[s.Name] = -1
			continue
		}

		m.byName[s.Name] = i
	}

	for _, x := range []struct {
		name string
		to   *uint64
	}{{"runtime.text", &m.Text}, {"runtime.etext", &m.EText}, {"runtime.types", &m.Types}, {"runtime.etypes", &m.ETypes}} {
		s, ok := m.Lookup(x.name)
		if !ok {
			return fmt.Errorf("%w: it has no symbol %s", ErrImage, x.name)
		}

		*x.to = s.Addr
	}

	return nil
}

// tableName is what the linker calls a symbol in the table of the ELF file: in the names of
// types that are declared in functions it replaces the dot before their number.
func tableName(name string) string { return strings.ReplaceAll(name, "·", ".") }

// Lookup finds a symbol of the table that is the only one of its name.
func (m *Image) Lookup(name string) (ELFSymbol, bool) {
	i, ok := m.byName[tableName(name)]
	if !ok || i < 0 {
		return ELFSymbol{}, false
	}

	return m.Symbols[i], true
}

// At lists the symbols of the table that begin at an address.
func (m *Image) At(addr uint64) []ELFSymbol {
	i := sort.Search(len(m.Symbols), func(i int) bool { return m.Symbols[i].Addr >= addr })

	j := i
	for j < len(m.Symbols) && m.Symbols[j].Addr == addr {
		j++
	}

	return m.Symbols[i:j]
}

// Bytes is the memory at an address as the file has it; nil is none, or zeroes.
func (m *Image) Bytes(addr, n uint64) []byte {
	s := m.section(addr)
	if s == nil || s.data == nil || addr-s.addr > uint64(len(s.data)) || n > uint64(len(s.data))-(addr-s.addr) {
		return nil
	}

	return s.data[addr-s.addr:][:n:n]
}

// maxString bounds the strings that String reads, in bytes.
const maxString = 1 << 20

// String reads the string variable at an address; empty is also that it can't be read.
func (m *Image) String(addr uint64) string {
	h := m.Bytes(addr, 16)
	if h == nil {
		return ""
	}

	n := binary.LittleEndian.Uint64(h[8:])
	if n > maxString {
		return ""
	}

	return string(m.Bytes(binary.LittleEndian.Uint64(h), n))
}

// section is the one that an address lies in; nil is none.
func (m *Image) section(addr uint64) *section {
	i := sort.Search(len(m.sections), func(i int) bool { return m.sections[i].addr > addr })
	for i--; i >= 0; i-- { // empty ones share an address
		if s := &m.sections[i]; addr-s.addr < s.size {
			return s
		}

		if m.sections[i].size > 0 {
			break
		}
	}

	return nil
}

// Executable says whether an address is code.
func (m *Image) Executable(addr uint64) bool {
	s := m.section(addr)
	return s != nil && s.exec
}

// Field is where a field of a struct lies, in bytes.
type Field struct{ Offset, Size int64 }

// maxEnds bounds the lists of entries that end in one place. Of information that is cut off in
// the middle of a number, the reader gives ends without end.
const maxEnds = 1 << 16

// Struct reads the layout of a struct of the program from its debugging information.
func (m *Image) Struct(names ...string) (map[string]map[string]Field, map[string]int64, error) {
	d, err := m.file.DWARF()
	if err != nil {
		return nil, nil, fmt.Errorf("debugging information: %w", err)
	}

	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}

	fields, sizes := map[string]map[string]Field{}, map[string]int64{}

	ends := 0 // in a row

	for r := d.Reader(); len(want) > 0; {
		e, err := r.Next()
		if err != nil || e == nil || ends > maxEnds {
			return nil, nil, fmt.Errorf("debugging information: no struct %v: %w", want, errors.Join(err, ErrImage))
		}

		if ends++; e.Tag != 0 {
			ends = 0
		}

		if e.Tag == dwarf.TagSubprogram {
			r.SkipChildren()
			continue
		}

		name, _ := e.Val(dwarf.AttrName).(string)
		if e.Tag != dwarf.TagStructType || !want[name] {
			continue
		}

		t, err := d.Type(e.Offset)
		if err != nil {
			return nil, nil, fmt.Errorf("debugging information: %w", err)
		}

		st, ok := t.(*dwarf.StructType)
		if !ok {
			continue
		}

		delete(want, name)
		fields[name], sizes[name] = map[string]Field{}, st.ByteSize

		for _, f := range st.Field {
			fields[name][f.Name] = Field{f.ByteOffset, f.Type.Size()}
		}
	}

	return fields, sizes, nil
}
