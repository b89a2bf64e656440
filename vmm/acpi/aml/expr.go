package aml

import "math"

func value(code uint16, args ...*Node) Expr     { return exprTerm{stmtTerm{makeNode(code, args...)}} }
func ref(code uint16, args ...*Node) Ref        { return refTerm{exprTerm{stmtTerm{makeNode(code, args...)}}} }
func statement(code uint16, args ...*Node) Term { return stmtTerm{makeNode(code, args...)} }

func binary2(code uint16, a, b TermArg, to SuperName) Expr {
	return value(code, arg(a), arg(b), target(to))
}

func super(s SuperName) *Node {
	if s == nil {
		return bad(wrong(ErrNil, "what is to be changed or referred to"))
	}

	return s.node()
}

// Call runs a method.
func Call(path string, args ...TermArg) Ref {
	name := nameNode(path)
	n := &Node{op: opCall, text: name.text, errs: name.errs}

	for _, a := range args {
		n.args = append(n.args, arg(a))
	}

	if len(args) > maxArgs {
		n.errs = append(n.errs, wrong(ErrArgs, "call of %s with %d, more than %d", path, len(args), maxArgs))
	}

	return refTerm{exprTerm{stmtTerm{n}}}
}

// Add is a+b. Numbers have 64 bits and wrap, in this and all that follow. The result is also
// stored in the target, unless that is nil.
func Add(a, b TermArg, to SuperName) Expr { return binary2(0x72, a, b, to) }

// Subtract is a-b.
func Subtract(a, b TermArg, to SuperName) Expr { return binary2(0x74, a, b, to) }

// Multiply is a*b.
func Multiply(a, b TermArg, to SuperName) Expr { return binary2(0x77, a, b, to) }

// Divide is a/b, which is stored in the last target, after what is left over.
func Divide(a, b TermArg, remainder, to SuperName) Expr {
	return value(0x78, arg(a), arg(b), target(remainder), target(to))
}

// Mod is what a/b leaves over.
func Mod(a, b TermArg, to SuperName) Expr { return binary2(0x85, a, b, to) }

// ShiftLeft is a<<b.
func ShiftLeft(a, b TermArg, to SuperName) Expr { return binary2(0x79, a, b, to) }

// ShiftRight is a>>b.
func ShiftRight(a, b TermArg, to SuperName) Expr { return binary2(0x7a, a, b, to) }

// And is a&b.
func And(a, b TermArg, to SuperName) Expr { return binary2(0x7b, a, b, to) }

// Nand is ^(a&b).
func Nand(a, b TermArg, to SuperName) Expr { return binary2(0x7c, a, b, to) }

// Or is a|b.
func Or(a, b TermArg, to SuperName) Expr { return binary2(0x7d, a, b, to) }

// Nor is ^(a|b).
func Nor(a, b TermArg, to SuperName) Expr { return binary2(0x7e, a, b, to) }

// Xor is a^b.
func Xor(a, b TermArg, to SuperName) Expr { return binary2(0x7f, a, b, to) }

// Not is ^a.
func Not(a TermArg, to SuperName) Expr { return value(0x80, arg(a), target(to)) }

// FindSetLeftBit is the number of the highest bit that is set, from 1; 0 is none.
func FindSetLeftBit(a TermArg, to SuperName) Expr { return value(0x81, arg(a), target(to)) }

// FindSetRightBit is the number of the lowest bit that is set, from 1; 0 is none.
func FindSetRightBit(a TermArg, to SuperName) Expr { return value(0x82, arg(a), target(to)) }

// Concatenate puts two integers, strings or buffers together.
func Concatenate(a, b TermArg, to SuperName) Expr { return binary2(0x73, a, b, to) }

// ConcatenateResTemplate puts two resource templates together.
func ConcatenateResTemplate(a, b TermArg, to SuperName) Expr { return binary2(0x84, a, b, to) }

// Mid is length bytes or characters of a, from an index.
func Mid(a, index, length TermArg, to SuperName) Expr {
	return value(0x9e, arg(a), arg(index), arg(length), target(to))
}

// ToBuffer converts to a buffer.
func ToBuffer(a TermArg, to SuperName) Expr { return value(0x96, arg(a), target(to)) }

// ToDecimalString converts to a string.
func ToDecimalString(a TermArg, to SuperName) Expr { return value(0x97, arg(a), target(to)) }

// ToHexString converts to a string.
func ToHexString(a TermArg, to SuperName) Expr { return value(0x98, arg(a), target(to)) }

// ToInteger converts to an integer.
func ToInteger(a TermArg, to SuperName) Expr { return value(0x99, arg(a), target(to)) }

// ToString converts a buffer to a string of at most length characters; Ones is all.
func ToString(a, length TermArg, to SuperName) Expr { return binary2(0x9c, a, length, to) }

// FromBCD converts decimal digits of four bits to a number.
func FromBCD(a TermArg, to SuperName) Expr { return value(0x5b28, arg(a), target(to)) }

// ToBCD is the reverse of FromBCD.
func ToBCD(a TermArg, to SuperName) Expr { return value(0x5b29, arg(a), target(to)) }

// Store stores a value.
func Store(a TermArg, to SuperName) Expr { return value(0x70, arg(a), super(to)) }

// CopyObject replaces an object, its type too. The target is a Path, a Local or an Arg.
func CopyObject(a TermArg, to SuperName) Expr { return value(0x9d, arg(a), super(to)) }

// Increment adds one.
func Increment(s SuperName) Expr { return value(0x75, super(s)) }

// Decrement subtracts one.
func Decrement(s SuperName) Expr { return value(0x76, super(s)) }

// LAnd is whether both are true, which is not zero.
func LAnd(a, b TermArg) Expr { return value(0x90, arg(a), arg(b)) }

// LOr is whether one is true.
func LOr(a, b TermArg) Expr { return value(0x91, arg(a), arg(b)) }

// LNot is whether a is zero.
func LNot(a TermArg) Expr { return value(0x92, arg(a)) }

// LEqual is a == b, of integers, strings or buffers.
func LEqual(a, b TermArg) Expr { return value(0x93, arg(a), arg(b)) }

// LNotEqual is a != b.
func LNotEqual(a, b TermArg) Expr { return LNot(LEqual(a, b)) }

// LGreater is a > b.
func LGreater(a, b TermArg) Expr { return value(0x94, arg(a), arg(b)) }

// LGreaterEqual is a >= b.
func LGreaterEqual(a, b TermArg) Expr { return LNot(LLess(a, b)) }

// LLess is a < b.
func LLess(a, b TermArg) Expr { return value(0x95, arg(a), arg(b)) }

// LLessEqual is a <= b.
func LLessEqual(a, b TermArg) Expr { return LNot(LGreater(a, b)) }

// RefOf is a reference to an object.
func RefOf(s SuperName) Ref { return ref(0x71, super(s)) }

// CondRefOf says whether an object exists, and stores a reference to it.
func CondRefOf(s, to SuperName) Expr { return value(0x5b12, super(s), target(to)) }

// DerefOf is the object that a reference is to.
func DerefOf(a TermArg) Ref { return ref(0x83, arg(a)) }

// Index is a reference to an element of a package, buffer or string.
func Index(a, index TermArg, to SuperName) Ref { return ref(0x88, arg(a), arg(index), target(to)) }

// SizeOf is the number of bytes, characters or elements.
func SizeOf(s SuperName) Expr { return value(0x87, super(s)) }

// ObjectType is the ObjectKind of what is there.
func ObjectType(s SuperName) Expr { return value(0x8e, super(s)) }

// MatchOp is how Match compares (§20.2.5.4).
type MatchOp uint8

// The ways to compare.
const (
	MatchTrue MatchOp = iota
	MatchEqual
	MatchLessEqual
	MatchLess
	MatchGreaterEqual
	MatchGreater
)

// Match is the index of the first element, from start, that compares to both; Ones is
// none.
func Match(pkg TermArg, op1 MatchOp, a TermArg, op2 MatchOp, b, start TermArg) Expr {
	e := makeNode(0x89, arg(pkg), raw(opRaw1, uint64(op1)), arg(a), raw(opRaw1, uint64(op2)), arg(b), arg(start))
	if op1 > MatchGreater || op2 > MatchGreater {
		e.errs = append(e.errs, wrong(ErrValue, "Match with operators %d and %d", op1, op2))
	}

	return exprTerm{stmtTerm{e}}
}

// Timer is a clock in units of 100 ns.
func Timer() Expr { return value(0x5b33) }

// Forever is the timeout of Acquire and Wait that never comes.
const Forever = math.MaxUint16

// Acquire takes a mutex, and is true if that took more than so many milliseconds.
func Acquire(mutex SuperName, timeout uint16) Expr {
	return value(0x5b23, super(mutex), raw(opRaw2, uint64(timeout)))
}

// Wait waits for an event, and is true if that took more than so many milliseconds.
func Wait(event SuperName, timeout TermArg) Expr { return value(0x5b25, super(event), arg(timeout)) }

// Load loads the definition block that a region or field holds (as before ACPI 6.4).
func Load(path string, handle SuperName) Expr { return value(0x5b20, nameNode(path), target(handle)) }

// LoadTable loads a table that the firmware has already given to the system.
func LoadTable(signature, oem, oemTable, root, parameter, data TermArg) Expr {
	return value(0x5b1f, arg(signature), arg(oem), arg(oemTable), arg(root), arg(parameter), arg(data))
}

// Release gives a mutex back.
func Release(mutex SuperName) Term { return statement(0x5b27, super(mutex)) }

// Signal lets one who waits for an event go on.
func Signal(event SuperName) Term { return statement(0x5b24, super(event)) }

// Reset forgets the signals that an event has.
func Reset(event SuperName) Term { return statement(0x5b26, super(event)) }

// Notify tells the system that something about a device, processor or thermal zone has
// changed.
func Notify(object SuperName, what TermArg) Term { return statement(0x86, super(object), arg(what)) }

// Sleep lets at least so many milliseconds pass, and others run.
func Sleep(ms TermArg) Term { return statement(0x5b22, arg(ms)) }

// Stall spins for so many microseconds, at most 100.
func Stall(us TermArg) Term { return statement(0x5b21, arg(us)) }

// Fatal reports an error from which there is no recovery.
func Fatal(kind uint8, code uint32, a TermArg) Term {
	return statement(0x5b32, raw(opRaw1, uint64(kind)), raw(opRaw4, uint64(code)), arg(a))
}

// Return ends the method. A nil value is Zero, as for iasl.
func Return(v TermArg) Term {
	if v == nil {
		v = Zero
	}

	return statement(0xa4, v.node())
}

// While runs its body as long as the condition isn't zero.
func While(cond TermArg, body ...Term) Term {
	return stmtTerm{&Node{op: ops.get(0xa2), args: []*Node{arg(cond)}, list: nodes(body)}}
}

// Break leaves the While around it.
func Break() Term { return statement(0xa5) }

// Continue goes to the condition of the While around it.
func Continue() Term { return statement(0x9f) }

// BreakPoint stops in a debugger.
func BreakPoint() Term { return statement(0xcc) }

// Noop does nothing.
func Noop() Term { return statement(0xa3) }
