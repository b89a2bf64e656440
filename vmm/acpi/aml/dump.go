package aml

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Dump writes the block as ASL: one line for each term, with the operators by their old names,
// such as Store (One, Local0), and the descriptors of resources in comments. The text is
// for people, and for files that tests compare with: it changes only where the block does.
// iasl compiles it, within a DefinitionBlock, to the same bytes, unless there are connections
// of fields or VarPackages of constant size in it.
func (t *Tree) Dump(w io.Writer) error {
	d := dumper{w: bufio.NewWriter(w)}
	d.list(t.terms)

	return d.w.Flush()
}

// Dump is that of the terms that Encode would encode.
func Dump(w io.Writer, terms ...Term) error { return (&Tree{terms: hoist(nodes(terms))}).Dump(w) }

type dumper struct {
	w      *bufio.Writer
	indent int
}

func (d *dumper) line(s string) {
	for range min(d.indent, 40) { // of what is hostile, a line must not cost more
		d.w.WriteString("  ")
	}

	d.w.WriteString(s)
	d.w.WriteString("\n")
}

func (d *dumper) list(list []*Node) {
	for _, n := range list {
		if outside(n) { // as iasl has it: in an If that is never taken
			d.list(n.list)

			continue
		}

		d.term(n)
	}
}

// outside says whether it is an If around what is external.
func outside(n *Node) bool {
	if n.op.code != 0xa0 || len(n.list) == 0 || n.args[0] != leaves[ops.get(0)] {
		return false
	}

	for _, k := range n.list {
		if k.op.code != 0x15 || k.op.kind != kindOp {
			return false
		}
	}

	return true
}

func (d *dumper) term(n *Node) {
	switch n.op.list() {
	case 'L':
		d.line(d.text(n) + " {")
		d.indent++
		d.list(n.list)
		d.indent--
		d.line("}")
	case 'F':
		d.line(d.text(n) + " {")
		d.indent++

		for i, u := range n.list {
			comma := ","
			if i == len(n.list)-1 {
				comma = ""
			}

			d.line(d.unit(u) + comma)
		}

		d.indent--
		d.line("}")
	default:
		d.line(d.text(n))
		d.resources(n)
	}
}

// resources explains the constant of a Name that is a resource template.
func (d *dumper) resources(n *Node) {
	if n.op.code != 0x08 || len(n.args) < 2 {
		return
	}

	b, ok := n.args[1].Bytes()
	if !ok || len(b) < 2 || b[len(b)-2] != endTag {
		return
	}

	list, err := ParseResources(b)
	if err != nil {
		return
	}

	for _, r := range list {
		d.line(fmt.Sprintf("  // %s%+v", strings.TrimPrefix(fmt.Sprintf("%T", r), "aml."), r))
	}
}

// text is an operator with its arguments, on one line.
func (d *dumper) text(n *Node) string {
	switch n.op.kind {
	case kindNull:
		return ""
	case kindInt:
		if n.op.code == 0xff {
			return n.op.name
		}

		return fmt.Sprintf("%#x", n.num) // even 0 and 1: iasl refuses the word One in a _BIX
	case kindRaw:
		return fmt.Sprintf("%#x", n.num)
	case kindString:
		return quote(n.text)
	case kindName:
		return short(n.text)
	case kindCall:
		return short(n.text) + " (" + d.join(n.args) + ")"
	}

	switch n.op.list() {
	case 'B':
		return fmt.Sprintf("Buffer (%s) {%s}", d.text(n.args[0]), hexes(n.text))
	case 'E':
		return fmt.Sprintf("Package (%s) {%s}", d.text(n.args[0]), d.join(n.list))
	}

	if len(n.args) == 0 {
		return n.op.name
	}

	return n.op.name + " (" + d.special(n) + ")"
}

func (d *dumper) join(list []*Node) string {
	var b strings.Builder

	for i, n := range list {
		if i > 0 {
			b.WriteString(", ")
		}

		b.WriteString(d.text(n))
	}

	return b.String()
}

// special are the arguments of operators that ASL spells in its own way.
func (d *dumper) special(n *Node) string {
	a := n.args

	switch n.op.code {
	case 0x08:
		return short(a[0].text) + ", " + d.ident(a[0], a[1])
	case 0x14:
		sync := "NotSerialized"
		if f := a[1].num; f&8 != 0 {
			sync = fmt.Sprintf("Serialized, %d", f>>4)
		}

		return fmt.Sprintf("%s, %d, %s", short(a[0].text), a[1].num&7, sync)
	case 0x15:
		return external(short(a[0].text), a[1].num, a[2].num)
	case 0x5b80:
		return fmt.Sprintf("%s, %s, %s", short(a[0].text), space(a[1].num), d.join(a[2:]))
	case 0x5b81, 0x5b86, 0x5b87:
		f := a[len(a)-1].num
		lock := []string{"NoLock", "Lock"}[f>>4&1]

		return fmt.Sprintf("%s, %s, %s, %s", d.join(a[:len(a)-1]), keyword(accesses, f&15), lock, keyword(updates, f>>5&3))
	case 0x89:
		return fmt.Sprintf("%s, %s, %s, %s, %s, %s", d.text(a[0]), keyword(matches, a[1].num), d.text(a[2]),
			keyword(matches, a[3].num), d.text(a[4]), d.text(a[5]))
	}

	return d.join(a)
}

// ident is the value of a name, which may be an EISA id.
func (d *dumper) ident(name, v *Node) string {
	if n := lastSeg(name.text); n == "_HID" || n == "_CID" {
		if id, ok := v.EISAID(); ok {
			return fmt.Sprintf("EisaId (%q)", id)
		}
	}

	return d.text(v)
}

func external(path string, kind, args uint64) string {
	s := path + ", " + keyword(kinds, kind)
	if kind == uint64(KindMethod) && args > 0 {
		s += ", , {" + strings.TrimSuffix(strings.Repeat("UnknownObj, ", int(args)), ", ") + "}"
	}

	return s
}

// Words of ASL for numbers.
var (
	spaces = []string{
		"SystemMemory", "SystemIO", "PCI_Config", "EmbeddedControl", "SMBus", "SystemCMOS", "PciBarTarget", "IPMI",
		"GeneralPurposeIo", "GenericSerialBus", "PCC", "PlatformRtMechanism",
	}
	accesses = []string{"AnyAcc", "ByteAcc", "WordAcc", "DWordAcc", "QWordAcc", "BufferAcc"}
	updates  = []string{"Preserve", "WriteAsOnes", "WriteAsZeros"}
	matches  = []string{"MTR", "MEQ", "MLE", "MLT", "MGE", "MGT"}
	kinds    = []string{
		"UnknownObj", "IntObj", "StrObj", "BuffObj", "PkgObj", "FieldUnitObj", "DeviceObj", "EventObj", "MethodObj",
		"MutexObj", "OpRegionObj", "PowerResObj", "ProcessorObj", "ThermalZoneObj", "BuffFieldObj",
	}
	attribs = map[uint64]string{0x0b: "AttribBytes", 0x0e: "AttribRawBytes", 0x0f: "AttribRawProcessBytes"}
)

func space(n uint64) string {
	if Space(n) == FFixedHW {
		return "FFixedHW"
	}

	return keyword(spaces, n)
}

func keyword(words []string, n uint64) string {
	if n < uint64(len(words)) {
		return words[n]
	}

	return fmt.Sprintf("%#x", n)
}

func (d *dumper) unit(u *Node) string {
	switch u.op.kind {
	case kindUnit:
		return fmt.Sprintf("%s, %d", seg([]byte(u.text)).short(), u.num)
	case kindSkip:
		return fmt.Sprintf(", %d", u.num)
	case kindAccess:
		return fmt.Sprintf("AccessAs (%s, %#x)", keyword(accesses, u.num&0xff), u.num>>8)
	case kindExtend:
		name := attribs[u.num>>8&0xff]
		if name == "" {
			name = fmt.Sprintf("Attrib%#x", u.num>>8&0xff)
		}

		return fmt.Sprintf("AccessAs (%s, %s (%#x))", keyword(accesses, u.num&0xff), name, u.num>>16)
	default:
		return "Connection (" + d.join(u.args) + ")"
	}
}

func hexes(s string) string {
	var b strings.Builder

	for i := range len(s) {
		if i > 0 {
			b.WriteString(", ")
		}

		fmt.Fprintf(&b, "0x%02x", s[i])
	}

	return b.String()
}

// quote is a string of ASL.
func quote(s string) string {
	var b strings.Builder

	b.WriteByte('"')

	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c > 0x7e:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}

	b.WriteByte('"')

	return b.String()
}
