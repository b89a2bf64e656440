package emit

import (
	"bytes"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// What the runtime knows functions and their tables by.
const (
	funcdataInlTree = 3
	pcdataInlTree   = 2
	inlinedCallSize = 16
	noFuncdata      = ^uint32(0)
	funcIDWrapper   = 23 // not shown to people
	funcFlagAsm     = 4  // never preempted
)

// tables is where the tables of functions are, as offsets in rodata.
type tables struct {
	header, find                           uint64
	names, cu, files, pc, funcs, funcdatas span
	n                                      int // functions
}

// tableBuilder writes the tables of functions.
type tableBuilder struct {
	e *emitter

	names, cu, files, pc, ftab, records, data buf

	nameOff, fileOff, pcOff, dataOff map[string]uint32
	cuOff                            map[*goobj.Object]uint32
	first                            uint32 // offset of the records from ftab
	goroot                           string
}

// layFuncs appends the tables of functions to the constants.
func (e *emitter) layFuncs() error {
	n := len(e.text) + len(e.stubs)
	t := &tableBuilder{
		e: e, nameOff: map[string]uint32{}, fileOff: map[string]uint32{}, pcOff: map[string]uint32{}, dataOff: map[string]uint32{},
		cuOff: map[*goobj.Object]uint32{}, first: uint32(roundUp(8*uint64(n)+4, 8)),
	}

	t.names.b = []byte{0} // offsets of 0 are none
	t.pc.b = []byte{0}
	t.units()

	var entries []uint64

	for _, s := range e.text {
		entries = append(entries, e.at[s].off)

		if err := t.function(s); err != nil {
			return err
		}
	}

	for _, s := range e.stubs {
		entries = append(entries, s.off)
		t.stub(s)
	}

	t.ftab.u32(uint32(e.eText))
	t.ftab.align(8, 0)
	t.ftab.b = append(t.ftab.b, t.records.b...)

	b := &e.seg[segRodata]
	p := &e.pcln
	p.n = n

	b.align(8, 0)
	p.header = b.len()
	b.u32(pcHeaderMagic)
	b.b = append(b.b, 0, 0, e.arch.quantum, 8)
	b.u64(uint64(n))
	b.u64(uint64(len(t.fileOff)))

	offsets := b.put(make([]byte, pcHeaderSize-24), 1) + 8 // one more that isn't used

	for i, x := range []struct {
		from  *buf
		to    *span
		align uint64
	}{{&t.names, &p.names, 1}, {&t.cu, &p.cu, 4}, {&t.files, &p.files, 1}, {&t.pc, &p.pc, 1}, {&t.ftab, &p.funcs, 8}} {
		x.to.from = b.put(x.from.b, x.align)
		x.to.to = b.len()
		le.PutUint64(b.b[offsets+8*uint64(i):], x.to.from-p.header)
	}

	p.funcdatas.from = b.put(t.data.b, 64)
	b.align(8, 0)
	p.funcdatas.to = b.len()

	find, err := findTable(entries, e.eText)
	p.find = b.put(find, 8)

	return err
}

// units writes the lists of files that line tables refer to, one for each object.
func (t *tableBuilder) units() {
	used := map[*goobj.Object]map[uint32]bool{}

	var objects []*goobj.Object

	for _, s := range t.e.text {
		o := s.File()
		if used[o] == nil {
			used[o] = map[uint32]bool{}
			objects = append(objects, o)
		}

		f, _ := s.Func()
		for _, i := range f.Files {
			used[o][i] = true
		}

		for _, in := range f.Inlined {
			used[o][in.File] = true
		}
	}

	for _, o := range objects {
		t.cuOff[o] = uint32(len(t.cu.b) / 4)

		last := -1
		for i := range used[o] {
			last = max(last, int(i))
		}

		for i := range min(last+1, len(o.Files)) {
			if used[o][uint32(i)] {
				t.cu.u32(t.file(o.Files[i]))
			} else {
				t.cu.u32(^uint32(0))
			}
		}
	}
}

// file is the offset of the name of a file.
func (t *tableBuilder) file(name string) uint32 {
	name = strings.TrimPrefix(name, "gofile..")

	if rest, ok := strings.CutPrefix(name, "$GOROOT/"); ok {
		if t.goroot == "" {
			t.goroot = t.e.findGoroot()
		}

		name = t.goroot + "/" + rest
	}

	return intern(&t.files, t.fileOff, []byte(name+"\x00"), 1)
}

// findGoroot is what the base's linker put for the root of the Go tree.
func (e *emitter) findGoroot() string {
	const unknown, file = "$GOROOT", "/src/runtime/proc.go\x00"

	from, ok := e.p.Base.ELF.Lookup("runtime.pclntab")
	to, ok2 := e.p.Base.ELF.Lookup("runtime.epclntab")

	if !ok || !ok2 || to.Addr < from.Addr {
		return unknown
	}

	b := e.p.Base.ELF.Bytes(from.Addr, to.Addr-from.Addr)
	end := bytes.Index(b, []byte(file))
	start := bytes.LastIndexByte(b[:max(end, 0)], 0)

	if end < 0 || start < 0 {
		return unknown
	}

	return string(b[start+1 : end])
}

// intern appends bytes, or finds where they are already.
func intern(b *buf, known map[string]uint32, p []byte, align uint64) uint32 {
	at, ok := known[string(p)]
	if !ok || uint64(at)%align != 0 {
		at = uint32(b.put(p, align))
		known[string(p)] = at
	}

	return at
}

func (t *tableBuilder) name(s string) uint32 {
	return intern(&t.names, t.nameOff, []byte(s+"\x00"), 1)
}

// pcTable is the offset of a table of values by program counter; 0 is none.
func (t *tableBuilder) pcTable(s *program.Symbol) uint32 {
	if s == nil || len(s.Data) == 0 {
		return 0
	}

	return intern(&t.pc, t.pcOff, s.Data, 1)
}

// head writes what the record of each function begins with.
func (t *tableBuilder) head(off uint64, fields ...uint32) {
	t.records.align(8, 0)
	t.ftab.u32(uint32(off), t.first+uint32(t.records.len()))
	t.records.u32(uint32(off))
	t.records.u32(fields...)
}

func (t *tableBuilder) function(s *program.Symbol) error {
	f, _ := s.Func()
	pcdata := make([]uint32, len(f.Pcdata))

	for i, p := range f.Pcdata {
		pcdata[i] = t.pcTable(p)
	}

	datas := make([]uint32, len(f.Funcdata))

	for i, d := range f.Funcdata {
		at, err := t.funcdata(s, d)
		if err != nil {
			return err
		}

		datas[i] = at
	}

	if len(f.Inlined) > 0 {
		for len(pcdata) <= pcdataInlTree {
			pcdata = append(pcdata, 0)
		}

		for len(datas) <= funcdataInlTree {
			datas = append(datas, noFuncdata)
		}

		tree, err := t.inlined(s, f)
		if err != nil {
			return err
		}

		pcdata[pcdataInlTree] = t.pcTable(f.Pcinline)
		datas[funcdataInlTree] = intern(&t.data, t.dataOff, tree, 4)
	}

	if len(datas) > 255 {
		return &PlanError{s.Name, "too much is known of the function"}
	}

	t.head(t.e.at[s].off, t.name(s.Name), f.Args, t.e.deferReturn(s), t.pcTable(f.Pcsp), t.pcTable(f.Pcfile), t.pcTable(f.Pcline),
		uint32(len(pcdata)), t.cuOff[s.File()], uint32(f.StartLine))
	t.records.b = append(t.records.b, f.ID, f.Flags, 0, byte(len(datas)))
	t.records.u32(pcdata...)
	t.records.u32(datas...)

	return nil
}

// deferReturn is where in a function its deferred functions are run; 0 is nowhere.
func (e *emitter) deferReturn(s *program.Symbol) uint32 {
	for _, r := range s.Relocs() {
		if (r.Type == goobj.Call || r.Type == goobj.CallARM64) && !r.Marks() && r.Sym != nil && r.Sym.Name == "runtime.deferreturn" {
			return uint32(r.Off) - e.arch.callBack
		}
	}

	return 0
}

// funcdata is the offset of something that is known of a function.
func (t *tableBuilder) funcdata(s, d *program.Symbol) (uint32, error) {
	if d == nil || !d.Defined() || len(d.Data) == 0 && s.IsAssembly() {
		return noFuncdata, nil
	}

	b := make([]byte, d.Size)
	copy(b, d.Data)

	for _, r := range d.Relocs() {
		if r.Marks() {
			continue
		}

		if r.Type != goobj.AddrOff || r.Sym == nil || r.Off < 0 || int(r.Off)+4 > len(b) {
			return 0, relocError(d, r, "not what is known of a function")
		}

		at := t.e.at[r.Sym]

		switch {
		case r.Sym.IsText() && !t.e.included[r.Sym]:
			at.off = t.e.stubOf[r.Sym].off
		case !r.Sym.IsText() && at.seg != segRodata:
			return 0, relocError(d, r, "not a constant")
		}

		le.PutUint32(b[r.Off:], uint32(at.off+uint64(r.Add)))
	}

	return intern(&t.data, t.dataOff, b, max(t.e.alignOf(d), 8)), nil
}

// inlined is the tree of calls that the compiler inlined.
func (t *tableBuilder) inlined(s *program.Symbol, f program.Func) ([]byte, error) {
	var b buf

	for i, in := range f.Inlined {
		fn := f.InlinedFuncs[i]
		if fn == nil {
			return nil, &PlanError{s.Name, "a function that is inlined has no name"}
		}

		what, _ := fn.Func()
		b.u32(uint32(what.ID), t.name(fn.Name), uint32(in.ParentPC), uint32(what.StartLine))
	}

	return b.b, nil
}

// stub writes the record of a jump: it has no frame, isn't shown, and isn't preempted.
func (t *tableBuilder) stub(s *stub) {
	// The frame is of 0 bytes from the start: a step of 1 from -1, for the whole length.
	size := byte(len(t.e.arch.jump)) / t.e.arch.quantum
	frame := intern(&t.pc, t.pcOff, []byte{2, size, 0}, 1)

	t.head(s.off, t.name(s.to.Name), 0, 0, frame, 0, 0, 0, ^uint32(0), 0)
	t.records.b = append(t.records.b, funcIDWrapper, funcFlagAsm, 0, 0)
}

// findTable says for each 256 bytes of text which function is the first there.
func findTable(entries []uint64, end uint64) ([]byte, error) {
	var b buf

	at := func(off uint64) uint32 {
		i := 0
		for i+1 < len(entries) && entries[i+1] <= off {
			i++
		}

		return uint32(i)
	}

	for off := uint64(0); off < end; off += bucketBytes {
		first := at(off)
		b.u32(first)

		for i := range uint64(bucketBytes / subBucketBytes) {
			n := at(off+i*subBucketBytes) - first
			if n > 255 {
				return nil, &PlanError{"the payload", "too many functions in a page of code"}
			}

			b.b = append(b.b, byte(n))
		}
	}

	return b.b, nil
}
