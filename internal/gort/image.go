package gort

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/vgraft/vgraft/internal/payload"
)

// Image is a payload in memory. All methods may be called from any goroutine.
type Image struct {
	proc  *Process
	file  *payload.File
	below []*Image // of Meta.Depends
	base  uint64
	size  uint64 // of what is mapped

	// Guarded by the lock of the Process.
	users  int // who loaded it, and images that are linked against it
	linked bool
	failed error // what happened when it was committed
	itabs  []uint64
}

// Mapped is how many bytes are mapped for it.
func (im *Image) Mapped() int { return int(im.size) }

// Load maps a payload that was made for this program, and is linked against those below, one
// for each of Meta.Depends. Nothing of the program changes, and Close takes it all back. The
// File is the Image's to keep.
//
// The error is ErrAddress, ErrContent, ErrMissing, ErrNoRoom or ErrNotSupported, or one of
// package payload.
func (p *Process) Load(f *payload.File, below ...*Image) (*Image, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	im := &Image{proc: p, file: f, below: below, users: 1, size: roundUp(f.Size(), uint64(os.Getpagesize()))}

	for i, id := range f.Meta.Depends {
		if i >= len(below) || below[i].file.ID != id || !slices.Contains(p.images, below[i]) {
			return nil, fmt.Errorf("%w: %s", ErrMissing, id)
		}
	}

	if err := im.check(); err != nil {
		return nil, err
	}

	used, err := regions()
	if err != nil {
		return nil, err
	}

	if err := p.checkRuntime(&f.Meta, used); err != nil {
		return nil, err
	}

	if _, err := p.pages(im.words(slices.Concat(f.Meta.Fixups, f.Meta.Words)), used); err != nil {
		return nil, err
	}

	if f.Meta.Target.Arch != runtime.GOARCH && len(f.Meta.Entries) > 0 {
		return nil, fmt.Errorf("%w: entries for %s", ErrNotSupported, f.Meta.Target.Arch)
	}

	base, err := p.reserve(used, im.size, im.floor())
	if err != nil {
		return nil, err
	}

	im.base = base

	if err = im.checkEntries(used); err == nil { // which the addresses are needed for
		err = im.place()
	}

	if err == nil {
		err = im.checkTypes(used)
	}

	if err == nil {
		err = im.checkMade()
	}

	if err != nil {
		_ = unmap(im.base, im.size) // it was mapped just so

		return nil, err
	}

	for _, b := range im.below {
		b.users++
	}

	p.images = append(p.images, im)
	p.mapped += int(im.size)

	return im, nil
}

// check holds all that the payload says of the program, as far as that can be seen.
func (im *Image) check() error {
	m := &im.file.Meta

	for _, a := range append(slices.Clone(m.Runtime.MadeTypes), m.Target.Text, m.Runtime.FirstModule, m.Runtime.LastModule, m.Runtime.ModulesSlice, m.Runtime.GetItab, m.Runtime.UnreachableMethod, m.Runtime.ItabTable) {
		if a != 0 && !im.proc.Holds(a, 8) {
			return fmt.Errorf("%w: %#x of the runtime", ErrAddress, a)
		}
	}

	ref := func(r payload.Ref, n uint64) error {
		if r.Kind == payload.RefHost && !im.proc.Holds(r.Value, n) || r.Kind == payload.RefPatch && !im.below[r.Index].holds(r.Value, n) {
			return fmt.Errorf("%w: %#x, %s", ErrAddress, r.Value, r.Name)
		}

		return nil
	}

	for _, r := range im.file.Relocs {
		if err := ref(r.Ref, 0); err != nil {
			return err
		}
	}

	for _, it := range m.Itabs {
		for _, r := range []payload.Ref{it.Inter, it.Type} {
			if err := ref(r, methodCount+8); r == it.Inter && err != nil {
				return err
			}

			if err := ref(r, 48); err != nil { // the size of a type's description
				return err
			}
		}
	}

	for _, e := range m.Expect {
		if err := ref(e.Addr, uint64(len(e.Bytes))); err != nil {
			return err
		}
	}

	ends := map[uint64]bool{}

	for _, w := range slices.Concat(m.Fixups, m.Words) {
		if err := ref(w.At, uint64(w.Size)); err != nil {
			return err
		}

		for at := im.resolve(w.At); at < im.resolve(w.At)+uint64(w.Size); at += 4 {
			if ends[at] {
				return fmt.Errorf("%w: %s is written twice", ErrAddress, w.Name)
			}

			ends[at] = true
		}
	}

	if _, err := im.missing(im.words(m.Fixups)); err != nil {
		return err
	}

	return present(im.wordsToBe())
}

// floor is the end of the highest of the images that this one is linked against. The runtime
// takes offsets from one of its types to one of theirs only if they are negative.
func (im *Image) floor() (end uint64) {
	for _, b := range im.below {
		end = max(end, b.base+b.size)
	}

	return end
}

// wordsToBe are the payload's words, which may also hold what they do before those below have
// written theirs: a payload can be loaded before they are applied.
func (im *Image) wordsToBe() []word {
	ws, at := im.words(im.file.Meta.Words), map[uint64]int{}

	for i, w := range ws {
		at[w.at] = i
	}

	for _, b := range im.below {
		for _, w := range b.words(b.file.Meta.Words) {
			if i, same := at[w.at]; same && w.size == ws[i].size {
				ws[i].old = append(ws[i].old, w.old...)
			}
		}
	}

	return ws
}

// textOf is where the offsets in a method table count from: the text of the program, or of the
// image below that the table is in.
func (im *Image) textOf(table payload.Ref) uint64 {
	if table.Kind == payload.RefPatch {
		b := im.below[table.Index]
		return b.base + b.file.Text.Addr
	}

	return im.file.Meta.Target.Text + im.proc.bias
}

// holds says whether the image has all of the n bytes at an offset.
func (im *Image) holds(at, n uint64) bool {
	f := im.file
	for _, s := range []payload.Segment{f.Text, f.Rodata, f.Data} {
		if (span{s.Addr, s.End()}).holds(at, n) {
			return true
		}
	}

	return false
}

// resolve gives the address of what a payload refers to.
func (im *Image) resolve(r payload.Ref) uint64 {
	switch r.Kind {
	case payload.RefHost:
		return r.Value + im.proc.bias
	case payload.RefPatch:
		return im.below[r.Index].base + r.Value
	case payload.RefItab:
		return im.itabs[r.Index]
	}

	return im.base + r.Value
}

// place relocates the image and maps it where it belongs.
func (im *Image) place() error {
	f := im.file
	image := make([]byte, f.Data.Addr+uint64(len(f.Data.Bytes)))

	for _, s := range []payload.Segment{f.Text, f.Rodata, f.Data} {
		copy(image[s.Addr:], s.Bytes)
	}

	for _, r := range f.Relocs {
		if r.Ref.Kind == payload.RefItab {
			continue // Commit knows them
		}

		if err := r.Apply(f.Arch, image, im.base, im.resolve(r.Ref)); err != nil {
			return fmt.Errorf("%w: %w", ErrAddress, err)
		}
	}

	page := uint64(os.Getpagesize())

	if err := mapText(im.base, image[:f.Text.End()]); err != nil {
		return err
	}

	for _, s := range []payload.Segment{f.Rodata, f.Data} {
		if s.Size == 0 {
			continue
		}

		from := s.Addr / page * page
		n := roundUp(s.End(), page) - from

		if err := protect(im.base+from, n, readWrite); err != nil {
			return err
		}

		copy(bytesAt(im.base+s.Addr, s.Size), image[s.Addr:][:len(s.Bytes)])

		if s.Addr != f.Data.Addr {
			if err := protect(im.base+from, n, readOnly); err != nil {
				return err
			}
		}
	}

	return nil
}

// Commit links the image into the runtime, which can't be undone: from here on it stays
// mapped until the process ends. It must be done before anything of the payload is called,
// and is done once: later calls give what the first gave. The error is ErrContent or
// ErrRuntime, or what the system says; then nothing of the payload may be called.
func (im *Image) Commit() error {
	for _, b := range im.below {
		if err := b.Commit(); err != nil {
			return err
		}
	}

	im.proc.mu.Lock()
	defer im.proc.mu.Unlock()

	if !im.linked {
		im.failed = im.commit()
	}

	return im.failed
}

func (im *Image) commit() error {
	p, m := im.proc, &im.file.Meta

	// All this may have changed since it was loaded, and nothing has happened yet.
	if _, err := im.missing(im.words(m.Fixups)); err != nil {
		return err
	}

	if err := im.checkMade(); err != nil {
		return err
	}

	link(im.base+m.Module.Addr, m.Module.Next, m.Runtime.FirstModule+p.bias, m.Runtime.LastModule+p.bias, m.Runtime.ModulesSlice+p.bias)
	p.linked = append(p.linked, im)
	im.linked = true

	if err := im.checkMade(); err != nil { // who was about to make one when it was linked
		return err
	}

	// Methods first: interface tables are built from them.
	var methods, tables []payload.Word

	for _, w := range m.Fixups {
		if w.Kind == payload.WordMethod {
			methods = append(methods, w)
		} else {
			tables = append(tables, w)
		}
	}

	if err := im.fix(methods); err != nil {
		return err
	}

	if err := im.tables(); err != nil {
		return err
	}

	return im.fix(tables)
}

// fix writes fixups.
func (im *Image) fix(ws []payload.Word) error {
	todo, err := im.missing(im.words(ws))
	if err == nil {
		_, err = im.proc.write(todo)
	}

	return err
}

// tables asks the runtime for the interface tables, and puts them where the image refers to
// them.
func (im *Image) tables() error {
	p, m := im.proc, &im.file.Meta
	pruned := []uint64{m.Runtime.UnreachableMethod + p.bias, m.Runtime.UnreachableMethod}

	var entries []word

	for _, it := range m.Itabs {
		inter, typ := im.resolve(it.Inter), im.resolve(it.Type)

		n := methodsOf(inter)
		if n < 1 || n > 1<<16 { // the runtime would end the process
			return fmt.Errorf("%w: %s: an interface of %d methods", ErrRuntime, it.Name, n)
		}

		tab := getitab(m.Runtime.GetItab+p.bias, inter, typ)
		if tab == 0 {
			return fmt.Errorf("%w: no %s", ErrRuntime, it.Name)
		}

		im.itabs = append(im.itabs, tab)

		for _, e := range it.New {
			if e.Index >= n {
				return fmt.Errorf("%w: %s has %d methods", ErrRuntime, it.Name, n)
			}

			w := word{name: it.Name, at: tab + itabFuncs + 8*uint64(e.Index), size: 8, old: pruned, new: im.base + e.Func}
			if slices.Contains(pruned, load(w.at, 8)) {
				entries = append(entries, w)
			}
		}
	}

	if _, err := p.write(entries); err != nil {
		return err
	}

	for _, r := range im.file.Relocs {
		if r.Ref.Kind == payload.RefItab {
			store(im.base+r.Off, 8, im.resolve(r.Ref))
		}
	}

	return nil
}

// Init runs the initialisers of the packages that the payload brings. The image must be
// committed. What they panic with is the caller's.
func (im *Image) Init() {
	for _, in := range im.file.Meta.Inits {
		for _, fn := range in.Funcs {
			call(im.base + fn)
		}
	}
}

// Has says whether a variable that the payload expects something of has these bytes, and
// what it has. It is read as it is, with no lock.
func (im *Image) Has(e payload.ExpectBytes) (found []byte, ok bool) {
	found = slices.Clone(bytesAt(im.resolve(e.Addr), uint64(len(e.Bytes))))

	return found, slices.Equal(found, e.Bytes)
}

// Close lets the image go, once. It is unmapped when no other one is linked against it,
// unless it was committed: the runtime has it in its lists, and strings, types and program
// counters of it may be anywhere. Then it is counted as retired.
func (im *Image) Close() {
	im.proc.mu.Lock()
	defer im.proc.mu.Unlock()

	if i := slices.Index(im.proc.images, im); i >= 0 {
		im.proc.images = slices.Delete(im.proc.images, i, i+1)
		im.release()
	}
}

// release counts a user less.
func (im *Image) release() {
	if im.users--; im.users > 0 {
		return
	}

	if im.linked {
		im.proc.retired += int(im.size)
	} else if unmap(im.base, im.size) == nil {
		im.proc.mapped -= int(im.size)
	}

	for _, b := range im.below {
		b.release()
	}
}
