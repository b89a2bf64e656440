package emit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/vgraft/vgraft/internal/payload"
)

// Verify reads a payload's module record and tables as the runtime will, and holds that
// they are whole: that every program counter leads to its function, every function to its
// name, its files, its frame and what is known of it, and every variable has its bit. The
// error is an ErrVerify or ErrVersion. The file may have been parsed; it is not trusted.
func Verify(f *payload.File, arch string) (err error) {
	a, ok := archOf(arch)
	if !ok || f.Arch != arch {
		return wrong("its code is for %q, not %q", f.Arch, arch)
	}

	mod, err := layoutOf(f.Meta.Target.GoVersion)
	if err != nil {
		return err
	}

	for i, s := range []payload.Segment{f.Text, f.Rodata, f.Data} {
		if s.Addr > payload.MaxImage || s.Size > payload.MaxImage || uint64(len(s.Bytes)) > s.Size || i < segData && uint64(len(s.Bytes)) != s.Size {
			return wrong("segment %d of %d bytes at %#x", i, s.Size, s.Addr)
		}
	}

	v := &verifier{f: f, arch: a, mod: mod, md: f.Meta.Module.Addr}

	if f.Meta.Module.Size != mod.size || f.Meta.Module.Next != mod.next || v.bytes(v.md, mod.size) == nil {
		return wrong("its module record has %d bytes at %#x", f.Meta.Module.Size, v.md)
	}

	for _, step := range []func() error{v.areas, v.tables, v.functions, v.finds, v.masks, v.symbols} {
		if err := step(); err != nil {
			return err
		}
	}

	return nil
}

func wrong(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrVerify, fmt.Sprintf(format, a...))
}

// verifier reads the image of a payload at base 0.
type verifier struct {
	f    *payload.File
	arch arch
	mod  moduleLayout
	md   uint64 // module record

	names, cu, files, pc, funcs, ftab, datas []byte
	text, etext                              uint64
	entries                                  []uint64 // of functions, from text, and the end
	nameOf                                   map[uint64]string
}

// bytes is the memory at an image offset; nil is none.
func (v *verifier) bytes(at, n uint64) []byte {
	for _, s := range []payload.Segment{v.f.Text, v.f.Rodata, v.f.Data} {
		if at >= s.Addr && at-s.Addr <= uint64(len(s.Bytes)) && n <= uint64(len(s.Bytes))-(at-s.Addr) {
			return s.Bytes[at-s.Addr:][:n:n]
		}
	}

	return nil
}

// word is a field of the module record.
func (v *verifier) word(field uint64) uint64 { return le.Uint64(v.bytes(v.md+field, 8)) }

// slice is what a field of the module record has.
func (v *verifier) slice(field, size uint64) ([]byte, error) {
	n := v.word(field + sliceLen)
	if n > payload.MaxImage || n > v.word(field+sliceCap) {
		return nil, wrong("slice at %d of its module record has %d elements", field, n)
	}

	b := v.bytes(v.word(field), n*size)
	if b == nil {
		return nil, wrong("slice at %d of its module record is at %#x", field, v.word(field))
	}

	return b, nil
}

// areas checks the bounds in the module record.
func (v *verifier) areas() error {
	f := v.f

	for _, x := range []struct {
		what     string
		from, to uint64
		in       payload.Segment
	}{
		{"text", v.word(mdText), v.word(mdEText), f.Text},
		{"text", v.word(mdMinPC), v.word(mdMaxPC), f.Text},
		{"types", v.word(mdTypes), v.word(v.mod.etypes), f.Rodata},
		{"funcdata", v.word(v.mod.gofunc), v.word(v.mod.epclntab), f.Rodata},
		{"noptrdata", v.word(mdNoPtrData), v.word(mdENoPtrData), f.Data},
		{"data", v.word(mdData), v.word(mdEData), f.Data},
		{"bss", v.word(mdBSS), v.word(mdEBSS), f.Data},
		{"noptrbss", v.word(mdNoPtrBSS), v.word(mdENoPtrBSS), f.Data},
	} {
		if x.from > x.to || x.from < x.in.Addr || x.to > x.in.Addr+x.in.Size || x.in.Addr == f.Data.Addr && (x.from|x.to)%8 != 0 {
			return wrong("its %s is from %#x to %#x", x.what, x.from, x.to)
		}
	}

	v.text, v.etext = v.word(mdText), v.word(mdEText)

	switch {
	case v.word(mdMinPC) != v.text || v.word(mdMaxPC) != v.etext:
		return wrong("its program counters aren't its text")
	case v.word(v.mod.rodata) != v.word(mdTypes) || v.word(mdTypes) != f.Rodata.Addr:
		return wrong("its types aren't where its constants begin")
	case v.word(v.mod.next) != 0:
		return wrong("its module record has a successor")
	}

	if n := v.word(v.mod.modulename + sliceLen); n == 0 || v.bytes(v.word(v.mod.modulename), n) == nil {
		return wrong("its module has no name")
	}

	return v.links()
}

// links checks the list of types that can be looked up.
func (v *verifier) links() error {
	size := v.word(v.mod.etypes) - v.word(mdTypes)

	if v.mod.typelinks == 0 {
		if n := v.word(v.mod.typedesclen); n > size || n%8 != 0 || v.word(v.mod.itaboffset) > size {
			return wrong("its types have %d bytes, %d of them looked up", size, n)
		}

		return nil
	}

	if v.word(v.mod.typelinks) == 0 {
		return nil
	}

	b, err := v.slice(v.mod.typelinks, 4)
	if err != nil {
		return err
	}

	for ; len(b) >= 4; b = b[4:] {
		if off := uint64(le.Uint32(b)); off < 8 || off%8 != 0 || off >= size {
			return wrong("a type at offset %d of %d", off, size)
		}
	}

	return nil
}

// tables reads the tables of functions.
func (v *verifier) tables() error {
	for _, x := range []struct {
		to    *[]byte
		field uint64
		size  uint64
	}{
		{&v.names, mdFuncNames, 1}, {&v.cu, mdCU, 4}, {&v.files, mdFiles, 1}, {&v.pc, mdPC, 1},
		{&v.funcs, mdPCLn, 1}, {&v.ftab, mdFtab, 8},
	} {
		b, err := v.slice(x.field, x.size)
		if err != nil {
			return err
		}

		*x.to = b
	}

	v.datas = v.bytes(v.word(v.mod.gofunc), v.word(v.mod.epclntab)-v.word(v.mod.gofunc))
	at := v.word(mdPCHeader)
	n := uint64(len(v.ftab)/8) - 1

	h := v.bytes(at, pcHeaderSize)
	if h == nil || le.Uint32(h) != pcHeaderMagic || h[4]|h[5] != 0 || h[6] != v.arch.quantum || h[7] != 8 || le.Uint64(h[8:]) != n || len(v.ftab) < 16 {
		return wrong("the header of its function table")
	}

	for i, field := range []uint64{mdFuncNames, mdCU, mdFiles, mdPC, mdPCLn} {
		if at+le.Uint64(h[32+8*i:]) != v.word(field) {
			return wrong("table %d of its functions is at %#x", i, v.word(field))
		}
	}

	if v.word(mdPCLn) != v.word(mdFtab) {
		return wrong("its functions begin apart from their index")
	}

	return nil
}

// cstring is a name in a table.
func cstring(b []byte, off uint32) (string, bool) {
	if uint64(off) >= uint64(len(b)) {
		return "", false
	}

	s, _, ok := bytes.Cut(b[off:], []byte{0})

	return string(s), ok
}

// functions checks each function.
func (v *verifier) functions() error {
	v.nameOf = map[uint64]string{}

	for i := 0; i < len(v.ftab); i += 8 {
		v.entries = append(v.entries, uint64(le.Uint32(v.ftab[i:])))
	}

	if last := v.entries[len(v.entries)-1]; v.entries[0] != 0 || last != v.etext-v.text {
		return wrong("its functions are from %#x to %#x", v.entries[0], last)
	}

	for i, entry := range v.entries[:len(v.entries)-1] {
		if v.entries[i+1] <= entry {
			return wrong("its functions aren't in order at %#x", entry)
		}

		if err := v.function(entry, v.entries[i+1]-entry, le.Uint32(v.ftab[8*i+4:])); err != nil {
			return err
		}
	}

	return nil
}

func (v *verifier) function(entry, size uint64, at uint32) error {
	if uint64(at)+funcSize > uint64(len(v.funcs)) || at%4 != 0 {
		return wrong("the function at %#x is nowhere", entry)
	}

	b := v.funcs[at:]
	name, ok := cstring(v.names, le.Uint32(b[4:]))
	n, m := uint64(le.Uint32(b[28:])), uint64(b[43])

	if !ok || name == "" || uint64(le.Uint32(b)) != entry || uint64(le.Uint32(b[12:])) >= size || funcSize+4*(n+m) > uint64(len(b)) {
		return wrong("the function %q at %#x", name, entry)
	}

	v.nameOf[entry] = name
	bad := func(what string) error { return wrong("%s of the function %s at %#x", what, name, entry) }

	if lo, _, ok := v.values(le.Uint32(b[16:]), size); !ok || lo < 0 {
		return bad("the frame")
	}

	if files := le.Uint32(b[20:]); files != 0 {
		unit := uint64(le.Uint32(b[32:]))

		lo, hi, ok := v.values(files, size)
		if !ok || lo < 0 || 4*(unit+uint64(hi)+1) > uint64(len(v.cu)) {
			return bad("the files")
		}

		if err := v.eachFile(files, size, unit); err != nil {
			return bad("the files")
		}
	}

	if lines := le.Uint32(b[24:]); lines != 0 {
		if lo, _, ok := v.values(lines, size); !ok || lo < 0 {
			return bad("the lines")
		}
	}

	inlined := int64(-1)

	for i := range n {
		t := le.Uint32(b[funcSize+4*i:])
		if t == 0 {
			continue
		}

		_, hi, ok := v.values(t, size)
		if !ok {
			return bad(fmt.Sprintf("table %d", i))
		}

		if i == pcdataInlTree {
			inlined = hi
		}
	}

	for i := range m {
		d := le.Uint32(b[funcSize+4*(n+i):])

		switch {
		case d == noFuncdata && (i != funcdataInlTree || inlined < 0):
		case uint64(d) >= uint64(len(v.datas)):
			return bad(fmt.Sprintf("funcdata %d", i))
		case i == funcdataInlTree && !v.inlineTree(v.datas[d:], inlined, size):
			return bad("what is inlined")
		}
	}

	if inlined >= 0 && m <= funcdataInlTree {
		return bad("what is inlined")
	}

	return nil
}

// inlineTree checks the calls that were inlined, up to the last that is used.
func (v *verifier) inlineTree(b []byte, last int64, size uint64) bool {
	for i := int64(0); i <= last; i++ {
		if len(b) < inlinedCallSize {
			return false
		}

		name, ok := cstring(v.names, le.Uint32(b[4:]))
		if !ok || name == "" || uint64(le.Uint32(b[8:])) >= size {
			return false
		}

		b = b[inlinedCallSize:]
	}

	return true
}

// values reads a table by program counter: its least and greatest value. ok is false if it
// can't be read, or doesn't cover the function but for what pads it.
func (v *verifier) values(off uint32, size uint64) (lo, hi int64, ok bool) {
	first := true

	ok = v.each(off, size, func(_, x int64) bool {
		if first {
			lo, hi, first = x, x, false
		}

		lo, hi = min(lo, x), max(hi, x)

		return true
	})

	return lo, hi, ok && !first
}

// maxPad is more than lies between two functions.
const maxPad = 1 << 11

// each calls f for each step of a table: where it ends, and its value.
func (v *verifier) each(off uint32, size uint64, f func(end, value int64) bool) bool {
	if uint64(off) >= uint64(len(v.pc)) {
		return false
	}

	b, value, at := v.pc[off:], int64(-1), uint64(0)

	for first := true; ; first = false {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return false
		}

		if d == 0 && !first {
			return at <= size && at+maxPad > size
		}

		b = b[n:]
		value += int64(int32(uint32(d)>>1) ^ -int32(d&1))

		step, n := binary.Uvarint(b)
		if n <= 0 || step > size {
			return false
		}

		b = b[n:]
		at += step * uint64(v.arch.quantum)

		if !f(int64(at), value) {
			return false
		}
	}
}

// eachFile checks the names of all files that a table leads to.
func (v *verifier) eachFile(off uint32, size, unit uint64) error {
	ok := v.each(off, size, func(_, i int64) bool {
		s, ok := cstring(v.files, le.Uint32(v.cu[4*(unit+uint64(i)):]))
		return ok && s != ""
	})
	if !ok {
		return ErrVerify
	}

	return nil
}

// finds checks that program counters lead to their functions.
func (v *verifier) finds() error {
	at, size := v.word(mdFindFunc), v.etext-v.text

	table := v.bytes(at, bucketSize*((size+bucketBytes-1)/bucketBytes))
	if table == nil {
		return wrong("its index of program counters is at %#x", at)
	}

	find := func(pc uint64) int {
		b := table[pc/bucketBytes*bucketSize:]

		i := int(le.Uint32(b)) + int(b[4+pc%bucketBytes/subBucketBytes])
		for i+1 < len(v.entries)-1 && v.entries[i+1] <= pc {
			i++
		}

		return i
	}

	for i, entry := range v.entries[:len(v.entries)-1] {
		for pc := entry; pc < v.entries[i+1]; pc += subBucketBytes {
			if find(pc) != i {
				return wrong("program counter %#x leads to another function", pc)
			}
		}

		if find(v.entries[i+1]-1) != i {
			return wrong("program counter %#x leads to another function", v.entries[i+1]-1)
		}
	}

	return nil
}

// masks checks that all words of variables have their bit.
func (v *verifier) masks() error {
	for _, x := range []struct{ field, from, to uint64 }{
		{v.mod.gcdatamask, v.word(mdData), v.word(mdEData)}, {v.mod.gcbssmask, v.word(mdBSS), v.word(mdEBSS)},
	} {
		n := uint64(le.Uint32(v.bytes(v.md+x.field, 4)))

		if n != (x.to-x.from)/8 || v.bytes(v.word(x.field+maskBytes), n/8+1) == nil {
			return wrong("a pointer mask of %d bits for %d bytes", n, x.to-x.from)
		}
	}

	return nil
}

// symbols checks that the functions of the file are those of the tables.
func (v *verifier) symbols() error {
	for _, s := range v.f.Symbols {
		if s.Kind != payload.Func {
			continue
		}

		name := strings.TrimSuffix(strings.TrimPrefix(s.Name, jumpPrefix), ".abi0")
		if v.nameOf[s.Addr-v.text] != name {
			return wrong("the function %s is %q in its tables", s.Name, v.nameOf[s.Addr-v.text])
		}
	}

	return nil
}
