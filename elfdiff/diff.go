package elfdiff

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/vgraft/vgraft/elfdiff/internal/emit"
	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// Options of a comparison. The zero value is the safest.
type Options struct {
	// ProcessWide allows words of read-only data of the process to be overwritten:
	// function values, interface and method tables, dictionaries. They are the whole
	// process's, so that such a patch can only be applied everywhere at once.
	ProcessWide bool

	// Entries allows the entries of functions of the process to be overwritten, with a jump
	// to the new version: where nothing else closes all ways to an old one, and no goroutine
	// can stand in what is overwritten. Such a patch is the whole process's too.
	Entries bool

	// Accept overrides refusals, each by its Refusal.ID. The payload records them. To accept
	// closures, method values, function values or goroutines is to accept those that the
	// process has already; the functions that make them must be reachable, or be accepted too.
	Accept []string

	// Expect are package variables, by their symbols as the linker names them, such as
	// "main.limit", and the bytes that they must have in memory for the patch to be applied:
	// as many as the variable has, and of one with pointers only zeroes. They are read with no
	// lock. Applying the patch is patch.ErrExpectation otherwise, and changes nothing.
	Expect map[string][]byte

	// Stack are the payloads that are applied to the program when this one is, the bottom
	// one first: what runs then is what the fixed build is compared with, and the payload
	// depends on all of them.
	Stack []Layer
}

// Diff compares the build that runs with the one that has the fix. The error is that they
// can't be compared, ErrStack, or ErrExpect; what can't be patched is in the report.
func Diff(ctx context.Context, base, fixed *Build, o Options) (*Report, error) {
	r := &Report{Base: base.Info.BuildID, Fixed: fixed.Info.BuildID}

	if !r.comparable(base, fixed, o) {
		return r, nil
	}

	files, err := readStack(base, o.Stack)
	if err != nil {
		return nil, fmt.Errorf("elfdiff: %w", err)
	}

	progs, err := r.link(base, fixed, o)
	if err != nil {
		return nil, err
	}

	if err := ctx.Err(); err != nil || len(r.Refusals) > 0 {
		return r, err
	}

	program.NameFunctions(progs...)

	st, err := overlay(progs[0], progs[2:], files)
	if err != nil {
		return nil, fmt.Errorf("elfdiff: %w", err)
	}

	p := progs[0].Proof()
	r.Proof = fmt.Sprintf("%d symbols found from %d, %d references decoded, no conflict, no mismatch", p.Symbols, p.FromTable, p.Relocs)

	a := newAnalysis(st, progs[1], r, o)

	for _, f := range files {
		r.Stack = append(r.Stack, f.ID)
		a.accepted = append(a.accepted, f.Meta.Accepted...)
	}

	a.buildInfo = [2]*BuildInfo{&base.Info, &fixed.Info}
	r.analysis = a
	a.safe = map[string]bool{}

	if a.expect, err = a.expectations(); err != nil {
		return nil, fmt.Errorf("elfdiff: %w", err)
	}

	for _, o := range base.Objects {
		a.safe[o.Package] = o.Safe
	}

	a.run()

	r.Refusals = sortRefusals(r.Refusals)
	r.Accepted = sortRefusals(r.Accepted)

	return r, nil
}

// optimised is true of builds without -N, of any package.
func (i *BuildInfo) optimised() bool { return !strings.Contains(i.Settings["-gcflags"], "-N") }

// link joins the objects of the base, of the fixed build and of those of the stack, in this
// order, with their ELF files, and refuses those that can't be proved.
func (r *Report) link(base, fixed *Build, o Options) ([]*program.Program, error) {
	builds, names := []*Build{base, fixed}, []string{"base", "fixed"}

	for i, l := range o.Stack {
		builds, names = append(builds, l.Build), append(names, fmt.Sprintf("layer %d", i))
	}

	var wg sync.WaitGroup

	progs, errs := make([]*program.Program, len(builds)), make([]error, len(builds))

	for i, b := range builds {
		wg.Go(func() { progs[i], errs[i] = b.link() })
	}

	wg.Wait()

	for i, err := range errs {
		switch {
		case err != nil && progs[i] == nil:
			return nil, fmt.Errorf("elfdiff: %s build: %w", names[i], err)
		case err != nil:
			r.refuse(o, Refusal{Kind: RefuseBuildID, Symbol: names[i], Detail: err.Error(), Advice: kinds[RefuseBuildID].advice})
		}

		for _, pkg := range progs[i].Undescribed() {
			r.refuse(o, Refusal{
				Kind: RefuseFlags, Symbol: pkg, Detail: names[i] + ": compiled without debugging information, so nothing tells what types its functions use",
				Advice: "build without -dwarf=false",
			})
		}
	}

	return progs, nil
}

// comparable refuses builds whose differences aren't those of their source.
func (r *Report) comparable(base, fixed *Build, o Options) bool {
	if a, b := base.Info.GoVersion, fixed.Info.GoVersion; a != b {
		r.refuse(o, Refusal{Kind: RefuseToolchain, Symbol: b, Detail: "the base has " + a, Advice: kinds[RefuseToolchain].advice})
		return false
	}

	if d := base.Info.Differences(&fixed.Info); len(d) > 0 {
		for _, x := range d {
			what, detail, _ := strings.Cut(x, ": ")
			r.refuse(o, Refusal{Kind: RefuseFlags, Symbol: what, Detail: detail, Advice: kinds[RefuseFlags].advice})
		}

		return false
	}

	if !knownGo(base.Info.GoVersion) {
		r.refuse(o, Refusal{Kind: RefuseGoVersion, Symbol: base.Info.GoVersion, Advice: kinds[RefuseGoVersion].advice})
		return false
	}

	return true
}

// knownGo is true of the versions of Go whose formats and runtime are known: each was put
// through the same tests.
func knownGo(v string) bool {
	for _, minor := range []string{"go1.26", "go1.27"} {
		if v == minor || strings.HasPrefix(v, minor+".") {
			return true
		}
	}

	return false
}

// link joins a build's objects with its ELF file. A program and an error is one that
// couldn't be proved.
func (b *Build) link() (*program.Program, error) {
	m, err := program.OpenImage(b.ELF)
	if err != nil {
		return nil, err
	}

	pkgs := make([]program.Package, len(b.Objects))
	for i, o := range b.Objects {
		pkgs[i] = program.Package{Path: o.Package, Archive: o.Archive}
	}

	p, err := program.New(m, b.Info.Path, pkgs)
	if err != nil {
		return nil, err
	}

	_, err = p.Link()

	return p, err
}

// analysis compares two programs.
type analysis struct {
	*match
	stack     *program.Stack // of which the program is the base
	accepted  []string       // by the authors of the payloads in it
	opts      Options
	expect    []payload.ExpectBytes
	report    *Report
	buildInfo [2]*BuildInfo

	slots      []slot                     // of the base
	kept       string                     // how an implementation of a slot may be kept; empty is not at all
	stale      map[*program.Symbol]*stale // functions of the base
	bound      map[string]bool            // slots that the payload binds
	words      map[place]word
	entries    map[*program.Symbol]entry // by what is redirected
	included   []*program.Symbol         // of the fixed program
	isIncluded map[*program.Symbol]bool
	why        map[*program.Symbol]string // functions are included
	newItabs   map[*program.Symbol]bool   // of the fixed program, that the process lacks
	hooks      map[string]*program.Symbol // of the fixed program, by what they are
	inits      []emit.InitPlan            // initialisers that the process lacks, in their order

	copies, old  map[*program.Symbol]bool
	temps        map[*program.Symbol]*program.Symbol
	called       map[string]bool // methods, see references
	calledBefore map[string]bool // those of the base
	safe         map[string]bool // packages of the base that don't import unsafe
	basePackages map[string]bool
	ifaceMethods map[string]string
	reflects     string
}

func newAnalysis(st *program.Stack, fixed *program.Program, r *Report, o Options) *analysis {
	return &analysis{
		match: newMatch(st, fixed), stack: st, opts: o, report: r,
		stale: map[*program.Symbol]*stale{}, bound: map[string]bool{}, words: map[place]word{}, entries: map[*program.Symbol]entry{}, old: map[*program.Symbol]bool{},
		isIncluded: map[*program.Symbol]bool{}, why: map[*program.Symbol]string{}, newItabs: map[*program.Symbol]bool{},
		copies: map[*program.Symbol]bool{}, called: map[string]bool{}, calledBefore: map[string]bool{},
	}
}

func (a *analysis) refuse(kind RefusalKind, symbol, detail string, path []string) {
	a.report.refuse(a.opts, Refusal{Kind: kind, Symbol: symbol, Detail: detail, Path: path, Lift: kinds[kind].lift, Advice: kinds[kind].advice})
}

func (a *analysis) run() {
	a.findChanges()
	a.checkTypes()
	a.checkVariables()
	a.checkInitialisers()
	a.checkForeign()

	a.findHooks()

	if len(a.stale)+len(a.hooks) == 0 {
		return
	}

	a.slots, _ = findSlots(a.base)
	a.kept = cmp.Or(keepsSlots(a.base), keepsSlots(a.fixed))

	calledMethods(a.base, a.calledBefore)
	maps.Copy(a.called, a.calledBefore)
	calledMethods(a.fixed, a.called)

	(&reach{analysis: a, refs: newReferences(a.stack, a.buildInfo[0].optimised(), a.slots, a.called), unfit: map[*program.Symbol]string{}, closed: map[*program.Symbol]bool{}}).run()

	if len(a.report.Refusals) > 0 {
		return // what would be in the payload doesn't matter
	}

	a.take()
}

// findChanges compares every function of the running program.
func (a *analysis) findChanges() {
	r := a.report

	for _, s := range a.base.Symbols {
		if !s.Linked || !s.IsText() {
			continue
		}

		f := a.inFixed(s)

		switch {
		case f == nil || !f.Defined() || !f.IsText():
			if isInit(s) || a.sameSource(s) {
				continue
			}

			a.stale[s] = &stale{removed: true}
			r.Removed = append(r.Removed, s.Name)
		case !a.same(s, f) && !a.declares(s):
			if isInit(s) || !f.Linked && a.sameSource(s) {
				continue // an initialiser ran, and checkInitialisers has its word
			}

			a.stale[s] = &stale{}
			r.Changed = append(r.Changed, s.Name)
			a.checkFunction(s, f)
		case !a.sameProgram(s.Program(), s.Package()) && s.Lines() != f.Lines():
			r.LinesOnly++
		}
	}

	slices.Sort(r.Changed)
	slices.Sort(r.Removed)
}

// checkFunction refuses changes of functions that a payload can't have.
func (a *analysis) checkFunction(s, f *program.Symbol) {
	switch {
	case isRuntime(s.Package()):
		a.refuse(RefuseRuntime, s.Name, "", nil)
	case s.IsAssembly() || f.IsAssembly():
		a.refuse(RefuseAssembly, s.Name, "", nil)
	case noSplit(s) || noSplit(f):
		a.refuse(RefuseNoSplit, s.Name, "", nil)
	case s.Flags&goobj.Linkname != 0 && s.Name != "main.main" && s.Package() != f.Package():
		a.refuse(RefuseLinkname, s.Name, "it moved to "+f.Package(), nil)
	}
}

// noSplit is true of a function that was told not to check the stack. One that calls nothing
// but what panics, and has a small frame, needs no check, and the compiler leaves it out.
func noSplit(s *program.Symbol) bool {
	const small = 128 // bytes

	if f, _ := s.Func(); s.Flags&goobj.NoSplit == 0 || s.Flags&goobj.Dupok != 0 || s.IsWrapper() {
		return false
	} else if f.Locals >= small {
		return true
	}

	return slices.ContainsFunc(s.Relocs(), func(r program.Reloc) bool {
		return r.Type == goobj.CallInd || isCall(r) && r.Sym != nil && !strings.HasPrefix(r.Sym.Name, "runtime.panic") && !strings.HasPrefix(r.Sym.Name, "runtime.goPanic")
	})
}

// take collects what goes into the payload.
func (a *analysis) take() {
	fixedSlots, _ := findSlots(a.fixed)
	done := map[string]bool{}

	for _, x := range a.slots {
		if !a.bound[x.name] || done[x.name] {
			continue
		}

		done[x.name] = true // it may be declared in what was replaced, too

		i := slices.IndexFunc(fixedSlots, func(y slot) bool { return y.name == x.name })
		if i < 0 || fixedSlots[i].impl.Name != x.impl.Name {
			a.refuse(RefuseSlot, x.name, "the fixed program declares it in another way, or not at all", nil)
			continue
		}

		a.touch(fixedSlots[i].impl, "bound to slot "+x.name)
		a.include(fixedSlots[i].value, "")
	}

	for _, at := range slices.SortedFunc(keysOf(a.words), place.compare) {
		a.touch(a.words[at].new, "process-wide")
	}

	for _, s := range slices.SortedFunc(keysOf(a.entries), byAddr) {
		a.touch(a.entries[s].new, "its entry is redirected")
	}

	for _, h := range slices.Sorted(keysOf(a.hooks)) {
		a.touch(a.hooks[h], "hook "+h)
	}

	for _, in := range a.inits {
		for _, f := range in.Funcs {
			a.touch(f, "initialises "+in.Package)
		}
	}

	if len(a.included) == 0 {
		return
	}

	for n := -1; n != len(a.included); { // what is filled in may need more
		n = len(a.included)
		a.unprune()
	}

	a.sortIncluded()
	a.checkIncluded()
	a.checkNewVariables()
	a.list()
}

// checkIncluded refuses what was taken in and can't be in a payload.
func (a *analysis) checkIncluded() {
	for _, f := range a.included {
		if !f.IsText() {
			continue
		}

		switch {
		case f.IsAssembly():
			a.refuse(RefuseAssembly, f.Name, "it would have to be in the payload: "+a.why[f], nil)
		case !copyable(f):
			a.refuse(RefuseRuntime, f.Name, "the program doesn't have it, and a copy wouldn't do: "+a.why[f], nil)
		}
	}
}

// list fills in the report.
func (a *analysis) list() {
	r := a.report

	for n := range a.bound {
		r.Slots = append(r.Slots, n)
	}

	slices.Sort(r.Slots)

	for _, in := range a.inits {
		if !a.inProcess(in.Package) {
			r.Inits = append(r.Inits, in.Package)
			continue
		}

		for _, f := range in.Funcs {
			r.Inits = append(r.Inits, f.Name)
		}
	}

	for _, s := range slices.SortedFunc(keysOf(a.entries), byAddr) {
		r.Entries = append(r.Entries, s.Name)
	}

	for _, f := range a.included {
		switch {
		case f.IsText():
			r.Functions = append(r.Functions, Change{f.Name, a.why[f], f.Size})
		case f.IsVar() && !f.IsTemp():
			r.Variables = append(r.Variables, f.Name)
		case f.IsType():
			r.Types = append(r.Types, typeName(f))
		}
	}

	for _, at := range slices.SortedFunc(keysOf(a.words), place.compare) {
		w := a.words[at]

		line := fmt.Sprintf("%s %s: %s", w.kind, w.name, w.new.Name)
		if w.fixed {
			r.Fixups = append(r.Fixups, line)
		} else {
			r.Words = append(r.Words, line)
		}
	}
}
