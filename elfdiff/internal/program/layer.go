package program

import (
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/internal/payload"
)

// bytes is a part of the image as the file has it; nil is none.
func (l *layer) bytes(addr, n uint64) []byte {
	for _, s := range []payload.Segment{l.file.Text, l.file.Rodata, l.file.Data} {
		if addr < s.Addr || addr > s.End() || n > s.End()-addr {
			continue
		}

		out := make([]byte, n)
		if from := addr - s.Addr; from < uint64(len(s.Bytes)) {
			copy(out, s.Bytes[from:])
		}

		return out
	}

	return nil
}

// find tells which symbols of the build the payload's are.
func (l *layer) find() error {
	of := map[string][]*Symbol{}

	for _, y := range l.file.Symbols {
		of[y.Name] = nil
		l.names[y.Addr] = append(l.names[y.Addr], y.Name)
	}

	for _, s := range l.prog.Symbols {
		n := elfName(s)
		if list, wanted := of[n]; wanted {
			of[n] = append(list, s)
		}
	}

	for _, y := range l.file.Symbols {
		if strings.HasPrefix(y.Name, jumpPrefix) || y.Name == anonymous {
			continue
		}

		s := l.which(y, of[y.Name])
		if s == nil {
			return notOf("it has a %s of %d bytes, and the build hasn't", y.Name, y.Size)
		}

		s.load()

		c := *s
		c.Linked, c.Addr, c.Layer, c.dups = true, y.Addr, l.index, nil
		c.relocs = slices.Clone(s.relocs)
		l.clones[s] = &c
		l.list = append(l.list, &c)
		l.at[y.Addr] = append(l.at[y.Addr], &c)
	}

	return nil
}

// anonymous is what symbols are called in a payload whose names an ELF file can't have.
const anonymous = "go:anonymous"

// which of the build's symbols one of the payload is; nil is none.
func (l *layer) which(y payload.Symbol, of []*Symbol) *Symbol {
	b := l.bytes(y.Addr, y.Size)

	for _, s := range of {
		if l.clones[s] != nil {
			continue
		}

		if l.fits(s, y, b) {
			return s
		}

		for _, d := range s.dups {
			if l.fits(d, y, b) {
				s.adopt(d)
				return s
			}
		}
	}

	return nil
}

// fits says whether the payload's symbol was made of the build's: its bytes are the same but
// for what is filled in, and that leads to symbols of the same names.
func (l *layer) fits(s *Symbol, y payload.Symbol, b []byte) bool {
	if s.Size != y.Size || s.IsText() != (y.Kind == payload.Func) || uint64(len(b)) < uint64(len(s.Data)) {
		return false
	}

	for _, x := range b[len(s.Data):] {
		if x != 0 {
			return false
		}
	}

	b = slices.Clone(b[:len(s.Data)])

	for _, r := range s.Relocs() { // the address of an interface table is loaded, not computed
		if at := int(r.Off) - 2; r.Type == goobj.PCRel && r.Sym != nil && r.Sym.IsItab() && at >= 0 && at < len(b) && b[at] == 0x8b && s.Data[at] == 0x8d {
			b[at] = 0x8d
		}
	}

	if !matches(s, b) {
		return false
	}

	for _, r := range s.Relocs() {
		if r.Sym == nil || r.Marks() {
			continue
		}

		if names := l.leads(y.Addr, b, r); len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return sameName(n, r.Sym) }) {
			return false
		}
	}

	return true
}

// sameName says whether what the payload calls so can be that symbol. What the compiler
// numbers is called otherwise in the program.
func sameName(n string, s *Symbol) bool {
	n = strings.TrimPrefix(n, jumpPrefix)

	return n == s.Name || n == elfName(s) || n == anonymous || s.IsTemp() || s.Hashed || strings.HasPrefix(s.Name, "builtin#")
}

// leads names what a field of a symbol of the payload leads to; none isn't known.
func (l *layer) leads(addr uint64, b []byte, r Reloc) []string {
	if p, ok := l.relocs[addr+uint64(r.Off)]; ok {
		switch p.Ref.Kind {
		case payload.RefImage:
			return l.names[p.Ref.Value-uint64(r.Add)]
		case payload.RefItab:
			return []string{p.Ref.Name}
		}

		if r.Weak && r.Sym.IsText() { // an initialiser that was left out
			return nil
		}

		return []string{p.Ref.Name}
	}

	if r.Sym.IsItab() {
		return nil // by a word of data
	}

	t, ok := l.inside(addr, b, r)
	if !ok {
		return nil
	}

	return l.names[t]
}

// inside is where in the image a field leads that the loader has nothing to do with.
func (l *layer) inside(addr uint64, b []byte, r Reloc) (uint64, bool) {
	if r.Type == goobj.Addr {
		return 0, false // of the program; those of the image are relocated
	}

	k := &linker{m: l.parts}

	return k.target(addr, b, r)
}

// connect has a symbol of the layer refer to what it refers to in the process.
func (st *Stack) connect(l *layer, c *Symbol) error {
	b := l.bytes(c.Addr, c.Size)

	for i := range c.relocs {
		r := &c.relocs[i]
		if r.Sym == nil {
			continue
		}

		to, known := st.led(l, c, b, *r)

		switch {
		case to != nil:
			r.Sym, r.Live = to, true
		case known && !r.Weak && !r.Sym.IsItab() && (r.Sym.IsText() || !r.Sym.Hashed):
			return notOf("%s refers to %s, and in the payload to something else", c.Name, r.Sym.Name)
		default:
			r.Sym, r.Live = st.current(l, r.Sym), false
		}
	}

	return nil
}

// led is what a field of a symbol of the layer leads to. known says that it leads
// somewhere.
func (st *Stack) led(l *layer, c *Symbol, b []byte, r Reloc) (to *Symbol, known bool) {
	if r.Marks() || r.Sym.IsItab() || r.Type == goobj.TLSLE || r.Type == goobj.TLSIE || r.Type == goobj.ARM64TLSLE || r.Type == goobj.ARM64TLSIE {
		return nil, false
	}

	at := c.Addr + uint64(r.Off)

	p, ok := l.relocs[at]

	switch {
	case ok && p.Ref.Kind == payload.RefImage:
		return st.pick(l.at[p.Ref.Value-uint64(r.Add)], r.Sym), true
	case ok && p.Ref.Kind == payload.RefItab:
		return nil, false
	case ok:
		return st.pick(st.lookup(l, p.Ref), r.Sym), true
	case r.Type == goobj.Addr && r.Size == 8:
		v := le.Uint64(b[r.Off:]) // of the program, which is never anywhere else
		return st.pick(st.host[v-uint64(r.Add)], r.Sym), v != 0
	}

	t, ok := l.inside(c.Addr, b, r)
	if !ok {
		return nil, false
	}

	if to = st.pick(l.at[t], r.Sym); to == nil && l.isJump(t) {
		to = st.jump(l, t)
	}

	return to, true
}

// current is what a symbol of the layer's build is in the process, as far as names tell.
func (st *Stack) current(l *layer, s *Symbol) *Symbol {
	if c := l.clones[s]; c != nil {
		return c
	}

	if s.Hashed {
		if c := st.ByHash(s); c != nil {
			return c
		}

		return s.unlinked(l.index)
	}

	if c := st.named[s.Key()]; c != nil && s.Name != "" {
		return c
	}

	return s.unlinked(l.index)
}

// unlinked is the symbol as one that the process doesn't have.
func (s *Symbol) unlinked(layer int) *Symbol {
	s.load()

	c := *s
	c.Linked, c.Addr, c.Layer = false, 0, layer

	return &c
}
