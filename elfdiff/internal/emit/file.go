package emit

import (
	"slices"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// module fills in the module record.
func (e *emitter) module() {
	at, ro, text, data := e.base[segData], e.base[segRodata], e.base[segText], e.base[segData]

	ptr := func(field, to uint64) {
		e.pointer(at+field, target{image: true, addr: to}, 0)
	}

	num := func(field, n uint64) { le.PutUint64(e.image[at+field:], n) }

	slice := func(field uint64, s span, size uint64) {
		ptr(field, ro+s.from)
		num(field+sliceLen, s.size()/size)
		num(field+sliceCap, s.size()/size)
	}

	area := func(field uint64, s span) {
		ptr(field, data+s.from)
		ptr(field+8, data+s.to)
	}

	p := &e.pcln
	ptr(mdPCHeader, ro+p.header)
	slice(mdFuncNames, p.names, 1)
	slice(mdCU, p.cu, 4)
	slice(mdFiles, p.files, 1)
	slice(mdPC, p.pc, 1)
	slice(mdPCLn, p.funcs, 1)
	slice(mdFtab, span{p.funcs.from, p.funcs.from + 8*uint64(p.n+1)}, 8)
	ptr(mdFindFunc, ro+p.find)
	ptr(mdMinPC, text)
	ptr(mdMaxPC, text+e.eText)
	ptr(mdText, text)
	ptr(mdEText, text+e.eText)
	area(mdNoPtrData, e.noptrAt)
	area(mdData, e.dataAt)
	area(mdBSS, e.bssAt)
	area(mdNoPtrBSS, e.zeroAt)
	ptr(mdEnd, data+e.size)
	ptr(mdGCData, ro+e.dataMask)
	ptr(mdGCBSS, ro+e.bssMask)
	ptr(mdTypes, ro)
	ptr(e.mod.etypes, ro+e.eTypes)
	ptr(e.mod.rodata, ro)
	ptr(e.mod.gofunc, ro+p.funcdatas.from)
	ptr(e.mod.epclntab, ro+p.funcdatas.to)

	if e.mod.typelinks == 0 { // the types themselves, from the first on
		if e.links > 0 {
			num(e.mod.typedesclen, e.linksAt.to)
		}

		num(e.mod.itaboffset, e.eTypes)
	} else if e.links > 0 {
		slice(e.mod.typelinks, e.linksAt, 4)
	}

	ptr(e.mod.modulename, ro+e.nameAt.from)
	num(e.mod.modulename+sliceLen, e.nameAt.size())

	for _, m := range []struct {
		field, mask uint64
		of          span
	}{{e.mod.gcdatamask, e.dataMask, e.dataAt}, {e.mod.gcbssmask, e.bssMask, e.bssAt}} {
		le.PutUint32(e.image[at+m.field:], uint32(m.of.size()/8))
		ptr(m.field+maskBytes, ro+m.mask)
	}
}

// file puts the payload together.
func (e *emitter) file() (*payload.File, error) {
	f := &payload.File{Arch: e.arch.name, Relocs: e.relocs, Meta: e.p.Meta}

	for i, s := range []*payload.Segment{&f.Text, &f.Rodata, &f.Data} {
		n := e.seg[i].len()
		*s = payload.Segment{Addr: e.base[i], Bytes: e.image[e.base[i] : e.base[i]+n : e.base[i]+n], Size: n}
	}

	f.Data.Size = e.size

	for i, list := range [][]*program.Symbol{e.text, e.types, e.rodata, e.noptr, e.data, e.bss, e.zero} {
		kind := payload.Object
		if i == 0 {
			kind = payload.Func
		}

		for _, s := range list {
			if s.Name != "" {
				f.Symbols = append(f.Symbols, payload.Symbol{Name: symbolName(s), Kind: kind, Addr: e.addr(e.at[s]), Size: s.Size})
			}
		}
	}

	for _, s := range e.stubs {
		f.Symbols = append(f.Symbols, payload.Symbol{
			Name: jumpPrefix + symbolName(s.to), Kind: payload.Func, Addr: e.base[segText] + s.off, Size: uint64(len(e.arch.jump)),
		})
	}

	return f, e.meta(&f.Meta)
}

// jumpPrefix begins the names of jumps to functions elsewhere.
const jumpPrefix = "vgraft.jump:"

func (e *emitter) meta(m *payload.Meta) error {
	host := e.p.Base.ELF

	m.Format = 1
	m.Slots, m.Itabs, m.Inits, m.Fixups, m.Words, m.Entries, m.Hooks = nil, nil, nil, nil, nil, nil, nil
	m.Target.GoVersion, m.Target.Arch, m.Target.PIE, m.Target.Text = e.p.GoVersion, e.arch.name, host.PIE, host.Text
	m.Module = payload.Module{Addr: e.base[segData], Size: e.mod.size, Next: e.mod.next}

	for _, x := range []struct {
		name string
		to   *uint64
	}{
		{"runtime.firstmoduledata", &m.Runtime.FirstModule}, {"runtime.lastmoduledatap", &m.Runtime.LastModule},
		{"runtime.modulesSlice", &m.Runtime.ModulesSlice}, {"runtime.getitab", &m.Runtime.GetItab},
		{"runtime.unreachableMethod", &m.Runtime.UnreachableMethod}, {"runtime.itabTable", &m.Runtime.ItabTable},
	} {
		if s, ok := host.Lookup(x.name); ok && *x.to == 0 {
			*x.to = s.Addr
		}
	}

	e.metaTypes(m)

	if err := e.metaEntries(m); err != nil {
		return err
	}

	for _, s := range e.p.Slots {
		m.Slots = append(m.Slots, payload.Slot{Name: s.Name, Impl: s.Impl, Func: symbolName(s.Func), Value: e.addr(e.valueOf[s.Func].at)})
	}

	if len(e.p.Hooks) > 0 {
		m.Hooks = map[string]uint64{}

		for n, fn := range e.p.Hooks {
			m.Hooks[n] = e.addr(e.valueOf[fn].at)
		}
	}

	for _, in := range e.p.Inits {
		x := payload.Init{Package: in.Package}

		for _, fn := range in.Funcs {
			if !e.included[fn] || !fn.IsText() {
				return &PlanError{in.Package, "an initialiser isn't included"}
			}

			x.Funcs = append(x.Funcs, e.addr(e.at[fn]))
		}

		m.Inits = append(m.Inits, x)
	}

	if err := e.metaItabs(m); err != nil {
		return err
	}

	var err error
	if m.Fixups, err = e.planned(e.p.Fixups); err == nil {
		m.Words, err = e.planned(e.p.Words)
	}

	return err
}

// metaTypes names the types that reflection may have made before, and where it keeps those that
// it made: in variables of type sync.Map, two of them behind a lock.
func (e *emitter) metaTypes(m *payload.Meta) {
	m.Types, m.Runtime.MadeTypes = nil, nil

	for _, s := range e.types {
		if s.IsType() && byte(word(s, typeFlags))&flagNamed == 0 && slices.Contains(makeable, byte(word(s, typeKind))&kindMask) {
			m.Types = append(m.Types, e.addr(e.at[s]))
		}
	}

	if len(m.Types) == 0 {
		return
	}

	const lock = 8

	for _, v := range []struct {
		name string
		at   uint64
	}{{"reflect.ptrMap", 0}, {"reflect.lookupCache", 0}, {"reflect.funcLookupCache", lock}, {"reflect.structLookupCache", lock}} {
		if s, ok := e.p.Base.ELF.Lookup(v.name); ok {
			m.Runtime.MadeTypes = append(m.Runtime.MadeTypes, s.Addr+v.at)
		}
	}
}

// metaEntries names the entries, and what they need of the runtime.
func (e *emitter) metaEntries(m *payload.Meta) error {
	if len(e.p.Entries) == 0 {
		return nil
	}

	for name, to := range map[string]*uint64{"runtime.stopTheWorld": &m.Runtime.StopTheWorld, "runtime.startTheWorld": &m.Runtime.StartTheWorld} {
		s, ok := e.p.Base.ELF.Lookup(name)
		if !ok {
			return &PlanError{name, "the program doesn't have it"}
		}

		*to = s.Addr
	}

	for _, p := range e.p.Entries {
		ref, ok := e.ref(p.New)
		if !ok || ref.Kind != payload.RefImage {
			return &PlanError{p.Name, "what its entry should lead to isn't included"}
		}

		m.Entries = append(m.Entries, payload.Entry{Name: p.Name, At: p.At, Old: p.Old, From: p.From, New: ref})
	}

	return nil
}

// ref is a reference to a symbol from the metadata.
func (e *emitter) ref(s *program.Symbol) (payload.Ref, bool) {
	t, ok := e.find(s)
	if ok && t.image {
		return payload.Ref{Kind: payload.RefImage, Value: t.addr, Name: symbolName(s)}, true
	}

	return t.ref, ok && !t.itab
}

func (e *emitter) metaItabs(m *payload.Meta) error {
	for _, s := range e.p.Itabs {
		x := payload.Itab{Name: s.Name}

		for _, f := range []struct {
			off int32
			to  *payload.Ref
		}{{0, &x.Inter}, {8, &x.Type}} {
			var ok bool
			if *f.to, ok = e.ref(itabField(s, f.off)); !ok {
				return &PlanError{s.Name, "its types are nowhere"}
			}
		}

		for _, r := range s.Relocs() {
			if r.Off < itabFuncs || r.Marks() || r.Sym == nil || !r.Sym.IsText() {
				continue
			}

			fn := payload.ItabEntry{Index: int(r.Off-itabFuncs) / 8}

			switch stub := e.stubOf[r.Sym]; {
			case e.included[r.Sym]:
				fn.Func = e.addr(e.at[r.Sym])
			case stub != nil && e.leftOut(s, r.Sym):
				fn.Func = e.base[segText] + stub.off
			default:
				continue
			}

			x.New = append(x.New, fn)
		}

		m.Itabs = append(m.Itabs, x)
	}

	return nil
}

func (e *emitter) planned(plans []WordPlan) (words []payload.Word, _ error) {
	for _, p := range plans {
		w := payload.Word{Kind: p.Kind, Name: p.Name, At: p.At, Size: p.Size, Old: p.Old, New: payload.Value{Const: p.Const}, Same: p.Same}

		if p.New != nil {
			ref, ok := e.ref(p.New)
			if !ok {
				return nil, &PlanError{p.Name, "what it should hold is nowhere"}
			}

			w.New = payload.Value{Ref: ref}
		}

		words = append(words, w)
	}

	return words, nil
}
