package aml

import "strings"

// seg is a name segment: four characters.
type seg [4]byte

func (s seg) String() string { return string(s[:]) }

func leadChar(c byte) bool { return c >= 'A' && c <= 'Z' || c == '_' }
func nameChar(c byte) bool { return leadChar(c) || c >= '0' && c <= '9' }

// makeSeg pads a segment.
func makeSeg(s string) (seg, error) {
	out := seg{'_', '_', '_', '_'}

	if s == "" || len(s) > len(out) {
		return out, wrong(ErrName, "segment %q has %d characters, want 1 to 4", s, len(s))
	}

	for i := range len(s) {
		if !nameChar(s[i]) || i == 0 && !leadChar(s[i]) {
			return out, wrong(ErrName, "segment %q: character %q", s, s[i])
		}

		out[i] = s[i]
	}

	return out, nil
}

// validSeg says whether four bytes are a segment.
func validSeg(b string) bool {
	if len(b) != 4 || !leadChar(b[0]) {
		return false
	}

	return nameChar(b[1]) && nameChar(b[2]) && nameChar(b[3])
}

const maxSegs = 255 // their number is a byte

// normal is a path with all of its segments padded. Its form is prefix, then segments with
// dots between.
func normal(path string) (string, error) {
	rest := strings.TrimLeft(path, `^`)
	prefix := path[:len(path)-len(rest)]

	if prefix == "" && strings.HasPrefix(path, `\`) {
		prefix, rest = path[:1], path[1:]
	}

	if rest == "" && prefix != "" {
		return prefix, nil
	}

	segs := strings.Split(rest, ".")
	if len(segs) > maxSegs {
		return "", wrong(ErrName, "%d segments, more than %d", len(segs), maxSegs)
	}

	var b strings.Builder

	b.WriteString(prefix)

	for i, s := range segs {
		padded, err := makeSeg(s)
		if err != nil {
			return "", err
		}

		if i > 0 {
			b.WriteByte('.')
		}

		b.Write(padded[:])
	}

	return b.String(), nil
}

// nameNode is a NameString.
func nameNode(path string) *Node {
	p, err := normal(path)
	if err != nil {
		return &Node{op: opName, text: `\`, errs: []error{err}}
	}

	return &Node{op: opName, text: p}
}

// split takes a path that is padded apart: how many ^ there are, or -1 for the root, and
// the segments.
func split(path string) (up int, segs string) {
	for up < len(path) && path[up] == '^' {
		up++
	}

	segs = path[up:]
	if up == 0 && strings.HasPrefix(path, `\`) {
		return -1, path[1:]
	}

	return up, segs
}

// each goes through the segments of a padded path without its prefix.
func each(segs string, f func(seg)) {
	for len(segs) >= 4 {
		f(seg([]byte(segs[:4])))

		segs = segs[4:]
		if segs != "" {
			segs = segs[1:] // the dot
		}
	}
}

// short is a padded path as people write it.
func short(path string) string {
	var b strings.Builder

	up, segs := split(path)
	b.WriteString(path[:len(path)-len(segs)])
	_ = up

	first := true

	each(segs, func(s seg) {
		if !first {
			b.WriteByte('.')
		}

		first = false
		b.WriteString(s.short())
	})

	return b.String()
}

// short leaves out the padding, but not the first character.
func (s seg) short() string { return string(s[:1]) + strings.TrimRight(string(s[1:]), "_") }

// Dual and multiple name prefixes (§20.2.2).
const (
	dualPrefix  = 0x2e
	multiPrefix = 0x2f
)

// appendName encodes a padded path.
func appendName(b []byte, path string) []byte {
	_, segs := split(path)
	b = append(b, path[:len(path)-len(segs)]...)

	switch n := (len(segs) + 1) / 5; n {
	case 0:
		return append(b, 0)
	case 1:
	case 2:
		b = append(b, dualPrefix)
	default:
		b = append(b, multiPrefix, byte(n))
	}

	each(segs, func(s seg) { b = append(b, s[:]...) })

	return b
}
