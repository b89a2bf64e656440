package payload

import (
	"cmp"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
)

// format is the version of Meta, and of the file with it.
const format = 1

// Sizes of the parts of an ELF64 file.
const (
	headerSize  = 64
	programSize = 56
	sectionSize = 64
	symbolSize  = 24
	relaSize    = 24
	noteSize    = 12 // without name and content

	programs     = 4
	segmentAlign = 64 // of each segment, in the file and in the image

	// textAt is where the text begins: after the headers.
	textAt = (headerSize + programs*programSize + segmentAlign - 1) &^ (segmentAlign - 1)
)

// The sections, in their order in the file.
const (
	secNull = iota
	secText
	secRodata
	secData
	secBss
	secID
	secMeta
	secRela
	secSymtab
	secStrtab
	secShstrtab
	sections
)

var sectionNames = [sections]string{
	"", ".text", ".rodata", ".data", ".bss", ".note.gnu.build-id", ".note.vgraft", ".rela.vgraft", ".symtab", ".strtab", ".shstrtab",
}

// The notes.
const (
	idOwner, idType     = "GNU\x00", 3 // NT_GNU_BUILD_ID
	metaOwner, metaType = "vgraft\x00\x00", 1
	metaOwnerSize       = 7 // what the note says, without the padding
)

// machines are the ELF numbers of the architectures.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// Place gives the addresses of segments with so many bytes, so that no byte of the file is
// wasted: each begins in the file where the one before ends, and in the image in a page of
// its own. Only the last may have zeroes after its bytes.
func Place(arch string, text, rodata int) (textAddr, rodataAddr, dataAddr uint64) {
	page := max(pageSizes[arch], 1)
	textAddr = textAt

	next := func(addr, size uint64) uint64 {
		to := align(addr+size, segmentAlign)
		if to/page == (addr+size-1)/page {
			to += page
		}

		return to
	}

	rodataAddr = next(textAddr, uint64(text))
	dataAddr = next(rodataAddr, uint64(rodata))

	return textAddr, rodataAddr, dataAddr
}

func align(n, to uint64) uint64 { return (n + to - 1) / to * to }

// Marshal gives the ELF file: the same bytes for the same File, whatever the order of its
// Symbols and Relocs. The error is an ErrFormat or ErrVersion, for what Parse would refuse.
func (f *File) Marshal() ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}

	w := &writer{file: f, page: pageSizes[f.Arch]}
	if err := w.write(); err != nil {
		return nil, err
	}

	id := identify(w.out, w.id)
	copy(w.out[w.id:], id[:])

	return w.out, nil
}

// identify gives the ID of a file: the SHA-256, truncated, with zeroes where the ID is.
func identify(file []byte, at int) [IDSize]byte {
	h := sha256.New()
	h.Write(file[:at])
	h.Write(make([]byte, IDSize))
	h.Write(file[at+IDSize:])

	return [IDSize]byte(h.Sum(nil))
}

// section is what the section header table says of one.
type section struct {
	typ                elf.SectionType
	flags              elf.SectionFlag
	addr, off, size    uint64
	link, info         uint32
	addralign, entsize uint64
}

// writer writes a File that was checked.
type writer struct {
	file     *File
	page     uint64
	out      []byte
	id       int // where the ID goes
	sections [sections]section
	segments [3]uint64 // their offsets in the file
}

func (w *writer) write() error {
	w.out = make([]byte, textAt)

	for i, s := range []Segment{w.file.Text, w.file.Rodata, w.file.Data} {
		for uint64(len(w.out))%w.page != s.Addr%w.page {
			w.out = append(w.out, 0)
		}

		w.segments[i] = uint64(len(w.out))
		w.out = append(w.out, s.Bytes...)
		w.pad(segmentAlign)
	}

	w.segmentSections()

	if err := w.notes(); err != nil {
		return err
	}

	w.symbols()
	w.names()
	w.headers()

	return nil
}

func (w *writer) pad(to int) {
	for len(w.out)%to != 0 {
		w.out = append(w.out, 0)
	}
}

// section notes where a section is that was written from start on.
func (w *writer) section(i, start int, s section) {
	s.off, s.size = uint64(start), uint64(len(w.out)-start)
	w.sections[i] = s
}

func (w *writer) segmentSections() {
	f := w.file

	for i, s := range []Segment{f.Text, f.Rodata, f.Data} {
		flags := elf.SHF_ALLOC | [...]elf.SectionFlag{elf.SHF_EXECINSTR, 0, elf.SHF_WRITE}[i]
		w.sections[secText+i] = section{typ: elf.SHT_PROGBITS, flags: flags, addr: s.Addr, off: w.segments[i], size: uint64(len(s.Bytes)), addralign: segmentAlign}
	}

	n := uint64(len(f.Data.Bytes))
	w.sections[secBss] = section{
		typ: elf.SHT_NOBITS, flags: elf.SHF_ALLOC | elf.SHF_WRITE,
		addr: f.Data.Addr + n, off: w.segments[2] + n, size: f.Data.Size - n, addralign: 1,
	}
}

func (w *writer) note(owner string, ownerSize int, typ uint32, desc []byte) {
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(ownerSize))
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(len(desc)))
	w.out = binary.LittleEndian.AppendUint32(w.out, typ)
	w.out = append(w.out, owner...)
	w.out = append(w.out, desc...)
	w.pad(4)
}

func (w *writer) notes() error {
	start := len(w.out)
	w.note(idOwner, len(idOwner), idType, make([]byte, IDSize))
	w.id = len(w.out) - IDSize
	w.section(secID, start, section{typ: elf.SHT_NOTE, addralign: 4})

	meta, err := w.file.Meta.encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}

	start = len(w.out)
	w.note(metaOwner, metaOwnerSize, metaType, meta)
	w.section(secMeta, start, section{typ: elf.SHT_NOTE, addralign: 4})
	w.pad(8)

	return nil
}

// symbols writes the relocations, the symbols and their names. The symbols of the image
// come first, then what it refers to.
func (w *writer) symbols() {
	f := w.file
	table, names := make([]byte, symbolSize), []byte{0}

	add := func(name string, info byte, shndx elf.SectionIndex, value, size uint64) {
		at := 0
		if name != "" {
			at = len(names)
			names = append(append(names, name...), 0)
		}

		table = binary.LittleEndian.AppendUint32(table, uint32(at))
		table = append(table, info, 0)
		table = binary.LittleEndian.AppendUint16(table, uint16(shndx))
		table = binary.LittleEndian.AppendUint64(table, value)
		table = binary.LittleEndian.AppendUint64(table, size)
	}

	for i, s := range []Segment{f.Text, f.Rodata, f.Data} {
		add("", elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), elf.SectionIndex(secText+i), s.Addr, 0)
	}

	for _, s := range f.sortedSymbols() {
		typ := elf.STT_OBJECT
		if s.Kind == Func {
			typ = elf.STT_FUNC
		}

		add(s.Name, elf.ST_INFO(elf.STB_LOCAL, typ), f.sectionOf(s), s.Addr, s.Size)
	}

	locals := len(table) / symbolSize
	index := map[Ref]uint64{}

	for i, r := range f.externals() {
		index[r] = uint64(locals + i)
		shndx := elf.SHN_ABS

		switch r.Kind {
		case RefPatch:
			shndx = elf.SHN_LOOS + elf.SectionIndex(r.Index)
		case RefItab:
			shndx = elf.SHN_UNDEF
			r.Value = uint64(r.Index)
		}

		add(r.Name, elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE), shndx, r.Value, 0)
	}

	start := len(w.out)

	for _, r := range f.sortedRelocs() {
		sym, addend := f.encodeRef(r, index)
		w.out = binary.LittleEndian.AppendUint64(w.out, r.Off)
		w.out = binary.LittleEndian.AppendUint64(w.out, sym<<32|uint64(r.Type))
		w.out = binary.LittleEndian.AppendUint64(w.out, uint64(addend))
	}

	w.section(secRela, start, section{typ: elf.SHT_RELA, link: secSymtab, addralign: 8, entsize: relaSize})

	start = len(w.out)
	w.out = append(w.out, table...)
	w.section(secSymtab, start, section{typ: elf.SHT_SYMTAB, link: secStrtab, info: uint32(locals), addralign: 8, entsize: symbolSize})

	start = len(w.out)
	w.out = append(w.out, names...)
	w.section(secStrtab, start, section{typ: elf.SHT_STRTAB, addralign: 1})
}

// sortedSymbols are the symbols in the order of their addresses.
func (f *File) sortedSymbols() []Symbol {
	return slices.SortedFunc(slices.Values(f.Symbols), func(a, b Symbol) int {
		return cmp.Or(cmp.Compare(a.Addr, b.Addr), cmp.Compare(a.Size, b.Size), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
}

func (f *File) sectionOf(s Symbol) elf.SectionIndex {
	switch {
	case s.Kind == Func:
		return secText
	case s.Addr < f.Data.Addr:
		return secRodata
	case s.Addr < f.Data.Addr+uint64(len(f.Data.Bytes)):
		return secData
	}

	return secBss
}

// externals are the references that leave the image, each once.
func (f *File) externals() []Ref {
	var out []Ref

	for _, r := range f.Relocs {
		if r.Ref.Kind != RefImage {
			out = append(out, r.Ref)
		}
	}

	slices.SortFunc(out, func(a, b Ref) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Index, b.Index), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Name, b.Name))
	})

	return slices.Compact(out)
}

// encodeRef gives the number of the symbol that a relocation is to, and what to add. Parse
// reads it as a reference that encodes to the same.
func (f *File) encodeRef(r Reloc, index map[Ref]uint64) (symbol uint64, addend int64) {
	switch at := r.Ref.Value; {
	case r.Ref.Kind != RefImage:
		return index[r.Ref], r.Addend
	case relocs[f.Arch][r.Type].relative:
		return 0, int64(at) + r.Addend
	case at >= f.Data.Addr:
		return secData, int64(at-f.Data.Addr) + r.Addend
	case at >= f.Rodata.Addr:
		return secRodata, int64(at-f.Rodata.Addr) + r.Addend
	default:
		return secText, int64(at-f.Text.Addr) + r.Addend
	}
}

// names writes the names of the sections.
func (w *writer) names() {
	start := len(w.out)

	for _, n := range sectionNames {
		w.out = append(append(w.out, n...), 0)
	}

	w.section(secShstrtab, start, section{typ: elf.SHT_STRTAB, addralign: 1})
	w.pad(8)
}

// headers writes those of the sections to the end, and those of the file to its begin.
func (w *writer) headers() {
	f, le := w.file, binary.LittleEndian
	shoff := uint64(len(w.out))
	name := 0

	for i, s := range w.sections {
		w.out = le.AppendUint32(w.out, uint32(name))
		w.out = le.AppendUint32(w.out, uint32(s.typ))
		w.out = le.AppendUint64(w.out, uint64(s.flags))
		w.out = le.AppendUint64(w.out, s.addr)
		w.out = le.AppendUint64(w.out, s.off)
		w.out = le.AppendUint64(w.out, s.size)
		w.out = le.AppendUint32(w.out, s.link)
		w.out = le.AppendUint32(w.out, s.info)
		w.out = le.AppendUint64(w.out, s.addralign)
		w.out = le.AppendUint64(w.out, s.entsize)
		name += len(sectionNames[i]) + 1
	}

	h := append(w.out[:0:0], elf.ELFMAG...)
	h = append(h, byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT), 0, 0, 0, 0, 0, 0, 0, 0, 0)
	h = le.AppendUint16(h, uint16(elf.ET_DYN))
	h = le.AppendUint16(h, uint16(machines[f.Arch]))
	h = le.AppendUint32(h, uint32(elf.EV_CURRENT))
	h = le.AppendUint64(h, 0) // no entry
	h = le.AppendUint64(h, headerSize)
	h = le.AppendUint64(h, shoff)
	h = le.AppendUint32(h, 0)

	for _, n := range []uint16{headerSize, programSize, programs, sectionSize, sections, secShstrtab} {
		h = le.AppendUint16(h, n)
	}

	program := func(typ elf.ProgType, flags elf.ProgFlag, off, addr, filesz, memsz, align uint64) {
		h = le.AppendUint32(h, uint32(typ))
		h = le.AppendUint32(h, uint32(flags))

		for _, n := range []uint64{off, addr, addr, filesz, memsz, align} {
			h = le.AppendUint64(h, n)
		}
	}

	for i, s := range []Segment{f.Text, f.Rodata, f.Data} {
		flags := elf.PF_R | [...]elf.ProgFlag{elf.PF_X, 0, elf.PF_W}[i]
		program(elf.PT_LOAD, flags, w.segments[i], s.Addr, uint64(len(s.Bytes)), s.Size, w.page)
	}

	notes := w.sections[secID].off
	n := w.sections[secMeta].off + w.sections[secMeta].size - notes
	program(elf.PT_NOTE, elf.PF_R, notes, 0, n, n, 4)

	copy(w.out, h)
}
