package aml

// Term is what may stand in the body of a method: a definition, a statement or an
// expression (TermObj of ACPI 6.5 §20.2.5).
type Term interface {
	// addTo appends the term to a list; most are one node.
	addTo(list []*Node) []*Node
	term()
}

// Object is a Term that may also stand in the body of a scope or a device: a definition,
// or If with definitions in it.
type Object interface {
	Term
	object()
}

// TermArg is what has a value.
type TermArg interface {
	node() *Node
	termArg()
}

// SuperName is a TermArg that can be stored to, or referred to.
type SuperName interface {
	TermArg
	superName()
}

// Data is a constant, or a name in a package: what Name and Package can hold.
type Data interface {
	TermArg
	data()
}

// Expr is an operation with a value. It may stand alone, for what it does.
type Expr interface {
	Term
	TermArg
}

// Ref is an Expr whose value is a reference, which can be stored through.
type Ref interface {
	Expr
	superName()
}

// Node is a term as Parse reads it. It is a Term, Object, TermArg, SuperName and Data at
// once: what it may be used for isn't checked before Encode.
type Node struct {
	op   *op
	num  uint64  // of numbers, bits of fields, and the like
	text string  // of names, strings, and the bytes of a buffer
	args []*Node // those before the list, in order
	list []*Node
	errs []error // found when it was made
}

func (n *Node) node() *Node {
	if n == nil || n.op == nil {
		return bad(wrong(ErrNil, ""))
	}

	return n
}

func (n *Node) addTo(list []*Node) []*Node { return append(list, n.node()) }
func (n *Node) term()                      {}
func (n *Node) object()                    {}
func (n *Node) termArg()                   {}
func (n *Node) superName()                 {}
func (n *Node) data()                      {}

// The kinds of terms that functions of this package give.
type (
	stmtTerm   struct{ n *Node }
	objectTerm struct{ stmtTerm }
	exprTerm   struct{ stmtTerm }
	refTerm    struct{ exprTerm }
	dataTerm   struct{ n *Node }
)

func (s stmtTerm) addTo(list []*Node) []*Node { return append(list, s.n) }
func (stmtTerm) term()                        {}
func (objectTerm) object()                    {}
func (e exprTerm) node() *Node                { return e.n }
func (exprTerm) termArg()                     {}
func (refTerm) superName()                    {}
func (d dataTerm) node() *Node                { return d.n }
func (dataTerm) termArg()                     {}
func (dataTerm) data()                        {}

// bad is a node that is nothing but its errors.
func bad(errs ...error) *Node { return &Node{op: opNull, errs: errs} }

// arg is the node of a value.
func arg(a TermArg) *Node {
	if a == nil {
		return bad(wrong(ErrNil, "a value"))
	}

	return a.node()
}

// target is the node of where a result goes; nil is nowhere.
func target(s SuperName) *Node {
	if s == nil {
		return leaves[opNull]
	}

	return s.node()
}

// nodes are those of a list of terms.
func nodes[T Term](terms []T) []*Node {
	list := make([]*Node, 0, len(terms))

	for _, t := range terms {
		if Term(t) == nil {
			list = append(list, bad(wrong(ErrNil, "a term")))
			continue
		}

		list = t.addTo(list)
	}

	return list
}

// makeNode is a node of the operator with that code.
func makeNode(code uint16, args ...*Node) *Node {
	o := ops.get(code)
	if len(args) == 0 && leaves[o] != nil {
		return leaves[o]
	}

	return &Node{op: o, args: args}
}

func raw(o *op, n uint64) *Node { return &Node{op: o, num: n} }

// Integer is a constant, in its shortest encoding (§20.2.3).
type Integer uint64

func (i Integer) node() *Node {
	var code uint16

	switch {
	case i == 0:
		return leaves[ops.get(0x00)]
	case i == 1:
		return leaves[ops.get(0x01)]
	case i == ^Integer(0):
		return leaves[ops.get(0xff)]
	case i <= 0xff:
		code = 0x0a
	case i <= 0xffff:
		code = 0x0b
	case i <= 0xffffffff:
		code = 0x0c
	default:
		code = 0x0e
	}

	return &Node{op: ops.get(code), num: uint64(i)}
}

func (Integer) termArg() {}
func (Integer) data()    {}

// Zero, One and Ones are the constants that have opcodes of their own. Ones has all 64
// bits set: the revision of the table must be 2 or more.
const (
	Zero = Integer(0)
	One  = Integer(1)
	Ones = ^Integer(0)
)

// maxString is the longest string that iasl takes.
const maxString = 4096

// String is text of the characters 1 to 0x7f, of at most 4096 bytes.
type String string

func (s String) node() *Node {
	n := &Node{op: ops.get(0x0d), text: string(s)}
	if e := checkString(string(s)); e != nil {
		n.errs = append(n.errs, e)
	}

	return n
}

func (String) termArg() {}
func (String) data()    {}

func checkString(s string) error {
	if len(s) > maxString {
		return wrong(ErrString, "%d bytes, more than %d", len(s), maxString)
	}

	for i := range len(s) {
		if s[i] == 0 || s[i] > 0x7f {
			return wrong(ErrString, "character %#x at %d", s[i], i)
		}
	}

	return nil
}

// Path is a name: segments of up to four capital letters, digits (not first) and
// underscores, with dots between, after \ for the root or a ^ for each scope to go up.
// Segments may leave out the underscores that they end with.
//
// As a value it is that of the object, or, in a Package, a reference to it. For a method,
// use [Call].
type Path string

func (p Path) node() *Node { return nameNode(string(p)) }
func (Path) termArg()      {}
func (Path) superName()    {}
func (Path) data()         {}

// Local is a variable of a method, 0 to 7.
type Local uint8

func (l Local) node() *Node {
	if l > 7 {
		return bad(wrong(ErrIndex, "Local%d", l))
	}

	return leaves[ops.get(0x60+uint16(l))]
}

func (Local) termArg()   {}
func (Local) superName() {}

// Arg is an argument of a method, 0 to 6.
type Arg uint8

func (a Arg) node() *Node {
	if a > 6 {
		return bad(wrong(ErrIndex, "Arg%d", a))
	}

	return leaves[ops.get(0x68+uint16(a))]
}

func (Arg) termArg()   {}
func (Arg) superName() {}

type debug uint8

// Debug is the debug object: what is stored to it is shown by an interpreter that cares to.
const Debug = debug(0)

func (debug) node() *Node { return leaves[ops.get(0x5b31)] }
func (debug) termArg()    {}
func (debug) superName()  {}
