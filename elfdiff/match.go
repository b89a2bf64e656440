package elfdiff

import (
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// match knows which symbol of the one program is which of the other.
type match struct {
	base, fixed *program.Program
	builds      []*program.Program // that the base consists of: it, and those of a stack

	toFixed, toBase map[*program.Symbol]*program.Symbol
	samePkg         map[packageOf]bool
	hashed          [2]map[string][]*program.Symbol // functions known by content, of base and fixed, by name
	itabs           [2]map[string]*program.Symbol   // interface tables, which are known by content too; linked ones first
}

// packageOf is a package of one of the builds.
type packageOf struct {
	build *program.Program
	path  string
}

func newMatch(st *program.Stack, fixed *program.Program) *match {
	base := st.Program

	m := &match{
		base: base, fixed: fixed, builds: st.Programs(), samePkg: map[packageOf]bool{},
		toFixed: map[*program.Symbol]*program.Symbol{}, toBase: map[*program.Symbol]*program.Symbol{},
	}

	for i, p := range []*program.Program{base, fixed} {
		m.hashed[i], m.itabs[i] = map[string][]*program.Symbol{}, map[string]*program.Symbol{}

		for _, s := range p.Symbols {
			if s.IsItab() && (m.itabs[i][s.Name] == nil || s.Linked) {
				m.itabs[i][s.Name] = s
			}

			if s.Hashed && s.IsText() && s.Linked {
				m.hashed[i][s.Name] = append(m.hashed[i][s.Name], s)
			}
		}
	}

	return m
}

// inFixed is what a symbol of the base is in the fixed program; nil is nothing.
func (m *match) inFixed(s *program.Symbol) *program.Symbol {
	return m.other(s, m.toFixed, m.fixed, 1)
}

// inBase is what a symbol of the fixed program is in the base; nil is nothing.
func (m *match) inBase(s *program.Symbol) *program.Symbol {
	return m.other(s, m.toBase, m.base, 0)
}

func (m *match) other(s *program.Symbol, memo map[*program.Symbol]*program.Symbol, p *program.Program, side int) *program.Symbol {
	if o, ok := memo[s]; ok {
		return o
	}

	var o *program.Symbol

	switch {
	case s.IsItab():
		o = m.itabs[side][s.Name]
	case s.Hashed && s.IsText():
		o = m.closure(s, side)
	case s.Hashed:
		o = p.ByHash(s)
	case s.Name != "":
		o = p.Named(s.Key())
	}

	memo[s] = o

	return o
}

// closure finds a function that the linker knows by its content: one with that content,
// or else the only one of that name where this one is the only one on its side.
func (m *match) closure(s *program.Symbol, side int) *program.Symbol {
	there := m.hashed[side][s.Name]

	for _, o := range there {
		if o.Content() == s.Content() {
			return o
		}
	}

	if len(there) == 1 && len(m.hashed[1-side][s.Name]) <= 1 {
		return there[0]
	}

	return nil
}

// same says whether two symbols mean the same. Where the fixed program has several
// definitions of one, it takes that which is the base's.
func (m *match) same(base, fixed *program.Symbol) bool {
	if p := base.Package(); p == fixed.Package() && m.sameProgram(base.Program(), p) {
		return true
	}

	return base.Content() == fixed.Content() || fixed.AdoptContent(base.Content())
}

// samePackage says whether the compiler made the same of a package in all builds.
func (m *match) samePackage(p string) bool {
	return !slices.ContainsFunc(m.builds, func(b *program.Program) bool { return !m.sameProgram(b, p) })
}

// sameProgram says whether the compiler made the same of a package in one build of the base
// and in the fixed one.
func (m *match) sameProgram(build *program.Program, p string) bool {
	k := packageOf{build, p}

	same, ok := m.samePkg[k]
	if !ok {
		same = build != nil && build.SamePackage(m.fixed, p)
		m.samePkg[k] = same
	}

	return same
}

// sameSource is true of an instance of a generic function of which the source is in packages
// that are the same in both builds. The compiler makes instances in the packages that use
// them, and whether it inlines one into another depends on what else is there. So one that
// the fixed program doesn't have may be as right as before.
func (m *match) sameSource(s *program.Symbol) bool {
	if !strings.Contains(s.Name, "[") || !m.samePackage(origin(s.Name)) {
		return false
	}

	f, ok := s.Func()

	return ok && !slices.ContainsFunc(f.InlinedFuncs, func(in *program.Symbol) bool { return in == nil || !m.samePackage(origin(in.Name)) })
}

// origin is the import path of the package whose source has a function.
func origin(name string) string {
	name, _, _ = strings.Cut(name, "[")
	last := strings.LastIndex(name, "/") + 1
	pkg, _, _ := strings.Cut(name[last:], ".")

	return name[:last] + strings.ReplaceAll(pkg, "%2e", ".")
}

// friends are the packages that the runtime consists of and stands on, and those whose
// functions the compiler or the runtime knows by name. A patch can't repair what it runs on.
var friends = []string{"runtime", "internal/runtime", "internal/abi", "internal/bytealg", "internal/chacha8rand", "internal/coverage/rtcov",
	"internal/cpu", "internal/goarch", "internal/goexperiment", "internal/goos", "internal/profilerecord", "internal/race", "internal/asan", "internal/msan",
	"internal/stringslite", "internal/trace/tracev2", "internal/byteorder", "internal/nettrace", "sync/atomic", "internal/sync", "internal/reflectlite", "internal/unsafeheader", "unsafe"}

func isRuntime(pkg string) bool {
	for _, f := range friends {
		if pkg == f || strings.HasPrefix(pkg, f+"/") {
			return pkg != "runtime/debug" && pkg != "runtime/pprof" && pkg != "runtime/trace" && pkg != "runtime/metrics" && pkg != "runtime/coverage"
		}
	}

	return false
}

// isNumbered is true of functions that the compiler named: closures, and what it wraps calls
// in. The numbers in such names follow the order in the source.
func isNumbered(name string) bool {
	for _, mark := range []string{".func", ".gowrap", ".deferwrap", "-range", "glob."} {
		if i := strings.LastIndex(name, mark); i >= 0 {
			rest := name[i+len(mark):]
			if mark == "glob." || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
				return true
			}
		}
	}

	return false
}

// isInit is true of the functions that initialise a package.
func isInit(s *program.Symbol) bool {
	if s.Flags&goobj.PkgInit != 0 {
		return true
	}

	n := s.Name
	if i := strings.LastIndex(n, "/"); i >= 0 {
		n = n[i:]
	}

	_, rest, ok := strings.Cut(n, ".")
	if !ok {
		return false
	}

	rest = strings.TrimPrefix(rest, "map.")

	return rest == "init" || strings.HasPrefix(rest, "init.") && strings.Trim(rest[5:], "0123456789") == ""
}

// helpers begin the names of functions of the runtime that compiled code calls for what the
// language has: they keep no state of their own, and nothing knows them by their address.
var helpers = []string{"map", "chan", "selectnb", "block", "growslice", "makeslice", "makemap", "makechan", "concat", "intstring", "slicebytetostring",
	"stringtoslice", "slicerunetostring", "decoderune", "countrunes", "conv", "typedmem", "typedslice", "memequal", "strequal", "interequal", "nilinterequal",
	"efaceeq", "ifaceeq", "f32equal", "f64equal", "c64equal", "c128equal", "memhash", "strhash", "interhash", "nilinterhash", "f32hash", "f64hash", "c64hash", "c128hash",
	"strmin", "strmax", "fmin", "fmax", "fminmax", "panic", "goPanic", "typeAssert", "assertE2I", "interfaceSwitch", "unsafe", "slicecopy", "cmpstring", "print",
	"racefuncenter", "verifyNotInHeap", "float64touint", "uint64tofloat", "add", "alignUp", "mallocgcSmall", "newarray", "boundsError", "plainError", "errorString",
	"(*TypeAssertionError)", "(*PanicNilError)", "TypeAssertionError", "boundsNegError", "toRType", "rtype", "name", "printpanicval", "itoa", "stringStructOf", "noescape"}

// copyable says whether a function that the program lacks may be in a payload. Much of the
// runtime may not: there must be one of it, or it runs where ordinary code can't.
func copyable(f *program.Symbol) bool {
	pkg := f.Package()
	if isShared(f) || pkg != "runtime" && (!strings.HasPrefix(pkg, "internal/runtime/") || pkg == "internal/runtime/maps") {
		return true
	}

	n, own := strings.CutPrefix(f.Name, "runtime.")
	if pkg == "runtime" && !own {
		return true // it is there for another package, by its name: what it calls counts
	}

	for _, h := range helpers {
		if pkg == "runtime" && strings.HasPrefix(n, h) {
			return true
		}
	}

	return false
}
