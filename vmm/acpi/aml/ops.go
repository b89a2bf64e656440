package aml

// kind says how an operator is encoded.
type kind uint8

const (
	kindOp     kind = iota // opcode, arguments; with a package length if there is a list
	kindInt                // opcode, then width bytes of num
	kindString             // opcode, text, NUL
	kindName               // a NameString
	kindNull               // the NullName of a target that isn't there
	kindCall               // a NameString and arguments
	kindRaw                // width bytes of num, without an opcode
	kindUnit               // field element: a segment and its bits
	kindSkip               // field element: bits
	kindAccess             // field element: access type, attribute
	kindExtend             // field element: access type, attribute, length
	kindConn               // field element: connection
)

// Where an operator may stand.
const (
	isTerm   = 1 << iota // in a list of terms
	isValue              // where a TermArg is wanted
	isTarget             // where a SuperName is wanted
	isData               // in a package
	isObject             // defines a name, or opens a scope
	isScope              // its list is in the scope that it names
)

// op is an operator. The letters of args are its arguments in order:
//
//	t TermArg   s SuperName, also a call   r SuperName, no call   T the same or nothing
//	S name, Arg or Local   n name that is defined   N name that is referred to
//	b, w, d 1, 2 or 4 bytes   D data object, or a name that isn't called
//
// and the last may be a list, which makes the operator one with a package length:
//
//	L terms   E elements of a package   F fields   B bytes
type op struct {
	code  uint16 // 0x5bxx for those with the extension prefix
	name  string // in ASL
	args  string
	kind  kind
	width uint8
	flags uint8
}

const extPrefix = 0x5b

// list is the letter of the operator's list, or 0.
func (o *op) list() byte {
	if n := len(o.args); n > 0 && o.args[n-1] < 'a' {
		switch c := o.args[n-1]; c {
		case 'L', 'E', 'F', 'B':
			return c
		}
	}

	return 0
}

// fixed are the letters of the arguments before the list.
func (o *op) fixed() string {
	if o.list() != 0 {
		return o.args[:len(o.args)-1]
	}

	return o.args
}

func (o *op) is(flag uint8) bool { return o.flags&flag != 0 }

// defines is the index of the argument that is the name that the operator defines, or -1.
func (o *op) defines() int {
	for i := range o.args {
		if o.args[i] == 'n' {
			return i
		}
	}

	return -1
}

// Operators that have no opcode of their own.
var (
	opName   = &op{name: "NameString", kind: kindName, flags: isValue | isTarget | isData}
	opNull   = &op{name: "Null", kind: kindNull}
	opCall   = &op{name: "Call", kind: kindCall, flags: isTerm | isValue | isTarget}
	opRaw1   = &op{name: "Byte", kind: kindRaw, width: 1}
	opRaw2   = &op{name: "Word", kind: kindRaw, width: 2}
	opRaw4   = &op{name: "DWord", kind: kindRaw, width: 4}
	opUnit   = &op{name: "FieldUnit", kind: kindUnit}
	opSkip   = &op{name: "Reserved", kind: kindSkip}
	opAccess = &op{name: "AccessAs", kind: kindAccess}
	opExtend = &op{name: "AccessAs", kind: kindExtend}
	opConn   = &op{name: "Connection", kind: kindConn}
)

const expr = isTerm | isValue

// ops are the operators of ACPI 6.5 §20.2 by opcode, and those of older versions that tables
// still have.
var ops = table([]*op{
	{0x00, "Zero", "", kindInt, 0, isValue | isData},
	{0x01, "One", "", kindInt, 0, isValue | isData},
	{0xff, "Ones", "", kindInt, 0, isValue | isData},
	{0x0a, "Byte", "", kindInt, 1, isValue | isData},
	{0x0b, "Word", "", kindInt, 2, isValue | isData},
	{0x0c, "DWord", "", kindInt, 4, isValue | isData},
	{0x0e, "QWord", "", kindInt, 8, isValue | isData},
	{0x0d, "String", "", kindString, 0, isValue | isData},
	{0x5b30, "Revision", "", kindOp, 0, isValue | isData},
	{0x5b31, "Debug", "", kindOp, 0, isValue | isTarget},
	{0x60, "Local0", "", kindOp, 0, isValue | isTarget},
	{0x61, "Local1", "", kindOp, 0, isValue | isTarget},
	{0x62, "Local2", "", kindOp, 0, isValue | isTarget},
	{0x63, "Local3", "", kindOp, 0, isValue | isTarget},
	{0x64, "Local4", "", kindOp, 0, isValue | isTarget},
	{0x65, "Local5", "", kindOp, 0, isValue | isTarget},
	{0x66, "Local6", "", kindOp, 0, isValue | isTarget},
	{0x67, "Local7", "", kindOp, 0, isValue | isTarget},
	{0x68, "Arg0", "", kindOp, 0, isValue | isTarget},
	{0x69, "Arg1", "", kindOp, 0, isValue | isTarget},
	{0x6a, "Arg2", "", kindOp, 0, isValue | isTarget},
	{0x6b, "Arg3", "", kindOp, 0, isValue | isTarget},
	{0x6c, "Arg4", "", kindOp, 0, isValue | isTarget},
	{0x6d, "Arg5", "", kindOp, 0, isValue | isTarget},
	{0x6e, "Arg6", "", kindOp, 0, isValue | isTarget},

	// Objects.
	{0x06, "Alias", "Nn", kindOp, 0, isTerm | isObject},
	{0x08, "Name", "nD", kindOp, 0, isTerm | isObject},
	{0x10, "Scope", "NL", kindOp, 0, isTerm | isObject | isScope},
	{0x14, "Method", "nbL", kindOp, 0, isTerm | isObject | isScope},
	{0x15, "External", "nbb", kindOp, 0, isTerm | isObject},
	{0x5b01, "Mutex", "nb", kindOp, 0, isTerm | isObject},
	{0x5b02, "Event", "n", kindOp, 0, isTerm | isObject},
	{0x5b80, "OperationRegion", "nbtt", kindOp, 0, isTerm | isObject},
	{0x5b81, "Field", "NbF", kindOp, 0, isTerm | isObject},
	{0x5b82, "Device", "nL", kindOp, 0, isTerm | isObject | isScope},
	{0x5b83, "Processor", "nbdbL", kindOp, 0, isTerm | isObject | isScope},
	{0x5b84, "PowerResource", "nbwL", kindOp, 0, isTerm | isObject | isScope},
	{0x5b85, "ThermalZone", "nL", kindOp, 0, isTerm | isObject | isScope},
	{0x5b86, "IndexField", "NNbF", kindOp, 0, isTerm | isObject},
	{0x5b87, "BankField", "NNtbF", kindOp, 0, isTerm | isObject},
	{0x5b88, "DataTableRegion", "nttt", kindOp, 0, isTerm | isObject},
	{0x5b13, "CreateField", "tttn", kindOp, 0, isTerm | isObject},
	{0x8a, "CreateDWordField", "ttn", kindOp, 0, isTerm | isObject},
	{0x8b, "CreateWordField", "ttn", kindOp, 0, isTerm | isObject},
	{0x8c, "CreateByteField", "ttn", kindOp, 0, isTerm | isObject},
	{0x8d, "CreateBitField", "ttn", kindOp, 0, isTerm | isObject},
	{0x8f, "CreateQWordField", "ttn", kindOp, 0, isTerm | isObject},

	// Statements.
	{0x86, "Notify", "st", kindOp, 0, isTerm},
	{0x9f, "Continue", "", kindOp, 0, isTerm},
	{0xa0, "If", "tL", kindOp, 0, isTerm},
	{0xa1, "Else", "L", kindOp, 0, isTerm},
	{0xa2, "While", "tL", kindOp, 0, isTerm},
	{0xa3, "Noop", "", kindOp, 0, isTerm},
	{0xa4, "Return", "t", kindOp, 0, isTerm},
	{0xa5, "Break", "", kindOp, 0, isTerm},
	{0xcc, "BreakPoint", "", kindOp, 0, isTerm},
	{0x5b21, "Stall", "t", kindOp, 0, isTerm},
	{0x5b22, "Sleep", "t", kindOp, 0, isTerm},
	{0x5b24, "Signal", "s", kindOp, 0, isTerm},
	{0x5b26, "Reset", "s", kindOp, 0, isTerm},
	{0x5b27, "Release", "s", kindOp, 0, isTerm},
	{0x5b2a, "Unload", "s", kindOp, 0, isTerm},
	{0x5b32, "Fatal", "bdt", kindOp, 0, isTerm},

	// Expressions.
	{0x11, "Buffer", "tB", kindOp, 0, expr | isData},
	{0x12, "Package", "bE", kindOp, 0, expr | isData},
	{0x13, "Package", "tE", kindOp, 0, expr | isData},
	{0x70, "Store", "ts", kindOp, 0, expr},
	{0x71, "RefOf", "r", kindOp, 0, expr | isTarget},
	{0x72, "Add", "ttT", kindOp, 0, expr},
	{0x73, "Concatenate", "ttT", kindOp, 0, expr},
	{0x74, "Subtract", "ttT", kindOp, 0, expr},
	{0x75, "Increment", "r", kindOp, 0, expr},
	{0x76, "Decrement", "r", kindOp, 0, expr},
	{0x77, "Multiply", "ttT", kindOp, 0, expr},
	{0x78, "Divide", "ttTT", kindOp, 0, expr},
	{0x79, "ShiftLeft", "ttT", kindOp, 0, expr},
	{0x7a, "ShiftRight", "ttT", kindOp, 0, expr},
	{0x7b, "And", "ttT", kindOp, 0, expr},
	{0x7c, "NAnd", "ttT", kindOp, 0, expr},
	{0x7d, "Or", "ttT", kindOp, 0, expr},
	{0x7e, "NOr", "ttT", kindOp, 0, expr},
	{0x7f, "XOr", "ttT", kindOp, 0, expr},
	{0x80, "Not", "tT", kindOp, 0, expr},
	{0x81, "FindSetLeftBit", "tT", kindOp, 0, expr},
	{0x82, "FindSetRightBit", "tT", kindOp, 0, expr},
	{0x83, "DerefOf", "t", kindOp, 0, expr | isTarget},
	{0x84, "ConcatenateResTemplate", "ttT", kindOp, 0, expr},
	{0x85, "Mod", "ttT", kindOp, 0, expr},
	{0x87, "SizeOf", "s", kindOp, 0, expr},
	{0x88, "Index", "ttT", kindOp, 0, expr | isTarget},
	{0x89, "Match", "tbtbtt", kindOp, 0, expr},
	{0x8e, "ObjectType", "r", kindOp, 0, expr},
	{0x90, "LAnd", "tt", kindOp, 0, expr},
	{0x91, "LOr", "tt", kindOp, 0, expr},
	{0x92, "LNot", "t", kindOp, 0, expr},
	{0x93, "LEqual", "tt", kindOp, 0, expr},
	{0x94, "LGreater", "tt", kindOp, 0, expr},
	{0x95, "LLess", "tt", kindOp, 0, expr},
	{0x96, "ToBuffer", "tT", kindOp, 0, expr},
	{0x97, "ToDecimalString", "tT", kindOp, 0, expr},
	{0x98, "ToHexString", "tT", kindOp, 0, expr},
	{0x99, "ToInteger", "tT", kindOp, 0, expr},
	{0x9c, "ToString", "ttT", kindOp, 0, expr},
	{0x9d, "CopyObject", "tS", kindOp, 0, expr},
	{0x9e, "Mid", "tttT", kindOp, 0, expr},
	{0x5b12, "CondRefOf", "rT", kindOp, 0, expr},
	{0x5b1f, "LoadTable", "tttttt", kindOp, 0, expr},
	{0x5b20, "Load", "NT", kindOp, 0, expr},
	{0x5b23, "Acquire", "sw", kindOp, 0, expr},
	{0x5b25, "Wait", "st", kindOp, 0, expr},
	{0x5b28, "FromBCD", "tT", kindOp, 0, expr},
	{0x5b29, "ToBCD", "tT", kindOp, 0, expr},
	{0x5b33, "Timer", "", kindOp, 0, expr},
})

// opTable has the operators of one byte, and those behind the extension prefix.
type opTable [2][256]*op

func table(all []*op) *opTable {
	var t opTable

	for _, o := range all {
		t[o.code>>8&1][byte(o.code)] = o // 0x5b is odd
	}

	return &t
}

func (t *opTable) get(code uint16) *op { return t[code>>8&1][byte(code)] }

// leaves are shared nodes of the operators that have neither arguments nor a value of their
// own: bytes that are read can't make more nodes than they could with this.
var leaves = leafNodes()

func leafNodes() map[*op]*Node {
	m := map[*op]*Node{opNull: {op: opNull}}

	for _, page := range ops {
		for _, o := range page {
			if o != nil && o.args == "" && o.width == 0 && o.kind != kindString {
				m[o] = &Node{op: o}
			}
		}
	}

	m[ops.get(0x01)].num = 1
	m[ops.get(0xff)].num = ^uint64(0)

	return m
}
