package emit

import (
	"math"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

func relocError(s *program.Symbol, r program.Reloc, what string) *RelocError {
	e := &RelocError{Symbol: s.Name, Type: r.Type, What: what}
	if r.Sym != nil {
		e.Target = r.Sym.Name
	}

	return e
}

// addr is the image offset of a place.
func (e *emitter) addr(p place) uint64 { return e.base[p.seg] + p.off }

// target is where a reference leads.
type target struct {
	image bool
	addr  uint64 // image offset
	seg   int

	itab  bool
	index int

	ref payload.Ref // of what is neither
}

// find says where a symbol is.
func (e *emitter) find(s *program.Symbol) (target, bool) {
	if s == nil {
		return target{}, false
	}

	if e.included[s] {
		at := e.at[s]
		return target{image: true, addr: e.addr(at), seg: at.seg}, true
	}

	if i, ok := e.itabs[s]; ok {
		return target{itab: true, index: i}, true
	}

	ref, ok := e.resolve(s)

	return target{ref: ref}, ok
}

// link places the segments, and fills in all references.
func (e *emitter) link() error {
	e.base[segText], e.base[segRodata], e.base[segData] = payload.Place(e.arch.name, len(e.seg[segText].b), len(e.seg[segRodata].b))
	e.image = make([]byte, e.base[segData]+e.seg[segData].len())

	for i := range e.seg {
		copy(e.image[e.base[i]:], e.seg[i].b)
	}

	for _, list := range [][]*program.Symbol{e.text, e.types, e.rodata, e.noptr, e.data} {
		for _, s := range list {
			if err := e.relocate(s); err != nil {
				return err
			}
		}
	}

	for _, s := range e.stubs {
		at := e.base[segText] + s.off + e.arch.jumpField
		e.relocs = append(e.relocs, payload.Reloc{Off: at, Type: e.arch.jumpType, Ref: s.ref, Addend: e.arch.jumpAdd})
	}

	for i := range e.p.Itabs {
		if at, used := e.got[i]; used {
			e.itabWord(e.base[segData]+at, i)
		}
	}

	for _, v := range e.values {
		if v.sym != nil {
			continue
		}

		t, ok := e.find(v.fn)
		if !ok || t.itab {
			return &PlanError{v.fn.Name, "is nowhere"}
		}

		if t.image {
			e.pointer(e.addr(v.at), t, 0)
		} else { // a func value is known by its relocation
			e.relocs = append(e.relocs, payload.Reloc{Off: e.addr(v.at), Type: e.arch.abs64, Ref: t.ref})
		}
	}

	e.module()

	return nil
}

func (e *emitter) itabWord(at uint64, i int) {
	ref := payload.Ref{Kind: payload.RefItab, Index: i, Name: e.p.Itabs[i].Name}
	e.relocs = append(e.relocs, payload.Reloc{Off: at, Type: e.arch.abs64, Ref: ref})
}

// pointer fills in a word with the address of a target that is no interface table.
func (e *emitter) pointer(at uint64, t target, add int64) {
	switch {
	case t.image:
		v := t.addr + uint64(add)
		le.PutUint64(e.image[at:], v)
		e.relocs = append(e.relocs, payload.Reloc{Off: at, Type: e.arch.relative, Ref: payload.Ref{Kind: payload.RefImage, Value: v}})
	case t.ref.Kind == payload.RefHost && !e.p.Base.ELF.PIE:
		le.PutUint64(e.image[at:], t.ref.Value+uint64(add))
	default:
		e.relocs = append(e.relocs, payload.Reloc{Off: at, Type: e.arch.abs64, Ref: t.ref, Addend: add})
	}
}

// relocate fills in the references of one symbol.
func (e *emitter) relocate(s *program.Symbol) error {
	method := 0

	for _, r := range s.Relocs() {
		if r.Marks() {
			continue
		}

		if r.Off < 0 || uint64(r.Off)+uint64(r.Size) > s.Size {
			return relocError(s, r, "outside of the symbol")
		}

		var err error

		if r.Type == goobj.MethodOff {
			err = e.method(s, r, method)
			method++
		} else {
			err = e.reference(s, r)
		}

		if err != nil {
			return err
		}
	}

	return nil
}

// method fills in one of the three fields of a method in a type's method table.
func (e *emitter) method(s *program.Symbol, r program.Reloc, n int) error {
	at := e.addr(e.at[s]) + uint64(r.Off)

	if n%3 == 0 {
		// Whether a type implements an interface is told by the types of its methods, and
		// needs none of their code.
		if _, ok := e.find(r.Sym); ok || e.kept(s, n/3) {
			return e.offset(s, r, at)
		}
	} else if e.kept(s, n/3) {
		off := e.at[r.Sym].off
		if !e.included[r.Sym] {
			off = e.stubOf[r.Sym].off
		}

		le.PutUint32(e.image[at:], uint32(off))

		return nil
	}

	le.PutUint32(e.image[at:], ^uint32(0))

	return nil
}

// offset fills in how far from the start of the types something is.
func (e *emitter) offset(s *program.Symbol, r program.Reloc, at uint64) error {
	t, ok := e.find(r.Sym)
	types := e.base[segRodata]

	switch {
	case r.Size != 4 || r.Sym == nil || r.Sym.IsText() || t.itab:
		return relocError(s, r, "no offset of a type or a name")
	case !ok && r.Weak:
		return nil
	case !ok:
		return relocError(s, r, "it is nowhere")
	case t.image && t.seg != segRodata:
		return relocError(s, r, "it isn't beside the types")
	case t.image:
		le.PutUint32(e.image[at:], uint32(t.addr-types)+uint32(r.Add))
	default:
		e.relocs = append(e.relocs, payload.Reloc{Off: at, Type: e.arch.pc32, Ref: t.ref, Addend: r.Add + int64(at-types)})
	}

	return nil
}

// reference fills in any other field.
func (e *emitter) reference(s *program.Symbol, r program.Reloc) error {
	at := e.addr(e.at[s]) + uint64(r.Off)

	switch r.Type {
	case goobj.AddrOff:
		return e.offset(s, r, at)
	case goobj.TLSLE, goobj.TLSIE, goobj.ARM64TLSLE:
		return e.threadLocal(s, r, at)
	case goobj.Addr:
		return e.address(s, r, at)
	}

	t, ok := e.find(r.Sym)
	if !ok && r.Weak && (r.Type == goobj.Call || r.Type == goobj.CallARM64) {
		t, ok = e.initNoop()
	}

	if !ok {
		return relocError(s, r, "it is nowhere")
	}

	fields := instruction(r.Type)
	if fields == nil || !s.IsText() && r.Type != goobj.PCRel {
		return relocError(s, r, "of a type that a payload can't have")
	}

	if t.itab {
		var (
			off uint64
			err error
		)

		if fields, off, err = e.loadItab(s, r, at); err != nil {
			return err
		}

		t = target{image: true, addr: e.base[segData] + e.got[t.index] + off}
		r.Add = 0
	}

	for _, f := range fields {
		x := payload.Reloc{Off: at + f.off, Type: f.typ, Ref: t.ref, Addend: r.Add + f.add}
		if !t.image {
			e.relocs = append(e.relocs, x)
			continue
		}

		if err := x.Apply(e.arch.name, e.image, 0, t.addr); err != nil {
			return relocError(s, r, err.Error())
		}
	}

	return nil
}

// initNoop is what a call to an initialiser that the linker left out leads to.
func (e *emitter) initNoop() (target, bool) {
	for _, n := range []string{"runtime.mapinitnoop", "runtime.mapinitnoop.abi0"} {
		if s, ok := e.p.Base.ELF.Lookup(n); ok {
			return target{ref: payload.Ref{Kind: payload.RefHost, Value: s.Addr, Name: n}}, true
		}
	}

	return target{}, false
}

func (e *emitter) address(s *program.Symbol, r program.Reloc, at uint64) error {
	t, ok := e.find(r.Sym)

	switch {
	case !ok && r.Weak:
		return nil
	case !ok:
		return relocError(s, r, "it is nowhere")
	case r.Size != 8 || s.IsText() || at%8 != 0:
		return relocError(s, r, "an address that isn't a word of data")
	case t.itab && (r.Add != 0 || e.at[s].seg != segData):
		return relocError(s, r, "an interface table whose address must be known before")
	case t.itab:
		e.itabWord(at, t.index)
	default:
		e.pointer(at, t, r.Add)
	}

	return nil
}

// field is a part of an instruction that is filled in.
type field struct {
	off uint64
	typ uint32
	add int64
}

// instruction gives the fields of a reference from code; nil is none that is known.
func instruction(t goobj.RelocType) []field {
	page := field{typ: payload.R_AARCH64_ADR_PREL_PG_HI21}

	switch t {
	case goobj.Call, goobj.PCRel:
		return []field{{typ: payload.R_X86_64_PC32, add: -4}}
	case goobj.CallARM64:
		return []field{{typ: payload.R_AARCH64_CALL26}}
	case goobj.AddrARM64:
		return []field{page, {off: 4, typ: payload.R_AARCH64_ADD_ABS_LO12_NC}}
	case goobj.ARM64PCRelLD8:
		return []field{page, {off: 4, typ: payload.R_AARCH64_LDST8_ABS_LO12_NC}}
	case goobj.ARM64PCRelLD16:
		return []field{page, {off: 4, typ: payload.R_AARCH64_LDST16_ABS_LO12_NC}}
	case goobj.ARM64PCRelLD32:
		return []field{page, {off: 4, typ: payload.R_AARCH64_LDST32_ABS_LO12_NC}}
	case goobj.ARM64PCRelLD64:
		return []field{page, {off: 4, typ: payload.R_AARCH64_LDST64_ABS_LO12_NC}}
	}

	return nil
}

// loadItab makes of an instruction that computes the address of an interface table one
// that loads it from a word, which is e.got's. One that loads the hash, to compare the type of
// a value, does that from behind the word.
func (e *emitter) loadItab(s *program.Symbol, r program.Reloc, at uint64) (fields []field, off uint64, _ error) {
	b := e.image

	switch {
	case r.Type == goobj.PCRel && r.Add == 0 && r.Off >= 3 && b[at-3]&0xf8 == 0x48 && b[at-2] == 0x8d && b[at-1]&0xc7 == 5:
		b[at-2] = 0x8b // LEAQ becomes MOVQ

		return instruction(goobj.PCRel), 0, nil
	case r.Type == goobj.AddrARM64 && r.Add == 0 && le.Uint32(b[at+4:])&0xffc00000 == 0x91000000:
		le.PutUint32(b[at+4:], 0xf9400000|le.Uint32(b[at+4:])&0x3ff) // ADD becomes LDR

		return instruction(goobj.ARM64PCRelLD64), 0, nil
	case r.Type == goobj.PCRel && r.Add == itabHash && r.Off >= 2 && b[at-2] == 0x8b && b[at-1]&0xc7 == 5, // MOVL
		r.Type == goobj.ARM64PCRelLD32 && r.Add == itabHash: // MOVWU
		return instruction(r.Type), itabHashWord, nil
	}

	return nil, 0, relocError(s, r, "an interface table of which more is read than its address and its hash")
}

// threadLocal fills in where the goroutine is kept. That depends on how the base was
// linked, and is the same wherever the base reads it.
func (e *emitter) threadLocal(s *program.Symbol, r program.Reloc, at uint64) error {
	if e.tls == nil && !e.findTLS() {
		return relocError(s, r, "where the program keeps it isn't known")
	}

	b := e.image

	switch {
	case r.Size != 4:
	case r.Type == goobj.TLSLE && s.IsText():
		le.PutUint32(b[at:], *e.tls)
		return nil
	case r.Type == goobj.TLSIE && s.IsText() && r.Off >= 3 && b[at-2] == 0x8b && b[at-1]&0xc7 == 5 && b[at-3]&^4 == 0x48:
		// MOVQ x(IP), R becomes MOVQ $x, R; the bit for the high registers moves.
		b[at-3] = 0x48 | b[at-3]>>2&1
		b[at-2], b[at-1] = 0xc7, 0xc0|b[at-1]>>3
		le.PutUint32(b[at:], *e.tls)

		return nil
	case r.Type == goobj.ARM64TLSLE && s.IsText():
		le.PutUint32(b[at:], le.Uint32(b[at:])&^(0xffff<<5)|*e.tls)
		return nil
	}

	return relocError(s, r, "an instruction that isn't known")
}

// findTLS reads from the base's code where goroutines are kept.
func (e *emitter) findTLS() bool {
	for _, s := range e.p.Base.Symbols {
		if !s.IsText() || !s.Linked || s.Layer > 0 {
			continue
		}

		for _, r := range s.Relocs() {
			if r.Size != 4 || r.Type != goobj.TLSLE && r.Type != goobj.TLSIE && r.Type != goobj.ARM64TLSLE || r.Off < 3 && r.Type == goobj.TLSIE {
				continue
			}

			b := e.p.Base.ELF.Bytes(s.Addr, s.Size)
			if b == nil || uint64(r.Off)+4 > s.Size || r.Type == goobj.TLSIE && b[r.Off-2] != 0xc7 {
				continue // or it is read from elsewhere
			}

			v := le.Uint32(b[r.Off:])
			if r.Type == goobj.ARM64TLSLE {
				v &= 0xffff << 5
			} else if int32(v) >= 0 || v == math.MaxUint32 {
				continue
			}

			e.tls = &v

			return true
		}
	}

	return false
}
