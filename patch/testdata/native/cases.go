package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/vgraft/vgraft/internal/payload"
	"github.com/vgraft/vgraft/patch"
)

var ctx = context.Background()

// life: loaded and unloaded it leaves nothing; applied it stays mapped.
func life(f fixture) {
	before := f.engine.Stats()

	p := must(f.upload(f.file("life")))
	want("mapped", f.engine.Stats().Mapped-before.Mapped, p.Mapped())
	want("answer", f.answer(), 1)
	want("provenance", p.Provenance().Module, "example.com/fix")
	must(f.engine.DryRun(ctx, patch.OpApply, p, patch.On(f.domain)))

	if err := f.engine.Unload(ctx, p); err != nil {
		panic(err)
	}

	want("mapped after unload", f.engine.Stats().Mapped, before.Mapped)
	want("retired after unload", f.engine.Stats().Retired, before.Retired)

	p = must(f.upload(f.file("life")))
	_, err := f.upload(f.file("life"))
	wantErr("twice", err, patch.ErrDuplicate)

	r := must(f.engine.Apply(ctx, p, patch.On(f.domain)))
	want("words", r.Words, 0)
	want("answer", f.answer(), 42)
	must(f.engine.Revert(ctx, p, patch.On(f.domain)))
	want("answer", f.answer(), 1)
	must(f.engine.Apply(ctx, p, patch.On(f.domain)))

	for range 1000 {
		want("answer", f.answer(), 42)
	}

	runtime.GC()
	must(f.engine.Revert(ctx, p, patch.On(f.domain)))

	if err := f.engine.Unload(ctx, p); err != nil {
		panic(err)
	}

	want("retired", f.engine.Stats().Retired-before.Retired, p.Mapped())
}

// hooks: they and initialisers run from the image.
func hooks(f fixture) {
	p := f.file("hooks")
	p.Meta.Hooks = map[string]uint64{
		payload.HookLoad: p.Rodata.Addr + 16, payload.HookUnload: p.Rodata.Addr + 16, payload.HookPreApply: p.Rodata.Addr + 16,
		payload.HookPostApply: p.Rodata.Addr + 16, payload.HookPreRevert: p.Rodata.Addr + 16, payload.HookPostRevert: p.Rodata.Addr + 16,
	}
	p.Meta.Inits = []payload.Init{{Package: "main", Funcs: []uint64{p.Text.Addr + initialiser}}}

	if runtime.GOARCH == "arm64" {
		at := payload.Ref{Kind: payload.RefImage, Value: p.Data.Addr + flag}
		p.Relocs = append(p.Relocs,
			payload.Reloc{Off: p.Text.Addr + initialiser, Type: payload.R_AARCH64_ADR_PREL_PG_HI21, Ref: at},
			payload.Reloc{Off: p.Text.Addr + initialiser + 8, Type: payload.R_AARCH64_LDST8_ABS_LO12_NC, Ref: at})
	} else {
		p.Relocs = append(p.Relocs, payload.Reloc{Off: p.Text.Addr + initialiser + 2, Type: payload.R_X86_64_PC32, Ref: payload.Ref{Kind: payload.RefImage, Value: p.Data.Addr + flag}, Addend: -5})
	}

	loaded := must(f.upload(p))
	base := f.base(p)
	want("initialised", load[byte](base+p.Data.Addr+flag), 1)

	r := must(f.engine.Apply(ctx, loaded, patch.On(f.domain)))
	want("hooks", len(r.Hooks), 2)
	want("answer", f.answer(), 42)
	must(f.engine.Revert(ctx, loaded, patch.On(f.domain)))

	if err := f.engine.Unload(ctx, loaded); err != nil {
		panic(err)
	}
}

// base is where the payload that was committed last is, from the runtime's list of modules.
func (f fixture) base(p *payload.File) uint64 {
	return load[uint64](f.symbols["runtime.lastmoduledatap"]+f.bias) - p.Meta.Module.Addr
}

// depends: one linked against another has it mapped for as long as it is itself.
func depends(f fixture) {
	before := f.engine.Stats()
	lower := f.file("lower")

	a := must(f.upload(lower))
	upper := f.file("upper")
	upper.Meta.Depends = []string{string(a.ID())}
	upper.Relocs = append(upper.Relocs, payload.Reloc{Off: upper.Data.Addr + below, Type: absolute(), Ref: payload.Ref{Kind: payload.RefPatch, Value: lower.Text.Addr, Name: "main.F"}})

	b := must(f.upload(upper))
	want("depends", b.Depends(), a.ID())

	if err := f.engine.Unload(ctx, a); err != nil {
		panic(err)
	}

	want("mapped", f.engine.Stats().Mapped-before.Mapped, a.Mapped()+b.Mapped())

	if err := f.engine.Unload(ctx, b); err != nil {
		panic(err)
	}

	want("mapped", f.engine.Stats().Mapped, before.Mapped)

	_, err := f.upload(upper)
	wantErr("not loaded", err, patch.ErrMissing)

	// The hole that one unloaded leaves is below what was loaded next.
	filler := must(f.upload(f.file("filler")))
	a = must(f.upload(lower))

	if err := f.engine.Unload(ctx, filler); err != nil {
		panic(err)
	}

	b = must(f.upload(upper))

	_, err = f.engine.Apply(ctx, b, patch.On(f.domain))
	wantErr("not applied", err, patch.ErrDepends)
	must(f.engine.Apply(ctx, a, patch.On(f.domain)))
	first := f.base(lower)
	must(f.engine.Apply(ctx, b, patch.On(f.domain)))
	want("is above what it is linked against", f.base(upper) > first, true)
	want("reference below", load[uint64](f.base(upper)+upper.Data.Addr+below), first+lower.Text.Addr)
	must(f.engine.Revert(ctx, b, patch.On(f.domain)))
	must(f.engine.Revert(ctx, a, patch.On(f.domain)))
}

// itabs: the payload has the interface table that the program gets later.
func itabs(f fixture) {
	p := f.file("itabs")
	p.Meta.Itabs = []payload.Itab{{Name: "tab", Inter: f.at(typeOf[third](), "third"), Type: f.at(typeOf[*T](), "T")}}
	p.Relocs = append(p.Relocs, payload.Reloc{Off: p.Data.Addr + table, Type: absolute(), Ref: payload.Ref{Kind: payload.RefItab, Name: "tab"}})

	loaded := must(f.upload(p))
	must(f.engine.Apply(ctx, loaded, patch.On(f.domain)))

	v := anyT().(third)
	want("table", load[uint64](f.base(p)+p.Data.Addr+table), tableOf(&v))
	want("method", v.M(), 1)
	must(f.engine.Revert(ctx, loaded, patch.On(f.domain)))

	// One that can't be is refused when it is applied.
	bad := f.file("no-itab")
	bad.Meta.Itabs = []payload.Itab{{Name: "tab", Inter: f.at(typeOf[error](), "error"), Type: f.at(typeOf[*T](), "T")}}

	loaded = must(f.upload(bad))

	for range 2 {
		_, err := f.engine.Apply(ctx, loaded, patch.On(f.domain))
		wantErr("no itab", err, patch.ErrRuntime)
		want("answer", f.answer(), 1)
	}
}

//go:noinline
func anyT() any { return &T{} }

// wide is a payload that changes a method and a function value of the process.
func (f fixture) wide(name string) *payload.File {
	p := f.file(name)
	entry := methodOfPointer(typeOf[*T]())

	for i := range uint64(2) {
		p.Meta.Words = append(p.Meta.Words, payload.Word{
			Kind: payload.WordMethod, Name: "*T", Size: 4, At: f.at(entry+8+4*i, "*T"),
			Old: []payload.Value{{Ref: f.ref("main.(*T).M")}, {Const: 1<<32 - 1}}, New: payload.Value{Ref: payload.Ref{Kind: payload.RefImage, Value: p.Text.Addr + newM}},
		})
	}

	at := address(&value)
	p.Meta.Words = append(p.Meta.Words, payload.Word{
		Kind: payload.WordFuncValue, Name: "value", Size: 8, At: f.at(at, "value"),
		Old: []payload.Value{{Ref: f.at(load[uint64](at), "main.F·f")}}, New: payload.Value{Ref: payload.Ref{Kind: payload.RefImage, Value: p.Rodata.Addr}},
	})

	return p
}

// words: they change with the transition and come back, also in tables that were built
// before and meanwhile.
func words(f fixture) {
	old := anyT().(first)
	want("before", old.M(), 1)

	p := f.wide("words")
	p.Meta.Expect = []payload.ExpectBytes{{Name: "limit", Addr: f.at(address(&limit), "limit"), Bytes: []byte{1, 2, 3, 4}}}

	loaded := must(f.upload(p))

	_, err := f.engine.Apply(ctx, loaded, patch.On(f.domain))
	wantErr("one domain", err, patch.ErrProcessWide)

	limit[2]++
	_, err = f.engine.Apply(ctx, loaded, patch.Everywhere())
	wantErr("expected", err, patch.ErrExpectation)
	limit[2]--

	value = nil
	_, err = f.engine.DryRun(ctx, patch.OpApply, loaded, patch.Everywhere())
	wantErr("content", err, patch.ErrContent)
	_, err = f.engine.Apply(ctx, loaded, patch.Everywhere())
	wantErr("content", err, patch.ErrContent)
	value = F

	for _, mode := range []patch.Mode{patch.PerSection, patch.Barrier} {
		everywhere := patch.Everywhere()
		everywhere.Mode = mode

		r := must(f.engine.Apply(ctx, loaded, everywhere))
		if r.Words < 4 { // three, and the table of old
			panic(r.Words)
		}

		meanwhile := anyT().(second)

		want("old table", old.M(), 43)
		want("new table", meanwhile.M(), 43)
		want("value", value(), 42)
		want("answer", f.answer(), 42)

		later := patch.NewDomain("later")
		if err := f.engine.Attach(ctx, later); err != nil {
			panic(err)
		}

		must(f.engine.Apply(ctx, loaded, everywhere)) // changes nothing
		_, err = f.engine.Revert(ctx, loaded, patch.On(later))
		wantErr("one domain", err, patch.ErrProcessWide)

		f.engine.Detach(later)
		_, err = f.engine.Revert(ctx, loaded, everywhere)
		wantErr("detached", err, patch.ErrProcessWide)
		later.Close()

		must(f.engine.Revert(ctx, loaded, everywhere))
		want("old table", old.M(), 1)
		want("table meanwhile", meanwhile.M(), 1)
		want("value", value(), 1)
		want("answer", f.answer(), 1)

		// A transition that fails puts them back.
		w := f.domain.NewWorker("slow")
		w.Enter()

		short, cancel := context.WithTimeout(ctx, 20e6)
		_, err = f.engine.Apply(short, loaded, everywhere)
		cancel()
		wantErr("slow", err, context.DeadlineExceeded)
		want("value", value(), 1)
		want("table", old.M(), 1)
		w.Leave()
		w.Close()

		// So does a replacement that takes the patch out.
		must(f.engine.Apply(ctx, loaded, everywhere))
		other := must(f.upload(f.file("other" + mode.String())))
		_, err = f.engine.Replace(ctx, other, patch.On(f.domain))
		wantErr("one domain", err, patch.ErrProcessWide)
		must(f.engine.Replace(ctx, other, everywhere))
		want("value", value(), 1)
		want("table", old.M(), 1)
		want("answer", f.answer(), 42)
		must(f.engine.Replace(ctx, loaded, everywhere))
		want("value", value(), 42)
		must(f.engine.Revert(ctx, loaded, everywhere))
	}
}

// replaced: a replacement that fails leaves the words of what was to go.
func replaced(f fixture) {
	everywhere := patch.Everywhere()
	p, q := f.wide("p"), f.wide("q")
	q.Meta.Words[2].Old[0] = p.Meta.Words[2].Old[0]

	a, b := must(f.upload(p)), must(f.upload(q))
	must(f.engine.Apply(ctx, a, everywhere))

	_, err := f.engine.Apply(ctx, b, everywhere) // on top of it, which it isn't made for
	wantErr("content", err, patch.ErrContent)
	want("value", value(), 42)

	must(f.engine.Replace(ctx, b, everywhere))
	want("value", value(), 42)

	// A word that somebody else writes to meanwhile is in the way of the revert, and of
	// nothing else.
	ours := value
	value = other
	_, err = f.engine.Revert(ctx, b, everywhere)
	wantErr("content", err, patch.ErrContent)
	_, err = f.engine.Replace(ctx, a, everywhere)
	wantErr("content", err, patch.ErrContent)
	want("answer", f.answer(), 42)
	want("applied", f.domain.Applied()[0], b)
	value = ours

	must(f.engine.Revert(ctx, b, everywhere))
	want("value", value(), 1)
	want("applied", len(f.domain.Applied()), 0)
}

func other() int { return 2 }

// stacked: words of a patch below are written over, and come back one by one.
func stacked(f fixture) {
	everywhere := patch.Everywhere()
	table := anyT().(first)

	lower := f.wide("lower-words")
	lower.Meta.Slots = nil // words alone are a patch

	a := must(f.upload(lower))
	upper := f.wide("upper-words")
	upper.Meta.Depends = []string{string(a.ID())}

	for i := range 2 {
		upper.Meta.Words[i].Old = []payload.Value{{Ref: payload.Ref{Kind: payload.RefPatch, Value: lower.Text.Addr + newM, Name: "main.(*T).M"}}}
	}

	upper.Meta.Words = upper.Meta.Words[:2]

	if runtime.GOARCH == "amd64" {
		upper.Text.Bytes[newM+code43] = 44
	}

	early := must(f.upload(upper)) // the words may also hold what they do before the one below writes its own
	wantErr("unload", f.engine.Unload(ctx, early), nil)
	must(f.engine.Apply(ctx, a, everywhere))
	want("below", table.M(), 43)
	want("value", value(), 42)
	want("answer", f.answer(), 1)

	b := must(f.upload(upper))
	must(f.engine.Apply(ctx, b, everywhere))

	_, err := f.engine.Revert(ctx, a, everywhere)
	wantErr("below", err, patch.ErrNotTop)

	if runtime.GOARCH == "amd64" {
		want("above", table.M(), 44)
	}

	q := must(f.upload(f.file("instead")))
	must(f.engine.Replace(ctx, q, everywhere))
	want("replaced", table.M(), 1)
	must(f.engine.Replace(ctx, a, everywhere))
	must(f.engine.Apply(ctx, b, everywhere))
	must(f.engine.Revert(ctx, b, everywhere))
	want("below again", table.M(), 43)
	must(f.engine.Revert(ctx, a, everywhere))
	want("none", table.M(), 1)
	want("value", value(), 1)
}

// code43 is where the number is in the code of newM, on amd64.
const code43 = 1

// nobody: a patch is applied everywhere though no domain is attached.
func nobody(f fixture) {
	f.engine.Detach(f.domain)

	p := must(f.upload(f.wide("nobody")))
	want("words", must(f.engine.Apply(ctx, p, patch.Everywhere())).Words >= 3, true)
	want("value", value(), 42)
	wantErr("applied", f.engine.Unload(ctx, p), patch.ErrApplied)

	q := must(f.upload(f.file("other")))
	must(f.engine.Replace(ctx, q, patch.Everywhere()))
	want("value", value(), 1)
	must(f.engine.Replace(ctx, p, patch.Everywhere()))
	want("value", value(), 42)

	// A domain that is attached now begins with it.
	if err := f.engine.Attach(ctx, f.domain); err != nil {
		panic(err)
	}

	want("answer", f.answer(), 42)
	must(f.engine.Revert(ctx, p, patch.Everywhere()))
	want("value", value(), 1)
	want("answer", f.answer(), 1)
}

// restored: the next engine brings back what the journal has.
func restored(f fixture) {
	name := filepath.Join(must(os.MkdirTemp("", "native")), "journal")
	defer os.RemoveAll(filepath.Dir(name))

	j := must(patch.OpenJournal(name))
	file := f.wide("restored")

	f.engine = patch.NewEngine(patch.Options{AllowUnsigned: true, Journal: j})
	f.domain = patch.NewDomain("vm")

	if err := f.engine.Attach(ctx, f.domain); err != nil {
		panic(err)
	}

	p := must(f.upload(file))
	must(f.engine.Apply(ctx, p, patch.Everywhere()))

	state := must(os.ReadFile(name)) // as a process leaves it that ends here

	must(f.engine.Revert(ctx, p, patch.Everywhere()))

	if err := errors.Join(f.engine.Unload(ctx, p), j.Close(), os.WriteFile(name, state, 0o600)); err != nil {
		panic(err)
	}

	j = must(patch.OpenJournal(name))
	defer j.Close()

	f.engine = patch.NewEngine(patch.Options{AllowUnsigned: true, Journal: j})
	f.domain = patch.NewDomain("vm")

	if err := f.engine.Attach(ctx, f.domain); err != nil {
		panic(err)
	}

	p = must(f.upload(file))

	_, err := f.engine.Restore(ctx, patch.On(f.domain))
	wantErr("a domain before all", err, patch.ErrProcessWide)
	want("value", value(), 1)

	must(f.engine.Restore(ctx, patch.Everywhere()))
	must(f.engine.Restore(ctx, patch.On(f.domain)))
	want("value", value(), 42)
	want("answer", f.answer(), 42)
	must(f.engine.Revert(ctx, p, patch.Everywhere()))
	want("value", value(), 1)
}

// flips: what is called while words change is old or new.
func flips(f fixture) {
	p := must(f.upload(f.wide("flips")))
	table := anyT().(first)

	var (
		stop atomic.Bool
		bad  atomic.Int64
		wg   sync.WaitGroup
	)

	for range 2 {
		wg.Go(func() {
			w := f.domain.NewWorker("w")
			defer w.Close()

			for !stop.Load() {
				s := w.Enter()
				a := slot.In(s)()
				w.Leave()

				if m := table.M(); m != 1 && m != 43 || a != 1 && a != 42 {
					bad.Add(1)
				}

				runtime.Gosched() // there may be fewer CPUs than goroutines
			}
		})
	}

	for range 100 {
		must(f.engine.Apply(ctx, p, patch.Everywhere()))
		want("table", table.M(), 43)
		must(f.engine.Revert(ctx, p, patch.Everywhere()))
		want("table", table.M(), 1)
	}

	stop.Store(true)
	wg.Wait()
	want("wrong answers", bad.Load(), 0)
}

var pruned = [2]uint64{5, 6}

// fixups: they are written once and stay; a second payload finds those of the first, and
// takes them where they are the same.
func fixups(f fixture) {
	file := func(name string) *payload.File {
		p := f.file(name)
		p.Meta.Fixups = []payload.Word{
			{Kind: payload.WordItab, Name: "pruned", Size: 8, At: f.at(address(&pruned[0]), "pruned"), Old: []payload.Value{{Const: 5}}, New: payload.Value{Ref: payload.Ref{Kind: payload.RefImage, Value: p.Text.Addr}}, Same: name != "other"},
			{Kind: payload.WordMethod, Name: "pruned", Size: 4, At: f.at(address(&pruned[1]), "pruned"), Old: []payload.Value{{Const: 6}}, New: payload.Value{Const: 7}},
		}

		return p
	}

	a, b := must(f.upload(file("a"))), must(f.upload(file("b")))
	want("before", pruned, [2]uint64{5, 6})
	must(f.engine.Apply(ctx, a, patch.On(f.domain)))

	written := pruned
	want("const", written[1], 7)
	want("code", written[0], f.base(file("a"))+file("a").Text.Addr)

	must(f.engine.Replace(ctx, b, patch.On(f.domain)))
	must(f.engine.Revert(ctx, b, patch.On(f.domain)))
	want("after", pruned, written)

	_, err := f.upload(file("other"))
	wantErr("another one's", err, patch.ErrContent)

	pruned[1] = 9
	_, err = f.upload(file("c"))
	wantErr("content", err, patch.ErrContent)
}

// refused: each is told apart, and leaves nothing mapped.
func refused(f fixture) {
	before := f.engine.Stats()
	far := func(p *payload.File) {
		p.Relocs = append(p.Relocs, payload.Reloc{Off: p.Data.Addr + below, Type: absolute(), Ref: payload.Ref{Kind: payload.RefHost, Value: 1 << 40, Name: "far"}})
	}

	for name, c := range map[string]struct {
		change func(*payload.File)
		want   error
	}{
		"build":         {func(p *payload.File) { p.Meta.Target.BuildID = "go:x" }, patch.ErrBuild},
		"go":            {func(p *payload.File) { p.Meta.Target.GoVersion = "go1.2" }, patch.ErrGoVersion},
		"anchor":        {func(p *payload.File) { p.Meta.Target.Anchor.Addr += 16 }, patch.ErrAddress},
		"anchor symbol": {func(p *payload.File) { p.Meta.Target.Anchor.Symbol = "main.F" }, patch.ErrAddress},
		"pie":           {func(p *payload.File) { p.Meta.Target.PIE = !p.Meta.Target.PIE }, patch.ErrAddress},
		"runtime":       {func(p *payload.File) { p.Meta.Runtime.GetItab = 1 << 40 }, patch.ErrAddress},
		"modules": {func(p *payload.File) {
			p.Meta.Runtime.FirstModule, p.Meta.Runtime.LastModule = p.Meta.Runtime.LastModule, p.Meta.Runtime.FirstModule
		}, patch.ErrAddress},
		"next":          {func(p *payload.File) { p.Meta.Module.Next = 0 }, patch.ErrAddress},
		"last module":   {func(p *payload.File) { p.Meta.Runtime.LastModule = p.Meta.Runtime.ItabTable }, patch.ErrAddress},
		"modules slice": {func(p *payload.File) { p.Meta.Runtime.ModulesSlice = p.Meta.Runtime.GetItab }, patch.ErrAddress},
		"itab table":    {func(p *payload.File) { p.Meta.Runtime.ItabTable = p.Meta.Runtime.LastModule }, patch.ErrAddress},
		"slot":          {func(p *payload.File) { p.Meta.Slots[0].Name = "g" }, patch.ErrSlot},
		"slot's impl":   {func(p *payload.File) { p.Meta.Slots[0].Impl = "main.G" }, patch.ErrSlot},
		"missing":       {func(p *payload.File) { p.Meta.Depends = []string{"0123456789012345678901234567890123456789"} }, patch.ErrMissing},
		"far":           {far, patch.ErrAddress},
		"word": {func(p *payload.File) {
			p.Meta.Words = []payload.Word{{Kind: payload.WordData, Name: "limit", Size: 4, At: f.at(address(&limit), "limit"), Old: []payload.Value{{Const: 1}}}}
		}, patch.ErrContent},
		"word twice": {func(p *payload.File) {
			w := payload.Word{Kind: payload.WordData, Name: "limit", Size: 4, At: f.at(address(&limit), "limit"), Old: []payload.Value{{Const: 0x04030201}}}
			p.Meta.Words = []payload.Word{w, w}
		}, patch.ErrAddress},
		"word of code": {func(p *payload.File) {
			p.Meta.Fixups = []payload.Word{{Kind: payload.WordData, Name: "F", Size: 8, At: f.ref("main.F"), Old: []payload.Value{{Const: load[uint64](addressOf(F))}}}}
		}, patch.ErrAddress},
		"word outside": {func(p *payload.File) {
			p.Meta.Words = []payload.Word{{Kind: payload.WordData, Name: "x", Size: 8, At: payload.Ref{Kind: payload.RefHost, Value: 1 << 40, Name: "x"}, Old: []payload.Value{{}}}}
		}, patch.ErrAddress},
	} {
		p := f.file("refused")
		c.change(p)

		_, err := f.upload(p)
		wantErr(name, err, c.want)
		want("mapped", f.engine.Stats().Mapped, before.Mapped)
		want("list", len(f.engine.List()), 0)
	}

	p := f.file("refused")
	p.Arch = map[string]string{"amd64": "arm64", "arm64": "amd64"}[p.Arch]
	p.Meta.Target.Arch = p.Arch
	p.Text.Addr, p.Rodata.Addr, p.Data.Addr = payload.Place(p.Arch, len(p.Text.Bytes), len(p.Rodata.Bytes))
	p.Relocs, p.Symbols, p.Meta.Slots = nil, nil, nil
	p.Meta.Module.Addr = p.Data.Addr

	_, err := f.upload(p)
	wantErr("architecture", err, patch.ErrArch)
}

// again: many loads, one after the other, while the collector runs.
func again(f fixture) {
	for range 100 {
		p := must(f.upload(f.file("again")))
		must(f.engine.Apply(ctx, p, patch.On(f.domain)))
		want("answer", f.answer(), 42)
		must(f.engine.Revert(ctx, p, patch.On(f.domain)))

		if err := f.engine.Unload(ctx, p); err != nil {
			panic(err)
		}
	}
}
