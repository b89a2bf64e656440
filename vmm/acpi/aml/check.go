package aml

import (
	"errors"
	"strconv"
	"strings"
)

// checker looks for mistakes in what was built, before it is encoded.
type checker struct {
	root, scope *Entry
	here        *Entry // what is being defined; errors name it
	errs        []error
	depth       int
	method      bool // inside of one
	loops       int  // While around
	maybe       int  // If and While around, where a definition may not happen
}

// check joins all mistakes that a list of terms has, each with its path.
func check(list []*Node) error {
	c := &checker{root: newRoot()}
	c.scope, c.here = c.root, c.root

	if c.declare(list); c.depth == 0 {
		c.all(list)
		c.devices()
	}

	return errors.Join(c.errs...)
}

// fail notes a mistake at an entry.
func (c *checker) fail(at *Entry, err error) {
	e := &Error{Offset: -1, Reason: err}

	var typed *Error
	if errors.As(err, &typed) {
		*e = *typed
	}

	e.Path = at.Path()
	c.errs = append(c.errs, e)
}

// declare enters all names, so that uses may come before definitions. The depth doesn't
// come back to 0 if the terms are too deep to look at.
func (c *checker) declare(list []*Node) {
	if c.depth++; c.depth > maxDepth {
		if c.depth == maxDepth+1 {
			c.fail(c.scope, wrong(ErrDepth, "more than %d", maxDepth))
		}

		return
	}

	before := c.depth

	for _, n := range list {
		if c.enter(n); c.depth != before {
			return
		}
	}

	c.depth--
}

func (c *checker) enter(n *Node) {
	scope, maybe := c.scope, c.maybe

	if n.op.defines() >= 0 || n.op.code == 0x10 {
		at, again := scope.declare(n)

		switch {
		case at == nil:
			c.fail(scope, wrong(ErrName, "a path above the root, or too deep"))
			return
		case again && maybe == 0:
			c.fail(at, ErrDuplicate)
		}

		if n.op.is(isScope) {
			c.scope = at
		}
	}

	switch n.op.list() {
	case 'F':
		scope.units(n, func(u *Node) {
			if maybe == 0 {
				c.fail(scope.child(seg([]byte(u.text))), ErrDuplicate)
			}
		})
	case 'L':
		if !n.op.is(isScope) {
			c.maybe++
		}

		c.declare(n.list)
	}

	c.scope, c.maybe = scope, maybe
}

func (c *checker) all(list []*Node) {
	for _, n := range list {
		c.visit(n, 'L')
	}
}

// visit checks a node that stands where the letter says; see op.
func (c *checker) visit(n *Node, letter byte) {
	here := c.here
	defer func() { c.here = here }()

	if d := n.op.defines(); d >= 0 && d < len(n.args) && len(n.args[d].errs) == 0 {
		if at := c.scope.make(n.args[d].text); at != nil {
			c.here = at
		}
	}

	for _, err := range n.errs {
		c.fail(c.here, err)
	}

	if len(n.errs) > 0 && n.op == opNull {
		return
	}

	if !fits(n, letter) {
		c.fail(c.here, wrong(ErrContext, "%s", n.op.name))
		return
	}

	if c.depth++; c.depth > maxDepth {
		if c.depth == maxDepth+1 {
			c.fail(c.here, wrong(ErrDepth, "more than %d", maxDepth))
		}

		c.depth--

		return
	}

	c.operator(n, letter)

	for i, a := range n.args {
		l := byte('t')
		if n.op.kind == kindOp {
			l = n.op.args[i]
		} else if n.op.kind == kindConn {
			l = 'D'
		}

		c.visit(a, l)
	}

	c.body(n)
	c.depth--
}

// body visits the list of a node in its scope.
func (c *checker) body(n *Node) {
	scope, method, loops := c.scope, c.method, c.loops
	letter := n.op.list()

	switch {
	case n.op.is(isScope):
		if at := scope.make(n.args[0].text); at != nil {
			c.scope, c.here = at, at
		}

		if n.op.code == 0x14 {
			c.method, c.loops = true, 0
		}
	case n.op.code == 0xa2:
		c.loops++
	}

	for _, k := range n.list {
		c.visit(k, letter)
	}

	c.scope, c.method, c.loops = scope, method, loops
}

// fits says whether a node may stand where the letter says.
func fits(n *Node, letter byte) bool {
	switch letter {
	case 'L':
		return n.op.is(isTerm)
	case 't':
		return n.op.is(isValue)
	case 's':
		return n.op.is(isTarget)
	case 'r':
		return n.op.is(isTarget) && n.op != opCall
	case 'T':
		return n.op.is(isTarget) && n.op != opCall || n.op == opNull
	case 'S':
		return n.op == opName || n.op.code >= 0x60 && n.op.code <= 0x6e && n.op.kind == kindOp
	case 'n', 'N':
		return n.op == opName
	case 'D', 'E':
		return n.op.is(isData)
	case 'F':
		return n.op.kind >= kindUnit
	default:
		return n.op.kind == kindRaw
	}
}

// operator checks what is particular to one.
func (c *checker) operator(n *Node, letter byte) {
	switch {
	case n.op.kind == kindCall:
		if args, known := c.scope.method(n.text); known && args != len(n.args) && (args >= 0 || len(n.args) > 0) {
			c.fail(c.here, wrong(ErrArgs, "call of %s with %d, want %d", short(n.text), len(n.args), max(args, 0)))
		}
	case n.op == opName && letter == 't':
		if args, _ := c.scope.method(n.text); args > 0 {
			c.fail(c.here, wrong(ErrArgs, "method %s wants %d: use Call", short(n.text), args))
		}
	case n.op.kind != kindOp:
	case !c.method && (n.op.code >= 0x60 && n.op.code <= 0x6e || n.op.code == 0xa4):
		c.fail(c.here, wrong(ErrContext, "%s outside of a method", n.op.name))
	case c.loops == 0 && (n.op.code == 0xa5 || n.op.code == 0x9f):
		c.fail(c.here, wrong(ErrContext, "%s outside of While", n.op.name))
	case n.op.code == 0x5b80:
		if v, ok := n.args[3].Integer(); ok && v == 0 {
			c.fail(c.here, wrong(ErrValue, "a region of no length"))
		}
	case n.op.code == 0x5b81 || n.op.code == 0x5b87:
		c.field(n)
	}
}

// field checks that fields are within their region, where its length is a constant.
func (c *checker) field(n *Node) {
	r := c.scope.resolve(n.args[0].text)
	if r == nil || r.def == nil {
		return
	}

	if r.def.op.code != 0x5b80 {
		if r.def.op.code != 0x5b88 {
			c.fail(r, wrong(ErrContext, "fields of what is no region"))
		}

		return
	}

	length, ok := r.def.args[3].Integer()
	at := uint64(0)

	for _, u := range n.list {
		if u.op == opUnit || u.op == opSkip {
			at += min(u.num, maxPkg)
		}

		if u.op == opUnit && ok && (at+7)/8 > length {
			c.fail(r, wrong(ErrField, "%s ends at bit %d of %d bytes", seg([]byte(u.text)).short(), at, length))
		}
	}
}

// devices checks that each can be told from the others.
func (c *checker) devices() {
	uids := map[string]map[string]bool{} // by _HID
	first := map[string]*Entry{}

	for e := range c.root.All() {
		if !e.IsDevice() {
			continue
		}

		if e.Child("_HID") == nil && e.Child("_ADR") == nil {
			c.fail(e, ErrNoID)
			continue
		}

		hid, ok := e.ident("_HID")
		if !ok {
			continue // none, or a method
		}

		if uids[hid] == nil {
			uids[hid], first[hid] = map[string]bool{}, e
		} else if first[hid].Child("_UID") == nil {
			c.fail(first[hid], wrong(ErrUID, "%s has no _UID, nor has another %s", first[hid].Name(), hid))
			first[hid] = e
		}

		uid, ok := e.ident("_UID")

		switch {
		case !ok && e.Child("_UID") != nil: // a method
		case !ok && len(uids[hid]) > 0:
			c.fail(e, wrong(ErrUID, "%s has no _UID, but is not the only %s", e.Name(), hid))
		case ok && uids[hid][uid]:
			c.fail(e, wrong(ErrUID, "%s and another have _UID %s", hid, uid))
		}

		uids[hid][uid] = true
	}
}

// ident is the constant of an identifying name, as text: numbers and their spelling are
// the same to systems.
func (e *Entry) ident(name string) (string, bool) {
	v, ok := e.Value(name)
	if !ok {
		return "", false
	}

	if s, ok := v.Text(); ok {
		return s, true
	}

	if s, ok := v.EISAID(); ok && strings.HasSuffix(name, "ID") && name != "_UID" {
		return s, true
	}

	if i, ok := v.Integer(); ok {
		return strconv.FormatUint(i, 10), true
	}

	return "", false
}
