package payload

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// symbols reads the symbols and the relocations, whose references are symbols too.
func (r *reader) symbols(f *File) error {
	table, names := r.parts[secSymtab], r.parts[secStrtab]
	if len(table)%symbolSize != 0 || len(r.parts[secRela])%relaSize != 0 || len(names) == 0 {
		return wrong("symbols or relocations of %d and %d bytes", len(table), len(r.parts[secRela]))
	}

	le := binary.LittleEndian
	refs := make([]Ref, 0, len(table)/symbolSize)
	next := uint32(1) // names follow each other, so that they aren't longer than the file

	for ; len(table) > 0; table = table[symbolSize:] {
		name := ""

		if at := le.Uint32(table); at != 0 {
			n := -1
			if at == next && uint64(at) < uint64(len(names)) {
				n = bytes.IndexByte(names[at:], 0)
			}

			if n < 0 {
				return wrong("name of a symbol at %d", at)
			}

			name = string(names[at:][:n])
			next += uint32(n) + 1
		}

		value, size := le.Uint64(table[8:]), le.Uint64(table[16:])
		section := elf.SectionIndex(le.Uint16(table[6:]))
		ref := Ref{Kind: RefImage, Value: value}

		switch typ := elf.ST_TYPE(table[4]); {
		case typ == elf.STT_FUNC:
			f.Symbols = append(f.Symbols, Symbol{Name: name, Kind: Func, Addr: value, Size: size})
			ref = Ref{}
		case typ == elf.STT_OBJECT:
			f.Symbols = append(f.Symbols, Symbol{Name: name, Kind: Object, Addr: value, Size: size})
			ref = Ref{}
		case typ == elf.STT_SECTION, name == "":
		case section == elf.SHN_ABS:
			ref = Ref{Kind: RefHost, Value: value, Name: name}
		case section == elf.SHN_UNDEF && value < uint64(len(f.Meta.Itabs)):
			ref = Ref{Kind: RefItab, Index: int(value), Name: name}
		case section >= elf.SHN_LOOS && section < elf.SHN_LOOS+MaxDepends:
			ref = Ref{Kind: RefPatch, Index: int(section - elf.SHN_LOOS), Value: value, Name: name}
		default:
			return wrong("symbol %q", name)
		}

		refs = append(refs, ref)
	}

	return r.relocs(f, refs)
}

// relocs reads the relocations. What they say is checked later.
func (r *reader) relocs(f *File, refs []Ref) error {
	le := binary.LittleEndian

	for b := r.parts[secRela]; len(b) > 0; b = b[relaSize:] {
		info, addend := le.Uint64(b[8:]), le.Uint64(b[16:])
		if info>>32 >= uint64(len(refs)) {
			return wrong("relocation to symbol %d of %d", info>>32, len(refs))
		}

		rel := Reloc{Off: le.Uint64(b), Type: uint32(info), Ref: refs[info>>32], Addend: int64(addend)}
		if relocs[f.Arch][rel.Type].relative {
			rel.Ref.Value, rel.Addend = addend, 0
		}

		f.Relocs = append(f.Relocs, rel)
	}

	return nil
}
