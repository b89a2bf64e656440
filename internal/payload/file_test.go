package payload

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sample is a small payload with something of everything.
func sample(arch string) *File {
	f := &File{Arch: arch}

	text := bytes.Repeat([]byte{0x90}, 100)
	rodata := make([]byte, 40)
	data := make([]byte, 256)

	f.Text.Addr, f.Rodata.Addr, f.Data.Addr = Place(arch, len(text), len(rodata))
	f.Text.Bytes, f.Text.Size = text, uint64(len(text))
	f.Rodata.Bytes, f.Rodata.Size = rodata, uint64(len(rodata))
	f.Data.Bytes, f.Data.Size = data, 1000

	f.Symbols = []Symbol{
		{Name: "main.F", Kind: Func, Addr: f.Text.Addr, Size: 32},
		{Name: "main.G", Kind: Func, Addr: f.Text.Addr + 32, Size: 68},
		{Name: "main.F·f", Kind: Object, Addr: f.Rodata.Addr, Size: 8},
		{Name: "main.v", Kind: Object, Addr: f.Data.Addr + 8, Size: 8},
		{Name: "main.zero", Kind: Object, Addr: f.Data.Addr + 256, Size: 8},
	}

	below := strings.Repeat("ab", IDSize)
	host := Ref{Kind: RefHost, Value: 0x401000, Name: "main.old"}
	itab := Ref{Kind: RefItab, Name: "go:itab.*main.T,main.I"}

	abs, rel := uint32(R_X86_64_64), uint32(R_X86_64_RELATIVE)
	if arch == "arm64" {
		abs, rel = R_AARCH64_ABS64, R_AARCH64_RELATIVE
	}

	f.Relocs = []Reloc{
		{Off: f.Rodata.Addr, Type: rel, Ref: Ref{Kind: RefImage, Value: f.Text.Addr}},
		{Off: f.Rodata.Addr + 8, Type: rel, Ref: Ref{Kind: RefImage, Value: f.Text.Addr + 32}},
		{Off: f.Data.Addr, Type: abs, Ref: itab},
		{Off: f.Data.Addr + 8, Type: abs, Ref: host, Addend: 8},
		{Off: f.Data.Addr + 16, Type: abs, Ref: Ref{Kind: RefPatch, Value: 0x140, Name: "main.H"}},
		{Off: f.Data.Addr + 24, Type: abs, Ref: Ref{Kind: RefImage, Value: f.Rodata.Addr}, Addend: 4},
	}

	if arch == "amd64" {
		f.Relocs = slices.Insert(f.Relocs, 0, Reloc{Off: f.Text.Addr + 5, Type: R_X86_64_PC32, Ref: host, Addend: -4})
	} else {
		f.Relocs = slices.Insert(f.Relocs, 0, Reloc{Off: f.Text.Addr + 4, Type: R_AARCH64_CALL26, Ref: host})
	}

	f.Meta = Meta{
		Format: 1, Name: "fix-1",
		Target:     Target{BuildID: "go:a/b/c/d", GoVersion: "go1.26.8", Arch: arch, Anchor: Anchor{"github.com/vgraft/vgraft/patch.anchor", 0x402000}, Text: 0x401000},
		Depends:    []string{below},
		Provenance: Provenance{Module: "example.com/m@v1", Flags: map[string]string{"-trimpath": "true", "GOOS": "linux"}},
		Slots:      []Slot{{Name: "f", Impl: "main.F", Func: "main.F", Value: f.Rodata.Addr}},
		Itabs:      []Itab{{Name: itab.Name, Inter: Ref{Kind: RefHost, Value: 0x500000, Name: "type:main.I"}, Type: Ref{Kind: RefImage, Value: f.Rodata.Addr + 16}, New: []ItabEntry{{Index: 1, Func: f.Text.Addr + 32}}}},
		Module:     Module{Addr: f.Data.Addr + 64, Size: 192, Next: 184},
		Runtime:    Runtime{FirstModule: 0x600000, LastModule: 0x600100, ModulesSlice: 0x600108, GetItab: 0x403000, UnreachableMethod: 0x404000, ItabTable: 0x600110, StopTheWorld: 0x405000, StartTheWorld: 0x406000},
		Fixups: []Word{{Kind: WordItab, Name: "go:itab.*main.U,main.I", At: Ref{Kind: RefHost, Value: 0x500100, Name: "go:itab.*main.U,main.I"}, Size: 8,
			Old: []Value{{Const: 0x404000}}, New: Value{Ref: Ref{Kind: RefImage, Value: f.Text.Addr}}}},
		Words: []Word{{Kind: WordMethod, Name: "type:*main.U", At: Ref{Kind: RefHost, Value: 0x500204, Name: "type:*main.U"}, Size: 4,
			Old: []Value{{Ref: host}, {Const: 1<<32 - 1}}, New: Value{Ref: Ref{Kind: RefImage, Value: f.Text.Addr}}}},
		Entries: []Entry{
			{Name: "main.old", At: host, Old: make([]byte, EntrySize(arch)), New: Ref{Kind: RefImage, Value: f.Text.Addr, Name: "main.F"}},
			{Name: "main.closure.func1", At: Ref{Kind: RefHost, Value: 0x401100, Name: "main.closure.func1"}, Old: make([]byte, EntrySize(arch)),
				From: Ref{Kind: RefPatch, Value: 0x140, Name: "main.closure.func1"}, New: Ref{Kind: RefImage, Value: f.Text.Addr + 32, Name: "main.G"}},
		},
		Inits:    []Init{{Package: "example.com/new", Funcs: []uint64{f.Text.Addr + 32}}},
		Hooks:    map[string]uint64{HookLoad: f.Rodata.Addr + 8},
		Expect:   []ExpectBytes{{Name: "main.limit", Addr: Ref{Kind: RefHost, Value: 0x600200, Name: "main.limit"}, Bytes: []byte{1, 2}}},
		Changes:  []Change{{Symbol: "main.F", Reason: "changed"}},
		Accepted: []string{"caller main.main"},
	}

	return f
}

func marshal(t testing.TB, f *File) []byte {
	t.Helper()

	b, err := f.Marshal()
	require.NoError(t, err)

	return b
}

// sealed gives the file the ID of its content, as somebody would who changed it.
func sealed(b []byte) []byte {
	note := []byte{4, 0, 0, 0, IDSize, 0, 0, 0, idType, 0, 0, 0, 'G', 'N', 'U', 0}

	at := bytes.Index(b, note) + len(note)
	if at < len(note) || at+IDSize > len(b) {
		return b
	}

	b = bytes.Clone(b)
	clear(b[at:][:IDSize])
	sum := sha256.Sum256(b)
	copy(b[at:], sum[:IDSize])

	return b
}

func TestParse_roundTrip(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			f := sample(arch)
			b := marshal(t, f)
			require.Equal(t, b, sealed(b), "the ID is what doc.go says")

			got, err := Parse(b)
			require.NoError(t, err)
			require.True(t, IsID(got.ID))

			// A reference to the image is now to its segment.
			last := &f.Relocs[len(f.Relocs)-1]
			require.Equal(t, f.Rodata.Addr, last.Ref.Value)

			f.ID = got.ID
			require.Equal(t, f, got)

			// The order of what has none makes no difference.
			slices.Reverse(f.Symbols)
			slices.Reverse(f.Relocs)
			require.Equal(t, b, marshal(t, f))
			require.Equal(t, b, marshal(t, got))
		})
	}
}

func TestMarshal_isELF(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		f := sample(arch)
		b := marshal(t, f)
		require.Less(t, len(b), 6000, "no padding to pages")

		e, err := elf.NewFile(bytes.NewReader(b))
		require.NoError(t, err)
		require.Equal(t, elf.ET_DYN, e.Type)
		require.Len(t, e.Progs, 4)

		for i, s := range []Segment{f.Text, f.Rodata, f.Data} {
			p := e.Progs[i]
			require.Equal(t, []uint64{s.Addr, uint64(len(s.Bytes)), s.Size}, []uint64{p.Vaddr, p.Filesz, p.Memsz})
			require.Equal(t, p.Vaddr%p.Align, p.Off%p.Align)

			got, err := e.Section(sectionNames[secText+i]).Data()
			require.NoError(t, err)
			require.Equal(t, s.Bytes, got)
		}

		syms, err := e.Symbols()
		require.NoError(t, err)

		var names []string
		for _, s := range syms {
			names = append(names, s.Name)
		}

		require.Subset(t, names, []string{"main.F", "main.zero", "main.old", "main.H", "go:itab.*main.T,main.I"})

		got, err := Parse(b)
		require.NoError(t, err)

		note, err := e.Section(".note.gnu.build-id").Data()
		require.NoError(t, err)
		require.Equal(t, got.ID, hex.EncodeToString(note[16:]))
	}
}

func TestMarshal_readelf(t *testing.T) {
	path, err := exec.LookPath("readelf")
	if err != nil {
		t.Skip("no readelf")
	}

	name := filepath.Join(t.TempDir(), "p.elf")
	require.NoError(t, os.WriteFile(name, marshal(t, sample("amd64")), 0o600))

	out, err := exec.Command(path, "-a", "-W", name).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, strings.ToLower(string(out)), "warning")
	require.NotContains(t, strings.ToLower(string(out)), "error")
	require.Contains(t, string(out), "main.old")
}

func TestMarshal_refuses(t *testing.T) {
	for name, change := range map[string]func(*File){
		"architecture":               func(f *File) { f.Arch = "riscv64" },
		"architecture of the target": func(f *File) { f.Meta.Target.Arch = "arm64" },
		"no code":                    func(f *File) { f.Text.Bytes, f.Text.Size = nil, 0 },
		"text over the headers":      func(f *File) { f.Text.Addr = 64 },
		"not aligned":                func(f *File) { f.Rodata.Addr += 8 },
		"overlap":                    func(f *File) { f.Rodata.Addr = f.Text.Addr },
		"shared page":                func(f *File) { f.Rodata.Addr = f.Text.Addr + 128 },
		"order":                      func(f *File) { f.Rodata.Addr, f.Data.Addr = f.Data.Addr, f.Rodata.Addr },
		"too large":                  func(f *File) { f.Data.Size = MaxImage },
		"size overflows":             func(f *File) { f.Data.Size = 1<<64 - 64 },
		"address overflows":          func(f *File) { f.Data.Addr = 1<<64 - 64 },
		"size below bytes":           func(f *File) { f.Data.Size = 8 },
		"zeroes in text":             func(f *File) { f.Text.Size++ },
		"symbol outside":             func(f *File) { f.Symbols[0].Addr = 0 },
		"symbol too long":            func(f *File) { f.Symbols[0].Size = 1<<64 - 1 },
		"symbol without a name":      func(f *File) { f.Symbols[0].Name = "" },
		"symbol with a zero":         func(f *File) { f.Symbols[0].Name = "a\x00b" },
		"symbol of no kind":          func(f *File) { f.Symbols[0].Kind = 0 },
		"relocation type":            func(f *File) { f.Relocs[0].Type = 10 },
		"relocation outside":         func(f *File) { f.Relocs[0].Off = f.Text.End() - 2 },
		"relocation in zeroes":       func(f *File) { f.Relocs[3].Off = f.Data.Addr + 512 },
		"relocation overflows":       func(f *File) { f.Relocs[0].Off = 1<<64 - 2 },
		"relocation between":         func(f *File) { f.Relocs[0].Off = f.Text.End() },
		"address in text":            func(f *File) { f.Relocs[0].Type, f.Relocs[0].Off = R_X86_64_64, f.Text.Addr+8 },
		"relative in text":           func(f *File) { f.Relocs[1].Off = f.Text.Addr + 8 },
		"relocations overlap":        func(f *File) { f.Relocs[4].Off = f.Relocs[3].Off },
		"relocation not aligned":     func(f *File) { f.Relocs[6].Off += 4 },
		"relative to the host":       func(f *File) { f.Relocs[1].Ref = f.Relocs[0].Ref },
		"relative outside":           func(f *File) { f.Relocs[1].Addend = -1 << 20 },
		"image outside":              func(f *File) { f.Relocs[6].Addend = 1 << 62 },
		"itab in rodata":             func(f *File) { f.Relocs[1].Type, f.Relocs[1].Ref = R_X86_64_64, f.Relocs[3].Ref },
		"itab of 4 bytes":            func(f *File) { f.Relocs[3].Type = R_X86_64_PC32 },
		"itab with an addend":        func(f *File) { f.Relocs[3].Addend = 8 },
		"no such itab":               func(f *File) { f.Relocs[3].Ref.Index = 1 },
		"no such payload":            func(f *File) { f.Relocs[5].Ref.Index = 1 },
		"negative index":             func(f *File) { f.Relocs[5].Ref.Index = -1 },
		"host without a name":        func(f *File) { f.Relocs[0].Ref.Name = "" },
		"host too high":              func(f *File) { f.Relocs[0].Ref.Value = 1 << 60 },
		"no kind":                    func(f *File) { f.Relocs[0].Ref.Kind = "" },
		"no name":                    func(f *File) { f.Meta.Name = "" },
		"no build id":                func(f *File) { f.Meta.Target.BuildID = "" },
		"no version of Go":           func(f *File) { f.Meta.Target.GoVersion = "" },
		"no anchor":                  func(f *File) { f.Meta.Target.Anchor = Anchor{} },
		"no module list":             func(f *File) { f.Meta.Runtime.LastModule = 0 },
		"address of the runtime":     func(f *File) { f.Meta.Runtime.ItabTable = 1 << 63 },
		"no getitab":                 func(f *File) { f.Meta.Runtime.GetItab = 0 },
		"no table of itabs":          func(f *File) { f.Meta.Runtime.ItabTable = 0 },
		"no unreachable method":      func(f *File) { f.Meta.Runtime.UnreachableMethod = 0 },
		"dependency":                 func(f *File) { f.Meta.Depends[0] = "ABCD" },
		"dependency twice":           func(f *File) { f.Meta.Depends = append(f.Meta.Depends, f.Meta.Depends...) },
		"dependencies":               func(f *File) { f.Meta.Depends = make([]string, MaxDepends+1) },
		"module outside":             func(f *File) { f.Meta.Module.Addr = f.Text.Addr },
		"module too large":           func(f *File) { f.Meta.Module.Size = 1 << 40 },
		"module next":                func(f *File) { f.Meta.Module.Next = 192 },
		"slot without a name":        func(f *File) { f.Meta.Slots[0].Name = "" },
		"slot twice":                 func(f *File) { f.Meta.Slots = append(f.Meta.Slots, f.Meta.Slots[0]) },
		"slot without a func value":  func(f *File) { f.Meta.Slots[0].Value = f.Text.Addr },
		"slot's func value is data":  func(f *File) { f.Meta.Slots[0].Value = f.Relocs[6].Off },
		"hook":                       func(f *File) { f.Meta.Hooks["x"] = f.Rodata.Addr },
		"hook without a func value":  func(f *File) { f.Meta.Hooks[HookLoad] = 8 },
		"init outside":               func(f *File) { f.Meta.Inits[0].Funcs[0] = f.Rodata.Addr },
		"method outside":             func(f *File) { f.Meta.Itabs[0].New[0].Func = 0 },
		"method index":               func(f *File) { f.Meta.Itabs[0].New[0].Index = 1 << 40 },
		"itab of an itab":            func(f *File) { f.Meta.Itabs[0].Type = Ref{Kind: RefItab} },
		"itab without a name":        func(f *File) { f.Meta.Itabs[0].Name = "" },
		"word of the payload":        func(f *File) { f.Meta.Words[0].At = Ref{Kind: RefImage} },
		"word of 2 bytes":            func(f *File) { f.Meta.Words[0].Size = 2 },
		"word not aligned":           func(f *File) { f.Meta.Words[0].At.Value++ },
		"word of no kind":            func(f *File) { f.Meta.Words[0].Kind = "text" },
		"word without old":           func(f *File) { f.Meta.Fixups[0].Old = nil },
		"word held the payload":      func(f *File) { f.Meta.Words[0].Old[0].Ref = f.Meta.Words[0].New.Ref },
		"value of 4 bytes":           func(f *File) { f.Meta.Words[0].New = Value{Const: 1 << 32} },
		"value twice":                func(f *File) { f.Meta.Words[0].New.Const = 1 },
		"value is an itab":           func(f *File) { f.Meta.Words[0].New.Ref = Ref{Kind: RefItab, Name: f.Meta.Itabs[0].Name} },
		"expect of the payload":      func(f *File) { f.Meta.Expect[0].Addr = Ref{Kind: RefImage} },
		"expect nothing":             func(f *File) { f.Meta.Expect[0].Bytes = nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := sample("amd64")
			change(f)

			_, err := f.Marshal()
			require.ErrorIs(t, err, ErrFormat)
		})
	}

	f := sample("arm64")
	f.Meta.Inits[0].Funcs[0] += 2
	_, err := f.Marshal()
	require.ErrorIs(t, err, ErrFormat, "between two instructions")

	f = sample("amd64")
	f.Meta.Format = 2
	_, err = f.Marshal()
	require.ErrorIs(t, err, ErrVersion)
}

// bounded fails unless the file is refused with an error of ours, or parses to what fits.
func bounded(t testing.TB, b []byte) {
	f, err := Parse(b)
	if err != nil {
		require.Nil(t, f)
		require.True(t, is(err, ErrNotPayload) || is(err, ErrVersion) || is(err, ErrFormat) || is(err, ErrID), "%v", err)

		return
	}

	require.NoError(t, f.check())
	require.LessOrEqual(t, f.Size(), uint64(MaxImage))
	require.Equal(t, b, marshal(t, f))

	// Whatever the addresses, relocating stays in the image.
	if f.Size() < 1<<20 {
		image := make([]byte, f.Size())
		for _, r := range f.Relocs {
			_ = r.Apply(f.Arch, image, 1<<20, r.Ref.Value)
		}
	}
}

func TestParse_truncated(t *testing.T) {
	b := marshal(t, sample("amd64"))

	for n := range b {
		_, err := Parse(b[:n])
		require.Error(t, err, "%d bytes", n)
		bounded(t, sealed(b[:n]))
	}

	_, err := Parse(append(bytes.Clone(b), 0))
	require.ErrorIs(t, err, ErrFormat)
}

// TestParse_flipped: a change is seen by the ID; and where the ID is made to fit, what else
// is wrong is.
func TestParse_flipped(t *testing.T) {
	b := marshal(t, sample("amd64"))

	for i := range b {
		for _, x := range []byte{1, 0x80, 0xff} {
			b[i] ^= x
			_, err := Parse(b)
			require.Error(t, err, "byte %d", i)
			bounded(t, sealed(b))
			b[i] ^= x
		}
	}
}

func TestParse_refuses(t *testing.T) {
	b := marshal(t, sample("amd64"))
	replaced := func(old, new string) []byte {
		require.Len(t, new, len(old))
		require.Equal(t, 1, bytes.Count(b, []byte(old)), "%s", old)

		return sealed(bytes.Replace(b, []byte(old), []byte(new), 1))
	}

	changed := bytes.Clone(b)
	changed[f0(b).Text.Addr]++

	for name, tc := range map[string]struct {
		file []byte
		want error
	}{
		"nothing":           {nil, ErrNotPayload},
		"text":              {[]byte("fix"), ErrNotPayload},
		"zeroes":            {make([]byte, 4096), ErrNotPayload},
		"changed":           {changed, ErrID},
		"next version":      {replaced(`"format":1`, `"format":2`), ErrVersion},
		"unknown field":     {replaced(`"accepted"`, `"rejected"`), ErrFormat},
		"field in capitals": {replaced(`"accepted"`, `"Accepted"`), ErrFormat},
		"JSON":              {replaced(`{"format"`, `["format"`), ErrFormat},
		"section's name":    {replaced(".rela.vgraft", ".rela.vgrafT"), ErrFormat},
		"signed":            {append(bytes.Clone(b), make([]byte, TrailerSize)...), ErrFormat},
		"section headers":   {func() []byte { c := bytes.Clone(b); binary.LittleEndian.PutUint64(c[40:], 1<<63); return c }(), ErrFormat},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tc.file)
			require.ErrorIs(t, err, tc.want)
		})
	}

	self, err := os.Executable()
	require.NoError(t, err)

	program, err := os.ReadFile(self)
	require.NoError(t, err)

	_, err = Parse(program)
	require.ErrorIs(t, err, ErrNotPayload)
}

func f0(b []byte) *File {
	f, _ := Parse(b)
	return f
}

func TestPlace(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		for _, text := range []int{1, 63, 4096 - textAt, 4097 - textAt, 65536 - textAt, 65537 - textAt, 70000} {
			for _, rodata := range []int{0, 1, 4096, 65535, 65536} {
				f := sample(arch)
				f.Relocs, f.Symbols, f.Meta.Slots, f.Meta.Itabs, f.Meta.Hooks, f.Meta.Inits, f.Meta.Expect, f.Meta.Entries = nil, nil, nil, nil, nil, nil, nil, nil
				f.Text.Addr, f.Rodata.Addr, f.Data.Addr = Place(arch, text, rodata)
				f.Text = Segment{f.Text.Addr, make([]byte, text), uint64(text)}
				f.Rodata = Segment{f.Rodata.Addr, make([]byte, rodata), uint64(rodata)}
				f.Meta.Module.Addr = f.Data.Addr

				require.Less(t, len(marshal(t, f)), textAt+text+rodata+256+3*64+4000, "%s %d %d", arch, text, rodata)
			}
		}
	}

	_, err := (&File{}).Marshal()
	require.ErrorIs(t, err, ErrFormat)
}

// FuzzParse: whatever the file, an answer or a typed error; and there is one spelling.
func FuzzParse(f *testing.F) {
	for _, arch := range []string{"amd64", "arm64"} {
		b := marshal(f, sample(arch))
		f.Add(b)

		for i := 0; i < len(b); i += 97 {
			bad := bytes.Clone(b)
			bad[i] ^= 0x41
			f.Add(bad)
		}
	}

	f.Add([]byte(nil))
	f.Add([]byte(elf.ELFMAG))

	f.Fuzz(func(t *testing.T, b []byte) {
		bounded(t, b)
		bounded(t, sealed(b))
	})
}
