package aml

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Encode makes the body of a definition block. Terms External are put first, into an If that
// is never taken, as iasl does. The error joins all mistakes that there are, each an *Error.
func Encode(terms ...Term) ([]byte, error) {
	list := hoist(nodes(terms))

	if err := check(list); err != nil {
		return nil, err
	}

	e := encoder{}
	e.all(list)

	if e.err != nil {
		return nil, e.err
	}

	return e.b, nil
}

// hoist collects the declarations of what is external.
func hoist(list []*Node) []*Node {
	var ext, rest []*Node

	for _, n := range list {
		if n.op.code == 0x15 && n.op.kind == kindOp {
			ext = append(ext, n)
		} else {
			rest = append(rest, n)
		}
	}

	if ext == nil {
		return list
	}

	never := makeNode(0xa0, Zero.node())
	never.list = ext

	return append([]*Node{never}, rest...)
}

// maxDepth is how deep terms may be nested, in what is built and in what is read.
const maxDepth = 1024

type encoder struct {
	b     []byte
	depth int
	err   error
}

func (e *encoder) all(list []*Node) {
	for _, n := range list {
		e.node(n)
	}
}

func (e *encoder) node(n *Node) {
	if e.depth++; e.depth > maxDepth {
		e.err = wrong(ErrDepth, "more than %d", maxDepth)
	}

	if e.err == nil {
		e.put(n)
	}

	e.depth--
}

func (e *encoder) put(n *Node) {
	switch n.op.kind {
	case kindNull:
		e.b = append(e.b, 0)
	case kindInt:
		e.b = append(e.b, byte(n.op.code))
		e.raw(n.num, int(n.op.width))
	case kindString:
		e.b = append(append(append(e.b, byte(n.op.code)), n.text...), 0)
	case kindName:
		e.b = appendName(e.b, n.text)
	case kindCall:
		e.b = appendName(e.b, n.text)
		e.all(n.args)
	case kindRaw:
		e.raw(n.num, int(n.op.width))
	case kindUnit:
		e.b = append(e.b, n.text...)
		e.bits(n.num)
	case kindSkip:
		e.b = append(e.b, 0)
		e.bits(n.num)
	case kindAccess:
		e.b = append(e.b, 1)
		e.raw(n.num, 2)
	case kindExtend:
		e.b = append(e.b, 3)
		e.raw(n.num, 3)
	case kindConn:
		e.b = append(e.b, 2)
		e.all(n.args)
	default:
		e.operator(n)
	}
}

func (e *encoder) operator(n *Node) {
	if n.op.code > 0xff {
		e.b = append(e.b, extPrefix)
	}

	e.b = append(e.b, byte(n.op.code))
	start := len(e.b)

	e.all(n.args)
	e.all(n.list)

	if n.op.list() == 0 {
		return
	}

	e.b = append(e.b, n.text...)

	length, err := pkgLength(len(e.b)-start, true)
	if err != nil && e.err == nil {
		e.err = err
	}

	e.b = slices.Insert(e.b, start, length...)
}

func (e *encoder) raw(v uint64, width int) {
	var b [8]byte

	binary.LittleEndian.PutUint64(b[:], v)
	e.b = append(e.b, b[:width]...)
}

func (e *encoder) bits(n uint64) {
	b, err := pkgLength(int(min(n, maxPkg)), false)
	if err != nil && e.err == nil {
		e.err = err
	}

	e.b = append(e.b, b...)
}

// maxPkg is the first length that can't be encoded: there are 28 bits.
const maxPkg = 1 << 28

// pkgLength is the shortest PkgLength (§20.2.4): up to 63 it is one byte; above, a lead
// byte has four bits of it and the number of bytes that follow. Where it is the length of what
// follows it, it counts itself.
func pkgLength(n int, itself bool) ([]byte, error) {
	for follow := range 4 {
		total, limit := n, 1<<6

		if itself {
			total += 1 + follow
		}

		if follow > 0 {
			limit = 1 << (4 + 8*follow)
		}

		if total >= limit {
			continue
		}

		if follow == 0 {
			return []byte{byte(total)}, nil
		}

		b := []byte{byte(follow<<6 | total&0xf)}
		for i := range follow {
			b = append(b, byte(total>>(4+8*i)))
		}

		return b, nil
	}

	return nil, &Error{Offset: -1, Reason: ErrTooLong, Detail: fmt.Sprintf("%d, more than 28 bits", n)}
}
