package aml

import "iter"

// Entry is a name of the namespace, with all that is defined below it, be it in one body or
// in Scopes that were opened later.
type Entry struct {
	seg    seg
	parent *Entry
	def    *Node // what defines it; nil for a scope that another block has
	arity  int   // of a method, and of what is external; -1 is not a method
	kids   map[seg]*Entry
	order  []*Entry
	depth  int
}

// newRoot is a namespace with what the specification predefines (§5.3.1, §5.7).
func newRoot() *Entry {
	root := &Entry{arity: -1}

	for _, s := range []string{"_SB_", "_GPE", "_PR_", "_TZ_", "_SI_"} {
		root.child(seg([]byte(s)))
	}

	for _, s := range []string{"_OS_", "_REV", "_GL_"} {
		root.child(seg([]byte(s)))
	}

	root.child(seg([]byte("_OSI"))).arity = 1

	return root
}

// child finds or makes a name directly below.
func (e *Entry) child(s seg) *Entry {
	if k := e.kids[s]; k != nil {
		return k
	}

	k := &Entry{seg: s, parent: e, arity: -1, depth: e.depth + 1}
	if e.kids == nil {
		e.kids = map[seg]*Entry{}
	}

	e.kids[s] = k
	e.order = append(e.order, k)

	return k
}

// base is where a padded path starts, and the rest of it; nil is above the root.
func (e *Entry) base(path string) (*Entry, string) {
	up, segs := split(path)
	if up < 0 {
		for e.parent != nil {
			e = e.parent
		}

		return e, segs
	}

	for range up {
		if e = e.parent; e == nil {
			return nil, ""
		}
	}

	return e, segs
}

// maxSpace is how deep the namespace may be. What is looked for in all scopes above takes time.
const maxSpace = 255

// make finds the entry that a definition in this scope is about, and makes it if need be. It is
// nil where the path leads above the root, or too deep.
func (e *Entry) make(path string) *Entry {
	at, segs := e.base(path)
	if at == nil || at.depth+(len(segs)+1)/5 > maxSpace {
		return nil
	}

	each(segs, func(s seg) { at = at.child(s) })

	return at
}

// resolve finds what a path in this scope refers to: one segment alone is looked for in the
// scopes above as well (§5.3).
func (e *Entry) resolve(path string) *Entry {
	at, segs := e.base(path)
	if len(segs) == 4 && path == segs {
		for s := seg([]byte(segs)); at != nil; at = at.parent {
			if k := at.kids[s]; k != nil {
				return k
			}
		}

		return nil
	}

	each(segs, func(s seg) {
		if at != nil {
			at = at.kids[s]
		}
	})

	return at
}

// method is how many arguments a call of the path takes; -1 where it is no method, and known
// says whether it is anything at all.
func (e *Entry) method(path string) (args int, known bool) {
	at, from := e.resolve(path), e

	for range 8 { // aliases of aliases
		if at == nil {
			return -1, false
		}

		if at.def == nil || at.def.op.code != 0x06 {
			return at.arity, true
		}

		from = at.parent
		at = from.resolve(at.def.args[0].text)
	}

	return -1, false
}

// declare notes what a node of the scope defines, and gives the scope of its body. The
// entry is nil if the node defines nothing, or something above the root.
func (e *Entry) declare(n *Node) (at *Entry, again bool) {
	i := n.op.defines()
	if n.op.code == 0x10 { // Scope
		i = 0
	}

	if i < 0 {
		return nil, false
	}

	at = e.make(n.args[i].text)
	if at == nil {
		return nil, false
	}

	switch n.op.code {
	case 0x10:
		return at, false
	case 0x15:
		if at.def == nil && ObjectKind(n.args[1].num) == KindMethod {
			at.arity = int(min(n.args[2].num, maxArgs))
		}

		return at, false
	case 0x14:
		at.arity = int(n.args[1].num & 7)
	default:
		at.arity = -1
	}

	again = at.def != nil
	if !again {
		at.def = n
	}

	return at, again
}

// units declares the fields of a list.
func (e *Entry) units(n *Node, dup func(*Node)) {
	for _, u := range n.list {
		if u.op != opUnit {
			continue
		}

		k := e.child(seg([]byte(u.text)))
		if k.def != nil {
			dup(u)
			continue
		}

		k.def = u
	}
}

// Name is the last segment of the path, without padding; of the root it is empty.
func (e *Entry) Name() string {
	if e.parent == nil {
		return ""
	}

	return e.seg.short()
}

// Path is the full path, such as \_SB.CPU0.
func (e *Entry) Path() string { return short(e.path()) }

// path is padded.
func (e *Entry) path() string {
	if e.parent == nil {
		return `\`
	}

	// From the end, since a hostile block can be deep.
	n := 0
	for at := e; at.parent != nil; at = at.parent {
		n += 5
	}

	b := make([]byte, n)
	b[0] = '\\'

	for at := e; at.parent != nil; at = at.parent {
		n -= 5
		copy(b[n+1:], at.seg[:])

		if n > 0 {
			b[n] = '.'
		}
	}

	return string(b)
}

// Parent is the entry that it is in; of the root it is nil.
func (e *Entry) Parent() *Entry { return e.parent }

// Node is the definition; nil for what another block or the specification defines. Of names that
// are defined twice it is the first.
func (e *Entry) Node() *Node { return e.def }

// Child is the entry of that name, such as "_HID", directly below; nil if there is none.
func (e *Entry) Child(name string) *Entry {
	s, err := makeSeg(name)
	if err != nil {
		return nil
	}

	return e.kids[s]
}

// Children are the entries directly below, in the order of their definition.
func (e *Entry) Children() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, k := range e.order {
			if !yield(k) {
				return
			}
		}
	}
}

// All are the entry and all that is below it, parents before children.
func (e *Entry) All() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) { e.walk(yield) }
}

// walk keeps a stack of its own: a hostile block can be deep.
func (e *Entry) walk(yield func(*Entry) bool) {
	stack := []*Entry{e}

	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]

		if !yield(at) {
			return
		}

		for i := len(at.order) - 1; i >= 0; i-- {
			stack = append(stack, at.order[i])
		}
	}
}

// IsDevice says whether it is a Device.
func (e *Entry) IsDevice() bool { return e.def != nil && e.def.op.code == 0x5b82 }

// Value is the constant that a Name of that name directly below has, such as that of "_HID";
// ok is whether there is one.
func (e *Entry) Value(name string) (v *Node, ok bool) {
	k := e.Child(name)
	if k == nil || k.def == nil || k.def.op.code != 0x08 {
		return nil, false
	}

	return k.def.args[1], true
}
