package aml

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// Tree is what a block was read into.
type Tree struct {
	terms []*Node
	root  *Entry
}

// Terms are those of the block, in order.
func (t *Tree) Terms() iter.Seq[*Node] { return seq(t.terms) }

// Root is the root of the namespace.
func (t *Tree) Root() *Entry { return t.root }

// Lookup finds an object by its path from the root, such as \_SB.CPU0; nil if there is
// none.
func (t *Tree) Lookup(path string) *Entry {
	p, err := normal(path)
	if err != nil {
		return nil
	}

	at, segs := t.root.base(p)

	each(segs, func(s seg) {
		if at != nil {
			at = at.kids[s]
		}
	})

	return at
}

// Devices are all of the block's Devices, parents first.
func (t *Tree) Devices() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		t.root.walk(func(e *Entry) bool { return !e.IsDevice() || yield(e) })
	}
}

// Encode gives the bytes of the block. They are those that were read, but for lengths and
// names that weren't in their shortest form.
func (t *Tree) Encode() ([]byte, error) {
	e := encoder{}
	e.all(t.terms)

	return e.b, e.err
}

// Check is what Encode would say to the terms, had they been built here.
func (t *Tree) Check() error { return check(t.terms) }

// Parse reads the body of a definition block: what comes after the header of a DSDT or SSDT.
// The bytes may be hostile. What they take is bounded: terms are nested at most 1024 deep, and a
// tree takes some 50 times the bytes that it is read from.
func Parse(b []byte) (*Tree, error) { return ParseWith(b, nil) }

// ParseWith is Parse with the paths and numbers of arguments of methods that other blocks
// define.
func ParseWith(b []byte, methods map[string]int) (*Tree, error) {
	known := newRoot()

	for path, args := range methods {
		p, err := normal(path)
		if err != nil || args < 0 || args > maxArgs {
			return nil, wrong(ErrArgs, "external method %q with %d", path, args)
		}

		if at := known.make(p); at != nil {
			at.arity = args
		}
	}

	// A call may come before the method's definition, and a call that isn't understood may
	// hide definitions: look for them until there are no more.
	for last, round := -1, 0; round < maxRounds; round++ {
		p := newParser(b, known)

		if _, err := p.terms(); err == nil && !p.skipped || p.defined == last {
			break
		}

		last = p.defined
	}

	p := newParser(b, known)
	p.final = true

	terms, err := p.terms()
	if err != nil {
		return nil, err
	}

	return &Tree{terms: terms, root: p.root}, nil
}

// maxRounds is how often the block is looked through for definitions.
const maxRounds = 4

// parser reads one block once.
type parser struct {
	b        []byte
	off, end int
	depth    int
	skipped  bool // something that wasn't understood
	final    bool // errors count, and the bodies of methods are read

	root, scope *Entry // what this reading defines
	known       *Entry // scope in the namespace that calls are resolved in
	defined     int
}

func newParser(b []byte, known *Entry) *parser {
	root := newRoot()

	return &parser{b: b, end: len(b), root: root, scope: root, known: known}
}

func (p *parser) fail(reason error, format string, args ...any) error {
	return &Error{Path: p.scope.Path(), Offset: p.off, Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// raw takes a number of so many bytes.
func (p *parser) raw(width int) (uint64, error) {
	if p.end-p.off < width {
		return 0, p.fail(ErrTruncated, "")
	}

	var b [8]byte

	copy(b[:], p.b[p.off:p.off+width])
	p.off += width

	return binary.LittleEndian.Uint64(b[:]), nil
}

// pkgLength takes a PkgLength.
func (p *parser) pkgLength() (int, error) {
	lead, err := p.raw(1)
	if err != nil {
		return 0, err
	}

	follow := int(lead >> 6)
	if follow == 0 {
		return int(lead & 0x3f), nil
	}

	high, err := p.raw(follow)

	return int(lead&0xf | high<<4), err
}

// lead says whether a byte begins a NameString.
func lead(c byte) bool {
	return leadChar(c) || c == '\\' || c == '^' || c == dualPrefix || c == multiPrefix
}

// name takes a NameString, which is padded by nature. The empty name is none.
func (p *parser) name() (string, error) {
	start := p.off
	for p.off < p.end && (p.b[p.off] == '^' || p.off == start && p.b[p.off] == '\\') {
		if p.off++; p.b[p.off-1] == '\\' {
			break
		}
	}

	out := append([]byte(nil), p.b[start:p.off]...)
	count := 1

	switch {
	case p.off == p.end:
		return "", p.fail(ErrTruncated, "name")
	case p.b[p.off] == 0:
		p.off++
		count = 0
	case p.b[p.off] == dualPrefix:
		p.off++
		count = 2
	case p.b[p.off] == multiPrefix:
		if p.end-p.off < 2 || p.b[p.off+1] == 0 {
			return "", p.fail(ErrName, "of no segments")
		}

		count = int(p.b[p.off+1])
		p.off += 2
	}

	for i := range count {
		if p.end-p.off < 4 {
			return "", p.fail(ErrTruncated, "name")
		}

		s := string(p.b[p.off : p.off+4])
		if !validSeg(s) {
			return "", p.fail(ErrName, "segment %q", s)
		}

		if i > 0 {
			out = append(out, '.')
		}

		out = append(out, s...)
		p.off += 4
	}

	return string(out), nil
}
