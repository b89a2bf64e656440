package program

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/internal/payload"
)

// A whole program is a megabyte, and its objects are several: too much to be read thousands of
// times. So these tests cut one down to what its own package has, at its addresses. What that
// refers to elsewhere is then known by its address alone.

// part is a section of a small ELF file.
type part struct {
	name  string
	kind  elf.SectionType
	flags elf.SectionFlag
	addr  uint64
	data  []byte
	link  uint32
	entry uint64
}

// elfFile writes an ELF file: one segment from low to high, the sections, and a table of names.
func elfFile(machine elf.Machine, typ elf.Type, low, high uint64, parts []part) []byte {
	const header, program, section = 64, 56, 64

	var names, body bytes.Buffer

	names.WriteByte(0)

	heads := []elf.Section64{{}}

	for _, p := range append(parts, part{name: ".shstrtab", kind: elf.SHT_STRTAB}) {
		h := elf.Section64{
			Name: uint32(names.Len()), Type: uint32(p.kind), Flags: uint64(p.flags), Addr: p.addr,
			Off: uint64(header + program + body.Len()), Size: uint64(len(p.data)), Link: p.link, Entsize: p.entry, Addralign: 1,
		}

		names.WriteString(p.name + "\x00")

		if p.name == ".shstrtab" {
			p.data, h.Size = names.Bytes(), uint64(names.Len())
		}

		body.Write(p.data)
		heads = append(heads, h)
	}

	var out bytes.Buffer

	put := func(v any) { _ = binary.Write(&out, le, v) } // a buffer takes everything

	put(elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(typ), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Phoff: header, Shoff: uint64(header + program + body.Len()), Ehsize: header,
		Phentsize: program, Phnum: 1, Shentsize: section, Shnum: uint16(len(heads)), Shstrndx: uint16(len(heads) - 1),
	})
	put(elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R), Vaddr: low, Memsz: high - low})
	out.Write(body.Bytes())
	put(heads)

	return out.Bytes()
}

// tables are the sections with the symbols. They are number at and the one after.
func tables(at int, syms []ELFSymbol) []part {
	var list, names bytes.Buffer

	names.WriteByte(0)
	list.Write(make([]byte, elf.Sym64Size))

	for _, s := range syms {
		typ := elf.STT_OBJECT
		if s.Text {
			typ = elf.STT_FUNC
		}

		_ = binary.Write(&list, le, elf.Sym64{Name: uint32(names.Len()), Info: elf.ST_INFO(elf.STB_GLOBAL, typ), Shndx: 1, Value: s.Addr, Size: s.Size})
		names.WriteString(s.Name + "\x00")
	}

	return []part{
		{name: ".symtab", kind: elf.SHT_SYMTAB, data: list.Bytes(), link: uint32(at + 1), entry: elf.Sym64Size},
		{name: ".strtab", kind: elf.SHT_STRTAB, data: names.Bytes()},
	}
}

// small cuts a program down to the parts of it that its own package made, and gives that with the
// package's archive, without what only importers read.
func small(t testing.TB, env []string, flags ...string) (file []byte, own Package) {
	t.Helper()

	whole, pkgs := linked(t, env, flags...)
	p := open(t, whole, pkgs)

	_, err := p.Link()
	require.NoError(t, err)

	own = pkgs[slices.IndexFunc(pkgs, func(p Package) bool { return p.Path == "example.com/m" })]
	at := map[uint64]uint64{} // of each address how many bytes

	for _, s := range p.byPkg[mainPackage].syms {
		if s != nil && s.Linked && s.Defined() && len(s.Data) > 0 {
			if n := max(at[s.Addr], uint64(len(s.Data))); p.ELF.Bytes(s.Addr, n) != nil {
				at[s.Addr] = n
			}
		}
	}

	var (
		parts []part
		syms  []ELFSymbol
		rela  bytes.Buffer
	)

	for _, addr := range slices.Sorted(maps.Keys(at)) {
		size := at[addr]
		syms = append(syms, p.ELF.At(addr)...)

		if n := len(parts); n > 0 && parts[n-1].addr+uint64(len(parts[n-1].data)) >= addr {
			x := &parts[n-1]
			x.data = p.ELF.Bytes(x.addr, max(addr-x.addr+size, uint64(len(x.data))))

			continue
		}

		x := part{name: ".x", kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC, addr: addr, data: p.ELF.Bytes(addr, size)}
		if p.ELF.Executable(addr) {
			x.flags |= elf.SHF_EXECINSTR
		}

		parts = append(parts, x)

		if p.ELF.PIE && rela.Len() < 200 && size%8 == 0 {
			_ = binary.Write(&rela, le, []uint64{addr, 8, le.Uint64(p.ELF.Bytes(addr, 8))})
		}
	}

	for _, n := range []string{"runtime.text", "runtime.etext", "runtime.types", "runtime.etypes"} {
		s, ok := p.ELF.Lookup(n)
		require.True(t, ok)

		if !slices.Contains(syms, s) {
			syms = append(syms, s)
		}
	}

	if rela.Len() > 0 {
		parts = append(parts, part{name: ".rela", kind: elf.SHT_RELA, flags: elf.SHF_ALLOC, data: rela.Bytes(), entry: 24})
	}

	parts = append(parts, tables(len(parts)+1, syms)...)
	file = elfFile(p.ELF.file.Machine, p.ELF.file.Type, p.ELF.Low, p.ELF.High, parts)

	archive := []byte("!<arch>\n")

	require.NoError(t, goobj.Members(own.Archive, func(name string, content []byte) error {
		if name == "_go_.o" {
			i := bytes.Index(own.Archive, content)
			archive = append(archive, own.Archive[i-60:i+len(content)+len(content)&1]...)
		}

		return nil
	}))

	return file, Package{own.Path, archive}
}

// seeds are the programs that the fuzz tests begin with.
func seeds(t testing.TB, add func(file []byte, own Package)) {
	t.Helper()

	for _, c := range []struct {
		env   []string
		flags []string
	}{{}, {flags: []string{"-buildmode=pie"}}, {env: []string{"GOARCH=arm64"}}} {
		add(small(t, c.env, c.flags...))
	}
}

// linkSmall does all that is done with a program.
func linkSmall(file, archive []byte) (*Program, error) {
	m, err := OpenImage(file)
	if err != nil {
		return nil, err
	}

	p, err := New(m, "example.com/m", []Package{{"example.com/m", archive}})
	if err != nil {
		return nil, err
	}

	_, err = p.Link()

	return p, err
}

// TestSmall holds that what the fuzz tests begin with is a program.
func TestSmall(t *testing.T) {
	seeds(t, func(file []byte, own Package) {
		p, err := linkSmall(file, own.Archive)
		require.NoError(t, err)
		require.Less(t, len(file)+len(own.Archive), 80<<10)
		require.Greater(t, p.Proof().Symbols, 50)
		require.True(t, p.Func("main.sum").Linked)

		readAll(p)
	})
}

// readAll asks a program everything, for a panic.
func readAll(p *Program) {
	for _, s := range p.Symbols {
		s.Content()
		s.GoType()
		s.MentionedTypes(func(string) {})

		if s.IsText() {
			s.Signature()
			s.Lines()
		}

		if s.IsType() {
			s.Shape()
			s.Methods()
			s.InterfaceMethods()
		}

		for _, r := range s.Relocs() {
			if r.Type == goobj.UseIfaceMethod && r.Sym != nil {
				r.Sym.MethodNameAt(r.Add)
				r.Sym.MethodTypeAt(r.Add)
			}
		}
	}

	p.InitOrder()
}

// FuzzNew: whatever the program and its objects, an answer.
func FuzzNew(f *testing.F) {
	seeds(f, func(file []byte, own Package) { f.Add(file, own.Archive) })

	f.Fuzz(func(_ *testing.T, file, archive []byte) {
		if p, _ := linkSmall(file, archive); p != nil {
			readAll(p)
		}
	})
}

// FuzzOpenImage: whatever the ELF file, an answer or an ErrImage.
func FuzzOpenImage(f *testing.F) {
	seeds(f, func(file []byte, _ Package) { f.Add(file) })

	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := OpenImage(file)
		if err != nil {
			require.ErrorIs(t, err, ErrImage)
			return
		}

		for _, s := range m.Symbols {
			m.At(s.Addr)
			m.Bytes(s.Addr, s.Size)
			m.String(s.Addr)
			m.Executable(s.Addr)
		}
	})
}

// The debugging information of one struct: the entries' forms, and the entries.
const (
	abbrevSeed = "\x01\x11\x01\x00\x00" + // a unit with children
		"\x02\x13\x01\x03\x08\x0b\x0f\x00\x00" + // a struct: name, size
		"\x03\x0d\x00\x03\x08\x38\x0f\x49\x13\x00\x00" + // a member: name, offset, type
		"\x04\x24\x00\x03\x08\x0b\x0f\x3e\x0b\x00\x00" + // a type: name, size, encoding
		"\x00"
	infoSeed = "\x2f\x00\x00\x00\x04\x00\x00\x00\x00\x00\x08" + "\x01" +
		"\x02runtime.moduledata\x00\x08" + "\x03next\x00\x00\x2d\x00\x00\x00" + "\x00" + "\x04p\x00\x08\x07" + "\x00"
)

// FuzzStruct: whatever the debugging information, an answer.
func FuzzStruct(f *testing.F) {
	syms := []ELFSymbol{{Name: "runtime.text"}, {Name: "runtime.etext"}, {Name: "runtime.types"}, {Name: "runtime.etypes"}}

	read := func(t testing.TB, abbrev, info string) (map[string]int64, error) {
		parts := []part{{name: ".debug_abbrev", kind: elf.SHT_PROGBITS, data: []byte(abbrev)}, {name: ".debug_info", kind: elf.SHT_PROGBITS, data: []byte(info)}}
		m, err := OpenImage(elfFile(elf.EM_X86_64, elf.ET_EXEC, 0, 0, append(parts, tables(3, syms)...)))
		require.NoError(t, err)

		_, sizes, err := m.Struct("runtime.moduledata")

		return sizes, err
	}

	sizes, err := read(f, abbrevSeed, infoSeed)
	require.NoError(f, err)
	require.EqualValues(f, 8, sizes["runtime.moduledata"])

	f.Add(abbrevSeed, infoSeed)
	f.Fuzz(func(t *testing.T, abbrev, info string) { _, _ = read(t, abbrev, info) })
}

// layerSeed is a payload with the functions of a program that refer to nothing elsewhere.
func layerSeed(p *Program, build string) *payload.File {
	f := &payload.File{Arch: "amd64", Meta: payload.Meta{
		Format: 1, Name: "x", Target: payload.Target{BuildID: build, GoVersion: "go1.26.8", Arch: "amd64", Anchor: payload.Anchor{Symbol: "a", Addr: 1}, Text: p.ELF.Text},
		Runtime: payload.Runtime{FirstModule: 1, LastModule: 1, ModulesSlice: 1},
	}}

	var (
		text   []byte
		funcs  []*Symbol
		starts []int
	)

	for _, s := range p.Symbols {
		elsewhere := func(r Reloc) bool {
			return r.Sym != nil && !r.Marks() && (!r.Sym.Defined() || !r.Sym.Linked || r.Size != 4)
		}

		if s.Linked && s.IsText() && s.ABI == goobj.ABIGo && !slices.ContainsFunc(s.Relocs(), elsewhere) {
			text = append(text, make([]byte, -len(text)&15)...)
			funcs, starts = append(funcs, s), append(starts, len(text))
			text = append(text, s.Data...)
		}
	}

	f.Text.Addr, f.Rodata.Addr, f.Data.Addr = payload.Place(f.Arch, len(text), 16)
	f.Text.Bytes, f.Text.Size = text, uint64(len(text))
	f.Rodata.Bytes, f.Rodata.Size = make([]byte, 16), 16
	f.Data.Bytes, f.Data.Size = make([]byte, 600), 600
	f.Meta.Module = payload.Module{Addr: f.Data.Addr, Size: 592, Next: 584}

	for i, s := range funcs {
		at := f.Text.Addr + uint64(starts[i])
		f.Symbols = append(f.Symbols, payload.Symbol{Name: s.Name, Kind: payload.Func, Addr: at, Size: uint64(len(s.Data))})

		for _, r := range s.Relocs() {
			if r.Sym != nil && !r.Marks() {
				f.Relocs = append(f.Relocs, payload.Reloc{
					Off: at + uint64(r.Off), Type: payload.R_X86_64_PC32, Addend: r.Add - 4,
					Ref: payload.Ref{Kind: payload.RefHost, Value: r.Sym.Addr, Name: r.Sym.Name},
				})
			}
		}
	}

	return f
}

// FuzzPush: whatever the payload, if it is one at all, it is a layer of the program or an
// ErrLayer.
func FuzzPush(f *testing.F) {
	file, own := small(f, nil)

	p, err := linkSmall(file, own.Archive)
	require.NoError(f, err)

	seed := layerSeed(p, "b")
	require.Greater(f, len(seed.Symbols), 4)
	require.NotEmpty(f, seed.Relocs)

	whole, err := seed.Marshal()
	require.NoError(f, err)

	back, err := payload.Parse(whole)
	require.NoError(f, err)
	require.NoError(f, NewStack(p).Push(p, back))

	meta, err := json.Marshal(seed.Meta)
	require.NoError(f, err)

	symbols, err := json.Marshal(seed.Symbols)
	require.NoError(f, err)

	relocs, err := json.Marshal(seed.Relocs)
	require.NoError(f, err)

	f.Add(seed.Text.Bytes, seed.Rodata.Bytes, seed.Data.Bytes, meta, symbols, relocs)

	f.Fuzz(func(t *testing.T, text, rodata, data, meta, symbols, relocs []byte) {
		in := payload.File{Arch: "amd64"}
		if json.Unmarshal(meta, &in.Meta) != nil || json.Unmarshal(symbols, &in.Symbols) != nil || json.Unmarshal(relocs, &in.Relocs) != nil {
			return
		}

		in.Text.Addr, in.Rodata.Addr, in.Data.Addr = payload.Place(in.Arch, len(text), len(rodata))
		in.Text.Bytes, in.Text.Size = text, uint64(len(text))
		in.Rodata.Bytes, in.Rodata.Size = rodata, uint64(len(rodata))
		in.Data.Bytes, in.Data.Size = data, uint64(len(data))

		b, err := in.Marshal()
		if err != nil {
			return
		}

		out, err := payload.Parse(b)
		require.NoError(t, err)

		if len(out.Meta.Depends) > 0 {
			return // whoever reads a stack has seen to it that it has them
		}

		p, err := linkSmall(file, own.Archive)
		require.NoError(t, err)

		if err := NewStack(p).Push(p, out); err != nil {
			require.ErrorIs(t, err, ErrLayer)
		}
	})
}
