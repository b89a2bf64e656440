package elfdiff

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/emit"
	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// PayloadOptions say what the payload is to be called.
type PayloadOptions struct {
	// Name is what operators will call the patch; empty is "fix-" and the beginning of a hash
	// of the fixed program's build id.
	Name string
}

// Payload makes the payload of the changes: a file that package patch loads, and that isn't
// signed yet. It is the same for the same builds, options and name, byte for byte. The error
// is that of Err, or ErrRefused for what is found out only now.
func (r *Report) Payload(o PayloadOptions) ([]byte, error) {
	if err := r.Err(); err != nil {
		return nil, err
	}

	p := r.analysis.plan(o)
	if p.Meta.Target.Anchor.Symbol == "" {
		return nil, fmt.Errorf("%w: it links no %s.NewEngine, which would load a payload", ErrRefused, patchPackage)
	}

	f, err := emit.Emit(p)

	var rel *emit.RelocError
	if errors.As(err, &rel) {
		return nil, fmt.Errorf("%w: %s: %w", ErrRefused, RefuseRelocation, err)
	}

	if err != nil {
		return nil, fmt.Errorf("elfdiff: payload: %w", err)
	}

	file, err := f.Marshal()
	if err != nil {
		return nil, fmt.Errorf("elfdiff: payload: %w", err)
	}

	return file, nil
}

// plan is what the payload has, as the mini linker wants it.
func (a *analysis) plan(o PayloadOptions) emit.Plan {
	base, fixed := a.buildInfo[0], a.buildInfo[1]

	anchor := a.anchor()

	if o.Name == "" {
		o.Name = "fix-" + shortID(fixed.BuildID)
	}

	p := emit.Plan{
		Base: a.base, GoVersion: base.Toolchain(),
		Include: a.included, Resolve: a.resolve, Hooks: a.hooks, Inits: a.inits,
		KeepMethod: func(t *program.Symbol, i int) bool {
			m := t.Methods()[i]
			return m.Kept() || !t.Linked || a.calledByHost(t, m.Ifn)
		},
		Meta: payload.Meta{
			Name: o.Name, Depends: a.report.Stack, Expect: a.expect,
			Target: payload.Target{
				BuildID: base.BuildID, GoVersion: base.GoVersion, Arch: base.Arch, PIE: base.PIE, Anchor: anchor,
			},
			Provenance: payload.Provenance{Module: fixed.Module(), Revision: fixed.Revision(), Toolchain: fixed.Toolchain(), Flags: fixed.Settings},
		},
	}

	for s := range a.newItabs {
		p.Itabs = append(p.Itabs, s)
	}

	slices.SortFunc(p.Itabs, func(x, y *program.Symbol) int { return strings.Compare(x.Name, y.Name) })

	for i, s := range a.slots {
		first := !slices.ContainsFunc(a.slots[:i], func(t slot) bool { return t.name == s.name })
		if a.bound[s.name] && first {
			p.Slots = append(p.Slots, emit.Slot{Name: s.name, Impl: s.impl.Name, Func: a.inFixed(s.impl)})
		}
	}

	for _, at := range slices.SortedFunc(keysOf(a.words), place.compare) {
		w := a.words[at]
		if wp := a.wordPlan(at, w); w.fixed {
			p.Fixups = append(p.Fixups, wp)
		} else {
			p.Words = append(p.Words, wp)
		}
	}

	for _, f := range a.report.Functions {
		p.Meta.Changes = append(p.Meta.Changes, payload.Change{Symbol: f.Function, Reason: f.Reason})
	}

	for _, x := range a.report.Accepted {
		p.Meta.Accepted = append(p.Meta.Accepted, x.ID())
	}

	return p
}

// patchPackage is what a program must have linked to be patched.
const patchPackage = "github.com/vgraft/vgraft/patch"

// anchor is a function of package patch: where it is in the process tells where all else is.
func (a *analysis) anchor() (found payload.Anchor) {
	for _, s := range a.base.Symbols {
		if s.Linked && s.Layer == 0 && s.IsText() && !isShared(s) && s.Package() == patchPackage && strings.HasPrefix(s.Name, patchPackage+".New") &&
			(found.Symbol == "" || s.Name < found.Symbol) {
			found = payload.Anchor{Symbol: s.Name, Addr: s.Addr}
		}
	}

	return found
}

// wordPlan says what a word holds now, and what it is to hold.
func (a *analysis) wordPlan(at place, w word) emit.WordPlan {
	p := emit.WordPlan{
		Kind: w.kind, Name: w.name, Size: w.size, New: w.new, At: at.ref(w.name),
	}

	switch b := a.stack.Bytes(at.layer, at.addr, uint64(w.size)); {
	case w.old != nil && at.layer > 0 && w.size == 4 && a.stack.Jump(at.layer, binary.LittleEndian.Uint32(b)) == w.old:
		to := place{at.layer, a.stack.Text(at.layer) + uint64(binary.LittleEndian.Uint32(b))}
		p.Old = []payload.Value{{Ref: to.ref(w.old.Name)}}
	case w.old != nil:
		p.Old = []payload.Value{{Ref: refTo(w.old)}}
	case w.size == 4:
		p.Old = []payload.Value{{Const: uint64(binary.LittleEndian.Uint32(b))}}
	default:
		v := binary.LittleEndian.Uint64(b)

		p.Old = []payload.Value{{Const: v}}
		if v != 0 { // the address of what throws; position-independent programs may have it unrelocated
			if at := a.base.ELF.At(v); len(at) > 0 {
				p.Old = append(p.Old, payload.Value{Ref: payload.Ref{Kind: payload.RefHost, Value: v, Name: at[0].Name}})
			}
		}
	}

	if t := w.new; t.IsType() { // a type of the process, by its offset
		p.New, p.Const = nil, uint64(uint32(a.inBase(t).Addr-a.base.ELF.Types))
	}

	p.Same = w.fixed && a.ownSource(w.new, map[*program.Symbol]bool{})

	return p
}

// ownSource says whether a function of the payload, and all that it leads to there, is as the
// base's source has it: the linker left it out of the program, and that is all.
func (a *analysis) ownSource(f *program.Symbol, seen map[*program.Symbol]bool) bool {
	if seen[f] || !a.isIncluded[f] {
		return true
	}

	seen[f] = true

	if f.IsVar() && !f.IsTemp() {
		return false // each payload has its own
	}

	if b := a.inBase(f); f.IsText() && (b == nil || !b.Defined() || a.stale[b] != nil || !a.same(b, f)) {
		return false
	}

	for _, r := range f.Relocs() {
		if r.Sym != nil && !r.Marks() && !a.ownSource(r.Sym, seen) {
			return false
		}
	}

	return true
}

func shortID(id string) string {
	h := sha256.Sum256([]byte(id))
	return hex.EncodeToString(h[:6])
}
