package aml

import (
	"iter"
	"strings"
)

// Op is the name of the operator in ASL, such as "Device" or "Store"; of a constant it is
// its encoding, such as "Word" or "String".
func (n *Node) Op() string { return n.op.name }

// Name is the path that the node defines, refers to or calls, as it is written in the block
// but without padding; empty if it has none.
func (n *Node) Name() string {
	switch i := n.op.defines(); {
	case n.op.kind == kindName || n.op.kind == kindCall || n.op.kind == kindUnit:
		return short(n.text)
	case i >= 0 && i < len(n.args):
		return short(n.args[i].text)
	case strings.HasPrefix(n.op.args, "N") && len(n.args) > 0:
		return short(n.args[0].text)
	}

	return ""
}

// Args are the arguments of the operator, without its list.
func (n *Node) Args() iter.Seq[*Node] { return seq(n.args) }

// List is the body of a block, the elements of a package or the units of a field.
func (n *Node) List() iter.Seq[*Node] { return seq(n.list) }

func seq(list []*Node) iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for _, n := range list {
			if !yield(n) {
				return
			}
		}
	}
}

// Integer is the value of a constant number.
func (n *Node) Integer() (uint64, bool) { return n.num, n.op.kind == kindInt }

// Text is the value of a constant string.
func (n *Node) Text() (string, bool) { return n.text, n.op.kind == kindString }

// EISAID is the identifier that a number spells; see the function.
func (n *Node) EISAID() (string, bool) {
	if n.op.kind != kindInt {
		return "", false
	}

	return unpackEISA(n.num)
}

// maxBuffer is how long a buffer of few bytes may say to be before Bytes refuses it.
const maxBuffer = 1 << 16

// Bytes are those of a buffer of constant size, with the zeroes that it doesn't list.
func (n *Node) Bytes() ([]byte, bool) {
	if n.op.code != 0x11 || n.op.kind != kindOp {
		return nil, false
	}

	size, ok := n.args[0].Integer()
	if !ok {
		return nil, false
	}

	if size > uint64(len(n.text)) && size > maxBuffer {
		return nil, false
	}

	b := []byte(n.text)

	return append(b, make([]byte, max(int(size), len(b))-len(b))...), true
}

// Elements are those of a package that are listed.
func (n *Node) Elements() ([]*Node, bool) {
	if n.op.list() != 'E' {
		return nil, false
	}

	return append([]*Node(nil), n.list...), true
}

// Resources are the descriptors of a buffer that is a resource template.
func (n *Node) Resources() ([]Resource, error) {
	if n.op.code != 0x11 || n.op.kind != kindOp {
		return nil, wrong(ErrResource, "not a buffer")
	}

	return ParseResources([]byte(n.text))
}
