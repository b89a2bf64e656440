package payload

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// pageSizes are those that segments are kept apart by: the largest of each architecture.
var pageSizes = map[string]uint64{"amd64": 4 << 10, "arm64": 64 << 10}

// PageSize is what segments are kept apart by; 0 is an architecture without payloads.
func PageSize(arch string) uint64 { return pageSizes[arch] }

// maxAddr bounds addresses of the program, so that sums of a few of them are no overflow.
const maxAddr = 1 << 48

// minTypeSize is that of a type's description, without what its kind adds.
const minTypeSize = 48

// check says what is wrong with the file, beside its spelling.
func (f *File) check() error {
	for _, check := range []func() error{f.checkSegments, f.checkSymbols, f.checkRelocs, f.checkMeta, f.checkCode, f.checkWords, f.checkEntries} {
		if err := check(); err != nil {
			return err
		}
	}

	return nil
}

func wrong(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, a...))
}

func (f *File) checkSegments() error {
	page := pageSizes[f.Arch]
	if page == 0 {
		return wrong("architecture %q", f.Arch)
	}

	end := uint64(textAt)

	for i, s := range []Segment{f.Text, f.Rodata, f.Data} {
		switch {
		case s.Addr < end || s.Addr > MaxImage || s.Size > MaxImage-s.Addr:
			return wrong("segment %d of %d bytes at %#x", i, s.Size, s.Addr)
		case i > 0 && s.Addr/page == (end-1)/page:
			return wrong("segment %d at %#x shares a page with the one before", i, s.Addr)
		case uint64(len(s.Bytes)) > s.Size || i < 2 && uint64(len(s.Bytes)) != s.Size:
			return wrong("segment %d of %d bytes has %d", i, s.Size, len(s.Bytes))
		case s.Addr%segmentAlign != 0:
			return wrong("segment %d at %#x isn't aligned", i, s.Addr)
		}

		end = s.End()
	}

	if len(f.Text.Bytes) == 0 {
		return wrong("no code")
	}

	return nil
}

func (f *File) checkSymbols() error {
	for _, s := range f.Symbols {
		switch {
		case badName(s.Name):
			return wrong("name %q of a symbol", s.Name)
		case s.Kind == Func && f.Text.holds(s.Addr, s.Size):
		case s.Kind == Object && (f.Rodata.holds(s.Addr, s.Size) || f.Data.holds(s.Addr, s.Size)):
		default:
			return wrong("symbol %q of kind %d, of %d bytes at %#x", s.Name, s.Kind, s.Size, s.Addr)
		}
	}

	return nil
}

// badName is true of what ELF or JSON couldn't carry.
func badName(s string) bool {
	return s == "" || strings.ContainsRune(s, 0) || !utf8.ValidString(s)
}

// slack is how far beside what it refers to an instruction's relocation may point: it counts
// from the end of the instruction.
const slack = 16

func (f *File) checkRelocs() error {
	last, size := uint64(0), int64(f.Size())

	for _, r := range f.sortedRelocs() {
		k, known := relocs[f.Arch][r.Type]

		in := k.data && (f.Rodata.holds(r.Off, k.size) || f.Data.holds(r.Off, k.size) && r.Off-f.Data.Addr+k.size <= uint64(len(f.Data.Bytes))) ||
			k.text && f.Text.holds(r.Off, k.size)

		switch {
		case !known:
			return wrong("relocation of type %d", r.Type)
		case !in:
			return wrong("relocation of type %d at %#x", r.Type, r.Off)
		case r.Off < last:
			return wrong("relocations overlap at %#x", r.Off)
		case k.size == 8 && r.Off%8 != 0:
			return wrong("relocation of type %d at %#x isn't aligned", r.Type, r.Off)
		case k.relative && r.Ref.Kind != RefImage:
			return wrong("relative relocation at %#x to what isn't in the image", r.Off)
		case r.Ref.Kind == RefItab && (k.size != 8 || !f.Data.holds(r.Off, 8) || r.Addend != 0):
			return wrong("relocation at %#x to an interface table, which must be a word of data", r.Off)
		}

		if err := f.checkRef(r.Ref, RefImage, RefHost, RefPatch, RefItab); err != nil {
			return err
		}

		if r.Ref.Kind == RefImage && !near(r, size, k.relative) {
			return wrong("relocation at %#x to %#x and %#x", r.Off, r.Ref.Value, r.Addend)
		}

		last = r.Off + k.size
	}

	return nil
}

// near says whether a relocation to the image is to a place in it, or just beside it.
func near(r Reloc, size int64, exact bool) bool {
	if r.Addend > 2*MaxImage || r.Addend < -2*MaxImage {
		return false
	}

	to := int64(r.Ref.Value) + r.Addend
	if exact {
		return to >= 0 && to <= size
	}

	return to >= -slack && to <= size+slack
}

// sortedRelocs are the relocations in the order of their places.
func (f *File) sortedRelocs() []Reloc {
	return slices.SortedStableFunc(slices.Values(f.Relocs), func(a, b Reloc) int { return cmp.Compare(a.Off, b.Off) })
}

// checkRef says what is wrong with a reference, which must be of one of the kinds.
func (f *File) checkRef(r Ref, kinds ...RefKind) error {
	ok := slices.Contains(kinds, r.Kind) && r.Value < maxAddr && (r.Name == "" || !badName(r.Name))

	switch r.Kind {
	case RefImage:
		ok = ok && r.Index == 0 && r.Value <= f.Size()
	case RefHost:
		ok = ok && r.Index == 0 && r.Value != 0 && r.Name != ""
	case RefPatch:
		ok = ok && r.Index >= 0 && r.Index < len(f.Meta.Depends) && r.Value <= MaxImage && r.Name != ""
	case RefItab:
		ok = ok && r.Index >= 0 && r.Index < len(f.Meta.Itabs) && r.Value == 0 && r.Name == f.Meta.Itabs[r.Index].Name
	}

	if !ok {
		return wrong("reference to %s %d %#x %q", r.Kind, r.Index, r.Value, r.Name)
	}

	return nil
}

// IsID says whether the text is a payload's ID, as it is written.
func IsID(s string) bool {
	b, err := hex.DecodeString(s)

	return err == nil && len(b) == IDSize && hex.EncodeToString(b) == s
}

func (f *File) checkMeta() error {
	m := &f.Meta
	t, rt := m.Target, m.Runtime

	switch {
	case m.Format != format:
		return fmt.Errorf("%w: %d, not %d", ErrVersion, m.Format, format)
	case badName(m.Name) || badName(t.BuildID) || badName(t.GoVersion) || badName(t.Anchor.Symbol):
		return wrong("no name, or no target")
	case t.Arch != f.Arch:
		return wrong("for %s, and its code is %s", t.Arch, f.Arch)
	case len(m.Depends) > MaxDepends:
		return wrong("linked against %d others, more than %d", len(m.Depends), MaxDepends)
	case t.Anchor.Addr == 0 || t.Text == 0 || rt.FirstModule == 0 || rt.LastModule == 0 || rt.ModulesSlice == 0:
		return wrong("an address of the program is missing")
	case len(m.Itabs) > 0 && rt.GetItab == 0:
		return wrong("interface tables without the runtime's function for them")
	}

	for _, at := range m.Types {
		if !f.Rodata.holds(at, minTypeSize) || at%8 != 0 {
			return wrong("a type at %#x", at)
		}
	}

	for _, a := range append(slices.Clone(rt.MadeTypes), t.Anchor.Addr, t.Text, rt.FirstModule, rt.LastModule, rt.ModulesSlice, rt.GetItab, rt.UnreachableMethod, rt.ItabTable, rt.StopTheWorld, rt.StartTheWorld) {
		if a >= maxAddr {
			return wrong("address %#x of the program", a)
		}
	}

	for i, id := range m.Depends {
		if !IsID(id) || slices.Contains(m.Depends[:i], id) {
			return wrong("linked against %q", id)
		}
	}

	md := m.Module
	if !f.Data.holds(md.Addr, md.Size) || md.Addr%8 != 0 || md.Size < 8 || md.Next > md.Size-8 || md.Next%8 != 0 {
		return wrong("module record of %d bytes at %#x", md.Size, md.Addr)
	}

	for i, it := range m.Itabs {
		if badName(it.Name) {
			return wrong("interface table %d has no name", i)
		}

		for _, r := range []Ref{it.Inter, it.Type} {
			if err := f.checkRef(r, RefImage, RefHost, RefPatch); err != nil {
				return err
			}
		}
	}

	return nil
}
