package elfdiff

import (
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// references is who refers to what in a running program.
type references struct {
	arch      string
	optimised bool // the compiler left no optimisation out: see onStack
	in        map[*program.Symbol][]edge
	slots     []slot
	stack     *program.Stack

	// called are the methods that something calls through an interface or by reflection, in
	// the running program or in the fixed one: see calledMethods.
	called map[string]bool
}

func newReferences(st *program.Stack, optimised bool, slots []slot, called map[string]bool) *references {
	return &references{arch: st.ELF.Arch, optimised: optimised, in: edges(st.Program), slots: slots, stack: st, called: called}
}

// methodName is the last part of a method's symbol.
func methodName(symbol string) string { return symbol[strings.LastIndex(symbol, ".")+1:] }

// anyType marks a method that is called by interfaces, whatever its type.
const anyType = "any "

// calls says whether a method in the table of a type is among those that are called.
func calls(called map[string]bool, m program.Method) bool {
	name := methodName(m.Name)

	return called[name] || m.Type.Sym == nil || called[name+" "+m.Type.Sym.Name]
}

// calledMethods adds the methods that the functions of a program call through interfaces,
// as a name and a type, or by reflection, as a name. The compiler notes these, so that the
// linker knows which to keep. Where methods are looked up by names that aren't constant, all
// exported ones count.
func calledMethods(p *program.Program, called map[string]bool) {
	all := false

	for _, s := range p.Symbols {
		if !s.Linked || !s.IsText() {
			continue
		}

		all = all || s.Flags&goobj.ReflectMethod != 0

		for _, r := range s.Relocs() {
			switch {
			case r.Sym == nil:
			case r.Type == goobj.UseIfaceMethod:
				called[r.Sym.MethodNameAt(r.Add)+" "+r.Sym.MethodTypeAt(r.Add)] = true
				called[anyType+r.Sym.MethodNameAt(r.Add)] = true
			case r.Type == goobj.UseNamedMethod:
				called[strings.TrimRight(string(r.Sym.Data), "\x00")] = true
			}
		}
	}

	if !all {
		return
	}

	for _, s := range p.Symbols {
		if s.Linked && s.IsType() {
			for _, m := range s.Methods() {
				if program.IsExported(m.Name) {
					called[m.Name] = true
				}
			}
		}
	}
}

// isCalled says whether anything calls a method that is in a table: of a type, or of an
// interface that the type has.
func (x *references) isCalled(s, table *program.Symbol) bool {
	if table.IsItab() {
		r := table.RelocAt(itabType)
		if r == nil || r.Sym == nil {
			return true
		}

		table = r.Sym
	}

	found := false

	for _, m := range table.Methods() {
		if m.Ifn.Sym != s && m.Tfn.Sym != s {
			continue
		}

		found = true

		if calls(x.called, m) {
			return true
		}
	}

	return !found
}

// itabType is where an interface table has the type.
const itabType = 8

// edges lists who refers to what in the running program, and in what payloads replaced.
func edges(p *program.Program) map[*program.Symbol][]edge {
	in := map[*program.Symbol][]edge{}

	for _, s := range p.Symbols {
		if !s.Linked && !s.Dead {
			continue
		}

		for _, r := range s.Relocs() {
			if r.Live && r.Sym != s && !(r.Sym.Hashed && !r.Sym.IsText()) {
				in[r.Sym] = append(in[r.Sym], edge{s, r})
			}
		}
	}

	return in
}

// way is a reference through which a function may begin to run.
type way struct {
	kind   RefusalKind // empty is a call, or as good as one: caller is what must not run either
	caller *program.Symbol
	detail string

	word    string // the kind of a word of read-only data that leads here; empty is none
	at      edge   // that word
	holders []edge // who has a function value that the word is of

	// makers have such values come about: where the author puts up with those that there are,
	// the ones that are made from now on must be of the new version all the same.
	makers []*program.Symbol

	slot   string          // that the way leads through: binding it closes the way
	entry  *program.Symbol // that a payload below redirected: whoever calls it comes this way
	starts bool            // who makes the closure also starts goroutines
}

// ways lists the references to a function of the running program.
func (x *references) ways(s *program.Symbol) []way {
	switch {
	case s.Name == "main.main":
		return []way{{kind: RefuseCaller, detail: "it runs already, and may call what has changed at any time"}}
	case isInit(s):
		return []way{{kind: RefuseInitialiser, detail: "it ran when the program began, with the old version"}}
	case strings.HasPrefix(s.Name, "_cgoexp_"):
		return []way{{kind: RefuseCgo, detail: "C code calls it"}}
	case isRuntime(s.Package()):
		return []way{{kind: RefuseRuntime}}
	}

	var out []way

	for n, fn := range x.stack.Slots {
		if fn == s {
			out = append(out, way{slot: n})
		}
	}

	if t, ok := x.stack.Tables[s]; ok && x.called[anyType+methodName(s.Name)] {
		out = append(out, way{kind: RefuseInterfaceTable, detail: "a method in " + t + ", which the runtime made for a payload below"})
	}

	for old, now := range x.stack.Entries {
		if now == s {
			out = append(out, way{kind: RefuseEntry, entry: old, detail: "a payload below has the entry of " + old.Name + " lead to it"})
		}
	}

	// What nothing leads to any more is replaced, or something of a payload that the loader
	// calls: a hook, an initialiser.
	if len(out)+len(x.in[s]) == 0 && s.Layer == 0 && !s.Dead {
		return []way{{kind: RefuseCaller, detail: "nothing that is known leads to it, and yet the linker kept it"}}
	}

	for _, e := range x.in[s] {
		switch g := e.from; {
		case g.Dead && isCall(e.reloc):
			// What was replaced calls nothing any more. What it had values of is still there.
		case g.IsText() && isCall(e.reloc):
			out = append(out, way{caller: g})
		case g.IsText():
			out = append(out, x.closure(s, e))
		case g.IsFuncValue():
			out = append(out, x.values(g)...)
		case (g.IsItab() || g.IsType()) && !x.isCalled(s, g):
			// No interface has it called; it is in the table since something else needs it.
		case g.IsItab():
			out = append(out, way{kind: RefuseInterfaceTable, word: payload.WordItab, at: e, detail: "a method in " + g.Name})
		case g.IsType():
			out = append(out, way{kind: RefuseMethodTable, word: payload.WordMethod, at: e, detail: "a method of " + typeName(g)})
		case g.IsDict():
			out = append(out, way{kind: RefuseDictionary, word: payload.WordDict, at: e, detail: "in " + g.Name})
		case x.own(s, g):
			// A table of jumps inside the function.
		default:
			out = append(out, way{kind: RefuseFunctionValue, detail: "its address is in " + label(g)})
		}
	}

	return out
}

// own says whether data that refers to a function is only used by that function.
func (x *references) own(s, data *program.Symbol) bool {
	for _, e := range x.in[data] {
		if e.from != s {
			return false
		}
	}

	return data.Kind.IsROData()
}

// closure is a function whose code address another function takes: it makes a function
// value with captured variables of it, and these can be anywhere. Those that are made on
// the stack live no longer than the frame of their maker, as a call would.
func (x *references) closure(s *program.Symbol, e edge) way {
	switch n := s.Name; {
	case strings.Contains(n, ".deferwrap"), x.optimised && onStack(x.arch, e):
		return way{caller: e.from}
	case strings.Contains(n, ".gowrap"):
		return way{kind: RefuseGoroutine, detail: "goroutines that " + e.from.Name + " started may run it", makers: makersOf(e)}
	case strings.HasSuffix(n, "-fm"):
		return way{kind: RefuseMethodValue, starts: starts(e.from), detail: "method values that " + e.from.Name + " made may be stored", makers: makersOf(e)}
	}

	return way{kind: RefuseClosure, starts: starts(e.from), detail: "closures that " + e.from.Name + " made may be stored", makers: makersOf(e)}
}

// values looks at who uses the function value of a function: the one word that all
// function values without captured variables share.
func (x *references) values(value *program.Symbol) (out []way) {
	var holders []edge

	for _, e := range x.in[value] {
		i := slices.IndexFunc(x.slots, func(s slot) bool { return s.holder == e.from && s.value == value && s.at == e.reloc.Off })

		switch {
		case i >= 0:
			out = append(out, way{slot: x.slots[i].name})
		case e.from.IsText() && startsGoroutine(e):
			out = append(out, way{kind: RefuseGoroutine, detail: "goroutines that " + e.from.Name + " started may run it", makers: makersOf(e)})
		default:
			holders = append(holders, e)
		}
	}

	if len(holders) == 0 {
		return out
	}

	return append(out, way{
		kind: RefuseFunctionValue, word: payload.WordFuncValue, at: edge{value, value.Relocs()[0]}, holders: holders, makers: makersOf(holders...),
		detail: "a value of it, that " + label(holders[0].from) + " has, may be stored anywhere",
	})
}

// makersOf are the functions among those that have a function value, as long as they may run.
func makersOf(holders ...edge) (makers []*program.Symbol) {
	for _, e := range holders {
		if e.from.IsText() && !e.from.Dead && !isInit(e.from) {
			makers = append(makers, e.from)
		}
	}

	return makers
}

// startsGoroutine says whether a reference to a function value is the argument of a go
// statement.
func startsGoroutine(e edge) bool {
	for _, r := range e.from.Relocs() {
		if r.Off > e.reloc.Off && isCall(r) && r.Sym != nil {
			return r.Sym.Name == "runtime.newproc"
		}
	}

	return false
}
