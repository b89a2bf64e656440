package aml

import (
	"strings"
)

func object(n *Node) Object { return objectTerm{stmtTerm{n}} }

// block is an object with a list of terms.
func block[T Term](code uint16, body []T, args ...*Node) Object {
	n := &Node{op: ops.get(code), args: args, list: nodes(body)}

	return object(n)
}

// Scope opens a scope that exists: more of what it contains.
func Scope(path string, body ...Object) Object { return block(0x10, body, nameNode(path)) }

// Device defines a device (§19.6.31). It must have a _HID or an _ADR.
func Device(name string, body ...Object) Object { return block(0x5b82, body, nameNode(name)) }

// ThermalZone defines a thermal zone (§11.4).
func ThermalZone(name string, body ...Object) Object { return block(0x5b85, body, nameNode(name)) }

// PowerResource defines a power resource: level is the deepest sleep state in which it must
// stay on, order that in which resources are turned on (§7.2).
func PowerResource(name string, level uint8, order uint16, body ...Object) Object {
	return block(0x5b84, body, nameNode(name), raw(opRaw1, uint64(level)), raw(opRaw2, uint64(order)))
}

// Name binds a constant to a name.
func Name(name string, value Data) Object {
	if value == nil {
		return object(bad(wrong(ErrNil, "value of %s", name)))
	}

	return object(makeNode(0x08, nameNode(name), value.node()))
}

// Alias gives an object that exists a second name.
func Alias(of, name string) Object { return object(makeNode(0x06, nameNode(of), nameNode(name))) }

// maxArgs is how many arguments a method can have.
const maxArgs = 7

// Method defines a method of so many arguments, which many threads may run at once. A method
// that defines names must be serialized, or the second thread to come fails.
func Method(name string, args int, body ...Term) Object { return method(name, args, 0, body) }

// SerializedMethod defines a method that one thread runs at a time. The level, 0 to 15, is
// that of its mutex: who holds one of a higher level can't call it.
func SerializedMethod(name string, args, level int, body ...Term) Object {
	if level < 0 || level > 15 {
		return object(bad(wrong(ErrValue, "sync level %d of method %s, want 0 to 15", level, name)))
	}

	return method(name, args, 8|uint64(level)<<4, body)
}

func method(name string, args int, flags uint64, body []Term) Object {
	if args < 0 || args > maxArgs {
		return object(bad(wrong(ErrArgs, "method %s has %d, want 0 to %d", name, args, maxArgs)))
	}

	return block(0x14, body, nameNode(name), raw(opRaw1, flags|uint64(args)))
}

// Mutex defines a mutex. The level, 0 to 15, is the order in which a thread may acquire more
// than one.
func Mutex(name string, level int) Object {
	n := makeNode(0x5b01, nameNode(name), raw(opRaw1, uint64(level&15)))
	if level < 0 || level > 15 {
		n.errs = append(n.errs, wrong(ErrValue, "sync level %d, want 0 to 15", level))
	}

	return object(n)
}

// Event defines an event, for Signal, Wait and Reset.
func Event(name string) Object { return object(makeNode(0x5b02, nameNode(name))) }

// ObjectKind is the type of an object, as External and ObjectType number them (§19.6.97).
type ObjectKind uint8

// Types of objects.
const (
	KindUnknown ObjectKind = iota
	KindInteger
	KindString
	KindBuffer
	KindPackage
	KindFieldUnit
	KindDevice
	KindEvent
	KindMethod
	KindMutex
	KindRegion
	KindPowerResource
	KindProcessor
	KindThermalZone
	KindBufferField
)

// External says that another block defines a name, and, of a method, how many arguments it
// has.
func External(path string, kind ObjectKind, args int) Object {
	n := makeNode(0x15, nameNode(path), raw(opRaw1, uint64(kind)), raw(opRaw1, uint64(uint8(args))))

	if args < 0 || args > maxArgs || args != 0 && kind != KindMethod {
		n.errs = append(n.errs, wrong(ErrArgs, "external %s of kind %d has %d", path, kind, args))
	}

	return object(n)
}

// IfBlock is If, to which ElseIf and Else may be added.
type IfBlock struct{ branches []branch }

type branch struct {
	cond *Node // nil for else
	body []*Node
}

// If runs its body where the condition isn't zero. It may stand outside of methods: its body
// is then to hold objects.
func If(cond TermArg, body ...Term) IfBlock {
	return IfBlock{[]branch{{arg(cond), nodes(body)}}}
}

// ElseIf is tried where no condition before was true.
func (i IfBlock) ElseIf(cond TermArg, body ...Term) IfBlock {
	return IfBlock{append(i.branches[:len(i.branches):len(i.branches)], branch{arg(cond), nodes(body)})}
}

// Else runs where no condition was true, and ends the block.
func (i IfBlock) Else(body ...Term) Object {
	return IfBlock{append(i.branches[:len(i.branches):len(i.branches)], branch{nil, nodes(body)})}
}

// addTo makes If {} Else { If {} Else {} }: the encoding knows no ElseIf.
func (i IfBlock) addTo(list []*Node) []*Node {
	var rest []*Node // of the branch above

	for k := len(i.branches) - 1; k >= 0; k-- {
		b := i.branches[k]
		if b.cond == nil {
			rest = []*Node{{op: ops.get(0xa1), list: b.body}}
			continue
		}

		rest = append([]*Node{{op: ops.get(0xa0), args: []*Node{b.cond}, list: b.body}}, rest...)
		if k > 0 {
			rest = []*Node{{op: ops.get(0xa1), list: rest}}
		}
	}

	if rest == nil {
		rest = []*Node{bad(wrong(ErrNil, "If without a condition"))}
	}

	return append(list, rest...)
}

func (IfBlock) term()   {}
func (IfBlock) object() {}

// lastSeg is the last segment of a padded path.
func lastSeg(path string) string {
	_, segs := split(path)

	return segs[strings.LastIndexByte(segs, '.')+1:]
}
