package emit

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

func find(t *testing.T, f *payload.File, name string) payload.Symbol {
	t.Helper()

	for _, s := range f.Symbols {
		if s.Name == name {
			return s
		}
	}

	require.Fail(t, "no symbol "+name)

	return payload.Symbol{}
}

func reader(f *payload.File, c config) *verifier {
	mod, _ := layoutOf(f.Meta.Target.GoVersion)
	a, _ := archOf(f.Arch)

	return &verifier{f: f, arch: a, mod: mod, md: f.Meta.Module.Addr}
}

func TestEmit_structure(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	for _, c := range []config{{}, {arch: "arm64"}, {toolchain: "go1.27.4"}} {
		t.Run(c.toolchain+c.arch, func(t *testing.T) {
			version := c.version(t)
			base, fixed, _, _ := c.pair(t, text(t, "base"), text(t, "fixed"))

			f, err := Emit(newClosure(base).plan(t, fixed, version, "leaf", "all"))
			require.NoError(t, err)

			t.Run("functions", func(t *testing.T) { checkFunctions(t, f, c) })
			t.Run("types", func(t *testing.T) { checkTypes(t, f, c) })
			t.Run("masks", func(t *testing.T) { checkMasks(t, f, c) })
			t.Run("jumps", func(t *testing.T) { checkJumps(t, f) })
			t.Run("small", func(t *testing.T) { checkSmall(t, c, base, fixed, version) })
			t.Run("methods", func(t *testing.T) { checkMethods(t, c, base, fixed, version) })
			t.Run("plan", func(t *testing.T) { checkPlan(t, base, fixed, version) })
			t.Run("refused", func(t *testing.T) { checkRefused(t, base, fixed, version) })
			t.Run("verified", func(t *testing.T) { checkVerified(t, f, c) })
		})
	}
}

// checkFunctions reads the tables of functions with the standard library.
func checkFunctions(t *testing.T, f *payload.File, c config) {
	v := reader(f, c)
	at := v.word(mdPCHeader)

	table, err := gosym.NewTable(nil, gosym.NewLineTable(f.Rodata.Bytes[at-f.Rodata.Addr:], v.word(mdText)))
	require.NoError(t, err)

	n := 0

	for _, s := range f.Symbols {
		if s.Kind != payload.Func || strings.HasPrefix(s.Name, jumpPrefix) {
			continue
		}

		n++

		fn := table.PCToFunc(s.Addr + s.Size - 1)
		require.NotNil(t, fn, s.Name)
		require.Equal(t, strings.TrimSuffix(s.Name, ".abi0"), fn.Name)

		file, line, _ := table.PCToLine(s.Addr)
		require.Positive(t, line, s.Name)
		require.True(t, strings.HasPrefix(file, "/") || strings.HasPrefix(file, "<"), "%s: %s", s.Name, file)
	}

	require.Greater(t, n, 20)
}

func checkTypes(t *testing.T, f *payload.File, c config) {
	v := reader(f, c)

	var names []string

	for _, at := range links(t, v) {
		d := v.bytes(at, 48)
		str := v.bytes(v.word(mdTypes)+uint64(int64(int32(le.Uint32(d[typeStr:])))), 2)

		if str == nil {
			names = append(names, "") // it is the program's
			continue
		}

		size, k := binary.Uvarint(str[1:])
		name := string(v.bytes(v.word(mdTypes)+uint64(le.Uint32(d[typeStr:]))+1+uint64(k), size))

		if d[typeFlags]&flagExtraStar != 0 {
			name = name[1:]
		}

		names = append(names, name)
	}

	require.Contains(t, names, "*main.box")
	require.Contains(t, names, "[]main.failure")

	known := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })
	require.True(t, slices.IsSorted(known), "%q", known)
}

// links are the types that can be looked up, as the runtime finds them.
func links(t *testing.T, v *verifier) (at []uint64) {
	t.Helper()

	if v.mod.typelinks != 0 {
		b, err := v.slice(v.mod.typelinks, 4)
		require.NoError(t, err)

		for ; len(b) >= 4; b = b[4:] {
			at = append(at, v.word(mdTypes)+uint64(le.Uint32(b)))
		}

		return at
	}

	sizes := map[uint64]uint64{}
	for _, s := range v.f.Symbols {
		sizes[s.Addr] = s.Size
	}

	end := v.word(mdTypes) + le.Uint64(v.bytes(v.md+v.mod.typedesclen, 8))
	for p := v.word(mdTypes) + 8; p < end; p += sizes[p] {
		require.NotZero(t, sizes[p])

		at = append(at, p)
	}

	return at
}

// checkMasks compares masks with what is known of the variables' types.
func checkMasks(t *testing.T, f *payload.File, c config) {
	v := reader(f, c)

	bit := func(at uint64) bool {
		for _, x := range []struct{ from, to, mask uint64 }{
			{v.word(mdData), v.word(mdEData), v.mod.gcdatamask}, {v.word(mdBSS), v.word(mdEBSS), v.mod.gcbssmask},
		} {
			if at >= x.from && at < x.to {
				i := (at - x.from) / 8
				return v.bytes(v.word(x.mask+maskBytes)+i/8, 1)[0]>>(i%8)&1 != 0
			}
		}

		return false
	}

	words := func(name string) (out []bool) {
		s := find(t, f, name)
		for i := uint64(0); i < s.Size; i += 8 {
			out = append(out, bit(s.Addr+i))
		}

		return out
	}

	var big []bool

	for range 20 {
		for i := range 100 + 70 + 300*3 {
			big = append(big, i >= 100 && i < 170 || i >= 170 && (i-170)%3 == 1)
		}
	}

	require.Equal(t, big, words("main.table"))
	require.Equal(t, []bool{true}, words("main.origin"))
	require.Equal(t, []bool{true, false}, words("main.boxName"))
	require.Equal(t, []bool{true}, words("main.cache"))
	require.Equal(t, []bool{false}, words("main.ready"))
}

// checkJumps looks at the jump to a method of the program.
func checkJumps(t *testing.T, f *payload.File) {
	s := find(t, f, jumpPrefix+"main.code.String")

	i := slices.IndexFunc(f.Relocs, func(r payload.Reloc) bool { return r.Off >= s.Addr && r.Off < s.Addr+s.Size })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, payload.RefHost, f.Relocs[i].Ref.Kind)
	require.Equal(t, "main.code.String", f.Relocs[i].Ref.Name)
}

// checkSmall emits a payload of one function, in several ways.
func checkSmall(t *testing.T, c config, base, fixed *program.Program, version string) {
	p := newClosure(base).plan(t, fixed, version, "leaf")

	f, err := Emit(p)
	require.NoError(t, err)

	want, err := f.Marshal()
	require.NoError(t, err)
	require.Less(t, len(want), 6000)

	slices.Reverse(p.Include)

	g, err := Emit(p)
	require.NoError(t, err)

	got, err := g.Marshal()
	require.NoError(t, err)
	require.Equal(t, want, got)

	x, err := elf.NewFile(bytes.NewReader(want))
	require.NoError(t, err)

	syms, err := x.Symbols()
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(syms, func(s elf.Symbol) bool { return s.Name == "main.leaf" && elf.ST_TYPE(s.Info) == elf.STT_FUNC }))
}

// checkMethods looks at a type whose methods can't be called.
func checkMethods(t *testing.T, c config, base, fixed *program.Program, version string) {
	n := newClosure(base)

	for _, kept := range []bool{false, true} {
		p := n.plan(t, fixed, version, "all")
		p.KeepMethod = func(*program.Symbol, int) bool { return kept }

		f, err := Emit(p)
		require.NoError(t, err)

		var box *program.Symbol

		for _, s := range p.Include {
			if s.Name == "type:*main.box" {
				box = s
			}
		}

		v, at := reader(f, c), find(t, f, "type:*main.box").Addr

		require.NoError(t, methods(box, func(_ int, m [3]program.Reloc) error {
			for i, r := range m {
				off := le.Uint32(v.bytes(at+uint64(r.Off), 4))

				switch {
				case i == 0 && kept:
					require.NotEqual(t, ^uint32(0), off)
				case i > 0 && kept:
					require.Equal(t, find(t, f, r.Sym.Name).Addr, v.word(mdText)+uint64(off))
				case i > 0:
					require.Equal(t, ^uint32(0), off)
				}
			}

			return nil
		}))
	}
}

// checkPlan emits all else that a plan may have.
func checkPlan(t *testing.T, base, fixed *program.Program, version string) {
	p := newClosure(base).plan(t, fixed, version, "leaf", "all")
	leaf, begin := fixed.Func("main.leaf"), fixed.Func("main.begin")
	host := payload.Ref{Kind: payload.RefHost, Value: base.ELF.Types, Name: "runtime.types"}

	p.Hooks = map[string]*program.Symbol{payload.HookLoad: begin, payload.HookApply: leaf}
	p.Inits = []InitPlan{{Package: "main", Funcs: []*program.Symbol{begin}}}
	p.Words = []WordPlan{{Kind: payload.WordFuncValue, Name: "leaf", At: host, Size: 8, Old: []payload.Value{{Ref: host}}, New: leaf}}
	p.Fixups = []WordPlan{{Kind: payload.WordMethod, Name: "m", At: host, Size: 4, Old: []payload.Value{{Const: 1<<32 - 1}}, Const: 7}}

	f, err := Emit(p)
	require.NoError(t, err)

	_, err = f.Marshal()
	require.NoError(t, err)

	at := find(t, f, "main.leaf").Addr
	require.Equal(t, payload.Value{Ref: payload.Ref{Kind: payload.RefImage, Value: at, Name: "main.leaf"}}, f.Meta.Words[0].New)
	require.Equal(t, payload.Value{Const: 7}, f.Meta.Fixups[0].New)
	require.Equal(t, []payload.Init{{Package: "main", Funcs: []uint64{find(t, f, "main.begin").Addr}}}, f.Meta.Inits)
	require.Equal(t, f.Meta.Slots[0].Value, f.Meta.Hooks[payload.HookApply], "one func value of each function")
	require.NotEqual(t, f.Meta.Slots[0].Value, f.Meta.Hooks[payload.HookLoad])
	require.NotEmpty(t, f.Meta.Itabs)
	require.Equal(t, base.ELF.Text, f.Meta.Target.Text)

	p.Hooks[payload.HookUnload] = base.Func("runtime.GC") // of the program

	f, err = Emit(p)
	require.NoError(t, err)

	_, err = f.Marshal()
	require.NoError(t, err)
}

func checkRefused(t *testing.T, base, fixed *program.Program, version string) {
	emit := func(change func(*Plan)) error {
		p := newClosure(base).plan(t, fixed, version, "all")
		change(&p)

		_, err := Emit(p)

		return err
	}

	var r *RelocError

	require.ErrorAs(t, emit(func(p *Plan) { p.Resolve = nil }), &r)
	require.NotEmpty(t, r.Symbol)
	require.NotEmpty(t, r.Target)
	require.Contains(t, r.Error(), r.Target)

	for _, v := range []string{"", "go1.25.3", "go1.28", "go1.26.x", "go1.26.", "go2.26", "devel"} {
		require.ErrorIs(t, emit(func(p *Plan) { p.GoVersion = v }), ErrVersion, v)
	}

	other := "go1.27.0"
	if strings.HasPrefix(version, "go1.27") {
		other = "go1.26.0"
	}

	require.ErrorIs(t, emit(func(p *Plan) { p.GoVersion = other }), ErrVersion)

	for name, change := range map[string]func(*Plan){
		"nothing":       func(p *Plan) { p.Include, p.Slots = nil, nil },
		"no code":       func(p *Plan) { p.Slots[0].Func = p.Itabs[0] },
		"an itab":       func(p *Plan) { p.Include = append(p.Include, p.Itabs[0]); p.Itabs = p.Itabs[1:] },
		"twice":         func(p *Plan) { p.Itabs = append(p.Itabs, p.Itabs[0]) },
		"a word":        func(p *Plan) { p.Words = []WordPlan{{Name: "x", New: &program.Symbol{Name: "x"}}} },
		"a constructor": func(p *Plan) { p.Inits = []InitPlan{{Funcs: []*program.Symbol{fixed.Func("runtime.mallocgc")}}} },
	} {
		var bad *PlanError
		require.ErrorAs(t, emit(change), &bad, name)
	}
}

// checkVerified damages a payload.
func checkVerified(t *testing.T, f *payload.File, c config) {
	v := reader(f, c)
	fn := v.word(mdFtab)

	for name, damage := range map[string]func(x *verifier){
		"text":       func(x *verifier) { x.set(mdText, v.word(mdText)+64) },
		"end":        func(x *verifier) { x.set(mdMaxPC, v.word(mdMaxPC)-1) },
		"types":      func(x *verifier) { x.set(v.mod.etypes, f.Data.End()+8) },
		"mask":       func(x *verifier) { x.set(v.mod.gcbssmask, 3) },
		"name":       func(x *verifier) { x.set(v.mod.modulename+sliceLen, 1<<40) },
		"successor":  func(x *verifier) { x.set(v.mod.next, 1) },
		"header":     func(x *verifier) { x.bytes(v.word(mdPCHeader), 1)[0]++ },
		"order":      func(x *verifier) { le.PutUint32(x.bytes(fn+8, 4), 1<<20) },
		"record":     func(x *verifier) { le.PutUint32(x.bytes(fn+4, 4), 1<<30) },
		"other":      func(x *verifier) { copy(x.bytes(fn+12, 4), x.bytes(fn+20, 4)) },
		"find":       func(x *verifier) { x.bytes(v.word(mdFindFunc)+8, 1)[0]++ },
		"names":      func(x *verifier) { x.bytes(fn+uint64(le.Uint32(v.bytes(fn+4, 4)))+4, 1)[0]++ },
		"size":       func(x *verifier) { x.set(mdPC+sliceLen, 1) },
		"files":      func(x *verifier) { x.set(mdCU+sliceLen, 0) },
		"funcdata":   func(x *verifier) { x.set(v.mod.epclntab, v.word(v.mod.gofunc)) },
		"module":     func(x *verifier) { x.f.Meta.Module.Size-- },
		"module off": func(x *verifier) { x.f.Meta.Module.Addr = f.Data.End() },
	} {
		g := *f
		for _, s := range []*payload.Segment{&g.Text, &g.Rodata, &g.Data} {
			s.Bytes = bytes.Clone(s.Bytes)
		}

		require.NoError(t, Verify(&g, g.Arch))
		damage(&verifier{f: &g, md: v.md})
		require.ErrorIs(t, Verify(&g, g.Arch), ErrVerify, name)
	}

	require.ErrorIs(t, Verify(f, "riscv64"), ErrVerify)
}

func FuzzVerify(f *testing.F) {
	if testing.Short() {
		f.Skip("builds programs")
	}

	c := config{}
	base, fixed, _, _ := c.pair(f, text(f, "base"), text(f, "fixed"))

	whole, err := Emit(newClosure(base).plan(f, fixed, c.version(f), "leaf"))
	require.NoError(f, err)

	f.Add(uint32(0), uint64(0), uint32(1<<20), uint64(0))
	f.Add(uint32(mdFtab), uint64(1<<40), uint32(3), uint64(1<<63))

	f.Fuzz(func(t *testing.T, at uint32, to uint64, at2 uint32, to2 uint64) {
		g := *whole
		for _, s := range []*payload.Segment{&g.Rodata, &g.Data} {
			s.Bytes = bytes.Clone(s.Bytes)
		}

		for _, x := range []struct {
			at uint32
			to uint64
		}{{at, to}, {at2, to2}} {
			b := g.Data.Bytes
			if x.at >= 1<<20 {
				b = g.Rodata.Bytes
			}

			le.PutUint64(b[uint64(x.at)%uint64(len(b)-8):], x.to)
		}

		if err := Verify(&g, g.Arch); err != nil {
			require.ErrorIs(t, err, ErrVerify)
		}
	})
}

// set overwrites a field of the module record.
func (v *verifier) set(field, to uint64) { le.PutUint64(v.bytes(v.md+field, 8), to) }
