package aml

import "bytes"

// terms reads a list of terms up to the end of what contains it.
func (p *parser) terms() ([]*Node, error) {
	var list []*Node

	for p.off < p.end {
		n, err := p.term()
		if err != nil {
			return list, err
		}

		list = append(list, n)
	}

	return list, nil
}

// term reads a definition, statement or expression.
func (p *parser) term() (*Node, error) {
	if lead(p.b[p.off]) {
		return p.call(true)
	}

	o, err := p.op(isTerm)
	if err != nil {
		return nil, err
	}

	return p.operator(o)
}

// op finds the operator that comes, if it may stand where the flag says.
func (p *parser) op(flag uint8) (*op, error) {
	if p.off >= p.end {
		return nil, p.fail(ErrTruncated, "")
	}

	code := uint16(p.b[p.off])
	if code == extPrefix {
		if p.off+1 >= p.end {
			return nil, p.fail(ErrTruncated, "")
		}

		code = code<<8 | uint16(p.b[p.off+1])
	}

	o := ops.get(code)

	switch {
	case o == nil || o.code != code:
		return nil, p.fail(ErrOpcode, "%#x", code)
	case !o.is(flag):
		return nil, p.fail(ErrOpcode, "%s here", o.name)
	}

	return o, nil
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail(ErrDepth, "more than %d", maxDepth)
	}

	return nil
}

// operator reads one and its arguments.
func (p *parser) operator(o *op) (*Node, error) {
	p.off++
	if o.code > 0xff {
		p.off++
	}

	switch {
	case leaves[o] != nil:
		return leaves[o], nil
	case o.kind == kindInt:
		v, err := p.raw(int(o.width))

		return &Node{op: o, num: v}, err
	case o.kind == kindString:
		n := bytes.IndexByte(p.b[p.off:p.end], 0)
		if n < 0 {
			return nil, p.fail(ErrTruncated, "string")
		}

		p.off += n + 1

		return &Node{op: o, text: string(p.b[p.off-n-1 : p.off-1])}, nil
	}

	if err := p.enter(); err != nil {
		return nil, err
	}

	defer func() { p.depth-- }()

	n := &Node{op: o, args: make([]*Node, 0, len(o.fixed()))}
	if o.list() == 0 {
		if err := p.arguments(n); err != nil {
			return nil, err
		}

		p.declare(n)

		return n, nil
	}

	return p.block(n)
}

// block reads an operator that has a length.
func (p *parser) block(n *Node) (*Node, error) {
	start := p.off

	length, err := p.pkgLength()
	if err != nil {
		return nil, err
	}

	if start+length < p.off || start+length > p.end {
		return nil, p.fail(ErrLength, "%d bytes from %#x, which leaves %d", length, start, p.end-start)
	}

	end, scope, known := p.end, p.scope, p.known
	p.end = start + length

	err = p.arguments(n)
	if err == nil {
		err = p.body(n)
	}

	if err != nil && p.final {
		return nil, err
	}

	p.skipped = p.skipped || err != nil

	// While definitions are looked for, what isn't understood is stepped over.
	p.off, p.end, p.scope, p.known = p.end, end, scope, known

	return n, nil
}

func (p *parser) body(n *Node) (err error) {
	at, look := p.declare(n)
	if n.op.is(isScope) {
		if at == nil || look == nil {
			return p.fail(ErrName, "a path above the root, or too deep")
		}

		p.scope, p.known = at, look
	}

	switch n.op.list() {
	case 'B':
		n.text = string(p.b[p.off:p.end])
	case 'E':
		for p.off < p.end && err == nil {
			err = p.into(&n.list, 'E')
		}
	case 'F':
		for p.off < p.end && err == nil {
			err = p.unit(n)
		}

		p.scope.units(n, func(*Node) {})
		p.known.units(n, func(*Node) {})
	default:
		if n.op.code == 0x14 && !p.final {
			return nil // the names in a method are its own
		}

		n.list, err = p.terms()
	}

	return err
}

// declare enters what a node defines into both namespaces.
func (p *parser) declare(n *Node) (at, look *Entry) {
	if n.op.defines() < 0 && n.op.code != 0x10 {
		return nil, nil
	}

	p.defined++

	at, _ = p.scope.declare(n)
	look, _ = p.known.declare(n)

	return at, look
}

func (p *parser) arguments(n *Node) error {
	letters := n.op.fixed()

	for i := range len(letters) {
		if err := p.into(&n.args, letters[i]); err != nil {
			return err
		}
	}

	return nil
}

func (p *parser) into(list *[]*Node, letter byte) error {
	n, err := p.arg(letter)
	if err == nil {
		*list = append(*list, n)
	}

	return err
}

// arg reads an argument of the kind that the letter says; see op.
func (p *parser) arg(letter byte) (*Node, error) {
	switch letter {
	case 'b':
		v, err := p.raw(1)

		return raw(opRaw1, v), err
	case 'w':
		v, err := p.raw(2)

		return raw(opRaw2, v), err
	case 'd':
		v, err := p.raw(4)

		return raw(opRaw4, v), err
	}

	if p.off >= p.end {
		return nil, p.fail(ErrTruncated, "")
	}

	if letter == 'n' || letter == 'N' {
		at := p.off

		name, err := p.name()
		if err == nil && (name == "" || letter == 'n' && lastSeg(name) == "") {
			p.off = at
			err = p.fail(ErrName, "empty")
		}

		return &Node{op: opName, text: name}, err
	}

	if lead(p.b[p.off]) {
		if letter == 't' || letter == 's' {
			return p.call(false)
		}

		name, err := p.name()
		if err == nil && name == "" {
			err = p.fail(ErrName, "empty")
		}

		return &Node{op: opName, text: name}, err
	}

	return p.valueOf(letter)
}

// valueOf reads an argument that isn't a name.
func (p *parser) valueOf(letter byte) (*Node, error) {
	flag := uint8(isTarget)

	switch letter {
	case 't':
		flag = isValue
	case 'D', 'E':
		flag = isData
	case 'T':
		if p.b[p.off] == 0 {
			p.off++

			return leaves[opNull], nil
		}
	}

	o, err := p.op(flag)
	if err != nil {
		return nil, err
	}

	if letter == 'S' && (o.code < 0x60 || o.code > 0x6e) {
		return nil, p.fail(ErrOpcode, "%s here", o.name)
	}

	return p.operator(o)
}

// call reads a name that stands where a value does, with the arguments that its method
// has. Nothing is known of the method of another block: where the name is a term of its
// own, what follows and can't be a term is taken for its arguments.
func (p *parser) call(alone bool) (*Node, error) {
	at := p.off

	name, err := p.name()
	if err != nil {
		return nil, err
	}

	if name == "" || lastSeg(name) == "" && alone {
		p.off = at

		return nil, p.fail(ErrName, "%q is called", name)
	}

	args, known := p.known.method(name)
	if args < 0 && known && !alone || !known && !alone {
		return &Node{op: opName, text: name}, nil
	}

	if err := p.enter(); err != nil {
		return nil, err
	}

	defer func() { p.depth-- }()

	n := &Node{op: opCall, text: name}

	for len(n.args) < args || !known && len(n.args) < maxArgs && p.operand() {
		if err := p.into(&n.args, 't'); err != nil {
			return nil, err
		}
	}

	return n, nil
}

// operand says whether what comes has a value but can't be a term.
func (p *parser) operand() bool {
	if p.off >= p.end || lead(p.b[p.off]) {
		return false
	}

	o, err := p.op(isValue)

	return err == nil && !o.is(isTerm)
}

// unit reads an element of a list of fields.
func (p *parser) unit(n *Node) error {
	u := &Node{}

	switch p.b[p.off] {
	case 0:
		p.off++
		u.op = opSkip
	case 1:
		p.off++
		u.op = opAccess
	case 2:
		p.off++

		to, err := p.arg('D')
		if err != nil {
			return err
		}

		if to.op != opName && to.op.code != 0x11 {
			return p.fail(ErrOpcode, "connection to %s", to.op.name)
		}

		n.list = append(n.list, &Node{op: opConn, args: []*Node{to}})

		return nil
	case 3:
		p.off++
		u.op = opExtend
	default:
		if p.end-p.off < 4 || !validSeg(string(p.b[p.off:p.off+4])) {
			return p.fail(ErrName, "of a field")
		}

		u.op, u.text = opUnit, string(p.b[p.off:p.off+4])
		p.off += 4
	}

	var err error

	switch u.op {
	case opAccess:
		u.num, err = p.raw(2)
	case opExtend:
		u.num, err = p.raw(3)
	default:
		var bits int

		bits, err = p.pkgLength()
		u.num = uint64(bits)
	}

	n.list = append(n.list, u)

	return err
}
